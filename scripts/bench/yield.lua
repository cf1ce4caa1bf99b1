-- Threads that do nothing but give way: nanoseconds per switch.
--
--   yield.lua [switches] [threads]
local common = require "common"
local switches = tonumber(arg[1]) or 3000000
local threads = tonumber(arg[2]) or 2

local each = math.max(switches // threads, 1)
print(common.race(threads, function()
  local yield = lwkt.yield
  for _ = 1, each do yield() end
end) / (each * threads) * 1e9)
os.exit(0)
