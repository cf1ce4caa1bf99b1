-- A tree of threads: each inner node creates its children and adds up what they return, each leaf
-- returns its number. Six levels of ten are 1 111 111 threads.
--
--   lwkt-lua tree.lua [depth] [fan-out]
local depth = tonumber(arg[1]) or 6
local fan_out = tonumber(arg[2]) or 10

-- The sum of the leaves' numbers below this node, and how many threads it took.
local function node(level, number)
  if level == 0 then return number, 1 end
  local children, sum, threads = {}, 0, 1
  for i = 1, fan_out do
    children[i] = lwkt.create(node, level - 1, (number - 1) * fan_out + i)
  end
  for i = 1, fan_out do
    local ok, s, t = children[i]:join()
    if not ok then error(s, 0) end
    sum, threads = sum + s, threads + t
  end
  return sum, threads
end

local started = lwkt.sys.clock_gettime("monotonic")
local ok, sum, threads = lwkt.create(node, depth, 1):join()
if not ok then error(sum, 0) end
local seconds = lwkt.sys.clock_gettime("monotonic") - started

local leaves = math.tointeger(fan_out ^ depth)
print(("the numbers of %d leaves add up to %d"):format(leaves, sum))
print(("%d threads on %d workers, %.3f s, %.2f us each"):format(threads, lwkt.ncpus(), seconds,
  seconds / threads * 1e6))
assert(sum == leaves * (leaves + 1) // 2, "the sum is wrong")
