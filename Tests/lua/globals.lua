-- Globals of created threads: a table of their own that looks like stock Lua's.
local check = require "check"
local eq, ok = check.eq, check.ok

local function joined(f, ...)
  local results = table.pack(lwkt.create(f, ...):join())
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

-- As a table: no metatable, complete, itself in it.
joined(function()
  eq(getmetatable(_G), nil)
  eq(_G._G, _G)
  eq(_ENV, _G)
  eq(rawget(_G, "print"), print)
  local names, raw = {}, 0
  for name, value in pairs(_G) do names[name] = value end
  for _ in next, _G do raw = raw + 1 end
  for _, name in ipairs {"_G", "_VERSION", "print", "string", "require", "lwkt"} do
    ok(names[name] ~= nil, name)
  end
  local count = 0
  for _ in pairs(names) do count = count + 1 end
  eq(raw, count)
  _G.fresh = 1
  eq(fresh, 1)
  eq(rawget(_G, "fresh"), 1)
end)

-- Also where only _ENV is taken, or code is loaded.
eq(joined(function()
  local env = _ENV
  return getmetatable(env), rawget(env, "type") == type
end), nil)
ok(joined(function() return load("return getmetatable(_G) == nil and _G == _ENV and _G._G == _G")() end))
ok(joined(function() return load("x = 1 return x")() == 1 and x == 1 end))

-- A metatable of the thread's own.
eq(joined(function()
  setmetatable(_G, {__index = function(_, name) return "no " .. name end})
  return nothing_here
end), "no nothing_here")
eq(nothing_here, nil)

-- What one thread sets no other sees.
joined(function() leaked = true _G.leaked_too = true end)
joined(function()
  eq(leaked, nil)
  eq(rawget(_G, "leaked_too"), nil)
end)

-- Modules that set globals, directly and by _G, whether the thread's table is complete or not.
package.preload.sets_globals = function()
  global_of_module = function() return by_table end
  _G.by_table = "set by _G"
  return _G == _ENV
end
joined(function()
  require "sets_globals"
  eq(global_of_module(), "set by _G")
end)
joined(function()
  local before = rawget(_G, "print")
  ok(require "sets_globals")
  eq(before, print)
  eq(rawget(_G, "by_table"), "set by _G")
  eq(global_of_module(), "set by _G")
end)

-- A module that makes globals strict.
package.preload.strict = function()
  local mt = getmetatable(_G) or {}
  setmetatable(_G, mt)
  mt.__newindex = function(_, name) error("undeclared " .. name, 2) end
  mt.__index = function(_, name) error("undeclared " .. name, 2) end
end
for _ = 1, 3 do
  joined(function()
    require "strict"
    local good, err = pcall(function() return no_such_name end)
    ok(not good and err:find "undeclared no_such_name", err)
    good, err = pcall(function() no_such_name = 1 end)
    ok(not good and err:find "undeclared no_such_name", err)
    rawset(_G, "declared", 1)
    eq(declared, 1)
  end)
end
-- It is strict for those who require it, by way of another module or not, and for nobody else.
package.preload.application = function() require "strict" return true end
for _ = 1, 100 do
  local strict = lwkt.create(function()
    require "application"
    return pcall(function() return no_such_name end)
  end)
  local free = lwkt.create(function() return no_such_name, rawget(_ENV, "no_such_name") end)
  eq(select(2, strict:join()), false)
  eq(free:join(), true)
end

-- A thread function that has no globals at all gets a table when code comes to it that has.
for _ = 1, 100 do
  local port = lwkt.port()
  local receiver = lwkt.create(function()
    local set, get = port:recv(), port:recv()
    local before = get()
    set(7)
    return before, get(), port
  end)
  port:send(function(value) arrived = value end)
  port:send(function() return arrived, math.pi, _G.arrived end)
  local good, before, after, same = receiver:join()
  ok(good, before)
  eq(before, nil)
  eq(after, 7)
  eq(same, port)
end
eq(arrived, nil)

-- Coroutines that the heap keeps for itself do nobody's bidding.
joined(function()
  local refused = 0
  for _, co in pairs(debug.getregistry()) do
    if type(co) == "thread" and coroutine.status(co) == "normal" then
      refused = refused + 1
      ok(not coroutine.resume(co))
      ok(not pcall(coroutine.close, co))
    end
  end
  ok(refused > 0)
  eq(select(2, lwkt.create(function(a) return a end, 5):join()), 5)
end)
print "ok"
