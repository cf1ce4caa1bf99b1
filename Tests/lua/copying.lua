-- What travels between threads and how: plain values, tables of all shapes, metatables, modules,
-- handles. Functions are in copying_functions.lua, refusals in copying_refused.lua.
local check = require "check"
local Shape = require "modules.shape"
local plain = require "modules.plain"

-- There and back through another heap: what comes home has been copied twice.
local mirror = lwkt.create({ daemon = true, name = "mirror" }, function()
  while true do
    local msg = lwkt.wait()
    msg:reply(msg:unpack())
  end
end)
local function roundtrip(...) return mirror:domsg(...) end

-- Four ways to be copied: each takes values and returns what arrives.
local ways = {
  request = roundtrip,
  oneway = function(...)
    local port = lwkt.port()
    port:send(...)
    return port:recv()
  end,
  arguments = function(...)
    return check.join(lwkt.create(function(...) return ... end, ...))
  end,
  captured = function(...)
    local values = table.pack(...)
    return check.join(lwkt.create(function() return table.unpack(values, 1, values.n) end))
  end,
}

local function by_all_ways(test)
  for name, way in pairs(ways) do
    local ok, err = pcall(test, way)
    if not ok then error("by " .. name .. ": " .. tostring(err), 0) end
  end
end

-- Plain values keep their kind and every bit.
by_all_ways(function(way)
  local bytes = {}
  for i = 0, 255 do bytes[i + 1] = string.char(i) end
  local values = table.pack(true, false, 0, -1, math.maxinteger, math.mininteger, 0.0, 1.5, -2.0,
    1e308, math.huge, -math.huge, "", "text", "a\0b", table.concat(bytes), nil, ("x"):rep(1000))
  local got = table.pack(way(table.unpack(values, 1, values.n)))
  check.deep(got, values, "values")
  check.eq(math.type((way(3))), "integer", "3 is an integer")
  check.eq(math.type((way(3.0))), "float", "3.0 is a float")
  local nan = way(0 / 0)
  check.ok(nan ~= nan, "nan")
  check.eq(1 / way(-0.0), -math.huge, "minus zero")
  check.eq(select("#", way()), 0, "nothing")
  check.eq(select("#", way(nil, nil)), 2, "two nils")
end)

-- Tables: nested, with all kinds of keys, with holes, empty.
by_all_ways(function(way)
  local t = { 1, 2, nil, 4, { "five", { "six" } }, name = "x", [1.5] = true, [true] = 1.5,
    [-1] = {}, [""] = "empty", [math.maxinteger] = "far" }
  check.deep(way(t), t, "a mixed table")
  check.deep(way({}), {}, "an empty table")
  local list = {}
  for i = 1, 10000 do list[i] = { i } end
  check.deep(way(list), list, "a long table")
  local map = {}
  for i = 1, 10000 do map["key" .. i] = i end
  check.deep(way(map), map, "a big map")
end)

-- References: cycles stay cycles, one table in two places stays one, also across arguments.
by_all_ways(function(way)
  local loop = {}
  loop.self, loop[1] = loop, { up = loop }
  local got = way(loop)
  check.eq(got.self, got, "a table in itself")
  check.eq(got[1].up, got, "a longer cycle")
  local shared = { 1 }
  local a, b, c = way({ shared, shared }, shared, { [shared] = "key" })
  check.ok(a[1] == a[2] and a[1] == b, "one table in three places")
  check.eq(c[b], "key", "a table as a key")
  check.ok(rawequal(next(c), b), "it is the same there too")
end)

-- Copies are independent of their origin, from the moment of sending.
do
  local port = lwkt.port()
  local t = { list = { 1, 2 }, word = "before" }
  port:send(t)
  t.word, t.list[1] = "after", 99
  local got = port:recv()
  check.deep(got, { list = { 1, 2 }, word = "before" }, "as it was when sent")
  got.list[2] = "mine"
  check.eq(t.list[2], 2, "and the other way")

  local msg = mirror:sendmsg(t)
  t.word = "later still"
  check.eq(msg:wait().word, "after", "a request")

  local gate = lwkt.port()
  local td = lwkt.create(function(arg)
    gate:recv()
    return t.word, arg.word
  end, t)
  t.word = "too late"
  gate:send(true)
  check.deep({ check.join(td) }, { "later still", "later still" }, "locals and arguments")

  local results = lwkt.create(function() return { 1 } end)
  local first, second = check.join(results), check.join(results)
  first[1] = 2
  check.eq(second[1], 1, "each join gets a copy of its own")
end

-- 100 000 tables deep, as a list and as keys, and a chain as long of shared references.
by_all_ways(function(way)
  local deep, levels = "bottom", check.many(100000)
  for i = 1, levels do deep = { deep, i } end
  local got, depth = way(deep), 0
  while type(got) == "table" do
    got, depth = got[1], depth + 1
  end
  check.eq(depth, levels, "depth")
  check.eq(got, "bottom", "what lies there")

  deep = true
  for _ = 1, levels do deep = { [deep] = true } end
  got, depth = way(deep), 0
  while type(got) == "table" do
    got, depth = next(got), depth + 1
  end
  check.eq(depth, levels, "depth by keys")
  -- Not "collected" by a recursion either.
  deep, got = nil, nil
  collectgarbage()
end)

-- Big strings.
do
  local big = ("0123456789abcdef"):rep(1 << 20)
  local got = roundtrip(big)
  check.eq(#got, 16 << 20, "16 MB")
  check.ok(got == big, "its bytes")
  local many = {}
  for i = 1, 2000 do many[i] = ("s"):rep(i) end
  check.deep(roundtrip(many), many, "two million bytes in two thousand strings")
end

-- A module's table travels as "that module's table": classes and metatables work over there.
by_all_ways(function(way)
  local a, b = Shape.new("box", 3), Shape.Square.new(4)
  local got, square, class = way(a, b, Shape)
  check.eq(class, Shape, "home again it is the very module")
  check.eq(getmetatable(got), Shape, "a metatable")
  check.eq(getmetatable(square), Shape.Square, "a metatable inside a module")
  check.eq(got:describe(), "a box of 3 cm", "a method")
  check.eq(square:describe(), "a square of 16 cm", "an inherited method")
  check.eq((got + square).name, "box+square", "an operator")
  check.eq(got.at, Shape.origin, "a table found in a module is the module's, wherever it is met")
  check.ok(not rawequal(got, a), "the object itself is a copy")
end)

do
  local results = { check.join(lwkt.create(function(shape)
    local here = require "modules.shape"
    check.ok(rawequal(getmetatable(shape), here), "the metatable is this heap's module")
    check.eq(Shape, here, "a captured module is this heap's module")
    check.eq(plain.deep.er, require("modules.plain").deep.er, "a captured table in a module")
    check.eq(plain.scale(5), 15, "a module's function over its locals")
    return plain.deep.er, shape, plain.scale, string, table, string.format
  end, Shape.new("disc", 1))) }
  check.eq(results[1], plain.deep.er, "back home as the module's table")
  check.eq(results[2]:describe(), "a disc of 1 cm", "back home with its class")
  check.eq(results[3](2), 6, "a module's function")
  check.eq(results[4], string, "a library is a module too")
  check.eq(results[5], table, "a library is a module too")
  check.eq(results[6], string.format, "and so are its functions")
end

-- A field set in a module's table by the script is no part of what travels.
do
  plain.extra = "set here"
  check.eq(check.join(lwkt.create(function()
    plain.extra = plain.extra or "not there"
    return plain.extra
  end)), "not there", "a changed module")
  check.eq(plain.extra, "set here", "nor does anything come back")
  plain.extra = nil
end

-- A module is what it was when `require` returned: tables and functions that the script puts into it
-- later are data, also if nothing has been copied in between. In a heap of its own, where that is so.
check.join(lwkt.create({ maxmem = 1 << 24 }, function()
  local stateful = require "modules.stateful"
  stateful.cache = { n = 1 }
  stateful.cache.twice = function(n) return n * 2 end
  stateful.made[1] = { "first" }
  local cache, first, made = check.join(lwkt.create(function(cache, first, made)
    return { cache.n, cache.twice(21) }, first[1], made
  end, stateful.cache, stateful.made[1], stateful.made))
  check.deep(cache, { 1, 42 }, "a table put into a module")
  check.eq(first, "first", "and one put into a table of the module's")
  check.eq(made, stateful.made, "which is the module's own")
end))

-- So does a module that is loaded while another is, and one whose loader waits.
check.join(lwkt.create({ maxmem = 1 << 24 }, function()
  package.preload["copying.inner"] = function()
    lwkt.sleep(0.001)
    return { table = {} }
  end
  package.preload["copying.outer"] = function()
    local inner = require "copying.inner"
    inner.added = { "by outer" }
    return { inner = inner }
  end
  local outer = require "copying.outer"
  check.eq(check.join(lwkt.create(function(t) return t[1] end, outer.inner.added)), "by outer",
    "what one module puts into another")
  check.eq(check.join(lwkt.create(function(t) return t end, outer.inner.table)), outer.inner.table,
    "and what was there before")
end))

-- A class that the script makes itself is copied with its objects.
do
  local Account = {}
  Account.__index = Account
  Account.__tostring = function(self) return "account of " .. self.owner end
  function Account:rename(owner)
    self.owner = owner
    return self
  end

  local object = setmetatable({ owner = "ann" }, Account)
  local text, back = check.join(lwkt.create(function(object)
    check.eq(getmetatable(object), Account, "argument and upvalue have the same class")
    return tostring(object:rename("bob")), object
  end, object))
  check.eq(text, "account of bob", "its methods work over there")
  check.eq(object.owner, "ann", "on a copy")
  check.eq(tostring(back), "account of bob", "and still do when it comes back")
  local a, b = roundtrip(object, setmetatable({ owner = "eve" }, Account))
  check.eq(getmetatable(a), getmetatable(b), "two objects keep one class")
end

-- A protected metatable protects from scripts, not from travelling.
do
  local t = setmetatable({ 1 }, { __metatable = "locked", __len = function() return 77 end })
  local got = roundtrip(t)
  check.eq(#got, 77, "its metamethods")
  check.eq(getmetatable(got), "locked", "its protection")
end

-- Copying looks at the raw table: no metamethod of it runs.
do
  local function never() error("a metamethod ran", 0) end
  local t = setmetatable({ 1, 2 }, { __index = never, __pairs = never, __len = never,
    __newindex = never })
  local port = lwkt.port()
  port:send(t)
  local got = port:recv()
  check.eq(rawlen(got), 2, "the raw contents")
  check.raises("a metamethod ran", function() return got.missing end)
end

-- Handles: both sides hold the same thing, also as keys and deep inside, and it comes back equal.
do
  local port, token = lwkt.port(), lwkt.token("copying")
  local counter, dict = lwkt.shared.counter(5), lwkt.shared.table()
  local array = lwkt.shared.array("f64", 3)
  local me, request = lwkt.curthread(), port:sendmsg("pending")
  local handles = { port = port, token = token, counter = counter, dict = dict, array = array,
    me = me, request = request, sysport = lwkt.sysport, mine = me.msgport }
  by_all_ways(function(way)
    local got = way({ { handles } })[1][1]
    for name, handle in pairs(handles) do
      check.eq(got[name], handle, name)
      check.eq(type(got[name]), "userdata", name)
    end
    local keys = way({ [port] = "port", [token] = "token" })
    check.eq(keys[port], "port", "a port as a key")
    check.eq(keys[token], "token", "a token as a key")
  end)
  check.join(lwkt.create(function(handles)
    check.eq(handles.counter, counter, "captured and sent, the same handle")
    counter:add(1)
    dict:set("k", "v")
    array[2] = 2.5
    handles.me:send("hello")
    handles.port:wait():reply("answered")
  end, handles))
  check.deep({ counter:get(), dict:get("k"), array[2] }, { 6, "v", 2.5 }, "the same objects")
  check.eq(lwkt.recv(60), "hello", "the same thread")
  check.eq(request:wait(60), "answered", "the same request")
end

-- Standard streams belong to every thread; they need not travel to be used.
do
  check.eq(check.join(lwkt.create(function() return io.type(io.stdout) end)), "file", "io.stdout")
end

-- Globals that the code names are copied; threads then have their own, wherever they live.
do
  setting, config = 1, { level = 1 }
  local list = {}
  for i = 1, 50 do
    list[i] = lwkt.create(function(i)
      setting = setting + i
      config.level = config.level + i
      mark = i
      lwkt.sleep(0.001)
      lwkt.yield()
      return setting, config.level, mark
    end, i)
  end
  for i = 1, 50 do
    check.deep({ check.join(list[i]) }, { 1 + i, 1 + i, i }, "a thread's globals")
  end
  check.deep({ setting, config.level, mark }, { 1, 1 }, "main's globals")

  -- One table reached as a global, as a local and as an argument is one table over there.
  local captured = config
  check.ok(check.join(lwkt.create(function(given)
    return config == captured and captured == given
  end, config)), "one table by three ways")
  setting, config = nil, nil
end

-- A global defined later is not seen, one that is changed later is seen as it was.
do
  early = "early"
  local gate = lwkt.port()
  local td = lwkt.create(function()
    gate:recv()
    return early, late
  end)
  early, late = "changed", "late"
  gate:send(true)
  check.deep({ check.join(td) }, { "early" }, "globals as they were at creation")
  early, late = nil, nil
end

check.done()
