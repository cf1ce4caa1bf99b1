-- What is used again from one thread to the next (coroutines, known code, handles) must not show.
-- Threads of one heap see the same library tables, which is how these tests look across threads.
local check = require "check"

-- A coroutine that a thread has asked for is its own: state kept by coroutine, as modules do, is not
-- found by a later thread.
for round = 1, 200 do
  local was = check.join(lwkt.create(function(round)
    string.by_coroutine = string.by_coroutine or setmetatable({}, { __mode = "k" })
    local co, is_main = coroutine.running()
    assert(is_main)
    local was = string.by_coroutine[co]
    string.by_coroutine[co] = round
    return was
  end, round))
  check.eq(was, nil)
end

-- The same from inside a coroutine of the thread, and for hooks, which are kept by coroutine.
for _ = 1, 50 do
  local calls = check.join(lwkt.create(function()
    local calls = 0
    assert(debug.gethook() == nil, "a hook of another thread")
    local hook = string.left_hook
    if hook then hook.calls = 0 end
    for _ = 1, 1000 do calls = calls + 0 end
    calls = hook and hook.calls or 0
    string.left_hook = { calls = 0 }
    local mine = string.left_hook
    debug.sethook(function() mine.calls = mine.calls + 1 end, "", 10)
    return calls
  end))
  check.eq(calls, 0)
end

-- Sharing threads that were never begun, and that nobody can begin any more, leave their places too.
do
  local function fill()
    for _ = 1, 2000 do lwkt.create({ nostart = true, sharing = true }, function() end) end
    collectgarbage()
    check.eventually(function() return #lwkt.threads() < 100 end, "they go")
    collectgarbage()
    return collectgarbage("count")
  end
  fill()
  local before = fill()
  for _ = 1, 3 do fill() end
  check.ok(fill() < before + 500, "nothing is left of them")
end

-- Every way to end leaves a clean place for the next thread.
local closed = lwkt.shared.counter()
local function closer() return setmetatable({}, { __close = function() closed:add(1) end }) end
local function down(n) return n == 0 and 0 or 1 + down(n - 1) end
local function for_ever() return 1 + for_ever() end
local ends = {
  function() return 1, 2, 3 end,
  function() return table.unpack({}, 1, 200) end,
  function() local c <close> = closer() return "closed" end,
  function() local c <close> = closer() error("closed by an error", 0) end,
  function() error({ "a table" }) end,
  function() error() end,
  function() return down(10000) end,
  function() lwkt.exit("exit", 1) end,
  function() local c <close> = closer() lwkt.exit("exit", 2) end,
  function() coroutine.wrap(function() lwkt.exit("from a coroutine") end)() end,
  function() coroutine.wrap(function() local c <close> = closer() coroutine.yield() end)() end,
  function() local c <close> = setmetatable({}, { __close = function() error("in close", 0) end }) end,
  function() return pcall(error, setmetatable({}, { __tostring = function() return "x" end })) end,
  function() table.sort({ 3, 2, 1 }, function(a, b) lwkt.yield() return a < b end) end,
  function() table.sort({ 3, 2, 1 }, function() error("comparing") end) end,
  function() string.gsub("abc", ".", function() lwkt.exit("in a callback") end) end,
  function() setmetatable({}, { __gc = function() left_by_a_finaliser = true end }) end,
}
local function clean(...)
  local a, b, c, d, e, f, g, h
  assert(select("#", ...) == 0, "arguments of nobody")
  assert(not (a or b or c or d or e or f or g or h))
  assert(debug.gethook() == nil)
  assert(not coroutine.isyieldable())
  assert(not pcall(coroutine.yield))
  local names = 0
  for name in pairs(_G) do
    if type(name) == "string" and (name:find("^left") or name == "check") then names = names + 1 end
  end
  local level = 0
  while debug.getinfo(level, "l") do level = level + 1 end
  return names, level
end
local function leaves_clean(ending)
  lwkt.create(ending):join()
  local names, level = check.join(lwkt.create(clean))
  check.eq(names, 0)
  check.eq(level, 2)
end
for round = 1, 20 do
  -- The traceback of a stack overflow takes a while.
  if round % 10 == 1 then leaves_clean(function() return for_ever() end) end
  for index = 1, #ends do leaves_clean(ends[index]) end
end
check.eq(closed:get() >= 20 * 3, true)

-- One that is aborted where it waits, and a crowd of them at once.
for _ = 1, 5 do
  local crowd = {}
  for i = 1, 100 do
    crowd[i] = lwkt.create(function()
      local c <close> = closer()
      if lwkt.curthread().id % 2 == 0 then coroutine.wrap(lwkt.recv)() end
      lwkt.recv()
    end)
  end
  lwkt.yield()
  for i = 1, 100 do crowd[i]:abort("enough") end
  for i = 1, 100 do check.died("enough", crowd[i]) end
  for i = 1, 100 do crowd[i] = lwkt.create(clean) end
  for i = 1, 100 do check.eq(select("#", crowd[i]:join()), 3) end
end

-- What a thread's coroutine held is garbage once it has ended.
check.eq(check.join(lwkt.create(function()
  string.held = setmetatable({}, { __mode = "v" })
  local big = { "held by nobody" }
  string.held[1] = big
end)), nil)
for _ = 1, 3 do
  check.join(lwkt.create(function()
    collectgarbage()
    collectgarbage()
    string.held_now = string.held and string.held[1] ~= nil
  end))
end
check.eq(check.join(lwkt.create(function() return string.held_now or false end)), false)

-- Functions made by the same source are recognised, their variables are each one's own.
local function adder(n) return function(x) return x + n end end
for n = 1, 500 do check.eq(check.join(lwkt.create(adder(n), 1)), n + 1) end
local made = {}
for n = 1, 200 do made[n] = lwkt.create(adder(n), n) end
for n = 1, 200 do check.eq(check.join(made[n]), 2 * n) end

-- A variable, a global, a function changed between two creates.
local step = 1
local function stepping() return step end
for n = 1, 100 do
  step = n % 3 == 0 and "text " .. n or n
  check.eq(check.join(lwkt.create(stepping)), step)
end
for n = 1, 100 do
  scale = n
  function shape() return n * 10 end
  check.eq((check.join(lwkt.create(function() return scale, shape() end))), n)
  check.eq(check.join(lwkt.create(function() return shape() end)), n * 10)
end
scale, shape = nil, nil
check.eq(check.join(lwkt.create(function() return scale, shape end)), nil)
print_was, print = print, function() return "mine" end
check.eq(check.join(lwkt.create(function() return print() end)), "mine")
print, print_was = print_was, nil
check.eq(check.join(lwkt.create(function() return print end)) == print, true)

local list = { 1 }
local function count() return #list end
for n = 1, 50 do
  check.eq(check.join(lwkt.create(count)), n)
  list[n + 1] = true
end
debug.setupvalue(count, 1, { 1, 2 })
check.eq(check.join(lwkt.create(count)), 2)
local other = { 1, 2, 3, 4, 5, 6, 7 }
local function uses_other() return other end
debug.upvaluejoin(count, 1, uses_other, 1)
check.eq(check.join(lwkt.create(count)), 7)
other = {}
check.eq(check.join(lwkt.create(count)), 0)

-- Its globals table exchanged for another.
local reads = load "return value_of_mine"
value_of_mine = "global"
check.eq(check.join(lwkt.create(reads)), "global")
debug.setupvalue(reads, 1, { value_of_mine = "in a table" })
check.eq(check.join(lwkt.create(reads)), "in a table")
value_of_mine = nil

-- Sources without end: each is another function, and none is mistaken for one before.
for n = 1, 3000 do
  local f = load("return " .. n .. " + (...)")
  if n % 10 == 0 then check.eq(check.join(lwkt.create(f, 1)), n + 1) end
end
for n = 1, 1000 do
  local same = load("local v = ... return v + 1")
  check.eq(check.join(lwkt.create(same, n)), n + 1)
end

-- Being given to `create` keeps no function alive.
local weak = setmetatable({}, { __mode = "k" })
do
  for n = 1, 100 do
    local f = function() return n end
    weak[f] = true
    check.join(lwkt.create(f))
  end
end
for _ = 1, 3 do collectgarbage() end
check.eq(next(weak), nil)

-- A handle is one value for as long as it is used, and what it refers to goes when it has gone.
local port = lwkt.port()
local as_key = { [port] = "port" }
for n = 1, 2000 do
  port:send(port, lwkt.curthread())
  local same, me = port:recv()
  check.eq(as_key[same], "port")
  check.eq(me == lwkt.curthread(), true)
  if n % 500 == 0 then collectgarbage() end
end
local before = #lwkt.ports()
for _ = 1, 1000 do lwkt.port() end
for _ = 1, 3 do collectgarbage() end
check.eq(#lwkt.ports() <= before, true)

print "ok"
