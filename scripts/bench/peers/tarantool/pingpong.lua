-- A value there and back between two fibers: nanoseconds per round trip.
local clock, fiber = require "clock", require "fiber"
local rounds = tonumber(arg[1]) or 500000

local there, back = fiber.channel(1), fiber.channel(1)
fiber.create(function()
  while true do back:put(there:get()) end
end)
local started = clock.monotonic()
for i = 1, rounds do
  there:put(i)
  back:get()
end
print((clock.monotonic() - started) / rounds * 1e9)
os.exit(0)
