-- Requests and their replies, one coroutine serves: nanoseconds per request.
package.path = arg[0]:match("^(.*)/") .. "/?.lua;" .. package.path
local cqueues, channel = require "cqueues", require "channel"
local clients = tonumber(arg[2]) or 1
local each = (tonumber(arg[1]) or 300000) // clients

local controller, requests = cqueues.new(), channel.new()
controller:wrap(function()
  for _ = 1, each * clients do
    local request = requests:get()
    request.answer:put(request[1])
  end
end)
for _ = 1, clients do
  controller:wrap(function()
    local answer = channel.new()
    for i = 1, each do
      requests:put { i, answer = answer }
      answer:get()
    end
  end)
end
local started = cqueues.monotime()
assert(controller:loop())
print((cqueues.monotime() - started) / (each * clients) * 1e9)
