-- Coroutines made, then run to their ends: microseconds each.
local cqueues = require "cqueues"
local count = tonumber(arg[1]) or 100000

local controller = cqueues.new()
local started = cqueues.monotime()
for _ = 1, count do controller:wrap(function() end) end
assert(controller:loop())
print((cqueues.monotime() - started) / count * 1e6)
