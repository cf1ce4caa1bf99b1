-- Threads that sleep between 0 and 1 s: seconds until the last has woken, seconds of processor time,
-- and how many milliseconds the latest was late.
--
--   sleeps.lua [threads]
local common = require "common"
local count = tonumber(arg[1]) or 100000

local started = common.now()
local threads = {}
for i = 1, count do
  threads[i] = lwkt.create(function(seconds)
    local now = lwkt.sys.clock_gettime
    local due = now("monotonic") + seconds
    lwkt.sleep(seconds)
    return now("monotonic") - due
  end, i * 7919 % 1000 / 1000)
end
local latest = 0
for i = 1, count do latest = math.max(latest, common.join(threads[i])) end
print(common.now() - started, os.clock(), latest * 1e3)
