-- A number goes round a ring of coroutines: nanoseconds per hop.
package.path = arg[0]:match("^(.*)/") .. "/?.lua;" .. package.path
local cqueues, channel = require "cqueues", require "channel"
local hops = tonumber(arg[1]) or 300000
local size = tonumber(arg[2]) or 503

local controller, ring, over = cqueues.new(), {}, false
for i = 1, size do ring[i] = channel.new() end
for i = 1, size do
  local own, following = ring[i], ring[i % size + 1]
  controller:wrap(function()
    while true do
      local left = own:get()
      if left == 0 then over = true return end
      following:put(left - 1)
    end
  end)
end
local started = cqueues.monotime()
ring[1]:put(hops)
while not over do assert(controller:step()) end
print((cqueues.monotime() - started) / hops * 1e9)
