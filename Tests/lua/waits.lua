-- Every call that can wait may be used anywhere: what follows is each place where it is hard, and
-- each kind of wait in every one of them. Only a finaliser may not wait.
local check = require "check"

local echo = lwkt.create({ daemon = true, name = "echo" }, function()
  local port = lwkt.port("waits.echo")
  while true do
    local msg = port:wait()
    msg:reply(msg:unpack())
  end
end)
check.ok(lwkt.lookup("waits.echo", 60), "the echo server")

-- The kinds of waits. Each is called with a value and must return it.
local waits = {
  sleep = function(value)
    lwkt.sleep(0.001)
    return value
  end,
  yield = function(value)
    lwkt.yield()
    return value
  end,
  domsg = function(value) return (lwkt.lookup("waits.echo"):domsg(value)) end,
  wait = function(value)
    local msg = lwkt.lookup("waits.echo"):sendmsg(value)
    lwkt.waitany { msg }
    return (msg:wait())
  end,
  recv = function(value)
    local port = lwkt.port()
    lwkt.create(function() port:send(value) end)
    return (port:recv())
  end,
  join = function(value)
    return (check.join(lwkt.create(function() return value end)))
  end,
  token = function(value)
    local ref <close> = lwkt.token("waits.token"):get()
    lwkt.sleep(0)
    return value
  end,
  tsleep = function(value)
    lwkt.tsleep("waits.never", "waits", 0.001)
    return value
  end,
  timeout = function(value)
    return (lwkt.timeout(60, function(v)
      lwkt.sleep(0.001)
      return v
    end, value))
  end,
}

-- An object whose every metamethod waits.
local function waiting(w)
  local meta = {}
  for name in ("add sub mul div mod pow unm idiv band bor bxor shl shr bnot concat call"):gmatch
    "%a+" do
    meta["__" .. name] = function() return w(name) end
  end
  meta.__index = function(_, key) return w(key) end
  meta.__newindex = function(t, key, value) rawset(t, key, w(value)) end
  meta.__eq = function() return w(true) end
  meta.__lt = function() return w(true) end
  meta.__le = function() return w(true) end
  meta.__len = function() return w(3) end
  meta.__tostring = function() return w("text") end
  meta.__pairs = function(t) return function(_, key) return w(not key and 1 or nil) end, t, nil end
  return setmetatable({}, meta)
end

-- The places. Each calls `w` in its own way and returns true, or raises.
local places = {}

function places.plain(w) check.eq(w(1), 1, "value") end

function places.protected(w)
  check.deep({ pcall(w, 5) }, { true, 5 }, "pcall")
  local ok, err = pcall(function()
    w(1)
    error("later", 0)
  end)
  check.deep({ ok, err }, { false, "later" }, "an error after the wait")
  check.deep({ xpcall(w, print, 6) }, { true, 6 }, "xpcall")
  check.deep({ pcall(pcall, pcall, w, 7) }, { true, true, true, 7 }, "nested pcall")
end

function places.handler(w)
  local ok, err = xpcall(error, function(e) return w(e .. " handled") end, "raised")
  check.deep({ ok, err }, { false, "raised handled" }, "a message handler")
end

function places.metamethods(w)
  local a, b = waiting(w), waiting(w)
  check.eq(a.key, "key", "__index")
  a.field = "value"
  check.eq(rawget(a, "field"), "value", "__newindex")
  check.eq(a + 1, "add", "__add")
  check.eq(1 - a, "sub", "__sub")
  check.eq(a * b, "mul", "__mul")
  check.eq(a // b, "idiv", "__idiv")
  check.eq(-a, "unm", "__unm")
  check.eq(~a, "bnot", "__bnot")
  check.eq(a << 1, "shl", "__shl")
  check.eq("x" .. a, "concat", "__concat")
  check.eq(a(1), "call", "__call")
  check.eq(#a, 3, "__len")
  check.ok(a == b, "__eq")
  check.ok(a < b, "__lt")
  check.ok(a <= b, "__le")
  check.eq(not (a ~= b), true, "__eq, the other way")
end

-- Here a C function stands between.
function places.library_metamethods(w)
  local a = waiting(w)
  check.eq(tostring(a), "text", "__tostring")
  check.eq(("%s"):format(a), "text", "__tostring through string.format")
  check.deep({ table.unpack(a) }, { 1, 2, 3 }, "__len and __index through table.unpack")
  local keys = 0
  for _ in pairs(a) do keys = keys + 1 end
  check.eq(keys, 1, "__pairs")
end

function places.iterators(w)
  local sum = 0
  for i in function(_, i) return w((i or 0) < 5 and (i or 0) + 1 or nil) end do sum = sum + i end
  check.eq(sum, 15, "an iterator function")
  sum = 0
  for i in coroutine.wrap(function() for i = 1, 5 do coroutine.yield(w(i)) end end) do
    sum = sum + i
  end
  check.eq(sum, 15, "a coroutine as iterator")
end

function places.coroutines(w)
  local co = coroutine.create(function(...)
    check.eq(w("in"), "in", "before the yield")
    local got = coroutine.yield(...)
    check.eq(w("in"), "in", "after the yield")
    return got
  end)
  check.deep({ coroutine.resume(co, 1, 2) }, { true, 1, 2 }, "the script's own yield")
  check.eq(coroutine.status(co), "suspended", "status")
  check.deep({ coroutine.resume(co, 3) }, { true, 3 }, "the script's own return")
  check.eq(coroutine.status(co), "dead", "status")

  local function nest(depth)
    if depth == 0 then return w("bottom") end
    return coroutine.wrap(function() return nest(depth - 1) end)()
  end
  check.eq(nest(10), "bottom", "ten coroutines deep")

  -- Two coroutines of one thread wait in turn; none of them takes the other's answer.
  local a = coroutine.wrap(function() while true do coroutine.yield(w("a")) end end)
  local b = coroutine.wrap(function() while true do coroutine.yield(w("b")) end end)
  for _ = 1, 3 do
    check.eq(a(), "a", "first coroutine")
    check.eq(b(), "b", "second coroutine")
  end
end

function places.errors_in_coroutines(w)
  local co = coroutine.create(function()
    w(1)
    error("inside", 0)
  end)
  check.deep({ coroutine.resume(co) }, { false, "inside" }, "resume")
  check.raises("inside", coroutine.wrap(function()
    w(1)
    error("inside")
  end))
end

function places.closing(w)
  local log = {}
  do
    local outer <close> = setmetatable({}, { __close = function() log[#log + 1] = w("outer") end })
    local inner <close> = setmetatable({}, { __close = function() log[#log + 1] = w("inner") end })
  end
  pcall(function()
    local var <close> = setmetatable({}, { __close = function() log[#log + 1] = w("error") end })
    error("leave")
  end)
  local co = coroutine.create(function()
    local var <close> = setmetatable({}, { __close = function() log[#log + 1] = w("closed") end })
    coroutine.yield()
  end)
  coroutine.resume(co)
  check.ok(coroutine.close(co), "coroutine.close")
  local guard = setmetatable({}, { __close = function() log[#log + 1] = w("loop") end })
  for _ in function() end, nil, nil, guard do end
  check.deep(log, { "inner", "outer", "error", "closed", "loop" }, "closed in order")
end

function places.sort(w)
  local list = {}
  for i = 1, 20 do list[i] = i * 7 % 20 end
  table.sort(list, function(a, b) return w(a < b) end)
  for i = 1, 20 do check.eq(list[i], i - 1, "sorted") end
  local ok, err = pcall(table.sort, { 3, 2, 1 }, function()
    w(1)
    error("comparator", 0)
  end)
  check.deep({ ok, err }, { false, "comparator" }, "an error in a comparator that waited")
end

function places.sort_of_objects(w)
  local meta = { __lt = function(a, b) return w(a.n < b.n) end }
  local list = {}
  for i = 1, 8 do list[i] = setmetatable({ n = i * 3 % 8 }, meta) end
  table.sort(list)
  for i = 1, 8 do check.eq(list[i].n, i - 1, "sorted") end
end

function places.nested_sort(w)
  local rows = { { 3, 1, 2 }, { 9, 7, 8 }, { 6, 5, 4 } }
  local compare = function(a, b) return w(a < b) end
  table.sort(rows, function(a, b)
    table.sort(a, compare)
    table.sort(b, compare)
    return a[1] < b[1]
  end)
  check.deep(rows, { { 1, 2, 3 }, { 4, 5, 6 }, { 7, 8, 9 } }, "a sort in a sort")
end

function places.gsub(w)
  local text, n = ("a-b-c"):gsub("%a", function(c) return w(c:upper()) end)
  check.deep({ text, n }, { "A-B-C", 3 }, "a function")
  local twice = setmetatable({}, { __index = function(_, key) return w(key .. key) end })
  check.eq((("a b"):gsub("%a", twice)), "aa bb", "a table with __index")
  check.eq(coroutine.wrap(function()
    return (("x"):gsub("x", function() return coroutine.wrap(w)("y") end))
  end)(), "y", "between two coroutines")
end

function places.chunks(w)
  local parts = { "return ", "1 ", "+ 1" }
  local n = 0
  local chunk = load(function()
    n = n + 1
    return w(parts[n])
  end)
  check.eq(chunk(), 2, "load from a reader that waits")
  check.eq(load("local w = ... return w('chunk')")(w), "chunk", "a loaded chunk")
end

function places.tokens(w)
  local token = lwkt.token("waits.with")
  check.eq(token:with(w, "with"), "with", "tok:with")
  check.eq(token:held(), nil, "released")
end

local function all(names, places, waits)
  for _, name in ipairs(names) do
    for kind, w in pairs(waits) do
      local ok, err = pcall(places[name], w)
      if not ok then error(name .. " with " .. kind .. ": " .. tostring(err), 0) end
    end
  end
end

local names = {}
for name in pairs(places) do names[#names + 1] = name end
table.sort(names)

-- In the main thread, in a thread, in sharing threads, and in fifty threads at once.
all(names, places, waits)
check.join(lwkt.create(all, names, places, waits))
do
  local list = {}
  for i = 1, 4 do list[i] = lwkt.create({ sharing = true }, all, names, places, waits) end
  for i = 1, 50 do
    list[#list + 1] = lwkt.create(all, names, places, { sleep = waits.sleep, domsg = waits.domsg })
  end
  for i = 1, #list do check.join(list[i]) end
end

-- A module that waits while it is loaded, in several threads of perhaps the same heap at once:
-- each gets the module, and no thread gets it half loaded.
do
  local list = {}
  for i = 1, 20 do
    list[i] = lwkt.create(function()
      local module = require "modules.slow"
      check.eq(module, require "modules.slow", "the same again")
      return module.reply, module.name
    end)
  end
  for i = 1, 20 do
    check.deep({ check.join(list[i]) }, { "loaded", "modules.slow" }, "the module")
  end
  check.eq(require("modules.slow").reply, "loaded", "in the main thread")
end

-- dofile and loadfile.
do
  local name = os.tmpname()
  local file = assert(io.open(name, "w"))
  file:write("lwkt.sleep(0.001) return 'from ' .. ...")
  file:close()
  check.eq(assert(loadfile(name))("loadfile"), "from loadfile", "loadfile")
  file = assert(io.open(name, "w"))
  file:write("lwkt.sleep(0.001) return 'from dofile'")
  file:close()
  check.eq(dofile(name), "from dofile", "dofile")
  os.remove(name)
end

-- A finaliser may not wait; it is told so, and everything goes on.
do
  local function collect()
    local answer
    do
      setmetatable({}, { __gc = function() answer = { pcall(lwkt.sleep, 0.01) } end })
    end
    collectgarbage()
    collectgarbage()
    check.ok(answer, "the finaliser ran")
    check.eq(answer[1], false, "a wait in a finaliser")
    check.ok(answer[2]:find("finali[sz]er") or answer[2]:find("__gc"), answer[2])
    lwkt.sleep(0.001)
    return "fine"
  end
  check.eq(collect(), "fine", "in the main thread")
  check.eq(check.join(lwkt.create(collect)), "fine", "in a thread")

  -- What does not wait is allowed there.
  local port = lwkt.port()
  setmetatable({}, { __gc = function() port:send("collected") end })
  collectgarbage()
  collectgarbage()
  check.eq(port:recv(60), "collected", "a send from a finaliser")
end

check.done()
