-- A finaliser may do everything but wait, end its thread or give way, also by way of a coroutine.
local check = require "check"

-- Run `fn` in a finaliser: what pcall says of it.
local function finalise(fn, ...)
  local arguments, results = table.pack(...), nil
  setmetatable({}, {
    __gc = function() results = table.pack(pcall(fn, table.unpack(arguments, 1, arguments.n))) end,
  })
  for _ = 1, 10 do
    collectgarbage()
    if results then return table.unpack(results, 1, results.n) end
  end
  error("no finaliser was called")
end

local refused = "cannot wait in a finaliser (__gc)"
local empty, asked, full = lwkt.port(), lwkt.port(), lwkt.port { limit = 1 }
full:send("full")
local hour = lwkt.create({ daemon = true }, lwkt.sleep, 3600)
local held = lwkt.token("finalisers")

local waits = {
  sleep = function() lwkt.sleep(0) end,
  recv = function() empty:recv() end,
  timed = function() empty:recv(1) end,
  wait = function() empty:wait() end,
  send = function() full:send("no room") end,
  domsg = function() asked:domsg() end,
  reply = function() asked:sendmsg():wait() end,
  join = function() hour:join() end,
  waitany = function() lwkt.waitany { empty, hour } end,
  tsleep = function() lwkt.tsleep("finalisers", "never") end,
  lookup = function() lwkt.lookup("finalisers.nobody") end,
  sysport = function() lwkt.sysport:domsg("nanosleep", 0) end,
  scope = function() lwkt.scope(function(s) s:create(print) end) end,
  coroutine = function() coroutine.wrap(lwkt.sleep)(0) end,
  nested = function() coroutine.wrap(function() coroutine.wrap(lwkt.sleep)(0) end)() end,
  sort = function() table.sort({ 2, 1 }, function() lwkt.sleep(0) end) end,
}
for name, wait in pairs(waits) do
  local ok, err = finalise(wait)
  check.eq(ok, false, name)
  check.ok(tostring(err):find(refused, 1, true), name .. ": " .. tostring(err))
  -- As if nothing had been begun.
  check.ok(lwkt.sleep(0), name .. " leaves the thread as it was")
end
collectgarbage()
check.ok(#asked <= 2, "requests are not made again")

-- What need not wait works.
do
  local box = lwkt.port()
  local td
  check.ok(finalise(function()
    box:send("sent")
    held:get()
    held:rel()
    td = lwkt.create(function() return "created" end)
    lwkt.yield()
    coroutine.wrap(lwkt.yield)()
    lwkt.crit_enter()
    lwkt.crit_exit()
    lwkt.setcpu_self(lwkt.mycpu())
  end))
  check.eq(box:recv(0), "sent", "sent")
  check.eq(check.join(td), "created", "created")
  check.deep({ finalise(lwkt.timeout, 60, function() return "in time" end) }, { true, "in time" })
  check.fails(lwkt.errno.ETIMEDOUT, "polls", select(2, finalise(empty.recv, empty, 0)))
  local other = (lwkt.mycpu() + 1) % lwkt.ncpus()
  if other ~= lwkt.mycpu() then
    check.fails(lwkt.errno.EBUSY, "does not move", select(2, finalise(lwkt.setcpu_self, other)))
    check.fails(lwkt.errno.EBUSY, "nor does a coroutine",
      select(2, finalise(function() return coroutine.wrap(lwkt.setcpu_self)(other) end)))
  end
end

-- Where no thread is inside Lua, as while one is made, coroutines of finalisers are as elsewhere: nobody
-- takes their yields for a wait of the thread.
do
  local function litter()
    for _ = 1, 100 do
      setmetatable({}, { __gc = function()
        local co = coroutine.wrap(function() while true do coroutine.yield() end end)
        for _ = 1, 3 do co() end
      end })
    end
  end
  local list = {}
  for i = 1, 2000 do list[i] = { i } end
  local sleeper = lwkt.create({ daemon = true }, function() while true do lwkt.sleep(0.0001) end end)
  for _ = 1, check.many(100) do
    check.join(lwkt.create(litter))
    check.eq(check.join(lwkt.create(function(list) return #list end, list)), 2000, "a thread is made")
  end
  sleeper:abort()
  sleeper:join()
end

-- It computes undisturbed, in a coroutine too, while others of its heap wait for the worker.
do
  local turns = 0
  local td = lwkt.create({ sharing = true }, function()
    while turns >= 0 do
      turns = turns + 1
      lwkt.yield()
    end
  end)
  local before, after
  check.ok(finalise(coroutine.wrap(function()
    before = turns
    local start = os.clock()
    repeat until os.clock() - start > 0.05
    after = turns
  end)))
  check.eq(after, before, "nobody else ran")
  turns = -1
  check.join(td)
end

-- In a created thread it is the same.
check.join(lwkt.create(function(finalise, refused)
  local ok, err = finalise(lwkt.sleep, 1)
  assert(not ok and err:find(refused, 1, true), err)
end, finalise, refused))

hour:abort()
hour:join()
check.done()
