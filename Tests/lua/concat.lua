-- A `__concat` may call as deep as it likes. (Debian's Lua 5.4.4 loses the top of a stack that moves
-- meanwhile; `lua5.4` dies of most of what is here.)
local check = require "check"

local function deep(n)
  if n > 0 then return 1 + deep(n - 1) end
  return 0
end

local Rope = {}
Rope.__index = Rope
local function rope(text, n) return setmetatable({ text = text, deep = n }, Rope) end
local function text(x) return type(x) == "table" and x.text or tostring(x) end
function Rope.__concat(a, b)
  deep((type(a) == "table" and a or b).deep)
  return text(a) .. text(b)
end

-- On new stacks, which grow, at any place among the operands.
for n = 0, 1000, 10 do
  local r = rope("O", n)
  local function all()
    check.eq("a" .. r, "aO")
    check.eq(r .. 1, "O1")
    check.eq("a" .. r .. "b", "aOb")
    check.eq(1 .. r .. "b" .. r .. 2.5 .. r, "1ObO2.5O")
    check.eq(({ "x", r .. r .. r, "y" })[2], "OOO")
    return "done"
  end
  check.eq(coroutine.wrap(all)(), "done")
  check.eq(check.join(lwkt.create(all)), "done")
end

-- While the collector runs, which marks what is below the top.
for _, mode in ipairs { "incremental", "generational" } do
  collectgarbage(mode)
  local r = setmetatable({}, { __concat = function(a, b)
    deep(2000)
    local list = {}
    for i = 1, 100 do list[i] = { i } end
    return "kept" .. #list
  end })
  for _ = 1, 200 do
    coroutine.wrap(function()
      local a, b = {}, "b" .. #mode
      check.eq("a" .. (r .. b) .. #a, "akept1000")
      check.eq(#a, 0)
    end)()
  end
end
collectgarbage("incremental")

-- And where a stack shrinks.
coroutine.wrap(function()
  deep(30000)
  local r = setmetatable({}, { __concat = function() collectgarbage() collectgarbage() return "small" end })
  check.eq("a" .. r .. "b", "asmall")
end)()

-- Inside each other; with errors, yields and waits in between.
local inner = rope("i", 3000)
local outer = setmetatable({}, { __concat = function(_, b) return "<" .. inner .. tostring(b) .. inner .. ">" end })
local function waits(how)
  return setmetatable({}, { __concat = function(_, b) deep(1000) how() deep(2000) return "w" .. tostring(b) end })
end
local function mixed()
  check.eq("a" .. outer .. "b", "a<ibi>")
  check.eq(1 .. waits(lwkt.yield) .. "b", "1wb")
  check.eq(1 .. waits(function() lwkt.sleep(0) end) .. "b", "1wb")
  check.raises("on purpose", function() return 1 .. waits(function() error("on purpose") end) .. "b" end)
  check.eq(1 .. waits(function() pcall(error) end) .. "b", "1wb")
  local co = coroutine.wrap(function() return "c" .. waits(coroutine.yield) .. "d" end)
  check.eq(co(), nil)
  check.eq(co(), "cwd")
  return true
end
check.eq(mixed(), true)
check.eq(coroutine.wrap(mixed)(), true)
for _ = 1, 20 do check.eq(check.join(lwkt.create(mixed)), true) end

-- From C: a comparator's stack cannot be left, nor can a metamethod's that C has called.
coroutine.wrap(function()
  local list = { 3, 1, 2 }
  table.sort(list, function(a, b) return #(a .. inner .. "") + a < #(b .. inner .. "") + b end)
  check.eq(table.concat(list), "123")
end)()

-- A recursion that never ends is an error.
local two = setmetatable({}, { __concat = function() return 2 end })
local function endless(...) return 1 + endless(two .. "x") end
check.raises("stack overflow", endless)
check.raises("stack overflow", coroutine.wrap(endless))

check.done()
