-- Threads created one after the other that do nothing and are waited for by nobody: microseconds
-- each, until the last has ended.
--
--   stream_create.lua [threads] [sharing]
local common = require "common"
local count = tonumber(arg[1]) or 200000
local options = { sharing = arg[2] == "sharing" }
local batch = 100
local done = lwkt.port()

print(common.seconds(function()
  for left = count, 1, -batch do
    for _ = 2, batch do lwkt.create(options, function() end) end
    lwkt.create(options, function() done:send(true) end)
    done:recv()
  end
end) / count * 1e6)
