-- The signal of preemption at any moment, thousands of times a second: whoever computes lets go of its
-- worker all the same, and goes on after it.
local check = require "check"

local seconds = 8
for _ = 1, 2 do
  lwkt.create({ daemon = true, cpu = 0 }, function()
    local list = {}
    while true do list[#list % 1000 + 1] = {} end
  end)
end

local now = lwkt.sys.clock_gettime
local ends = now() + seconds
-- From outside, since nobody inside can. A turn is long enough that the signal meets it at work.
local storm = io.popen(([[perl -e 'my $end = time + %d;
  while (time < $end && kill("URG", %d)) { select(undef, undef, undef, 0.00002) }' 2>&1]]):format(
  seconds, lwkt.sys.getpid()))
check.join(lwkt.create({ cpu = 0 }, function()
  while now() < ends do lwkt.sleep(0.0005) end
end))
storm:close()
check.done()
