-- What a new thread begins with: its function, captured variables and arguments of every kind and
-- number, in the short form and the general one, which must not be told apart.
local check = require "check"

-- Every count of captured variables and arguments, across the limits of both forms.
local function source(upvalues, result)
  local names = {}
  for n = 1, upvalues do names[n] = "u" .. n end
  local list = table.concat(names, ", ")
  if upvalues == 0 then return "return function(...) return 0, ... end" end
  return "local " .. list .. " = ... return function(...) return " .. result:format(list) .. ", ... end"
end
local function values(count)
  local made = {}
  for n = 1, count do
    local kind = n % 6
    made[n] = kind == 0 and n or kind == 1 and n + 0.5 or kind == 2 and ("s"):rep(n) or kind == 3
      or kind == 4 and "" or false
  end
  return made
end
for _, upvalues in ipairs { 0, 1, 2, 3, 4, 5, 20, 58, 59, 60, 61, 62, 63, 64, 65, 100, 150 } do
  local captured = values(upvalues)
  local f = load(source(upvalues, "select('#', %s)"))(table.unpack(captured, 1, upvalues))
  for _, arguments in ipairs { 0, 1, 3, 4, 5, 30, 63, 64, 65, 150 } do
    local given = values(arguments)
    local got = table.pack(check.join(lwkt.create(f, table.unpack(given, 1, arguments))))
    check.eq(got[1], upvalues)
    check.eq(got.n, arguments + 1)
    for n = 1, arguments do check.eq(got[n + 1], given[n], "argument " .. n) end
  end
  if upvalues > 0 and upvalues < 150 then
    local g = load(source(upvalues, "%s"))(table.unpack(captured, 1, upvalues))
    local got = table.pack(check.join(lwkt.create(g)))
    for n = 1, upvalues do check.eq(got[n], captured[n], "upvalue " .. n) end
  end
end

-- Strings of every length about the limits, with any bytes.
for length = 0, 80 do
  local bytes = {}
  for n = 1, length do bytes[n] = string.char(n * 37 % 256) end
  local text = table.concat(bytes)
  local function captured() return text end
  check.eq(check.join(lwkt.create(captured)), text)
  check.eq(check.join(lwkt.create(function(...) return select(4, ...) end, 1, 2, 3, text)), text)
end

-- nil in between and at the end.
check.eq(select("#", check.join(lwkt.create(function(...) return ... end, nil, nil, 3, nil, nil, nil))), 6)

-- A function that captures itself, under one name or more, alone or among much else.
local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end
check.eq(check.join(lwkt.create(fib, 15)), 610)
local function deep(n) if n == 0 then return "down" end return check.join(lwkt.create(deep, n - 1)) end
check.eq(check.join(lwkt.create(deep, 30)), "down")
do
  local a, b, c, d, e = 1, 2, 3, 4, 5
  local other
  local function twice(n)
    if n == 0 then return a + b + c + d + e, other == twice end
    return other(n - 1)
  end
  other = twice
  local sum, same = check.join(lwkt.create(twice, 5))
  check.eq(sum, 15)
  check.eq(same, true)
end
do
  local function even() end
  local function odd(n) if n == 0 then return false end return even(n - 1) end
  even = function(n) if n == 0 then return true end return odd(n - 1) end
  check.eq(check.join(lwkt.create(odd, 101)), true)
end

-- Its own state in a function that captures itself: each thread has its own.
local function counter()
  local n = 0
  local function count() n = n + 1 return n < 5 and count() or n end
  return count
end
local count = counter()
check.eq(check.join(lwkt.create(count)), 5)
check.eq(check.join(lwkt.create(count)), 5)

-- The globals: read, assigned, taken as a table, by functions of both forms.
limit = 7
local x1, x2, x3, x4 = 1, 2, 3, 4
check.eq(check.join(lwkt.create(function() return limit + x1 + x2 + x3 + x4 end)), 17)
check.eq(check.join(lwkt.create(function() made_here = x1 + x2 + x3 + x4 return made_here end)), 10)
check.eq(made_here, nil)
check.eq(check.join(lwkt.create(function()
  local e = _ENV
  e.made_here = x1 + x2 + x3 + x4
  return _G.made_here, rawget(_G, "made_here"), made_here
end)), 10)
check.eq(check.join(lwkt.create(function() return type(string), x1, x2, x3, x4 end)), "table")

-- Handles in a start keep what they refer to, whether it is used or thrown away.
local port = lwkt.port()
local y1, y2, y3 = lwkt.port(), lwkt.token("starts"), lwkt.shared.counter(5)
check.eq(check.join(lwkt.create(function(p, q)
  p:send("seen")
  return y1 ~= nil and y2 ~= nil and y3:get() == 5 and p == q
end, port, port)), true)
check.eq(port:recv(), "seen")
do
  local before = #lwkt.ports()
  for _ = 1, 200 do
    local mine = lwkt.port()
    lwkt.create({ nostart = true }, function() return mine, x1, x2, x3, x4 end, mine)
  end
  check.eventually(function()
    collectgarbage()
    return #lwkt.ports() <= before
  end, "ports that starts refer to go with them")
end

-- A refusal gives everything back, and says what it always said.
do
  local before = #lwkt.ports()
  for _ = 1, 200 do
    local mine = lwkt.port()
    check.raises("cannot send coroutine", lwkt.create, function() return mine end, mine, 1, 2, 3,
      coroutine.create(print))
  end
  check.eventually(function()
    collectgarbage()
    return #lwkt.ports() <= before
  end, "ports of refused starts go")
end

-- Modules and their parts, captured and given, alone and among much else: what the thread has is its own
-- heap's, whether that had loaded the module or not.
do
  local floor, insert, clock, threads = math.floor, table.insert, lwkt.sys.clock_gettime, lwkt
  local function kinds(...)
    assert(floor == math.floor and insert == table.insert)
    assert(threads == lwkt and clock == lwkt.sys.clock_gettime)
    return floor(2.5), select("#", ...), ...
  end
  check.eq(check.join(lwkt.create(kinds)), 2)
  local got = table.pack(check.join(lwkt.create(kinds, math, 1, "two", print, string.rep, nil)))
  check.eq(got.n, 8)
  check.eq(got[2], 6)
  check.eq(got[3], math)
  check.eq(got[6], print)
  check.eq(got[7], string.rep)
  check.eq(check.join(lwkt.create(function() return floor(7.5) end)), 7)

  package.preload.captured = function()
    local module = { inner = { tell = function() return "told" end } }
    module.loaded = lwkt.curthread().id
    return setmetatable(module, { __index = { inherited = 5 } })
  end
  local captured = require "captured"
  local tell, inner = captured.inner.tell, captured.inner
  for _ = 1, 60 do
    local a, b, c, d = check.join(lwkt.create(function(given)
      return tell(), inner == given, captured.inherited, captured == require "captured"
    end, inner))
    check.eq(a, "told")
    check.eq(b, true)
    check.eq(c, 5)
    check.eq(d, true)
  end

  -- A part that the thread's heap has no longer.
  local good, why = lwkt.create(function()
    package.loaded.captured.inner.tell = nil
    local again = lwkt.create({ sharing = true }, function()
      return lwkt.create(function() return tell() end):join()
    end)
    return select(2, again:join())
  end):join()
  assert(good, why)
end

-- What a thread begins with stands apart while that is made: finalisers that this sets off run on the
-- thread's behalf and try to wait, modules receive while they are loaded.
do
  local list = {}
  for i = 1, 2000 do list[i] = { i, tostring(i) } end
  local function litter()
    for _ = 1, 300 do
      setmetatable({}, { __gc = function() pcall(lwkt.sleep, 0) pcall(lwkt.recv, 0) end })
    end
  end
  local function sum(list)
    local sum = 0
    for i = 1, #list do sum = sum + list[i][1] + list[i][2] end
    return sum
  end
  for _ = 1, check.many(200) do
    check.join(lwkt.create(litter))
    check.eq(check.join(lwkt.create(sum, list)), 4002000, "a start during which finalisers wait")
  end

  local port = lwkt.port("starts.receiving")
  port:send(0)
  local receiving = require "modules.receiving"
  local threads = {}
  for i = 1, 60 do threads[i] = lwkt.create(function(n) return receiving.get() ~= nil, n end, i) end
  for i = 1, 60 do port:send(i) end
  for i = 1, 60 do
    check.deep({ check.join(threads[i]) }, { true, i }, "a module that receives")
  end
end

print "ok"
