-- Requests and their replies, one fiber serves: nanoseconds per request.
local clock, fiber = require "clock", require "fiber"
local requests = tonumber(arg[1]) or 300000
local clients = tonumber(arg[2]) or 1

local asked = fiber.channel(16)
fiber.create(function()
  while true do
    local request = asked:get()
    request[2]:put(request[1])
  end
end)
local each, all = math.floor(requests / clients), {}
local started = clock.monotonic()
for i = 1, clients do
  all[i] = fiber.new(function()
    local answer = fiber.channel(1)
    for n = 1, each do
      asked:put { n, answer }
      answer:get()
    end
  end)
  all[i]:set_joinable(true)
end
for i = 1, clients do all[i]:join() end
print((clock.monotonic() - started) / (each * clients) * 1e9)
os.exit(0)
