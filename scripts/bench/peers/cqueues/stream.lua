-- Several coroutines send to one: million messages per second. They give way now and then.
package.path = arg[0]:match("^(.*)/") .. "/?.lua;" .. package.path
local cqueues, channel = require "cqueues", require "channel"
local senders = tonumber(arg[2]) or 4
local each = (tonumber(arg[1]) or 1000000) // senders

local controller, sink = cqueues.new(), channel.new()
controller:wrap(function()
  for _ = 1, each * senders do sink:get() end
end)
for _ = 1, senders do
  controller:wrap(function()
    for i = 1, each do
      sink:put(i)
      if i % 1000 == 0 then cqueues.sleep(0) end
    end
  end)
end
local started = cqueues.monotime()
assert(controller:loop())
print(each * senders / (cqueues.monotime() - started) / 1e6)
