-- The debug library.
-- main only: looks at the bottom of the stack
local function show(what, ...)
  local parts = table.pack(...)
  for i = 1, parts.n do
    parts[i] = tostring(parts[i]):gsub("0x%x+", "PTR"):gsub("^thread: .*", "thread")
  end
  print(what, table.concat(parts, "\t", 1, parts.n))
end
local function fields(t)
  local names = {}
  for k in pairs(t) do names[#names + 1] = k end
  table.sort(names)
  for i, k in ipairs(names) do
    local v = t[k]
    names[i] = k .. "=" .. (type(v) == "table" and "{" .. #v .. "}" or type(v) == "function" and "f" or tostring(v))
  end
  return table.concat(names, " ")
end

-- names of what is there
for _, library in ipairs {"_G", "coroutine", "debug", "io", "math", "os", "package", "string", "table", "utf8"} do
  local names = {}
  for k, v in pairs(_G[library]) do
    if k ~= "lwkt" and k ~= "arg" then names[#names + 1] = k .. ":" .. type(v) end
  end
  table.sort(names)
  print(library, #names, table.concat(names, " "))
end
for name, f in pairs {print = print, load = load, require = require, exit = os.exit, wrap = coroutine.wrap,
    resume = coroutine.resume, loadfile = loadfile, dofile = dofile, sethook = debug.sethook} do
  assert(debug.getinfo(f).what == "C", name)
  assert(debug.getinfo(f).short_src == "[C]", name)
end
print(fields(debug.getinfo(print)))
print(fields(debug.getinfo(coroutine.wrap(print))))
print(debug.getinfo(load, "u").nups, debug.getinfo(print, "u").nups, debug.getinfo(require, "u").nups)
print(debug.getupvalue(load, 1), debug.getupvalue(print, 1), debug.getupvalue(coroutine.resume, 1))

-- getinfo
print(fields(debug.getinfo(1)))
print(debug.getinfo(2, "S").what, debug.getinfo(2, "l").currentline)
print(debug.getinfo(3))
print(debug.getinfo(show, "L").activelines ~= nil, fields(debug.getinfo(show, "Slnfut")))
local function active(f)
  local lines = {}
  for l in pairs(debug.getinfo(f, "L").activelines) do lines[#lines + 1] = l end
  table.sort(lines)
  return table.concat(lines, " ")
end
print(active(show), active(active))
print(active(load("local x\n\nx = 1\n\n\nreturn function(...)\nend")))
print(active(load("return function(...)\n\nlocal a = ...\nend")()))
show("options", pcall(debug.getinfo, 1, ">"))
show("options", pcall(debug.getinfo, 1, "X"))
show("options", pcall(debug.getinfo, print, "X"))
show("level", pcall(debug.getinfo, -1))
show("level", pcall(debug.getinfo, 100))
show("level", pcall(debug.getinfo, "x"))
show("level", pcall(debug.getinfo))
local function tail() return debug.getinfo(1, "t").istailcall, debug.getinfo(1, "n").name end
local function caller() return tail() end
print(caller())
print(tail())
local function names()
  local i = debug.getinfo(1, "n")
  return i.name, i.namewhat
end
local t = {field = names, [1] = names}
function t:method() return names() end
print((names()))
print(names(), (t.field()), select(2, t.field()))
print((t:method()), (t[1]()))
globalname = names
print(globalname())
print(pcall(names))
local mt = {}
mt.__index = function() local i = debug.getinfo(1, "n") return i.name .. "/" .. i.namewhat end
mt.__add = mt.__index
mt.__close = function() print(mt.__index()) end
mt.__lt = function() local i = debug.getinfo(1, "n") print(i.name, i.namewhat) return true end
mt.__concat, mt.__call, mt.__len, mt.__unm = mt.__index, mt.__index, mt.__index, mt.__index
local o = setmetatable({}, mt)
print(o.x, o + 1, o .. "", #o, -o, o())
print(o < o)
for a in names do print(a) break end
do local c <close> = o end
-- 'r': what a hook sees moved
local function transfer()
  local seen = {}
  debug.sethook(function(event)
    local i = debug.getinfo(2, "rnS")
    seen[#seen + 1] = event .. ":" .. tostring(i.name) .. ":" .. i.ftransfer .. ":" .. i.ntransfer
  end, "cr")
  math.max(1, 2, 3)
  string.rep("x", 2)
  debug.sethook()
  return table.concat(seen, " ")
end
print(transfer())

-- getlocal, setlocal
local function locals(a, b, ...)
  local c <const> = 10
  local d = {}
  local out = {}
  for i = 1, 20 do
    local n, v = debug.getlocal(1, i)
    if not n then break end
    out[#out + 1] = n .. "=" .. type(v)
  end
  for i = -1, -5, -1 do
    local n, v = debug.getlocal(1, i)
    if not n then break end
    out[#out + 1] = n .. "=" .. tostring(v)
  end
  debug.setlocal(1, 1, "changed")
  debug.setlocal(1, -1, "changed too")
  return table.concat(out, " "), a, ...
end
print(locals(1, 2, "v1", "v2"))
print(debug.getlocal(locals, 1), debug.getlocal(locals, 2), debug.getlocal(locals, 3))
print(debug.getlocal(print, 1), debug.setlocal(1, 1000, 1))
show("getlocal", pcall(debug.getlocal, 100, 1))
show("getlocal", pcall(debug.getlocal, {}, 1))
show("setlocal", pcall(debug.setlocal, 100, 1, 1))

-- temporaries of C functions
show("temporary", select(2, pcall(function()
  local out = {}
  table.sort({3, 1, 2}, function(x, y)
    if #out == 0 then
      for i = 1, 10 do
        local n, v = debug.getlocal(2, i)
        if not n then break end
        out[#out + 1] = n .. "=" .. type(v)
      end
    end
    return x < y
  end)
  return table.concat(out, " ")
end)))

-- upvalues
do
  local a, b = 1, 2
  local function f() return a, b end
  local function g() return b, a end
  print(debug.getupvalue(f, 1))
  print(debug.getupvalue(f, 2))
  print(debug.getupvalue(f, 3))
  print(debug.setupvalue(f, 1, 10), a)
  print(debug.upvalueid(f, 1) == debug.upvalueid(g, 2), debug.upvalueid(f, 1) == debug.upvalueid(g, 1))
  print(debug.upvalueid(f, 9), debug.upvalueid(print, 1))
  debug.upvaluejoin(f, 1, g, 1)
  print(f())
  show("join", pcall(debug.upvaluejoin, f, 5, g, 1))
  show("join", pcall(debug.upvaluejoin, f, 1, print, 1))
  show("join", pcall(debug.upvaluejoin, print, 1, f, 1))
  show("gmatch", debug.getupvalue(string.gmatch("x", "y"), 1), debug.getupvalue(string.gmatch("x", "y"), 9))
  show("stripped", debug.getupvalue(load(string.dump(f, true)), 1))
end

-- registry, metatables, user values
show("registry", type(debug.getregistry()), debug.getregistry()[2] == _G,
  debug.getregistry()._LOADED == package.loaded, debug.getregistry()._PRELOAD == package.preload)
show("string", debug.getmetatable("").__index == string, getmetatable("").__name)
show("nil", debug.getmetatable(nil), debug.getmetatable(print), debug.getmetatable(1))
debug.setmetatable(nil, {__index = function(_, k) return "nil's " .. k end})
show("nil's", (nil).field)
debug.setmetatable(nil, nil)
debug.setmetatable(print, {__index = {x = 1}})
show("function's", print.x, (function() end).x)
debug.setmetatable(print, nil)
debug.setmetatable(1, {__call = function(n, m) return n + m end})
show("number's", (5)(6))
debug.setmetatable(1, nil)
show("setmetatable", pcall(debug.setmetatable, 1, 2))
show("uservalue", debug.getuservalue(io.stdout, 1))
show("uservalue", debug.getuservalue(1, 1))
show("uservalue", debug.setuservalue(io.stdout, 1, 1))
show("uservalue", pcall(debug.setuservalue, {}, 1, 1))
show("limit", debug.setcstacklimit(200), debug.setcstacklimit(1000000))

-- traceback
print(debug.traceback())
print(debug.traceback("msg"))
print(debug.traceback("msg", 0))
print(debug.traceback("msg", 1))
print(debug.traceback("msg", 2))
print(debug.traceback("msg", 50))
print(debug.traceback(nil))
print(debug.traceback(nil, 1))
print(debug.traceback(12))
print(debug.traceback(true), debug.traceback(print) == print)
show("traceback", pcall(debug.traceback, "x", "y"))
print(select(2, xpcall(function() local x = nil + 1 end, debug.traceback)))
print(select(2, xpcall(function() string.rep() end, debug.traceback)))
print(select(2, xpcall(coroutine.wrap(function() error "in wrap" end), debug.traceback)))
print(select(2, xpcall(load, debug.traceback, function() error "in reader" end)))
print(select(2, xpcall(require, debug.traceback, nil)))
print(select(2, xpcall(print, debug.traceback, setmetatable({}, {__tostring = function() error "in tostring" end}))))
print(select(2, xpcall(coroutine.resume, debug.traceback)))
local function recurse(n) if n == 0 then error("deep") end return (recurse(n - 1)) end
print(select(2, xpcall(recurse, debug.traceback, 30)))
print(select(2, xpcall(recurse, debug.traceback, 21)))
print(select(2, xpcall(recurse, debug.traceback, 22)))
local function ta(n) if n == 0 then return debug.traceback("tail") end return ta(n - 1) end
print((ta(3)))
do
  local m = setmetatable({}, {__index = function() print(debug.traceback("index")) end})
  local _ = m.x
  package.loaded.fake = {inner = function() print(debug.traceback("in a module")) end}
  package.loaded.fake.inner()
  package.loaded.fake = nil
  table.sort({1, 2}, function(a, b) print(debug.traceback("sort")) return a < b end)
  string.gsub("x", ".", function() print(debug.traceback("gsub")) end)
  for _ in (function() print(debug.traceback("for")) end) do end
end
