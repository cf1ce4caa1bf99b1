-- Create a thread that does nothing, join it, and so on: microseconds each.
--
--   create.lua [threads] [sharing]
local common = require "common"
local count = tonumber(arg[1]) or 200000
local options = { sharing = arg[2] == "sharing" }
local function nothing() end

print(common.seconds(function()
  for _ = 1, count do lwkt.create(options, nothing):join() end
end) / count * 1e6)
