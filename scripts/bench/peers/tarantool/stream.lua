-- Several fibers send to one: million messages per second.
local clock, fiber = require "clock", require "fiber"
local senders = tonumber(arg[2]) or 4
local each = math.floor((tonumber(arg[1]) or 2000000) / senders)

local sink = fiber.channel(1024)
local started = clock.monotonic()
for _ = 1, senders do
  fiber.create(function()
    for i = 1, each do sink:put(i) end
  end)
end
for _ = 1, each * senders do sink:get() end
print(each * senders / (clock.monotonic() - started) / 1e6)
os.exit(0)
