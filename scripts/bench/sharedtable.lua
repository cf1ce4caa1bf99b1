-- Threads that set a field of one shared table and get another: nanoseconds for both.
--
--   sharedtable.lua [times] [threads]
local common = require "common"
local times = tonumber(arg[1]) or 500000
local threads = tonumber(arg[2]) or 8

local tab = lwkt.shared.table()
local each = times // threads
print(common.race(threads, function(index)
  for i = 1, each do
    tab:set(index * 1000 + i % 1000, i)
    local _ = tab:get(i % 1000)
  end
end) / (each * threads) * 1e9)
os.exit(0)
