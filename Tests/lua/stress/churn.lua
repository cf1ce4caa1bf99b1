-- Threads that come and go, in all ways to come and all ways to go, with what they hold: nothing
-- may be left of them.
local check = require "check"

local never, silent = lwkt.port(), lwkt.port()
local closed = lwkt.shared.counter(0)
local tok = lwkt.token("churn")

local function guard()
  return setmetatable({}, { __close = function() closed:add(1) end })
end

-- Each way to go: what the thread does, and what join must give.
local ways = {
  { function() local g <close> = guard() return 1 end, true },
  { function() local g <close> = guard() error("planned") end, false },
  { function() local g <close> = guard() lwkt.exit(2) end, true },
  { function() local g <close> = guard() lwkt.yield() lwkt.yield() return 3 end, true },
  { function() local g <close> = guard() tok:get() lwkt.yield() end, true },
  { function() local g <close> = guard() tok:get() error({ 1, { 2 } }) end, false },
  { function() local g <close> = guard() lwkt.recv(0.001) end, true },
  { function() local g <close> = guard() coroutine.wrap(function() lwkt.yield() error() end)() end,
    false },
  { function()
    local g <close> = guard()
    table.sort({ 1, 2, 3, 4 }, function(a, b) lwkt.yield() return a < b end)
  end, true },
  { function() local g <close> = guard() never:recv() end, false, "abort" },
  { function() local g <close> = guard() silent:domsg("x") end, false, "abort" },
  { function() local g <close> = guard() tok:get() lwkt.sleep(3600) end, false, "abort" },
  { function()
    local g <close> = guard()
    return check.join(lwkt.create(function() return "child" end))
  end, true },
  { function() local g <close> = guard() lwkt.lookup("nobody", 0.001) end, true },
  { function()
    local g <close> = guard()
    lwkt.timeout(0.001, function() lwkt.sleep(3600) end)
  end, true },
}

local rounds, width = 40, 10
local expected = 0
for round = 1, rounds do
  local living = {}
  for _, way in ipairs(ways) do
    for i = 1, width do
      local options = { sharing = i == 1, maxmem = i == 3 and 1 << 23 or nil }
      local create = (i == 2 or not way[2]) and check.doomed or lwkt.create
      local td = create(options, way[1])
      living[#living + 1] = { td, way }
      expected = expected + 1
    end
  end
  for _, row in ipairs(living) do
    local td, way = row[1], row[2]
    if way[3] then
      check.waiting(td)
      td:abort("planned abort")
    end
    local ok, value = td:join(60)
    check.eq(ok, way[2], tostring(td) .. " " .. tostring(value))
  end
end
check.eq(closed:get(), expected, "to-be-closed variables")

-- A long chain: each creates the next and ends at once.
do
  local port = lwkt.port()
  local function link(n)
    if n == 0 then return port:send("end of the chain") end
    lwkt.create(link, n - 1)
  end
  lwkt.create(link, check.many(20000))
  check.eq(port:recv(60), "end of the chain", "generations")
end

-- One after the other, as fast as it goes.
for i = 1, check.many(50000) do
  local ok, value = lwkt.create(function(n) return n end, i):join()
  if value ~= i then error(("thread %d gave %s, %s"):format(i, ok, value)) end
end

-- Nobody waits for them, and they have no names to be remembered by.
do
  local count = check.many(50000)
  local left = lwkt.shared.counter(count)
  for _ = 1, count do lwkt.create(function() left:add(-1) end) end
  check.eventually(function() return left:get() == 0 end, "all have run")
end

-- Nothing is left: no descendant of this thread, no request, no receiver.
check.eventually(function()
  for _, row in ipairs(lwkt.threads()) do
    if row.id:find("^1%.") then return false end
  end
  return true
end, "nobody else is left")
check.deep({ #never, #silent, tok:held() }, { 0, 0 }, "nothing else is left")

check.done()
