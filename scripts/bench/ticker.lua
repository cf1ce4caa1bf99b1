-- A thread that wakes every millisecond next to threads that compute all the time: how late it was
-- in the middle, one time in a hundred, and at worst, in milliseconds.
--
--   ticker.lua [ticks] [hogs]
local common = require "common"
local ticks = tonumber(arg[1]) or 1000
local hogs = tonumber(arg[2]) or 4

for _ = 1, hogs do
  lwkt.create({ daemon = true }, function()
    local n = 0
    while true do n = n + 1 end
  end)
end

local late = common.join(lwkt.create(function()
  local late, due = {}, common.now()
  for i = 1, ticks do
    due = due + 0.001
    lwkt.sleep(math.max(due - common.now(), 0))
    local now = common.now()
    late[i] = (now - due) * 1e3
    if now > due + 0.001 then due = now end
  end
  return late
end))
table.sort(late)
print(late[#late // 2], late[#late - #late // 100], late[#late])
os.exit(0)
