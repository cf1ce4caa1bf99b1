-- A tree of 1 111 111 threads: seconds, or with `peak` as argument the most memory, in MB.
local common = require "common"
local fan_out, depth = 10, 6

local function node(level, number)
  if level == 0 then return number end
  local children, sum = {}, 0
  for i = 1, fan_out do
    children[i] = lwkt.create(node, level - 1, (number - 1) * fan_out + i)
  end
  for i = 1, fan_out do sum = sum + common.join(children[i]) end
  return sum
end

local seconds = common.seconds(function()
  assert(common.join(lwkt.create(node, depth, 1)) == 500000500000)
end)
print(arg[1] == "peak" and common.peak() / 1e6 or seconds)
