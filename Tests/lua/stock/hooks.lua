-- debug.sethook in the main program and in coroutines.
local function show(what, ...)
  local parts = table.pack(...)
  for i = 1, parts.n do
    parts[i] = tostring(parts[i]):gsub("0x%x+", "PTR"):gsub("^thread: .*", "thread")
  end
  print(what, table.concat(parts, "\t", 1, parts.n))
end
local function collect(mask, count, f)
  local seen = {}
  debug.sethook(function(event, line)
    local i = debug.getinfo(2, "nS")
    seen[#seen + 1] = event .. (line and ":" .. line or "") .. (i.name and "(" .. i.name .. ")" or "")
  end, mask, count)
  f()
  debug.sethook()
  return table.concat(seen, " ")
end
local function work(n)
  local s = 0
  for i = 1, n do
    s = s + i
  end
  return s
end
print(collect("l", 0, function() work(2) end))
print(collect("c", 0, function() work(2) math.abs(1) pcall(work, 1) end))
print(collect("r", 0, function() work(2) math.abs(1) pcall(work, 1) end))
print(collect("crl", 0, function() work(1) end))
print(collect("c", 0, function() return work(2) end))
print(collect("", 10, function() work(20) end))
print(collect("", 1, function() work(1) end))
print(collect("l", 0, function() local co = coroutine.wrap(function() work(1) end) co() end))
show("gethook", debug.gethook())
debug.sethook(print, "cr", 7)
local f, m, c = debug.gethook()
debug.sethook()
show("gethook", f == print, m, c)
debug.sethook(show, "", 100000000)
f, m, c = debug.gethook()
debug.sethook()
show("gethook", f == show, m, c)
debug.sethook(print, "")
show("no mask", debug.gethook())
debug.sethook(nil, "l", 3)
show("nil", debug.gethook())
show("misuse", pcall(debug.sethook, 1))
show("misuse", pcall(debug.sethook, 1, "l"))
show("misuse", pcall(debug.sethook, print))
show("misuse", pcall(debug.sethook, print, "l", "x"))
show("misuse", pcall(debug.gethook, 1))
show("registry", type(debug.getregistry()._HOOKKEY), getmetatable(debug.getregistry()._HOOKKEY).__mode)

-- exact counts
for _, every in ipairs {1, 2, 100, 4095, 4096, 4097, 5000, 8192, 10000, 100000} do
  local n = 0
  debug.sethook(function(event) n = n + 1 end, "", every)
  for i = 1, 100000 do end
  debug.sethook()
  show("every " .. every, n)
end
do
  local n = 0
  debug.sethook(function(event) n = n + 1 end, "lc", 10000)
  for i = 1, 100000 do
    local x = i
  end
  debug.sethook()
  show("with lines", n)
end

-- errors
show("error", pcall(function()
  debug.sethook(function() debug.sethook() error("from the hook") end, "l")
  local x = 1
  local y = 2
end))
show("limit", pcall(function()
  debug.sethook(function() error("too long", 0) end, "", 20000)
  while true do end
end))
debug.sethook()
show("limit in C", pcall(function()
  debug.sethook(function() debug.sethook() error("called", 0) end, "c")
  return math.abs(-1)
end))
show("handler", xpcall(function()
  debug.sethook(function() debug.sethook() error("called", 0) end, "", 50)
  while true do end
end, function(m) return "handled " .. m end))

-- coroutines
do
  local co = coroutine.create(function(n)
    for i = 1, n do
      coroutine.yield(i)
    end
    error("end")
  end)
  local lines = {}
  debug.sethook(co, function(event, line) lines[#lines + 1] = event .. line end, "l")
  show("only there", debug.gethook(), debug.gethook(co) ~= nil)
  while coroutine.status(co) ~= "dead" do lines[#lines + 1] = tostring(coroutine.resume(co, 2)) end
  print(table.concat(lines, " "))
  debug.sethook(co)
  show("gethook", debug.gethook(co))
  local inherited
  debug.sethook(function() end, "c", 5)
  local child = coroutine.create(function() return debug.gethook() end)
  local parent_hook = debug.gethook()
  debug.sethook()
  show("inherits", parent_hook ~= nil, coroutine.resume(child))
  -- a hook with an error ends the coroutine
  co = coroutine.create(function() while true do end end)
  debug.sethook(co, function() error("stop", 0) end, "", 1000)
  show("stopped", coroutine.resume(co))
  show("status", coroutine.status(co))
  -- a hook cannot yield
  co = coroutine.create(function() local x = 1 return x end)
  debug.sethook(co, function() coroutine.yield() end, "l")
  show("yield", coroutine.resume(co))
end
-- hooks are off inside hooks
do
  local n = 0
  local function helper() return 1 end
  debug.sethook(function() n = n + helper() end, "c")
  math.abs(1)
  math.abs(2)
  debug.sethook()
  show("calls", n)
end
-- what a hook can change
do
  local function f(a)
    local b = a
    return b
  end
  debug.sethook(function(event)
    local i = debug.getinfo(2, "f")
    if i.func == f then debug.setlocal(2, 1, "set by the hook") end
  end, "c")
  local r = f("argument")
  debug.sethook()
  show("changed", r)
end
-- in finalisers hooks are off
do
  local n = 0
  local function inside() return 1 end
  setmetatable({}, {__gc = function() n = n + inside() end})
  local calls = 0
  debug.sethook(function() if debug.getinfo(2, "f").func == inside then calls = calls + 1 end end, "c")
  collectgarbage()
  debug.sethook()
  show("finaliser", n, calls)
end
-- lines of loops, of statements over several lines, after errors
do
  local function traced(text)
    local f = load(text, "=text")
    local lines = {}
    debug.sethook(function(_, line)
      if debug.getinfo(2, "S").short_src == "text" then lines[#lines + 1] = line end
    end, "l")
    pcall(f)
    debug.sethook()
    return table.concat(lines, " ")
  end
  print(traced "local a\n\nfor i = 1, 3 do\n a = i\nend\n")
  print(traced "local t = {\n1,\n2,\n}\nfor _, v in ipairs(t) do local x = v end")
  print(traced "while true do break end repeat local x = 1 until x\ngoto l1\n::l2:: do return end\n::l1:: goto l2")
  print(traced "local x = 1 +\n 2 +\n nil")
  print(traced "if nil then\n x()\nelseif 1 then\n y = 1\nelse\n z()\nend\ny = nil")
  print(traced "local function f()\n return 1\nend\nf() f()\nf()")
end
