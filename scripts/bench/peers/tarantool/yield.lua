-- Fibers that give way to each other: nanoseconds per switch.
local clock, fiber = require "clock", require "fiber"
local switches = tonumber(arg[1]) or 1000000
local threads = tonumber(arg[2]) or 2

local each, all = math.floor(switches / threads), {}
local started = clock.monotonic()
for i = 1, threads do
  all[i] = fiber.new(function()
    for _ = 1, each do fiber.yield() end
  end)
  all[i]:set_joinable(true)
end
for i = 1, threads do all[i]:join() end
print((clock.monotonic() - started) / (each * threads) * 1e9)
os.exit(0)
