-- 100 000 threads that sleep between 0 and 1 s: seconds until the last has woken, or with `late` as
-- second argument how many milliseconds the latest was late.
local common = require "common"
local count = tonumber(arg[1]) or 100000

local started = common.now()
local threads = {}
for i = 1, count do
  threads[i] = lwkt.create(function(seconds)
    local due = common.now() + seconds
    lwkt.sleep(seconds)
    return common.now() - due
  end, i * 7919 % 1000 / 1000)
end
local latest = 0
for i = 1, count do latest = math.max(latest, common.join(threads[i])) end
print(arg[2] == "late" and latest * 1e3 or common.now() - started)
