-- The garbage collector: options, weak tables, finalisers.
-- main only: heaps of threads outlive them, and collect in the other mode
local function show(what, ...)
  local parts = table.pack(...)
  for i = 1, parts.n do
    parts[i] = tostring(parts[i]):gsub("0x%x+", "PTR"):gsub("^thread: .*", "thread")
  end
  print(what, table.concat(parts, "\t", 1, parts.n))
end
local function count(t)
  local n = 0
  for _ in pairs(t) do n = n + 1 end
  return n
end

-- options
show("mode", collectgarbage("incremental"))
show("mode", collectgarbage("generational"))
show("mode", collectgarbage("generational", 20, 100))
show("mode", collectgarbage("incremental", 100, 200, 10))
show("pause", collectgarbage("setpause", 150), collectgarbage("setpause", 200))
show("stepmul", collectgarbage("setstepmul", 100), collectgarbage("setstepmul", 100))
show("running", collectgarbage("isrunning"), collectgarbage("stop"), collectgarbage("isrunning"))
show("restart", collectgarbage("restart"), collectgarbage("isrunning"))
show("count", math.type(collectgarbage("count")), collectgarbage("count") > 10)
show("collect", collectgarbage(), collectgarbage("collect"))
show("step", collectgarbage("step", 10000000))
show("bad", pcall(collectgarbage, "bad"))
show("bad", pcall(collectgarbage, 1))
show("bad", pcall(collectgarbage, "step", {}))
show("bad", pcall(collectgarbage, "setpause", "x"))
do
  collectgarbage("stop")
  local before = collectgarbage("count")
  local keep
  for i = 1, 1000 do keep = {i} end
  show("grows", collectgarbage("count") > before)
  repeat until collectgarbage("step", 1000)
  show("shrinks", collectgarbage("count") < before + 20)
  collectgarbage("restart")
end
for _, mode in ipairs {"incremental", "generational"} do
  collectgarbage(mode)
  local before = collectgarbage("count")
  for i = 1, 200000 do local t = {i, {}} end
  show(mode .. " keeps up", collectgarbage("count") < before + 20000)

  -- weak tables
  local weak = setmetatable({}, {__mode = "v"})
  weak.a, weak.b, weak[1], weak.s, weak.n = {}, print, {}, "string", 12
  collectgarbage()
  show("values", weak.a, weak.b == print, weak[1], weak.s, weak.n, count(weak))
  weak = setmetatable({}, {__mode = "k"})
  local key = {}
  weak[key], weak[{}], weak.s = 1, 2, {}
  collectgarbage()
  show("keys", weak[key], count(weak))
  weak = setmetatable({}, {__mode = "kv"})
  weak[key], weak[{}], weak[1], weak[2] = {}, 1, key, {}
  collectgarbage()
  show("both", count(weak), weak[1] == key)
  -- ephemerons
  weak = setmetatable({}, {__mode = "k"})
  do
    local a, b = {}, {}
    weak[a] = b
    weak[b] = a
  end
  collectgarbage()
  show("cycle of ephemerons", count(weak))
  local first = {}
  local last = first
  for i = 1, 100 do
    local new = {}
    weak[last] = new
    last = new
  end
  last = nil
  collectgarbage()
  show("chain of ephemerons", count(weak))
  first = nil
  collectgarbage()
  show("chain of ephemerons", count(weak))
  -- changing the mode later
  local t = {{}, {}}
  setmetatable(t, {__mode = "v"})
  collectgarbage()
  show("mode later", #t)

  -- finalisers: in reverse order of marking
  local order = {}
  for i = 1, 5 do setmetatable({}, {__gc = function() order[#order + 1] = i end}) end
  collectgarbage()
  show("order", table.concat(order, " "))
  -- resurrection: finalised once, unless marked again
  local saved, times = nil, 0
  local mt = {__gc = function(o) saved = o times = times + 1 end}
  setmetatable({name = "phoenix"}, mt)
  collectgarbage()
  show("resurrected", saved.name, times)
  saved = nil
  collectgarbage()
  show("not again", saved, times)
  setmetatable({name = "phoenix"}, mt)
  collectgarbage()
  setmetatable(saved, mt)
  saved = nil
  collectgarbage()
  show("marked again", saved.name, times)
  saved = nil
  -- weak tables and finalised objects: values go before, keys after
  local values, keys = setmetatable({}, {__mode = "v"}), setmetatable({}, {__mode = "k"})
  local seen
  do
    local o = setmetatable({}, {__gc = function(o) seen = tostring(values[1]) .. " " .. tostring(keys[o]) end})
    values[1], keys[o] = o, "still"
  end
  collectgarbage()
  show("weak with finaliser", seen, values[1], count(keys))
  collectgarbage()
  show("weak with finaliser", count(keys))
  -- not marked: __gc set later
  local late = {}
  local called = false
  do
    local o = setmetatable({}, late)
    late.__gc = function() called = true end
  end
  collectgarbage()
  show("set later", called)
  do
    local mt = {__gc = true}
    local o = setmetatable({}, mt)
    mt.__gc = function() called = true end
  end
  collectgarbage()
  show("marked by any value", called)
  -- cycles
  local cycle = 0
  do
    local a = setmetatable({}, {__gc = function(o) cycle = cycle + (o.b.a == o and 1 or 0) end})
    a.b = {a = a}
  end
  collectgarbage()
  show("cycle", cycle)
  -- objects made in finalisers
  local made = 0
  local function make(n)
    return setmetatable({}, {__gc = function() made = made + 1 if n > 0 then make(n - 1) end end})
  end
  make(5)
  for i = 1, 7 do collectgarbage() end
  show("made in finalisers", made)
  -- coroutines: collected while suspended, with what they hold
  local gone = 0
  do
    local co = coroutine.wrap(function()
      local o = setmetatable({}, {__gc = function() gone = gone + 1 end})
      coroutine.yield()
    end)
    co()
  end
  collectgarbage()
  show("coroutine", gone)
  do
    local co
    co = coroutine.create(function() local me = co coroutine.yield() end)
    coroutine.resume(co)
    weak = setmetatable({co}, {__mode = "v"})
  end
  collectgarbage()
  show("coroutine cycle", #weak)
  for i = 1, 20000 do
    local co = coroutine.wrap(function() coroutine.yield(i) end)
    co()
  end
  collectgarbage()
  show("many coroutines", collectgarbage("count") < before + 20000)
  -- upvalues, closures
  do
    local w = setmetatable({}, {__mode = "v"})
    local function closure() local v = {} w[1] = v return function() return v end end
    local f = closure()
    collectgarbage()
    show("upvalue", w[1] == f())
    f = nil
    collectgarbage()
    show("upvalue", w[1])
  end
  -- strings
  do
    local w = setmetatable({}, {__mode = "k"})
    w[("x"):rep(100)] = 1
    collectgarbage()
    show("strings stay", count(w))
  end
  -- a collection inside a finaliser does nothing
  local inner
  setmetatable({}, {__gc = function() inner = collectgarbage() end})
  collectgarbage()
  show("inside", inner)
  setmetatable({}, {__gc = function() inner = {pcall(collectgarbage, "count")} end})
  collectgarbage()
  show("inside", table.unpack(inner))
end
-- finalisers of userdata; metatables of files
do
  local f = io.tmpfile()
  local name = tostring(f):gsub("0x%x+", "PTR")
  show("file", name, getmetatable(f).__name, type(getmetatable(f).__gc), type(getmetatable(f).__close))
  f = nil
  collectgarbage()
end
-- errors in finalisers become warnings
warn("@on")
setmetatable({}, {__gc = function() error("in a finaliser", 0) end})
collectgarbage()
setmetatable({}, {__gc = function() error({}) end})
collectgarbage()
setmetatable({}, {__gc = 12})
collectgarbage()
setmetatable({}, {__gc = function() error(setmetatable({}, {__tostring = function() return "object" end})) end})
collectgarbage()
warn("one ", "two ", "three")
warn("@off")
warn("not seen")
warn("@unknown")
warn("@on")
warn("@unknown", "x")
warn("a", "@off")
warn("seen")
show("warn", pcall(warn))
show("warn", pcall(warn, {}))
show("warn", pcall(warn, "x", {}))
warn(12, 1.5)
-- what is left is finalised at the end, in reverse order
for i = 1, 3 do
  _G["last" .. i] = setmetatable({}, {__gc = function() print("at the end", i) end})
end
setmetatable({}, {__gc = function() error("late", 0) end})
setmetatable(_G, {__gc = function() print("globals") end})
local final <close> = setmetatable({}, {__close = function() print("closed first") end, __gc = function() print("then collected") end})
