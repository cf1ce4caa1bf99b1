-- A coroutine made, run and waited for, and so on: microseconds each.
local cqueues, condition = require "cqueues", require "cqueues.condition"
local count = tonumber(arg[1]) or 100000

local controller = cqueues.new()
controller:wrap(function()
  local ended = condition.new()
  for _ = 1, count do
    controller:wrap(function() ended:signal() end)
    ended:wait()
  end
end)
local started = cqueues.monotime()
assert(controller:loop())
print((cqueues.monotime() - started) / count * 1e6)
