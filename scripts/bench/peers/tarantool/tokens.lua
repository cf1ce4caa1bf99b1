-- A channel with room for one as a mutex, taken and released: nanoseconds each time.
local clock, fiber = require "clock", require "fiber"
local threads = tonumber(arg[2]) or 1
local each = math.floor((tonumber(arg[1]) or 2000000) / threads)

local mutex, sum, all = fiber.channel(1), 0, {}
local started = clock.monotonic()
for i = 1, threads do
  all[i] = fiber.new(function()
    for _ = 1, each do
      mutex:put(true)
      sum = sum + 1
      mutex:get()
    end
  end)
  all[i]:set_joinable(true)
end
for i = 1, threads do all[i]:join() end
print((clock.monotonic() - started) / (each * threads) * 1e9)
os.exit(0)
