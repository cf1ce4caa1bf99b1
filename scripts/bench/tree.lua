-- A tree of 1 111 111 threads: seconds, and the most memory, in MB.
--
--   tree.lua [depth] [fan-out]
local common = require "common"
local depth = tonumber(arg[1]) or 6
local fan_out = tonumber(arg[2]) or 10

local function node(level, number)
  if level == 0 then return number end
  local children, sum = {}, 0
  for i = 1, fan_out do
    children[i] = lwkt.create(node, level - 1, (number - 1) * fan_out + i)
  end
  for i = 1, fan_out do sum = sum + common.join(children[i]) end
  return sum
end

local leaves = math.tointeger(fan_out ^ depth)
local seconds = common.seconds(function()
  assert(common.join(lwkt.create(node, depth, 1)) == leaves * (leaves + 1) // 2)
end)
print(seconds, common.peak() / 1e6)
