-- A number goes round a ring of fibers: nanoseconds per hop.
local clock, fiber = require "clock", require "fiber"
local hops = tonumber(arg[1]) or 1000000
local size = tonumber(arg[2]) or 503

local ring, done = {}, fiber.channel(1)
for i = 1, size do ring[i] = fiber.channel(1) end
for i = 1, size do
  local own, following = ring[i], ring[i % size + 1]
  fiber.create(function()
    while true do
      local left = own:get()
      if left == 0 then done:put(true) else following:put(left - 1) end
    end
  end)
end
local started = clock.monotonic()
ring[1]:put(hops)
done:get()
print((clock.monotonic() - started) / hops * 1e9)
os.exit(0)
