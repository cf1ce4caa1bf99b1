-- Random programs that set debug hooks, everywhere and to do anything: what comes of them is of no
-- interest, as long as the process goes on. A run is made again by its seed, and one of its programs, whose
-- text is then printed, by its number:
--
--     lwkt-lua --workers 2 stress/hooks.lua SEED PROGRAMS [NUMBER]
--
-- It runs in stock Lua as well, without what needs threads; where a finaliser leaves a hook in its main
-- thread, that ends the run.
local seed, only = tonumber(arg[1]) or 1, tonumber(arg[3])
local programs = tonumber(arg[2]) or (lwkt and require("check").many or math.floor)(1000)
local random = math.random

-- ---- making a program ----

local function any(list) return list[random(#list)] end

local lines, depth, left

local function put(format, ...) lines[#lines + 1] = ("  "):rep(depth) .. format:format(...) end

local values = {
  "a", "b", "t", "co", "1", "2.5", "nil", "'text'", "f", "{ a, b }", "#t", "t.x", "t[a]", "a .. b",
  "('x'):rep(50)", "...", "(...)", "select('#', ...)", "trace()", "a + 1", "-b", "a < 3",
  "a == t", "not b", "object", "object + 1", "object .. 'x'", "object.x", "#object", "object()",
  "object == other", "object < other", "setmetatable({}, finalised)",
}
local function value() return any(values) end

local block

local function body(head, tail, ...)
  put(head, ...)
  depth = depth + 1
  if head:find "function" then put("step()") end
  block()
  depth = depth - 1
  put("%s", tail or "end")
end

local function mask()
  return ("%q, %d"):format(any { "", "c", "r", "l", "cr", "cl", "rl", "crl" },
    any { 0, 0, 1, 1, 2, 3, 7, 50, 1000, 5000 })
end

local statements
statements = {
  function() put("a = %s", value()) end,
  function() put("b = %s", value()) end,
  function() put("t[%d] = %s", random(5), value()) end,
  function() put("t.x = %s", value()) end,
  function() put("object.x = %s", value()) end,
  function() put("local c <const>, d = %s, %s", value(), value()) end,
  function() put("a, b = f(%s, %s)", value(), value()) end,
  function() put("collectgarbage(%s)", any { "", "'step'", "'generational'", "'incremental'", "'step', 100" }) end,
  function() put("error(%s)", value()) end,
  function() put("coroutine.yield(%s)", value()) end,
  function() put("pause()") end,
  function() put("pause()") end,
  function() put("work()") end,
  function() put("deep(%d)", any { 1, 10, 100, 180 }) end,
  function() put("f = debug.gethook() or f") end,
  function() put("debug.sethook()") end,
  function() put("debug.sethook(f, %s)", mask()) end,
  function() put("debug.sethook(co, f, %s)", mask()) end,
  function() put("debug.sethook(co)") end,
  function() put("hook(%d, %s)", random(20), mask()) end,
  function() put("hook(%d, %s)", random(20), mask()) end,
  function() put("locals(%d)", random(0, 4)) end,
  function() put("a = coroutine.close(co)") end,
  function() put("a, b = coroutine.resume(co, %s)", value()) end,
  function() put("thread(f, %s)", value()) end,
  function() put("abort()") end,
  function() put("setmetatable(t, class)") end,
  function() put("local s = string.rep('y', 1000, %s)", any { "a", "'z'" }) end,
  function() body("debug.sethook(function(event, line, ...)", "end, " .. mask() .. ")") end,
  function() body("debug.sethook(co, function(event, line, ...)", "end, " .. mask() .. ")") end,
  function() body("a, b = pcall(function(...)", "end, " .. value() .. ")") end,
  function() body("a, b = xpcall(function(...)", "end, handled(f))") end,
  function() body("a, b = xpcall(f, handled(function(...)", "end))") end,
  function() body("f = function(...)") end,
  function() body("f = function(p, ...)") end,
  function() body("for i = 1, %d do", nil, random(6)) end,
  function() body("for k, v in pairs(t) do") end,
  function() body("for k, v in coroutine.wrap(function(...)", "end) do break end") end,
  function() body("for i = 1, 3 do local x <close> = setmetatable({}, { __close = function(...)", "end }) end") end,
  function()
    put("do")
    depth = depth + 1
    put("local x <close> = closing(%d)", random(3))
    block()
    depth = depth - 1
    put("end")
  end,
  function() body("if %s then", nil, value()) end,
  function() body("co = coroutine.create(function(...)", "end)") end,
  function() body("a = coroutine.wrap(function(...)", "end)(" .. value() .. ")") end,
  function() body("sort(function(x, y, ...)", "do return x < y end end)") end,
  function() body("b = ('abcd'):gsub('.', function(x, ...)", "end)") end,
  function() body("class.%s = function(x, y, ...)", nil,
      any { "__index", "__add", "__concat", "__len", "__call", "__eq", "__lt", "__newindex", "__close", "__tostring" })
  end,
  function() body("setmetatable({}, { __gc = function(x, ...)", "end })") end,
  function() body("thread(function(...)", "end, " .. value() .. ")") end,
  function() body("a = load(function(...)", "do return nil end end)") end,
  function()
    if random(4) > 1 then return put("a = table.unpack(t)") end
    put("do return %s end", any { "f(a)", "a, b", "f(...)", "...", "object(a)", "coroutine.yield(a)", "coroutine.running()" })
  end,
}

function block()
  for _ = 1, random(1, 4) do
    left = left - 1
    if left < 0 or depth > 8 then return put("b = %s", value()) end
    any(statements)()
  end
end

-- What programs find: all is bounded, so that each comes to its end.
local prelude = [[
local a, b, t, object, other, class, finalised, co, f = 1, "2", { 3, x = 4 }
local steps, threads = 0, {}
local ends = lwkt and lwkt.lookup("hooks.ends", 0) -- so that nobody's death goes unnoticed
local function step()
  steps = steps + 1
  if steps > 2000 then debug.sethook() error("enough", 0) end
end
local pause = lwkt and function()
  step()
  local n = math.random(3)
  if n == 1 then lwkt.yield() elseif n == 2 then lwkt.sleep(0) else lwkt.recv(0) end
end or step
local function work() step() for i = 1, 3000 do a = i end end
local traces = 0
local function trace() step() traces = traces + 1 return traces < 100 and debug.traceback() end
-- An error in a message handler calls it again, to the limit of C calls: those have a limit of their own.
local handlings = 0
local function handled(g)
  return function(...)
    handlings = handlings + 1
    if handlings < 50 then return g(...) end
  end
end
local function deep(n) step() if n > 0 then return 1 + (deep(n - 1) or 0) end return 0 end
local function closing(n)
  local function close() step() if n == 1 then pause() elseif n == 2 then error("closed") else work() end end
  return setmetatable({}, { __close = close })
end
-- Only variables that have a name: Lua relies on what else is on the stack.
local function locals(level)
  step()
  level = level + 2
  if not debug.getinfo(level, "nSltufrL") then return end
  for i = 1, 4 do
    local name = debug.getlocal(level, i)
    if name and name:find "^%a" then debug.setlocal(level, i, math.random(3) == 1 and {} or nil) end
  end
end
local function sort(compare)
  local list = {}
  for i = 1, 12 do list[i] = math.random(9) end
  table.sort(list, compare)
end
local function thread(g, ...)
  step()
  if not lwkt or #threads >= 8 then return end
  local td = lwkt.create({ nostart = true, sharing = math.random(2) == 1 }, g, ...)
  td:notify(ends)
  threads[#threads + 1] = td
  td:schedule()
end
local function abort()
  step()
  local td = threads[math.random(9)]
  if td then td:abort() elseif lwkt and math.random(4) == 1 then lwkt.curthread():abort() end
end
local hooks
local function hook(n, mask, count) step() debug.sethook(hooks[n], mask, count) end
hooks = {
  function() step() error("in the hook") end, function() step() error() end,
  function() step() coroutine.yield() end, function() step() pause() end,
  function() step() debug.sethook() end, function() step() collectgarbage() end,
  function() step() collectgarbage("step") end, function() step() abort() end,
  function() step() thread(work) end, function() step() locals(0) end,
  function() step() locals(1) end, function() step() work() end, function() step() deep(150) end,
  function() step() hook(math.random(20), "l", 1) end, function() step() hook(math.random(20), "cr", 3) end,
  function() step() coroutine.wrap(function() pause() work() coroutine.yield() end)() end,
  function() step() if f then f() end end, function() step() if co then coroutine.resume(co) end end,
  function() step() trace() string.rep("z", 3000) end,
  function() step() if math.random(30) == 1 then (lwkt and lwkt.exit or error)() end end,
}
class = { __index = function() step() return 1 end }
for _, event in ipairs { "add", "concat", "len", "call", "eq", "lt" } do
  class["__" .. event] = function() step() return 2 end
end
object, other = setmetatable({}, class), setmetatable({}, class)
finalised = { __gc = function() steps = steps + 1 if steps < 2000 and f then f() end end }
co = coroutine.create(function(...) while true do step() coroutine.yield(...) end end)
f = function(...) step() return ... end
]]

local function program(number)
  math.randomseed(seed, number)
  lines, depth, left = {}, 0, random(5, 60)
  while left > 0 do block() end
  -- A `return` stands last in its block, or in one of its own.
  return prelude .. table.concat(lines, "\n")
end

-- ---- running it ----

local function run(text, seed, number)
  math.randomseed(seed, number)
  pcall(assert(load(text, "=program")))
end

if only then print(program(only)) end

if not lwkt then
  for i = only or 1, only or programs do
    coroutine.resume(coroutine.create(run), program(i), seed, i)
  end
else
  local running, notices, ends = 0, lwkt.port(), lwkt.port("hooks.ends")
  local function reap()
    local _, td = notices:recv()
    running = running - 1
  end
  for i = only or 1, only or programs do
    local td = lwkt.create({ name = "program " .. i, nostart = true }, run, program(i), seed, i)
    td:notify(notices)
    td:schedule()
    running = running + 1
    while running >= 6 do reap() end
  end
  while running > 0 do reap() end
end
print("ok")
