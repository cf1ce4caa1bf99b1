-- Two threads that give way to each other: nanoseconds per switch.
local common = require "common"
local rounds = tonumber(arg[1]) or 2000000

local function run()
  for _ = 1, rounds do lwkt.yield() end
end

print(common.seconds(function()
  local one = lwkt.create({ cpu = 0 }, run)
  local other = lwkt.create({ cpu = 0 }, run)
  common.join(one)
  common.join(other)
end) / (2 * rounds) * 1e9)
