-- In which heaps threads live: those that wait share a few, those that go on running have one each as long
-- as there are not too many. A heap is known by where its table of modules is.
local check = require "check"

local ncpus = lwkt.ncpus()

local function heaps(threads)
  local found, count = {}, 0
  for _, thread in ipairs(threads) do
    local heap = check.join(thread)
    if not found[heap] then count = count + 1 end
    found[heap] = true
  end
  return count
end

local waiting, ready = {}, lwkt.port()
for i = 1, 300 do
  waiting[i] = lwkt.create(function()
    ready:send(true)
    lwkt.recv()
    return tostring(package.loaded)
  end)
end
for _ = 1, 300 do ready:recv() end
for i = 1, 300 do waiting[i]:send(true) end
local count = heaps(waiting)
check.ok(count <= 16 * ncpus, "300 threads that wait are in " .. count .. " heaps")

-- All on one worker, and none ends before all run.
local going, running = {}, lwkt.shared.counter()
for i = 1, 24 do
  going[i] = lwkt.create({ cpu = ncpus - 1 }, function()
    running:add(1)
    while running:get() < 24 do lwkt.yield() end
    return tostring(package.loaded)
  end)
end
count = heaps(going)
check.ok(count >= math.min(24, 48 // ncpus), "24 threads that run are in " .. count .. " heaps")

check.done()
