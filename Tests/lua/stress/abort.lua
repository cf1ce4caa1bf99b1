-- Threads aborted at any moment of anything they may be doing. Each ends, by the abort or in its
-- own way; servers, tokens and ports they dealt with go on working.
local check = require "check"

local server = lwkt.create({ daemon = true, name = "server" }, function()
  local n = 0
  while true do
    local msg = lwkt.wait()
    n = n + 1
    if n % 5 == 0 then lwkt.yield() end
    if n % 7 ~= 0 then msg:reply(msg:unpack()) else msg:fail("seventh") end
  end
end)
local jobs = lwkt.port { limit = 8 }
local drain = lwkt.create({ daemon = true, name = "drain" }, function()
  while true do jobs:recv() end
end)
local tok, tok2 = lwkt.token("abort 1"), lwkt.token("abort 2")
local inside = lwkt.shared.counter(0)

local acts = {
  function() server:domsg("a") end,
  function() server:sendmsg("b"):wait(0.001) end,
  function() server:sendmsg("dropped") end,
  function() jobs:send("job") end,
  function() lwkt.sleep(0.0005) end,
  function() lwkt.yield() end,
  function() lwkt.tsleep("abort", "abort", 0.0005) end,
  function() lwkt.wakeup("abort") end,
  function() lwkt.create(function() lwkt.yield() return 1 end):join() end,
  function() lwkt.waitany({ lwkt.curthread().msgport, server:sendmsg("c") }, 0.001) end,
  function() lwkt.setcpu_self((lwkt.mycpu() + 1) % lwkt.ncpus()) end,
  function() lwkt.timeout(0.0005, lwkt.recv) end,
  function() lwkt.timeout(1, server.domsg, server, "d") end,
  function()
    lwkt.scope(function(s)
      s:create(function() lwkt.yield() end)
      s:create(function() server:domsg("e") end)
    end)
  end,
  function() table.sort({ 3, 1, 2 }, function(a, b) lwkt.yield() return a < b end) end,
  function()
    coroutine.wrap(function()
      server:domsg("f")
      coroutine.yield()
    end)()
  end,
  function()
    local first <close> = tok:get()
    local second <close> = tok2:get()
    check.eq(inside:add(1), 1, "alone")
    for _ = 1, 100 do end
    check.eq(inside:add(-1), 0, "alone")
  end,
  function()
    local second <close> = tok2:get_shared()
    local first <close> = tok:get_shared()
    lwkt.sleep(0)
  end,
  function() lwkt.sys.clock_gettime() end,
  function() pcall(lwkt.sleep, 0.001) end,
}

local function act(seed)
  while true do
    seed = (seed * 1103515245 + 12345) % 2147483648
    acts[seed // 65536 % #acts + 1]()
  end
end

for round = 1, 20 do
  local threads = {}
  for i = 1, 100 do
    threads[i] = check.doomed({ sharing = i % 10 == 0 }, act, round * 1000 + i)
  end
  -- Aborted at once, or a little later, in another order than they were created in.
  if round % 2 == 0 then lwkt.sleep(0.02) end
  for k = 1, 100 do
    local i = k * 37 % 100 + 1
    threads[i]:abort("planned abort")
    if k % 10 == 0 then lwkt.yield() end
  end
  for i = 1, 100 do check.died("planned abort", threads[i]) end
  tok:with(function()
    tok2:with(function() check.eq(inside:get(), 0, "nobody is inside") end)
  end)
end

local answers = 0
for i = 1, 14 do if server:domsg(i) then answers = answers + 1 end end
check.eq(answers, 12, "the server serves on")
jobs:send("one more")
check.eventually(function() return #jobs == 0 end, "the drain drains on")

check.done()
