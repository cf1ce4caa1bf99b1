-- Coroutines that sleep between 0 and 1 s: seconds until the last has woken, seconds of processor
-- time, and how many milliseconds the latest was late.
local cqueues = require "cqueues"
local count = tonumber(arg[1]) or 100000

local controller, latest = cqueues.new(), 0
local started = cqueues.monotime()
for i = 1, count do
  controller:wrap(function()
    local pause = i * 7919 % 1000 / 1000
    local due = cqueues.monotime() + pause
    cqueues.sleep(pause)
    latest = math.max(latest, cqueues.monotime() - due)
  end)
end
assert(controller:loop())
print(cqueues.monotime() - started, os.clock(), latest * 1e3)
