-- How deep things nest: C calls, the Lua stack, the parser, patterns.
-- main only: a thread has no C function at the bottom of its stack, which holds a few more values
local function depth(f) local n = 0; local function step() n = n + 1; return f(step) end; local ok, msg = pcall(step); print(n, ok, (tostring(msg):gsub("^.*: ", ""):gsub("0x%x+", "PTR"))) end
print("pcall") 
do local n=0; local function f() n = n + 1 local ok, e = pcall(f) if not ok then return error(e,0) end return ok, e end; print(pcall(f)); print(n) end
print("gsub"); depth(function(s) return (string.gsub("a", ".", s)) end)
print("sort"); depth(function(s) table.sort({1,2}, s) end)
print("meta"); depth(function(s) return setmetatable({}, {__index = function() return s() end}).x end)
print("add"); depth(function(s) return setmetatable({}, {__add = function() return s() end}) + 1 end)
print("tostring"); depth(function(s) return tostring(setmetatable({}, {__tostring = function() s() return "x" end})) end)
print("load"); depth(function(s) return load(function() s() end) end)
print("coroutine"); depth(function(s) return coroutine.wrap(s)() end)
print("xpcall"); depth(function(s) return select(2, xpcall(s, function(m) return m end)) end)
print("close"); depth(function(s) local x <close> = setmetatable({}, {__close = function() s() end}) end)
print("lua"); 
do local n=0; local function f() n = n + 1; return 1 + f() end; local ok, m = pcall(f); print(n, ok, m) end
do local n=0; local function f(...) n = n + 1; return 1 + f(n, ...) end; local ok, m = pcall(f); print(n, ok, m) end
print("iter") ; depth(function(s) for i in s do end end)
print("call"); depth(function(s) return setmetatable({}, {__call = function() return s() + 1 end})() end)
print("concat"); depth(function(s) return table.concat(setmetatable({}, {__index=function() return s() end, __len = function() return 1 end})) end)
print("unpack"); depth(function(s) return table.unpack(setmetatable({}, {__index=function() return s() end, __len = function() return 1 end})) end)
print("parser")
for _, t in ipairs{{"(", "1", ")"}, {"{", "", "}"}, {"-", "1", ""}, {"not ", "1", ""}, {"a.b(", "1", ")"}, {"function() return ", "1", " end"}, {"1 .. ", "1", ""},{"2^","1",""}} do
  local lo, hi = 1, 2000
  local function try(n) return load("return " .. t[1]:rep(n) .. t[2] .. t[3]:rep(n)) end
  while lo < hi do local mid = (lo + hi + 1)//2; if try(mid) then lo = mid else hi = mid - 1 end end
  print(t[1], lo, select(2, try(lo + 1)))
end
for _, t in ipairs{{"do ", " end "}, {"if x then ", " end "}, {"while x do ", " end "}, {"repeat ", " until x "}, {"for i = 1,2 do ", " end "}, {"for i in x do ", " end "}, {"local function f() ", " end "}} do
  local lo, hi = 1, 2000
  local function try(n) return load(t[1]:rep(n) .. t[2]:rep(n)) end
  while lo < hi do local mid = (lo + hi + 1)//2; if try(mid) then lo = mid else hi = mid - 1 end end
  print(t[1], lo, select(2, try(lo + 1)))
end
print("parser deep inside")
local function at(n, f) if n == 0 then return f() end local r; ("x"):gsub(".", function() r = at(n - 1, f) end) return r end
for n = 0, 90, 10 do 
 print(n, at(n, function() local lo, hi = 1, 2000
  local function try(n) return load("return " .. ("("):rep(n) .. 1 .. (")"):rep(n)) end
  while lo < hi do local mid = (lo + hi + 1)//2; if try(mid) then lo = mid else hi = mid - 1 end end
  return lo end)) end
print("patterns")
print(pcall(string.find, ("a"):rep(300000), (".-"):rep(300000) .. "b"))
print(pcall(string.match, ("x"):rep(250), ("(x)"):rep(40)))
print(pcall(string.match, ("a"):rep(200000), ("a?"):rep(250)))
print(pcall(string.match, ("("):rep(1000), "%b()"))

-- errors while errors are handled
print(xpcall(function() error("first") end, function(m) error("second") end))
print(select("#", xpcall(error, error)), xpcall(error, error))
print(xpcall(function() local function f() return 1 + f() end f() end, function(m)
  return (tostring(m):gsub("\n.*", ""))
end))
do
  local count = 0
  local function handler(m)
    count = count + 1
    return handler(m) .. "x"
  end
  local ok, err = xpcall(error, handler, "e")
  print("handler recursion", ok, type(err), (tostring(err):gsub("^.*: ", "")))
end
do
  local count = 0
  local function handler() count = count + 1 error("again") end
  print("handler errors", xpcall(error, handler, "e"))
  print(count)
end
do
  local function loop() return pcall(loop) end
  print("pcall loop", loop())
  local function nested() return xpcall(nested, nested) end
  local ok, err = nested()
  print("xpcall loop", type(ok), type(err))
  local function asserting() assert(pcall(asserting)) end
  local ok, err = xpcall(asserting, asserting)
  print("assert loop", ok, (tostring(err):gsub("^.*: ", "")))
end
do
  local function recover(n)
    local ok = pcall(error)
    if n == 0 then return 0 end
    return recover(n - 1) + 1
  end
  print("after caught errors", recover(1000))
  print("stack again", pcall(function() return select("#", table.unpack({}, 1, 200000)) end))
end
do
  local t = setmetatable({}, {})
  getmetatable(t).__index = t
  print("index loop", pcall(function() return t.x end))
  getmetatable(t).__newindex = t
  print("newindex loop", pcall(function() t.x = 1 end))
  local first = {}
  local last = first
  for i = 1, 1998 do last = setmetatable({}, {__index = last}) end
  print("long chain", pcall(function() return last.x end))
  for i = 1, 10 do last = setmetatable({}, {__index = last}) end
  print("longer chain", pcall(function() return last.x end))
  local m = setmetatable({}, {__call = setmetatable({}, {__call = function(...) return select("#", ...) end})})
  print("call chain", m(1, 2))
  local chain = function(...) return select("#", ...) end
  for i = 1, 100 do chain = setmetatable({}, {__call = chain}) end
  print("long call chain", pcall(chain))
end
do
  local count, ok, err = 0
  debug.sethook(function()
    debug.sethook()
    local function f() count = count + 1 return 1 + f() end
    ok, err = pcall(f)
  end, "l")
  local x = 1
  print("in a hook", ok, err, count)
end
do
  local co = coroutine.wrap(function()
    local function f() return 1 + f() end
    local ok, e = pcall(f)
    return ok, e
  end)
  print("in a coroutine", co())
  local depth = 0
  local function nest()
    depth = depth + 1
    local co = coroutine.create(nest)
    local ok, err = coroutine.resume(co)
    if not ok then return err end
    return err
  end
  print("nested coroutines", nest(), depth)
  depth = 0
  local function wrapped()
    depth = depth + 1
    coroutine.wrap(wrapped)()
  end
  local ok, err = pcall(wrapped)
  print("nested wraps", ok, #err, depth)
  depth = 0
  local function yielding()
    depth = depth + 1
    coroutine.wrap(function() coroutine.yield() yielding() end)()
    local w = coroutine.wrap(function() coroutine.yield(1) yielding() end)
    w()
    w()
  end
  ok, err = pcall(yielding)
  print("resumed", ok, depth)
end
do
  local s = "return " .. ("{"):rep(190) .. ("}"):rep(190)
  print("deep constructor", type(load(s)()))
  local names = {}
  for i = 1, 201 do names[i] = "v" .. i end
  print("locals", load("local " .. table.concat(names, ", ")))
  names[201] = nil
  print("locals", type(load("local " .. table.concat(names, ", "))))
  local ups = {}
  for i = 1, 256 do ups[i] = "local u" .. i .. " = " .. i .. "\n" end
  local function upvalues(n)
    local text = {}
    for block = 0, (n - 1) // 150 do
      text[#text + 1] = "local function f" .. block .. "()\n"
      for i = block * 150 + 1, math.min(n, block * 150 + 150) do text[#text + 1] = "local u" .. i .. "\n" end
    end
    text[#text + 1] = "return function() return u1"
    for i = 2, n do text[#text + 1] = ", u" .. i end
    text[#text + 1] = " end"
    for block = 0, (n - 1) // 150 do text[#text + 1] = " end" end
    return load(table.concat(text), "=upvalues")
  end
  print("upvalues", type(upvalues(255)), select(2, upvalues(255)))
  print("upvalues", upvalues(256))
  local t = {}
  for i = 1, 100000 do t[i] = i end
  print("constants", load("return {" .. table.concat(t, ", ") .. "}")()[100000])
  print("arguments", select("#", table.unpack(t, 1, 250)))
  print("arguments", pcall(select, "#", table.unpack(t)))
  local body = ("x = 1 "):rep(50000)
  print("jumps", type(load("while x do " .. body .. " end")))
  print("goto", type(load("do goto l " .. body .. " ::l:: end")))
  local long = ("a"):rep(100000)
  print("name", load(long .. " = 1; return " .. long)())
  print("concat", #load("return " .. ("'x' .. "):rep(180) .. "'x'")())
  print("concat", load("return " .. ("'x' .. "):rep(300) .. "'x'"))
  print("registers", load("local a = f(" .. ("g("):rep(300) .. (")"):rep(300) .. ")"))
  print("table", (load("return {" .. ("{},"):rep(70000) .. "}")()[70000]) ~= nil)
end
print(pcall(string.rep, "x", 1 << 62))
print(pcall(string.rep, "abc", 1 << 40))
print(pcall(string.rep, "x", -1))
