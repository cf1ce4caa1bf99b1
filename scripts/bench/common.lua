-- What the benchmarks have in common. Each is a program of its own, with counts as arguments, and
-- prints its figures on its last line, in the order in which `workloads.lua` lists them.
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

-- Seconds in which `count` threads, all there before, run `fn(index, ...)`: from the signal to start
-- until the last has come to its end. The signal is a message to each, and the end an addition.
function common.race(count, fn, ...)
  local ready, finished, over = lwkt.shared.counter(), lwkt.shared.counter(), lwkt.port()
  local function body(index, ...)
    ready:add(1)
    lwkt.recv()
    fn(index, ...)
    if finished:add(1) == count then over:send(lwkt.sys.clock_gettime("monotonic")) end
    lwkt.recv()
  end
  local threads = {}
  for i = 1, count do threads[i] = lwkt.create({ daemon = true }, body, i, ...) end
  while ready:get() < count do lwkt.sleep(0.001) end
  local started = common.now()
  for i = 1, count do threads[i]:send(true) end
  return over:recv() - started
end

return common
