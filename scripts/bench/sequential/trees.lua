-- Small tables by the million: binary trees made, counted and dropped.
local function make(depth)
  if depth == 0 then return {} end
  return { make(depth - 1), make(depth - 1) }
end

local function count(tree)
  if not tree[1] then return 1 end
  return 1 + count(tree[1]) + count(tree[2])
end

local started = os.clock()
local lasting = make(14)
for _ = 1, 40 do assert(count(make(12)) == 8191) end
assert(count(lasting) == 32767)
print(os.clock() - started)
