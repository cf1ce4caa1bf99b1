-- Create a crowd of threads, then join them all: microseconds each.
--
--   crowd.lua [threads]
local common = require "common"
local count = tonumber(arg[1]) or 100000

print(common.seconds(function()
  local threads = {}
  for i = 1, count do threads[i] = lwkt.create(function() end) end
  for i = 1, count do threads[i]:join() end
end) / count * 1e6)
os.exit(0)
