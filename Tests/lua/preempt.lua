-- Preemption: no thread keeps a worker for itself, in whatever code it loops.
local check = require "check"

local ncpus = lwkt.ncpus()

-- On every worker, so that a thread finds none that is free.
local function everywhere(fn, ...)
  for cpu = 0, ncpus - 1 do lwkt.create({ cpu = cpu, daemon = true, name = "hog" }, fn, ...) end
end

local function others_run(what)
  local threads = {}
  for i = 1, 4 * ncpus do
    threads[i] = lwkt.create({ cpu = i % ncpus }, function(i)
      local port = lwkt.port()
      for n = 1, 5 do
        port:send(n)
        check.eq(port:recv(), n, "its own message")
        lwkt.sleep(0.001)
      end
      return i
    end, i)
  end
  for i = 1, 4 * ncpus do check.eq(check.join(threads[i], what), i, what) end
end

-- Each kind of hog runs until it is told to stop, so that the next kind is tried alone.
local function try(what, hog)
  local stop, started = lwkt.shared.counter(0), lwkt.shared.counter(0)
  for cpu = 0, ncpus - 1 do
    lwkt.create({ cpu = cpu, daemon = true, name = what }, function()
      started:add(1)
      hog(function() return stop:get() > 0 end)
      started:add(-1)
    end)
  end
  check.eventually(function() return started:get() == ncpus end, what .. " has started")
  others_run(what)
  stop:add(1)
  check.eventually(function() return started:get() == 0 end, what .. " has stopped")
end

try("a loop", function(stopped)
  while not stopped() do end
end)

try("a long expression", function(stopped)
  local x = 0
  while not stopped() do
    for i = 1, 100000 do x = x + i * i % 7 end
  end
end)

try("a coroutine", function(stopped)
  coroutine.wrap(function()
    while not stopped() do end
  end)()
end)

try("coroutines in coroutines", function(stopped)
  local function nest(depth)
    if depth > 0 then return coroutine.wrap(nest)(depth - 1) end
    while not stopped() do end
  end
  nest(10)
end)

try("many short coroutines", function(stopped)
  while not stopped() do
    local co = coroutine.wrap(function() for i = 1, 10 do coroutine.yield(i) end end)
    for _ = 1, 10 do co() end
  end
end)

try("a comparator", function(stopped)
  local list = {}
  for i = 1, 100 do list[i] = i * 7 % 101 end
  table.sort(list, function(a, b)
    while not stopped() do end
    return a < b
  end)
  for i = 2, 100 do assert(list[i - 1] < list[i]) end
end)

try("a gsub callback", function(stopped)
  local text = ("abc"):gsub("b", function(c)
    while not stopped() do end
    return c:upper()
  end)
  assert(text == "aBc")
end)

try("pcall", function(stopped)
  while not stopped() do pcall(pcall, error, "x") end
end)

try("a metamethod", function(stopped)
  local object = setmetatable({}, { __index = function(_, key) return key == stopped() end })
  while not object[true] do end
end)

try("a recursion", function(stopped)
  local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end
  while not stopped() do fib(15) end
end)

try("garbage", function(stopped)
  while not stopped() do
    local list = {}
    for i = 1, 1000 do list[i] = { i } end
  end
end)

try("string functions", function(stopped)
  while not stopped() do (("x"):rep(1000) .. "y"):find("y", 1, true) end
end)

-- A hook that the script has set goes on working, and so does preemption.
try("a script with a hook", function(stopped)
  local lines, counts = 0, 0
  debug.sethook(function(event)
    if event == "line" then lines = lines + 1 else counts = counts + 1 end
  end, "l", 1000)
  while not stopped() do
    local n = 1
    n = n + 1
  end
  local hook, mask, count = debug.gethook()
  assert(type(hook) == "function" and mask == "l" and count == 1000, "gethook tells what was set")
  debug.sethook()
  assert(lines > 0 and counts > 0, "both events came")
  assert(debug.gethook() == nil, "no hook is left")
end)

try("a hook in a coroutine", function(stopped)
  local co = coroutine.create(function()
    while not stopped() do end
  end)
  local count = 0
  debug.sethook(co, function() count = count + 1 end, "", 100)
  assert(coroutine.resume(co))
  assert(count > 0, "it came")
end)

-- A script that sets no hook sees none.
do
  check.join(lwkt.create(function()
    for _ = 1, 10 do
      check.eq(debug.gethook(), nil, "no hook")
      for _ = 1, 100000 do end
    end
  end))
end

-- A hook counts every instruction of its thread and no other, preempted or not.
do
  local function count(rounds)
    local events = 0
    debug.sethook(function() events = events + 1 end, "", 100)
    for _ = 1, rounds do end
    debug.sethook()
    return events
  end
  local alone = count(100000)
  local stop = lwkt.shared.counter(0)
  lwkt.create({ cpu = 0, daemon = true }, function() while stop:get() == 0 do end end)
  local td = lwkt.create({ cpu = 0 }, function() return count(100000) end)
  local among_others = check.join(td)
  stop:add(1)
  check.ok(math.abs(among_others - alone) <= alone // 10 + 10, alone .. ", " .. among_others)
end

-- A thread that waits in a loop next to hogs still gets its turns: all of them end.
do
  local stop = lwkt.shared.counter(0)
  everywhere(function() while stop:get() == 0 do end end)
  everywhere(function() while stop:get() == 0 do end end)
  for _ = 1, 50 do lwkt.sleep(0.001) end
  others_run("two hogs per worker")
  stop:add(1)
end

-- Sharing threads preempt each other too, in one Lua heap.
do
  local stop = false
  local hog = lwkt.create({ sharing = true }, function()
    while not stop do end
    return "stopped"
  end)
  lwkt.sleep(0.001)
  lwkt.yield()
  stop = true
  check.eq(check.join(hog), "stopped", "a sharing hog")
end

-- A count that takes longer than a quantum is completed although preemption comes between.
do
  local limited = {}
  for i = 1, 2 * lwkt.ncpus() do
    -- Caught by itself: whoever is joined late would be reported before.
    limited[i] = lwkt.create(pcall, function()
      debug.sethook(function() error("too many instructions", 0) end, "", 5000000)
      while true do end
    end)
  end
  for _, td in ipairs(limited) do
    local ended, message = check.join(td)
    check.eq(ended, false, "it does not end by itself")
    check.eq(message, "too many instructions", "the hook ends it")
  end
end

-- A hook that a preempted function sets misses nothing.
do
  local finish = lwkt.create(function()
    for i = 1, 20000000 do end
    local seen = {}
    debug.sethook(function(_, line) seen[#seen + 1] = line end, "l")
    local x = 1
    x = 2
    debug.sethook()
    return #seen
  end)
  check.eq(check.join(finish), 3, "lines seen")
end

-- At the end of the program some still loop: daemons do not keep it.
everywhere(function() while true do end end)
lwkt.sleep(0.01)
check.done()
