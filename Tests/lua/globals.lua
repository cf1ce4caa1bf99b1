-- A thread's globals: its own, whether its code assigns any, or others do it for it.
local check = require "check"

-- Code that assigns none reads the standard ones.
check.eq(check.join(lwkt.create(function() return math.type(1), print ~= nil, nosuch end)), "integer")

-- A chunk that it loads changes them for the thread, the code that was there before included; and for
-- no other thread, also of the same heap.
local function changed()
  local before = tostring(1)
  local inner = function() return tostring(3) end
  load("function tostring(x) return 'mine ' .. x end; added = 7")()
  return before, tostring(2), inner(), load("return tostring(4), added")()
end
for _ = 1, 100 do
  check.deep({ check.join(lwkt.create(changed)) },
    { "1", "mine 2", "mine 3", "mine 4", 7 }, "changed by a chunk")
end
local function plain() return tostring(1), load("return added, rawget(_G, 'added')")() end
for _ = 1, 100 do
  check.deep({ check.join(lwkt.create(plain)) }, { "1" }, "nobody else's are")
end
check.eq(tostring(1), "1", "the creator's neither")

-- So does a function that it receives.
local function assigns(value) type = value; return type end
local receiver = lwkt.create(function()
  local assign = lwkt.recv()
  local before = _VERSION
  return before, assign("mine"), _VERSION
end)
receiver:send(function(value) _VERSION = value return _VERSION end)
check.deep({ check.join(receiver) }, { "Lua 5.4", "mine", "mine" }, "changed by a received function")

-- A sharing thread has its creator's, from the moment it is created.
check.deep({ check.join(lwkt.create(function()
  local version = _VERSION
  lwkt.create({ sharing = true }, load("_VERSION = 'shared'")):join()
  return version, _VERSION
end)) }, { "Lua 5.4", "shared" }, "a sharing thread's are its creator's")

-- What it creates sees what it has changed.
check.eq(check.join(lwkt.create(function()
  load("helper = function() return 'helped' end")()
  return select(2, lwkt.create(load("return helper()")):join())
end)), "helped", "a thread's own go to its threads")

-- Whoever asks for the table has it, and may change it in any way.
check.deep({ check.join(lwkt.create(function()
  local names = 0
  for name in pairs(_G) do names = names + 1 end
  _G.print = "gone"
  rawset(_G, "more", 1)
  return names > 20, print, more, _G._G == _G
end)) }, { true, "gone", 1, true }, "_G")
check.deep({ check.join(lwkt.create(function()
  local own = load("return _ENV")()
  own.select = nil
  own.other = "other"
  return rawget(own, "other"), load("return other")(), own == load("return _ENV")()
end)) }, { "other", "other", true }, "_ENV of a chunk")
check.deep({ check.join(lwkt.create(function()
  local _, env = debug.getupvalue(debug.getinfo(1, "f").func, 1)
  env.added = 1
  return added
end)) }, { 1 }, "through the debug library")
check.eq(check.join(lwkt.create(function() return added, _VERSION end)), nil, "and nobody else's")

check.done()
