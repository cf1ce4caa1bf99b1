-- How many instructions the hot paths take, counted by valgrind and compared with what is written
-- down in `counts.txt`.
--
--   lua5.4 scripts/bench/counts.lua [--renew] path/to/lwkt-lua [build folder]
--
-- Fails when an operation takes more than a tenth more than is written. `--renew` writes down what it
-- takes now. Counts do not depend on what else the machine does, nor much on the machine: an operation
-- is done n times and 2n times, on one worker, and what is more in the second run is divided by n, so
-- that neither start nor end counts.
--
-- In the same way it counts the calls of Swift's runtime that have no place on a hot path: references
-- taken and given back, objects allocated, exclusive access checked, things made at first use, casts
-- and conformances looked up. It fails when an operation does one.
local here = arg[0]:match("^(.*)/[^/]*$") or "."
package.path = here .. "/?.lua;" .. package.path
local measure = require "measure"
local quote = measure.quote

local renews, words = false, {}
for _, word in ipairs(arg) do
  if word == "--renew" then renews = true else words[#words + 1] = word end
end
local command, build = words[1] or "lwkt-lua", words[2] or ".build/bench"
local written = here .. "/counts.txt"

-- Name and how often at least.
local operations = {
  { "switch", 40000 },
  { "send+receive", 20000 },
  { "request+reply", 5000 },
  { "create", 3000 },
  { "create sharing", 3000 },
  { "token get+release", 100000 },
  { "counter add", 100000 },
}

if not measure.succeeds("command -v valgrind") then
  print("counts.lua: valgrind is not installed, nothing is counted")
  return
end

-- Valgrind does not understand the command's debugging information: a copy without.
assert(os.execute("mkdir -p " .. quote(build)))
local copy = build .. "/counted"
assert(os.execute(("strip --strip-debug -o %s %s"):format(quote(copy), quote(command))))

local runtime = {}
for name in ([[retain release retain_n release_n bridgeObjectRetain bridgeObjectRelease
  unknownObjectRetain unknownObjectRelease allocObject deallocClassInstance isUniquelyReferenced_native
  beginAccess endAccess once dynamicCast dynamicCastClass conformsToProtocol getWitnessTable
  getGenericMetadata allocError]]):gmatch("%S+") do
  runtime["swift_" .. name] = true
end

-- How often those were called, from valgrind's file: a function is named where its number is first used.
local function runtime_calls(file)
  local names, calls, callee = {}, 0, nil
  for line in io.lines(file) do
    local number, name = line:match("^c?fn=%((%d+)%) ?(.*)$")
    if number then
      if name ~= "" then names[number] = name:gsub("'%d+$", "") end
      callee = names[number]
    elseif runtime[callee] then
      calls = calls + (tonumber(line:match("^calls=(%d+)")) or 0)
    end
  end
  return calls
end

-- The instructions of a run, and the calls of Swift's runtime.
local function count(name, times)
  local file = os.tmpname()
  local pipe = assert(io.popen(("env SWIFT_DETERMINISTIC_HASHING=1 LC_ALL=C valgrind --tool=callgrind"
    .. " --callgrind-out-file=%s %s --workers 1 %s/operations.lua %s %d 2>&1"):format(file, quote(copy),
      here, quote(name), times)))
  local said = pipe:read("a")
  local ok = pipe:close()
  local calls = runtime_calls(file)
  os.remove(file)
  local instructions = said:match("Collected : (%d+)")
  if not ok or not instructions then
    error(("counts.lua: %s does not run under valgrind:\n%s"):format(name, said), 0)
  end
  return tonumber(instructions), calls
end

local expected = {}
for line in io.lines(written) do
  local name, instructions = line:match("^([^#].-)%s%s+(%d+)$")
  if name then expected[name] = tonumber(instructions) end
end

local lines, grown, fallen, callers = {}, false, false, {}
print(("%-20s %8s %8s"):format("instructions", "now", "written"))
for _, operation in ipairs(operations) do
  local name, times = table.unpack(operation)
  local once, calls_once = count(name, times)
  local twice, calls_twice = count(name, 2 * times)
  local now = math.floor((twice - once) / times + 0.5)
  -- What happens now and then, such as making room for more of something, is not the operation's.
  local calls = (calls_twice - calls_once) / times
  if calls > 0.5 then callers[#callers + 1] = ("%s (%.1f)"):format(name, calls) end
  local before = expected[name]
  lines[#lines + 1] = ("%-20s %8d"):format(name, now)
  local remark = ""
  if not before then
    remark = "  not written down"
    grown = true
  else
    local percent = (now / before - 1) * 100
    remark = ("  %+.1f %%"):format(percent)
    grown = grown or percent > 10
    fallen = fallen or percent < -10
  end
  print(lines[#lines] .. (" %8s"):format(before or "") .. remark)
end

if renews then
  local file <close> = assert(io.open(written, "w"))
  file:write("# Instructions per operation. Written by `make counts-renew`, checked by `make counts`.\n",
    table.concat(lines, "\n"), "\n")
elseif grown then
  io.stderr:write("counts.lua: an operation takes over 10 % more instructions than ", written,
    " says.\nIf that is the price of something worth it, say so and run `make counts-renew`.\n")
  os.exit(1)
elseif fallen then
  print("An operation takes over 10 % less than is written: run `make counts-renew` to keep it so.")
end
if #callers > 0 then
  io.stderr:write("counts.lua: calls of Swift's runtime on a hot path: ", table.concat(callers, ", "), "\n")
  os.exit(1)
end
print("calls of Swift's runtime in an operation: none")
