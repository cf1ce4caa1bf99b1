-- Coroutines of a controller that give way to each other: nanoseconds per switch.
local cqueues = require "cqueues"
local switches = tonumber(arg[1]) or 500000
local threads = tonumber(arg[2]) or 2

local each = switches // threads
local controller = cqueues.new()
for _ = 1, threads do
  controller:wrap(function()
    for _ = 1, each do cqueues.sleep(0) end
  end)
end
local started = cqueues.monotime()
assert(controller:loop())
print((cqueues.monotime() - started) / (each * threads) * 1e9)
