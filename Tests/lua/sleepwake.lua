-- tsleep, wakeup and wakeup_one; sleep; critical sections.
local check = require "check"

local errno = lwkt.errno

-- Sleep on a string, an integer, any lwkt object; wmesg says what for.
do
  local port, token = lwkt.port(), lwkt.token("sleepwake")
  local counter = lwkt.shared.counter(0)
  local idents = { "doorbell", 42, port, token, counter, lwkt.curthread() }
  for _, ident in ipairs(idents) do
    local td = lwkt.create(function(ident) return lwkt.tsleep(ident, "ding") end, ident)
    check.waiting(td)
    check.eq(td.wmesg, "ding", "wmesg while asleep")
    check.fails(errno.ETIMEDOUT, "it sleeps on", td:join(0.005))
    lwkt.wakeup(ident)
    check.ok(check.join(td), "tsleep is true when woken")
  end
  -- On whichever worker it sleeps, and without a text of its own.
  for cpu = 0, lwkt.ncpus() - 1 do
    local td = lwkt.create({ cpu = cpu }, function()
      lwkt.tsleep("sleepwake.cpu", "dong")
      lwkt.tsleep("sleepwake.cpu")
    end)
    check.waiting(td)
    check.eq(td.wmesg, "dong", "wmesg of a sleeper on worker " .. cpu)
    lwkt.wakeup("sleepwake.cpu")
    check.eventually(function() return td.wmesg == "tsleep" end, "wmesg without words")
    lwkt.wakeup("sleepwake.cpu")
    check.join(td)
  end
end

-- A timeout is a failed operation; nobody's wakeup is no error.
do
  local text = check.fails(errno.ETIMEDOUT, "tsleep", lwkt.tsleep("never", "test", 0.01))
  check.eq(text, "timed out", "its words")
  check.fails(errno.ETIMEDOUT, "a timeout of 0", lwkt.tsleep("never", "test", 0))
  lwkt.wakeup("never")
  lwkt.wakeup_one(12345)
  check.fails(errno.ETIMEDOUT, "a wakeup is not kept", lwkt.tsleep("never", "test", 0.01))
end

-- wakeup wakes all of them, and only those of this identity: "7" is not 7.
do
  local function sleepers(n, ident)
    local list = {}
    for i = 1, n do
      list[i] = lwkt.create(function(ident)
        return lwkt.tsleep(ident, "many") and "woken"
      end, ident)
    end
    for i = 1, n do check.waiting(list[i]) end
    return list
  end
  local strings, integers = sleepers(20, "7"), sleepers(20, 7)
  lwkt.wakeup("7")
  for i = 1, 20 do check.eq(check.join(strings[i]), "woken", "the strings") end
  for i = 1, 20 do check.fails(errno.ETIMEDOUT, "the integers", integers[i]:join(0)) end

  -- wakeup_one wakes just one of them at a time.
  for left = 19, 0, -1 do
    lwkt.wakeup_one(7)
    check.eventually(function()
      local asleep = 0
      for i = 1, 20 do
        if not integers[i]:join(0) then asleep = asleep + 1 end
      end
      check.ok(asleep >= left, "not more than one at a time")
      return asleep == left
    end, "one more is awake")
  end
end

-- A condition kept in a shared object: check, sleep, check again. The sleep has a limit because
-- the check and the sleep are two steps; what serialises them is a token, see below.
do
  local stock = lwkt.shared.counter(0)
  local consumers = {}
  for i = 1, 10 do
    consumers[i] = lwkt.create(function()
      while true do
        local n = stock:get()
        if n > 0 and stock:cas(n, n - 1) then return "fed" end
        lwkt.tsleep("stock", "hungry", 0.05)
      end
    end)
  end
  for _ = 1, 10 do
    stock:add(1)
    lwkt.wakeup_one("stock")
  end
  for i = 1, 10 do check.eq(check.join(consumers[i]), "fed", "consumer") end
  check.eq(stock:get(), 0, "all eaten")
end

-- Under a token no wakeup is lost: it is given up only when the sleeper is on the queue.
do
  local token = lwkt.token("sleepwake.stock")
  local stock = lwkt.shared.array("i64", 1)
  local consumers = {}
  for i = 1, 50 do
    consumers[i] = lwkt.create(function()
      local ref <close> = token:get()
      while stock[1] == 0 do lwkt.tsleep(token, "stock") end
      stock[1] = stock[1] - 1
      return "fed"
    end)
  end
  for _ = 1, 50 do
    token:with(function()
      stock[1] = stock[1] + 1
      lwkt.wakeup(token)
    end)
  end
  for i = 1, 50 do check.eq(check.join(consumers[i]), "fed", "consumer under the token") end
  check.eq(stock[1], 0, "all eaten")
end

-- sleep sleeps at least as long as asked, and thousands sleep at the same time.
do
  check.ok(lwkt.sleep(0), "sleep(0)")
  check.ok(lwkt.sleep(0.001), "sleep is true")
  check.ok(lwkt.sleep(0.25) and true, "a float")
  local started = os.time()
  check.ok(lwkt.sleep(2), "an integer")
  check.ok(os.time() - started >= 1, "two seconds are more than one")
  local list = {}
  for i = 1, 5000 do
    list[i] = lwkt.create(function(i)
      lwkt.sleep(i % 10 / 50)
      return i
    end, i)
  end
  for i = 1, 5000 do check.eq(check.join(list[i]), i, "sleeper") end
end

-- Sleepers wake in the order of their times. A tenth of a second apart is far on any machine.
do
  local port = lwkt.port()
  for _, tenths in ipairs { 9, 3, 6 } do
    lwkt.create(function() lwkt.sleep(tenths / 10) port:send(tenths) end)
  end
  check.deep({ port:recv(60), port:recv(60), port:recv(60) }, { 3, 6, 9 }, "order of waking")
end

-- A critical section holds off preemption: no equal on this worker runs until it is left.
do
  local td = lwkt.create({ cpu = 0, pri = 20 }, function()
    local ticks = lwkt.shared.counter(0)
    local stop = lwkt.shared.counter(0)
    local rival = lwkt.create({ cpu = 0, pri = 20 }, function()
      while stop:get() == 0 do ticks:add(1) end
    end)
    -- Without one the rival gets its turns, although this thread never waits.
    while ticks:get() == 0 do end

    lwkt.crit_enter()
    lwkt.crit_enter()
    local before = ticks:get()
    local until_clock = os.clock() + 0.1
    repeat until os.clock() > until_clock
    check.eq(ticks:get(), before, "nobody else ran")
    lwkt.crit_exit()
    repeat until os.clock() > until_clock + 0.05
    check.eq(ticks:get(), before, "it is counted")

    -- Given up while blocked, and had again afterwards.
    check.eventually(function() return ticks:get() > before end, "the rival runs while I sleep")
    before = ticks:get()
    until_clock = os.clock() + 0.05
    repeat until os.clock() > until_clock
    check.eq(ticks:get(), before, "the section is back after the wait")
    lwkt.crit_exit()

    before = ticks:get()
    while ticks:get() == before do end
    stop:add(1)
    check.join(rival)
  end)
  check.join(td)
end

-- Misuse. DragonFly's crit_panic: the count would go negative.
do
  check.raises("crit", lwkt.crit_exit)
  check.died("crit", lwkt.create(function()
    lwkt.crit_enter()
    lwkt.crit_exit()
    lwkt.crit_exit()
  end))
  -- The sections of a thread end with it.
  check.join(lwkt.create({ cpu = 0 }, function() lwkt.crit_enter() end))
  for _, ident in ipairs { {}, true, print, 1.5 } do
    check.raises("bad argument", lwkt.tsleep, ident, "test")
    check.raises("bad argument", lwkt.wakeup, ident)
    check.raises("bad argument", lwkt.wakeup_one, ident)
  end
  check.raises("bad argument", lwkt.tsleep)
  check.raises("bad argument", lwkt.tsleep, "ident", "test", "soon")
  check.raises("bad argument", lwkt.sleep)
  check.raises("bad argument", lwkt.sleep, "long")
end

check.done()
