-- Coroutines that sleep between 0 and 1 s, each with a timer: seconds until the last has woken,
-- seconds of processor time, and how many milliseconds the latest was late.
local uv = require "luv"
local count = tonumber(arg[1]) or 100000

local function sleep(milliseconds)
  local thread, timer = coroutine.running(), uv.new_timer()
  timer:start(milliseconds, 0, function()
    timer:close()
    coroutine.resume(thread)
  end)
  coroutine.yield()
end

local started, latest = uv.hrtime(), 0
for i = 1, count do
  coroutine.wrap(function()
    local pause = i * 7919 % 1000
    local due = uv.hrtime() + pause * 1000000
    sleep(pause)
    latest = math.max(latest, uv.hrtime() - due)
  end)()
end
uv.run()
print((uv.hrtime() - started) / 1e9, os.clock(), latest / 1e6)
