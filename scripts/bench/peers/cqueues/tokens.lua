-- A mutex made of a condition variable, taken and released: nanoseconds each time.
local cqueues, condition = require "cqueues", require "cqueues.condition"
local times = tonumber(arg[1]) or 2000000

local mutex = { held = false, free = condition.new() }
function mutex:lock()
  while self.held do self.free:wait() end
  self.held = true
end
function mutex:unlock()
  self.held = false
  self.free:signal(1)
end

local controller, sum = cqueues.new(), 0
controller:wrap(function()
  for _ = 1, times do
    mutex:lock()
    sum = sum + 1
    mutex:unlock()
  end
end)
local started = cqueues.monotime()
assert(controller:loop())
print((cqueues.monotime() - started) / times * 1e9)
