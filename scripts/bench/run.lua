-- Run the benchmarks and print a table: medians of five, with the best and the worst run.
--
--   lua5.4 scripts/bench/run.lua path/to/lwkt-lua [name...]
--
-- Where two things are compared, they run in turn, and the ratio is that of their medians: absolute
-- figures change from machine to machine and from hour to hour, ratios much less.
local command = arg[1] or "lwkt-lua"
local chosen = {}
for i = 2, #arg do chosen[arg[i]] = true end
local runs = 5

local here = arg[0]:match("^(.*)/[^/]*$") or "."
local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local function lwkt(workers, script, ...)
  local words = { "LUA_PATH=" .. quote(here .. "/?.lua;;"), quote(command), "--workers",
    tostring(workers), quote(here .. "/" .. script .. ".lua"), ... }
  return table.concat(words, " ")
end

local function stock(script) return "lua5.4 " .. quote(here .. "/" .. script .. ".lua") end

-- The number on the last line of what `line` prints, or nil and how it failed.
local function measure(line)
  local pipe = assert(io.popen(line .. " 2>&1"))
  local last
  for text in pipe:lines() do last = text end
  local ok, _, status = pipe:close()
  if not ok then return nil, ("status %s, %s"):format(status, last) end
  return tonumber(last), last
end

-- Starts `program` a hundred times and prints the microseconds each took.
local function startup(program)
  return "bash -c " .. quote("a=$(date +%s%N); for i in {1..100}; do " .. program
    .. " -e ''; done; b=$(date +%s%N); echo $(((b - a) / 100000))")
end

-- name, unit, what to run, and what to compare it with: the ratio is first / second.
local benchmarks = {
  { "yield", "ns", lwkt(1, "yield") },
  { "pingpong 1 worker", "ns", lwkt(1, "pingpong") },
  { "pingpong 2 workers", "ns", lwkt(2, "pingpong") },
  { "ring 1 worker", "ns", lwkt(1, "ring") },
  { "ring 2 workers", "ns", lwkt(2, "ring") },
  { "stream 1 worker", "M/s", lwkt(1, "stream") },
  { "stream 2 workers", "M/s", lwkt(2, "stream") },
  { "create and join", "us", lwkt(1, "create") },
  { "the same, sharing", "us", lwkt(1, "create", 300000, "sharing") },
  { "crowd 1 worker", "us", lwkt(1, "crowd") },
  { "crowd 2 workers", "us", lwkt(2, "crowd") },
  { "memory per thread", "bytes", lwkt(1, "memory") },
  { "compute, 1 / 2 workers", "s", lwkt(1, "compute"), lwkt(2, "compute") },
  { "sleeps, wall", "s", lwkt(2, "sleeps") },
  { "sleeps, latest", "ms", lwkt(2, "sleeps", 100000, "late") },
  { "tree 1 worker", "s", lwkt(1, "tree") },
  { "tree 2 workers", "s", lwkt(2, "tree") },
  { "tree, peak memory", "MB", lwkt(2, "tree", "peak") },
  { "start-up, lwkt / lua", "us", startup(command), startup("lua5.4") },
}
for _, name in ipairs { "fib", "nbody", "spectral", "string", "sort" } do
  local script = "sequential/" .. name
  table.insert(benchmarks, { name .. ", lwkt / lua", "s", lwkt(1, script), stock(script) })
end

local function median(numbers)
  table.sort(numbers)
  return numbers[(#numbers + 1) // 2]
end

local function row(...) print(("%-24s %-8s %10s %10s %10s %10s %8s"):format(...)) end
local function show(number) return ("%.4g"):format(number) end

row("workload", "unit", "median", "best", "worst", "against", "ratio")
local failed = false
for _, benchmark in ipairs(benchmarks) do
  local name, unit, first, second = table.unpack(benchmark)
  if not next(chosen) or chosen[name:match("%w+")] then
    local ours, theirs, failure = {}, {}, nil
    for _ = 1, runs do
      local number, why = measure(first)
      if not number then
        failure = why
        break
      end
      table.insert(ours, number)
      if second then table.insert(theirs, (assert(measure(second)))) end
    end
    if failure then
      failed = true
      print(("%-24s failed: %s"):format(name, failure))
    else
      local middle = median(ours)
      local best, worst = ours[1], ours[#ours]
      if unit == "M/s" then best, worst = worst, best end
      local against = second and median(theirs)
      row(name, unit, show(middle), show(best), show(worst), against and show(against) or "",
        against and ("%.3f"):format(middle / against) or "")
    end
  end
end
os.exit(not failed)
