-- Cancellation: td:abort in every state, what cleans up, what cannot be swallowed, lwkt.timeout.
local check = require "check"

local errno = lwkt.errno
local never = lwkt.port()

-- In every kind of wait the error comes at once, with the reason in it.
do
  local full = lwkt.port { limit = 1 }
  full:send("fills it")
  local silent = lwkt.port()
  local hour = lwkt.create({ daemon = true }, function() lwkt.sleep(3600) end)
  local waits = {
    sleep = function() lwkt.sleep(3600) end,
    wait = function() never:wait() end,
    wait_limited = function() never:wait(3600) end,
    recv = function() never:recv() end,
    own_port = function() lwkt.recv() end,
    domsg_queued = function() silent:domsg("x") end,
    msg_wait = function() silent:sendmsg("x"):wait() end,
    join = function() hour:join() end,
    waitany = function() lwkt.waitany { never, hour } end,
    tsleep = function() lwkt.tsleep("cancel.never", "never") end,
    lookup = function() lwkt.lookup("cancel.nobody") end,
    limit = function() full:send("no room") end,
    sysport = function() lwkt.sysport:domsg("nanosleep", 3600) end,
    sort = function() table.sort({ 3, 1, 2 }, function() lwkt.sleep(3600) end) end,
    gsub = function() ("x"):gsub("x", function() never:recv() end) end,
    coroutine = function()
      coroutine.wrap(function() coroutine.wrap(function() lwkt.sleep(3600) end)() end)()
    end,
    metamethod = function()
      return setmetatable({}, { __index = function() lwkt.sleep(3600) end }).x
    end,
    with = function() lwkt.token("cancel.with"):with(function() lwkt.sleep(3600) end) end,
    timeout = function() lwkt.timeout(3600, function() lwkt.sleep(3600) end) end,
    scope = function() lwkt.scope(function(s) s:create(function() lwkt.sleep(3600) end) end) end,
  }
  for name, wait in pairs(waits) do
    for _, sharing in ipairs { false, true } do
      local td = lwkt.create({ name = name, sharing = sharing }, wait)
      check.waiting(td)
      td:abort("reason " .. name)
      check.died("reason " .. name, td, name)
    end
  end
  check.eq(#silent, 0, "the pending requests are gone with their senders")
  hour:abort()
  hour:join(60)
end

-- While it waits for a token that somebody holds.
do
  local tok = lwkt.token("cancel.token")
  local release = check.held(tok)
  local td = lwkt.create(function() tok:get() end)
  check.waiting(td)
  td:abort("tired of waiting")
  check.died("tired of waiting", td)
  release()
  check.ok(tok:with(function() return true end), "the token works on")
end

-- Before it starts, before it waits, while it is busy, after its end.
do
  local ran = lwkt.shared.counter(0)
  local td
  for _, sharing in ipairs { false, true } do
    td = lwkt.create({ nostart = true, sharing = sharing }, function() ran:add(1) end)
    td:abort("not even started")
    check.died("not even started", td)
    check.eq(ran:get(), 0, "it never ran")
  end

  -- Computing is not waiting: it is left alone until it waits.
  local go = lwkt.shared.counter(0)
  td = lwkt.create(function()
    ran:set(1)
    while go:get() == 0 do end
    ran:set(2)
    lwkt.sleep(0)
    ran:set(3)
  end)
  while ran:get() == 0 do lwkt.yield() end
  td:abort("busy")
  check.fails(errno.ETIMEDOUT, "it goes on", td:join(0.02))
  go:set(1)
  check.died("busy", td)
  check.eq(ran:get(), 2, "until its next wait")

  td = lwkt.create(function() return "done" end)
  check.eq(check.join(td), "done", "ended")
  td:abort("too late")
  check.deep({ td:join() }, { true, "done" }, "still ended well")

  -- A computation that never waits ends well, asked or not.
  td = lwkt.create(function()
    ran:set(10)
    while go:get() == 1 do end
    return "finished"
  end)
  while ran:get() ~= 10 do lwkt.yield() end
  td:abort("never mind")
  go:set(2)
  check.eq(check.join(td), "finished", "no wait, no error")
end

-- Without a reason; twice; oneself; from several sides.
do
  local td = lwkt.create(function() never:recv() end)
  td:abort()
  local ok, err = td:join(60)
  check.eq(ok, false, "it died")
  check.ok(#tostring(err) > 0, "of something")
  td = lwkt.create(function() never:recv() end)
  td:abort("first")
  td:abort("second")
  check.died("first", td)
  td = lwkt.create(function()
    lwkt.curthread():abort("by myself")
    local before = "not a wait"
    lwkt.sleep(0)
    return before
  end)
  check.died("by myself", td)
  check.raises("bad argument", td.abort, 42)
end

-- pcall may clean up, but cannot swallow it: the next wait raises it again. <close> variables run.
do
  local log = lwkt.port()
  local td = lwkt.create(function()
    local last <close> = setmetatable({}, { __close = function() log:send("closed") end })
    local ok, err = pcall(lwkt.sleep, 3600)
    log:send("caught", ok, tostring(err):find("enough") ~= nil)
    -- What does not wait works: sending, for instance, is cleaning up.
    local again, err2 = pcall(function() never:recv(0.001) end)
    log:send("again", again, tostring(err2):find("enough") ~= nil)
    lwkt.sleep(0)
    log:send("swallowed")
  end)
  check.waiting(td)
  td:abort("enough")
  check.died("enough", td)
  check.deep({ log:recv(60) }, { "caught", false, true }, "pcall sees it")
  check.deep({ log:recv(60) }, { "again", false, true }, "and the next one again")
  check.deep({ log:recv(60) }, { "closed" }, "to-be-closed variables")
  check.eq(#log, 0, "nothing more")

  -- In a coroutine of its own the error passes up through resume like any other.
  td = lwkt.create(function()
    local co = coroutine.create(function() never:recv() end)
    local ok, err = coroutine.resume(co)
    log:send(ok, tostring(err):find("enough") ~= nil, coroutine.status(co))
    lwkt.yield()
    never:recv()
  end)
  check.waiting(td)
  td:abort("enough")
  check.died("enough", td)
  check.deep({ log:recv(60) }, { false, true, "dead" }, "resume")
end

-- Its tokens are released, its request is aborted and the answer awaited.
do
  local server = lwkt.port()
  local td = lwkt.create(function() server:domsg("work") end)
  local msg = server:wait(60)
  td:abort("enough")
  -- The request is in the server's hands: the thread cannot go before it comes back.
  check.fails(errno.ETIMEDOUT, "it waits for the answer", td:join(0.05))
  msg:reply("done")
  check.died("enough", td)
end

-- Abort and answer cross: either may win, but nothing hangs and nothing is lost.
do
  local server = lwkt.create({ daemon = true }, function()
    while true do lwkt.wait():reply("answer") end
  end)
  local answered, aborted = 0, 0
  for i = 1, 300 do
    local td = lwkt.create(function() return (server:domsg(i)) end)
    if i % 3 == 0 then lwkt.yield() end
    td:abort("crossing")
    local ok, value = td:join(60)
    if ok then
      check.eq(value, "answer", "an answer")
      answered = answered + 1
    else
      check.ok(tostring(value):find("crossing"), tostring(value))
      aborted = aborted + 1
    end
  end
  check.eq(answered + aborted, 300, "each ended")
  check.eq(server:domsg("still"), "answer", "the server does not mind")
end

-- timeout: the results, or nil, "timed out", ETIMEDOUT; fn runs in this very thread.
do
  local log = {}
  check.deep(table.pack(lwkt.timeout(60, function(...)
    log[1] = lwkt.curthread()
    return select("#", ...), ...
  end, nil, 2)), { 2, nil, 2, n = 3 }, "arguments and results")
  check.eq(log[1], lwkt.curthread(), "in this thread")

  local closed = false
  local text = check.fails(errno.ETIMEDOUT, "timeout", lwkt.timeout(0.01, function()
    local var <close> = setmetatable({}, { __close = function() closed = true end })
    never:recv()
  end))
  check.eq(text, "timed out", "its words")
  check.eq(closed, true, "<close> variables run")
  check.ok(lwkt.sleep(0.001), "the thread itself is not cancelled")

  check.raises("from inside", lwkt.timeout, 60, function() error("from inside") end)
  check.fails(errno.ETIMEDOUT, "it cannot be swallowed", lwkt.timeout(0.01, function()
    pcall(never.recv, never)
    never:recv()
  end))
  check.fails(errno.ETIMEDOUT, "0 aborts at the first wait", lwkt.timeout(0, never.recv, never))
  check.eq(lwkt.timeout(0, function() return "no wait" end), "no wait", "no wait, no abort")
end

-- Nested: the outer one ends the inner one, the inner one leaves the outer alone.
do
  local reached = 0
  check.fails(errno.ETIMEDOUT, "outer", lwkt.timeout(0.02, function()
    lwkt.timeout(3600, function() never:recv() end)
    reached = 1
  end))
  check.eq(reached, 0, "the outer limit passes through the inner")
  check.eq(lwkt.timeout(3600, function()
    check.fails(errno.ETIMEDOUT, "inner", lwkt.timeout(0.01, never.recv, never))
    lwkt.sleep(0.001)
    return "outer goes on"
  end), "outer goes on", "inner")
  local depth = 0
  local function nest(n)
    depth = n
    if n == 0 then return never:recv() end
    return lwkt.timeout(3600, nest, n - 1)
  end
  check.fails(errno.ETIMEDOUT, "through fifty", lwkt.timeout(0.02, nest, 50))
  check.eq(depth, 0, "all fifty were entered")

  -- In hundreds of threads, where only every other has the time.
  local threads = {}
  for i = 1, 300 do
    threads[i] = lwkt.create(function(i)
      return (select("#", lwkt.timeout(i % 2 == 0 and 3600 or 0.01, function()
        if i % 2 == 1 then never:recv() end
        lwkt.sleep(0.001)
      end)))
    end, i)
  end
  for i = 1, 300 do
    check.eq(check.join(threads[i]), i % 2 == 0 and 0 or 3, "results of thread " .. i)
  end
end

-- Abort of a thread in a timeout is an abort, not a timeout.
do
  local td = lwkt.create(function()
    local value, text, number = lwkt.timeout(3600, function() never:recv() end)
    return "not here", number
  end)
  check.waiting(td)
  td:abort("from outside")
  check.died("from outside", td)
  check.raises("bad argument", lwkt.timeout)
  check.raises("bad argument", lwkt.timeout, "soon", print)
  check.raises("bad argument", lwkt.timeout, 1, 42)
end

-- Nobody yields out of it: its limit is the thread's. Inside, coroutines are free.
do
  local message = "attempt to yield out of lwkt.timeout or lwkt.scope"
  local co = coroutine.create(function()
    return lwkt.timeout(3600, function()
      check.raises(message, coroutine.yield, 1)
      local inner = coroutine.wrap(function() coroutine.yield("inside") end)
      check.eq(inner(), "inside", "a generator inside")
      lwkt.sleep(0)
      lwkt.yield()
      lwkt.timeout(3600, function() check.raises(message, coroutine.yield) end)
      check.raises(message, coroutine.yield, 1)
      return "done"
    end)
  end)
  check.deep({ coroutine.resume(co) }, { true, "done" }, "in a coroutine")
  check.raises(message, coroutine.wrap(function() lwkt.scope(coroutine.yield) end))
  local free = coroutine.wrap(function()
    lwkt.timeout(3600, function() end)
    coroutine.yield("free")
  end)
  check.eq(free(), "free", "after it")
end

check.done()
