-- What the benchmarks have in common. Each prints one number, and nothing else, on its last line.
local common = {}

-- Seconds on a clock that only goes forward.
function common.now() return lwkt.sys.clock_gettime("monotonic") end

-- The process's resident memory, in bytes.
function common.resident()
  local file <close> = assert(io.open("/proc/self/statm"))
  file:read("n")
  return file:read("n") * 4096
end

-- The most resident memory the process ever had, in bytes.
function common.peak()
  for line in io.lines("/proc/self/status") do
    local kilobytes = line:match("^VmHWM:%s*(%d+)")
    if kilobytes then return math.tointeger(kilobytes) * 1024 end
  end
end

-- Seconds that `fn(...)` takes.
function common.seconds(fn, ...)
  local started = common.now()
  fn(...)
  return common.now() - started
end

-- Join a thread that must have ended well; its results.
function common.join(td)
  local results = table.pack(td:join())
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

return common
