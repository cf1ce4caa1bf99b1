-- Count the words in files, and in all files below directories, with a thread for each of them.
--
--   lwkt-lua wordcount.lua path...
--
-- There may be far more threads than the system allows open files: whoever wants to open one first
-- takes a permit out of a port and puts it back later. All others wait, which costs nearly nothing.
local sys = lwkt.sys
local chunk_size = 64 * 1024

local permits = lwkt.port()
for _ = 1, 200 do permits:send(true) end

local function with_permit(fn, ...)
  permits:recv()
  local permit <close> = setmetatable({}, { __close = function() permits:send(true) end })
  return fn(...)
end

-- Words in a file, or nil and why it cannot be read. A word may be cut by the end of a chunk.
local function count_words(path)
  local fd, err = sys.open(path, "r")
  if not fd then return nil, err end
  local file <close> = setmetatable({}, { __close = function() sys.close(fd) end })
  local words, inside = 0, false
  while true do
    local text, why = sys.read(fd, chunk_size)
    if not text then return nil, why end
    if text == "" then return words end
    local _, found = text:gsub("%S+", "")
    if inside and text:find("^%S") then found = found - 1 end
    words, inside = words + found, text:find("%S$") ~= nil
  end
end

local visit

-- A thread for each of these; what they have found, added up.
local function visit_all(entries)
  local total = { files = 0, words = 0, threads = #entries, failed = 0 }
  local threads = {}
  for i, entry in ipairs(entries) do threads[i] = lwkt.create(visit, entry.path, entry.type) end
  for _, td in ipairs(threads) do
    local ok, found = td:join()
    if not ok then error(found, 0) end
    for what, n in pairs(found) do total[what] = total[what] + n end
  end
  return total
end

function visit(path, kind)
  if kind ~= "file" and kind ~= "directory" then return {} end
  local result, err = with_permit(kind == "file" and count_words or sys.readdir, path)
  if not result then
    io.stderr:write(path, ": ", err, "\n")
    return { failed = 1 }
  end
  if kind == "file" then return { files = 1, words = result } end
  for _, entry in ipairs(result) do entry.path = path .. "/" .. entry.name end
  return visit_all(result)
end

if #arg == 0 then
  io.stderr:write("usage: lwkt-lua wordcount.lua path...\n")
  os.exit(2)
end
local started, entries = sys.clock_gettime("monotonic"), {}
for i, path in ipairs(arg) do
  local info = sys.stat(path)
  -- What is not there at all fails when it is opened, like any other file.
  entries[i] = { path = path, type = info and info.type or "file" }
end
local found = visit_all(entries)
local seconds, switches = sys.clock_gettime("monotonic") - started, 0
for _, worker in ipairs(lwkt.stat()) do switches = switches + worker.switches end

print(("%d words in %d files, %d not readable"):format(found.words, found.files, found.failed))
print(("%d threads, %d workers, %d context switches, %.3f s"):format(found.threads, lwkt.ncpus(),
  switches, seconds))
