-- How a program ends: os.exit from anywhere, errors at the top, what is closed.
-- main only: runs the interpreter again
local first = 0
while arg[first - 1] do first = first - 1 end
local interpreter = arg[first]
local file = os.tmpname()

local function run(name, text)
  local f = assert(io.open(file, "w"))
  f:write(text)
  f:close()
  local p = io.popen("{ " .. interpreter .. " " .. file .. "; echo status $?; } 2>&1 </dev/null", "r")
  local out = p:read("a")
  p:close()
  out = out:gsub("0x%x+", "PTR"):gsub(file:gsub("%p", "%%%0"), "FILE")
  out = out:gsub(interpreter:gsub("%p", "%%%0"), "INTERPRETER")
  print("--- " .. name)
  io.write(out)
end

local watch = [[
local function watch(name)
  return setmetatable({}, {__close = function(_, e) print("close " .. name, e) end,
    __gc = function() print("gc " .. name) end})
end
local main <close> = watch "main"
global = watch "global"
]]
for _, call in ipairs {"", "0", "1", "3", "true", "false", "nil", "256", "-1", "true, true", "false, true", "7, true", "nil, true", "0, false"} do
  local exit = "os.exit(" .. call .. ")"
  run(exit, watch .. exit)
  run(exit .. " in pcall", watch .. "pcall(function() local p <close> = watch 'inner' " .. exit .. " end)")
  run(exit .. " in a coroutine", watch .. "coroutine.wrap(function() local p <close> = watch 'inner' " .. exit .. " end)()")
end
for _, call in ipairs {"true, true", "4"} do
  local exit = "os.exit(" .. call .. ")"
  run(exit .. " in nested coroutines", watch .. "coroutine.wrap(function() local a <close> = watch 'a' coroutine.wrap(function() local b <close> = watch 'b' "
    .. exit .. " end)() end)()")
  run(exit .. " in sort", watch .. "table.sort({1, 2, 3}, function() local p <close> = watch 'inner' " .. exit .. " end)")
  run(exit .. " in gsub in a coroutine", watch .. "coroutine.wrap(function() string.gsub('x', '.', function() " .. exit .. " end) end)()")
  run(exit .. " in a metamethod", watch .. "local _ = setmetatable({}, {__index = function() " .. exit .. " end}).x")
  run(exit .. " in a closing function", watch .. "do local x <close> = setmetatable({}, {__close = function() " .. exit .. " end}) end")
  run(exit .. " in coroutine.close", watch .. "local co = coroutine.create(function() local x <close> = setmetatable({}, {__close = function() "
    .. exit .. " end}) coroutine.yield() end) coroutine.resume(co) coroutine.close(co)")
  run(exit .. " in a finaliser", watch .. "setmetatable({}, {__gc = function() " .. exit .. " end}) collectgarbage() print 'not here'")
  run(exit .. " in a finaliser at the end", watch .. "last = setmetatable({}, {__gc = function() print 'finaliser' " .. exit .. " end})")
  run(exit .. " in a message handler", watch .. "xpcall(error, function() " .. exit .. " end)")
  run(exit .. " in a hook", watch .. "debug.sethook(function() " .. exit .. " end, 'l')\nlocal x = 1\nprint 'not here'")
  run(exit .. " in load", watch .. "load(function() " .. exit .. " end)")
  run(exit .. " in require", watch .. "package.preload.x = function() " .. exit .. " end require 'x'")
  run(exit .. " in print", watch .. "print(1, setmetatable({}, {__tostring = function() " .. exit .. " end}))")
end
run("output is flushed", "io.stdout:setvbuf('full') io.write('written') os.exit(0)")
run("output is flushed", "io.stdout:setvbuf('full') io.write('written') os.exit(0, true)")
run("files are flushed", "local f = io.open('" .. file .. "x', 'w') f:write('kept') os.exit()")
print(io.open(file .. "x"):read("a"))
os.remove(file .. "x")

for _, text in ipairs {
  "error('text')", "error('text', 0)", "error('text', 2)", "error()", "error(nil)", "error({})", "error(12)", "error(1.5)", "error(true)", "error(print)",
  "error(setmetatable({}, {__tostring = function() return 'object' end}))",
  "error(setmetatable({}, {__tostring = function() return 12 end}))",
  "error(setmetatable({}, {__tostring = function() error('again') end}))",
  "error(setmetatable({}, {__name = 'Named'}))",
  "error('two\\nlines')", "error('zero\\0byte')", "error('')",
  "local x = nil + 1", "undefined()", "local t = {} t.x.y = 1", "string.rep()", "('x'):bad()",
  "x = }", "local x <const> = 1 x = 2", "goto nowhere", "return 1, 2, 3", "return error", "-- nothing", "",
  "local function f() error('deep') end local function g() f() end g()",
  "local function f(n) if n == 0 then error('deeper') end return (f(n - 1)) end f(40)",
  "local function f() return f() + 1 end f()",
  "coroutine.wrap(function() error('in a coroutine') end)()",
  "coroutine.wrap(function() coroutine.wrap(function() error('in two') end)() end)()",
  "coroutine.yield()", "table.sort({1, 2, 3}, function() error('in sort') end)",
  "local x <close> = setmetatable({}, {__close = function(_, e) print('closing', e) end}) error('closed')",
  "local x <close> = setmetatable({}, {__close = function(_, e) error('from close', 0) end}) error('closed')",
  "local x <close> = setmetatable({}, {__close = function(_, e) error('from close', 0) end})",
  "setmetatable({}, {__gc = function() error('in gc') end})", "warn('@on') setmetatable({}, {__gc = function() error('in gc', 0) end})",
  "debug.sethook(function() error('in hook') end, 'l')\nlocal x = 1",
  "require 'no.such.module'", "load(function() error('reader') end)\nerror(select(2, load(function() error('reader') end)))",
  "string.rep('x', 1 << 40)", "local t = {} for i = 1, 1 << 40 do t[i] = ('x'):rep(1 << 34) end",
  "assert(false)", "assert(nil, 'message')", "assert(false, {})", "assert(io.open('/nonexistent'))",
  "local t = setmetatable({}, {__index = function(t, k) error('no ' .. k) end}) return t.field",
  "print(pcall(error, 'caught')) io.stderr:write('direct\\n')",
  "local function loop() return pcall(loop) end print(select('#', loop()))",
  "xpcall(error, error)", "print(xpcall(error, function() error('in handler') end))",
  "io.stdout:close()", "io.stderr:close() error('to nowhere')",
  "setmetatable(_G, {__index = function(_, k) error('undeclared ' .. k, 2) end}) local x = y",
  "print(...) print(#arg, arg[0] ~= nil)",
} do run(text, text) end
os.remove(file)
