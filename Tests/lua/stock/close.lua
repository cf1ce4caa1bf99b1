-- To-be-closed variables, in and out of coroutines; coroutine.close.
local function show(what, ...)
  local parts = table.pack(...)
  for i = 1, parts.n do
    parts[i] = tostring(parts[i]):gsub("0x%x+", "PTR"):gsub("^thread: .*", "thread")
  end
  print(what, table.concat(parts, "\t", 1, parts.n))
end
local function closing(name, f)
  return setmetatable({}, {__close = function(self, err)
    show("close " .. name, err)
    if f then return f(err) end
  end, __name = name})
end

do
  local a <close> = closing "a"
  local b <const> = 1
  local c <close> = nil
  local d <close> = false
  show("body", b)
end
show("not closable", pcall(function() local x <close> = 42 end))
show("not closable", pcall(function() local x <close> = {} end))
show("not closable", pcall(load [[local mine <close> = print]]))
show("const", load "local x <const> = 1; x = 2")
show("const", load "local x <close> = nil; x = 2")
show("attrib", load "local x <foo> = 1")
show("two", load "local x <close>, y <close> = 1, 2")
show("upvalue", load "local x <const> = 1; return function() x = 2 end")

show("order", pcall(function()
  local a <close> = closing "1"
  local b <close> = closing "2"
  error("boom", 0)
end))
show("replaced", pcall(function()
  local a <close> = closing("1", function() error("from 1", 0) end)
  local b <close> = closing("2", function(e) error("from 2 after " .. tostring(e), 0) end)
  error("boom", 0)
end))
show("return", (function()
  local a <close> = closing "r"
  return 1, 2, 3
end)())
show("error in normal close", pcall(function()
  local a <close> = closing("n", function() error("in close") end)
  return 1
end))
show("tail call is none", (function(...)
  local a <close> = closing "t"
  return select("#", ...)
end)(1, 2))
for i = 1, 3 do
  local a <close> = closing("loop " .. i)
  if i == 2 then goto continue end
  show("after", i)
  ::continue::
end
do
  local i = 0
  while true do
    local a <close> = closing "while"
    i = i + 1
    if i == 2 then break end
  end
end
for k, v in (function()
  return function(_, i) if i < 2 then return i + 1 end end, nil, 0, closing "for state"
end)() do show("for", k, v) end
show("for break", (function()
  for k in next, {1}, nil, closing "for break" do return k end
end)())
show("for error", pcall(function()
  for k in next, {1}, nil, closing "for error" do error("in loop", 0) end
end))
show("metamethod missing later", pcall(function()
  local mt = {__close = print}
  local x <close> = setmetatable({}, mt)
  mt.__close = nil
end))

-- coroutines
do
  local co = coroutine.create(function()
    local a <close> = closing "a"
    local b <close> = closing "b"
    coroutine.yield(1)
    show("never")
  end)
  show("resume", coroutine.resume(co))
  show("close", coroutine.close(co))
  show("status", coroutine.status(co))
  show("resume", coroutine.resume(co))
  co = coroutine.create(function()
    local a <close> = closing("a", function(e) show("seen", e) error("a fails", 0) end)
    local b <close> = closing("b", function(e) error({}) end)
    coroutine.yield(1)
  end)
  coroutine.resume(co)
  show("close", coroutine.close(co))
  show("close", coroutine.close(co), coroutine.status(co))
  show("close fresh", coroutine.close(coroutine.create(print)))
  co = coroutine.create(function()
    local a <close> = closing("a", function() show("isyieldable", coroutine.isyieldable()) end)
    error("in body", 0)
  end)
  show("error keeps", coroutine.resume(co))
  show("close", coroutine.close(co))
  show("close", coroutine.close(co))
  local w = coroutine.wrap(function()
    local a <close> = closing "wrap"
    error("wrap error", 0)
  end)
  show("wrap closes", pcall(w))
  w = coroutine.wrap(function()
    local a <close> = closing("wrap", function() error("other", 0) end)
    error("wrap error", 0)
  end)
  show("wrap closes", pcall(w))
  -- what the closing function sees
  co = coroutine.create(function()
    local a <close> = closing("who", function()
      local me, flag = coroutine.running()
      show("running", me == co, flag, coroutine.status(co), coroutine.isyieldable())
      show("resume it", coroutine.resume(co))
      show("close it", pcall(coroutine.close, co))
      show("yield", pcall(coroutine.yield, 1))
    end)
    coroutine.yield()
  end)
  coroutine.resume(co)
  show("close", coroutine.close(co))
  -- closing one from another's closing
  local first = coroutine.create(function()
    local a <close> = closing "first"
    coroutine.yield()
  end)
  local second = coroutine.create(function()
    local a <close> = closing("second", function() show("inner", coroutine.close(first)) end)
    coroutine.yield()
  end)
  coroutine.resume(first)
  coroutine.resume(second)
  show("outer", coroutine.close(second))
  show("status", coroutine.status(first), coroutine.status(second))
  -- a chain of suspended coroutines
  local out = coroutine.wrap(function()
    local a <close> = closing "outer"
    local inner = coroutine.wrap(function()
      local b <close> = closing "inner"
      coroutine.yield(1)
      error("inner error", 0)
    end)
    coroutine.yield(inner())
    inner()
  end)
  show("chain", out())
  show("chain", pcall(out))
end

-- pending variables of a coroutine that is never closed are not closed
do
  local co = coroutine.wrap(function()
    local a <close> = closing "abandoned"
    coroutine.yield()
  end)
  co()
  co = nil
  collectgarbage()
end

-- tracebacks of closing functions
do
  local function trace() print((debug.traceback("in close"):gsub("\n%s*%[C%]: in %?$", ""))) end
  local t = {name = "t"}
  local function f()
    local x <close> = setmetatable({}, {__close = trace})
    return 1
  end
  f()
  pcall(function()
    local x <close> = setmetatable({}, {__close = trace})
    error "e"
  end)
  local co = coroutine.create(function()
    local x <close> = setmetatable({}, {__close = trace})
    coroutine.yield()
  end)
  coroutine.resume(co)
  coroutine.close(co)
end
-- deep nesting of closes
do
  local depth = 0
  local function deep(n)
    local x <close> = setmetatable({}, {__close = function() depth = depth + 1 end})
    if n > 0 then return (deep(n - 1)) end
    error("bottom", 0)
  end
  show("deep", pcall(deep, 150))
  show("depth", depth)
end
do
  local n = 0
  local function nest(k)
    if k == 0 then error("bottom", 0) end
    local co = coroutine.create(function()
      local x <close> = setmetatable({}, {__close = function() n = n + 1 nest(k - 1) end})
      coroutine.yield()
    end)
    coroutine.resume(co)
    local ok, err = coroutine.close(co)
    if not ok then error(err, 0) end
  end
  show("nested closes", pcall(nest, 30))
  show("closes", n)
end
