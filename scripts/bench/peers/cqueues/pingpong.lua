-- A value there and back between two coroutines: nanoseconds per round trip.
package.path = arg[0]:match("^(.*)/") .. "/?.lua;" .. package.path
local cqueues, channel = require "cqueues", require "channel"
local rounds = tonumber(arg[1]) or 200000

local controller, there, back = cqueues.new(), channel.new(), channel.new()
controller:wrap(function()
  for _ = 1, rounds do back:put(there:get()) end
end)
controller:wrap(function()
  for i = 1, rounds do
    there:put(i)
    back:get()
  end
end)
local started = cqueues.monotime()
assert(controller:loop())
print((cqueues.monotime() - started) / rounds * 1e9)
