-- Functions travel as code plus captured values, recursively: upvalues, named globals, recursion,
-- state that two closures share, debug information.
local check = require "check"
local plain = require "modules.plain"

local function run(fn, ...) return check.join(lwkt.create(fn, ...)) end

-- From the contract, to the letter.
do
  local function helper(n) return n * 2 end
  scale = 10
  local td = lwkt.create(function(n) return helper(n) * scale end, 21)
  check.deep({ td:join() }, { true, 420 }, "the example")
  scale = nil
end

-- Captured values of all kinds, several levels up and down.
do
  local number, text, list, none = 1.5, "text", { 1, { 2 } }, nil
  local function level1()
    local own = "own"
    return function()
      return (function() return number, text, list, none, own end)()
    end
  end
  local got = table.pack(run(level1()))
  check.deep(got, { 1.5, "text", { 1, { 2 } }, nil, "own", n = 5 }, "captured")
end

-- Recursion, by a local, by two locals, by a global, by a field.
do
  local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end
  check.eq(run(fib, 15), 610, "itself")

  local even, odd
  function even(n) return n == 0 or odd(n - 1) end
  function odd(n) return n ~= 0 and even(n - 1) end
  check.eq(run(even, 10), true, "each other")
  check.eq(run(odd, 10), false, "each other, from the other side")

  function factorial(n) return n < 2 and 1 or n * factorial(n - 1) end
  check.eq(run(factorial, 10), 3628800, "a global")
  check.eq(run(function(n) return factorial(n) end, 5), 120, "through another function")

  local m = {}
  function m.down(n) return n == 0 and "down" or m.down(n - 1) end
  check.eq(run(m.down, 3), "down", "a field of a local table")
  factorial = nil
end

-- Named globals recursively: functions, the globals they name, the tables these hold, and the
-- functions in those.
do
  limit = 3
  function inner(n) return n > limit and "big" or settings.small() end
  function outer(n) return inner(n) end
  settings = { small = function() return label end }
  label = "small"
  check.deep({ run(function() return outer(5), outer(1) end) }, { "big", "small" }, "globals")
  -- By any way that code names one: as a table, in a nested function, to be assigned, to be called.
  check.eq(run(function()
    local function nested() return function() return settings.small() end end
    settings.small = function() return "changed " .. label end
    return nested()()
  end), "changed small", "in nested functions")
  check.eq(settings.small(), "small", "mine is as it was")
  limit, inner, outer, settings, label = nil, nil, nil, nil, nil
end

-- A thread that creates a thread hands on what its code names, its own values of them.
do
  depth = 0
  function descend()
    depth = depth + 1
    if depth == 5 then return depth end
    return check.join(lwkt.create(descend))
  end
  check.eq(run(descend), 5, "each one its creator's value")
  check.eq(depth, 0, "main's")
  depth, descend = nil, nil
end

-- Closures that share a variable share it over there, with nobody here.
do
  local function account()
    local balance = 10
    return function(n) balance = balance + n end, function() return balance end
  end
  local add, get = account()
  local there = run(function(add, get)
    add(5)
    return get()
  end, add, get)
  check.eq(there, 15, "shared there")
  check.eq(get(), 10, "and not with the originals")
  add(1)
  check.eq(get(), 11, "which still share")

  local object = { add = add, get = get }
  check.eq(run(function()
    object.add(9)
    return object.get()
  end), 20, "in a captured table")
  local add2, get2 = run(function() return object.add, object.get end)
  add2(100)
  check.deep({ get2(), get() }, { 111, 11 }, "sent home they are new")
end

-- Closures that carry their own state along: generators, random sources, a module's counter.
do
  local function generator(n)
    return function()
      n = n + 1
      return n
    end
  end
  local next_id = generator(10)
  check.eq(next_id(), 11, "mine")
  check.eq(run(function() return next_id() + next_id() end), 25, "it goes on from where it was")
  check.eq(run(next_id), 12, "as the thread function itself")
  check.eq(next_id(), 12, "mine goes on alone")

  local counter = plain.counter(5)
  counter()
  check.eq(run(counter), 7, "a closure made by a module")
  check.eq(counter(), 7, "mine")
end

-- Functions in messages, to be called by the receiver with its own globals.
do
  local port = lwkt.port()
  local td = lwkt.create(function()
    where = "there"
    local fn, list = port:recv()
    return fn(2), list.double(4), list.where(), where
  end)
  where = "here"
  local factor = 10
  port:send(function(n) return n * factor end, {
    double = function(n) return n * 2 end,
    where = function() return where end,
  })
  check.deep({ check.join(td) }, { 20, 8, "there", "there" }, "called by the receiver")
  where = nil
end

-- Library functions captured under other names, the commonest thing of all.
do
  local insert, floor, format, print_, create = table.insert, math.floor, string.format, print,
    lwkt.create
  check.eq(run(function()
    local list = {}
    insert(list, floor(2.7))
    check.eq(print_, print, "it is this heap's print")
    check.join(create(function() end))
    return format("%d", list[1])
  end), "2", "captured library functions")
  check.eq(run(function(f, s) return f(s) end, string.upper, "x"), "X", "as an argument")
end

-- Vararg, integer division, bit operators, goto, to-be-closed variables, constants: all code works.
do
  local limit <const> = 4
  local name = "closed"
  check.deep({ run(function(...)
    local n, log = select("#", ...), {}
    do
      local var <close> = setmetatable({}, { __close = function() log[1] = name end })
      local i = 0
      ::again::
      i = i + 1
      if i < limit then goto again end
      n = n + (i << 4) // 3
    end
    return n, log[1]
  end, 1, 2, 3) }, { 24, "closed" }, "code of all kinds")
end

-- The copy knows where it comes from: error positions, names, debug.getinfo.
do
  local info = debug.getinfo(1, "Sl")
  local line = info.currentline
  local err = check.died("copying_functions.lua:" .. line + 3, lwkt.create(function()
    error("position")
  end))
  check.ok(err:find("position"), err)
  local there = run(function()
    local here = debug.getinfo(1, "S")
    return { here.source, here.linedefined, here.what, debug.getlocal(1, 1) }
  end)
  check.eq(there[1], info.source, "its source")
  check.eq(there[3], "Lua", "its kind")
  check.eq(there[4], "here", "names of locals")
end

-- A function copied twice in one message is one function; two of one definition are two.
do
  local port = lwkt.port()
  local function f() end
  local function make(n) return function() return n end end
  port:send(f, { f }, make(1), make(2))
  local a, list, one, two = port:recv()
  check.ok(a == list[1], "one function")
  check.deep({ one(), two() }, { 1, 2 }, "two closures")
end

-- A chain of closures as long as no stack is deep.
do
  local chain = function() return "end" end
  for _ = 1, 20000 do
    local following = chain
    chain = function() return following end
  end
  local port = lwkt.port()
  port:send(chain)
  local got, n = port:recv(), 0
  while type(got) == "function" do
    got = got()
    n = n + 1
  end
  check.deep({ got, n }, { "end", 20001 }, "a long chain of closures")
end

-- Loaded code travels like any other, and has the globals of the thread that it arrives in.
do
  local chunk = load("local a, b = ... return a .. b .. (mark or 'none')")
  check.eq(run(chunk, "x", "y"), "xynone", "a loaded chunk")
  check.eq(run(function()
    mark = "here"
    return chunk("x", "y")
  end), "xyhere", "in a thread with globals")
  -- A chunk with an environment of its own takes that along.
  local env = { word = "sandboxed" }
  local boxed = load("return word, print", "boxed", "t", env)
  check.deep({ run(boxed) }, { "sandboxed" }, "an environment of its own")
end

check.done()
