-- No request is lost: whatever happens to its receiver or its port, the sender hears of it.
local check = require "check"

local errno = lwkt.errno

local function fails_epipe(what, ...)
  check.eq(check.fails(errno.EPIPE, what, ...), "peer exited", what)
end

-- close: what is queued and unanswered fails, and more is refused.
do
  local port = lwkt.port()
  local queued = port:sendmsg("queued")
  local td = lwkt.create(function() return port:domsg("waiting") end)
  check.eventually(function() return #port == 2 end, "both are queued")
  port:close()
  check.fails(errno.ENOTCONN, "sendmsg before close", queued:wait(60))
  check.fails(errno.ENOTCONN, "domsg before close", check.join(td))
  check.fails(errno.ENOTCONN, "domsg after close", port:domsg("late"))
  check.fails(errno.ENOTCONN, "send after close", port:send("late"))
  -- The message is answered at once; it is not the call that fails.
  check.fails(errno.ENOTCONN, "sendmsg after close", port:sendmsg("late"):wait(60))
  local inbox = lwkt.port()
  port:sendmsg_to(inbox, "late")
  local msg = inbox:wait(60)
  check.eq(msg.isreply, true, "sendmsg_to after close")
  check.fails(errno.ENOTCONN, "its answer", msg:unpack())
  port:close()
  check.fails(errno.ENOTCONN, "receiving from a closed port", port:wait(60))
  check.fails(errno.ENOTCONN, "receiving from a closed port", port:recv(60))
  check.fails(errno.ENOTCONN, "its head queue", port.urgent:send(1))
end

-- close wakes everybody: receivers, and senders that wait for room.
do
  local port = lwkt.port { limit = 1 }
  local receivers, senders = {}, {}
  for i = 1, 5 do
    receivers[i] = lwkt.create(function() return port:wait() end)
    check.waiting(receivers[i])
  end
  port:close()
  for i = 1, 5 do check.fails(errno.ENOTCONN, "a receiver", check.join(receivers[i])) end

  local full = lwkt.port { limit = 1 }
  full:send("fills it")
  for i = 1, 5 do
    senders[i] = lwkt.create(function() return full:send(i) end)
    check.waiting(senders[i])
  end
  full:close()
  for i = 1, 5 do check.fails(errno.ENOTCONN, "a sender", check.join(senders[i])) end
end

-- The receiver exits with the request in hand, in good order, by an error, by abort.
do
  local port = lwkt.port()
  local function receive(how)
    return lwkt.create(function()
      local msg = port:wait()
      if how == "error" then error("receiver died") end
      if how == "abort" then lwkt.sleep(3600) end
      return (msg:unpack())
    end)
  end
  for _, how in ipairs { "return", "error", "abort" } do
    local td = receive(how)
    local msg = port:sendmsg("held")
    if how == "abort" then
      check.eventually(function() return #port == 0 end, "it is received")
      td:abort("enough")
    end
    fails_epipe(how, msg:wait(60))
    td:join(60)
  end
end

-- A thread's own port ends with it: what is queued fails, more is refused.
do
  local td = lwkt.create({ nostart = true }, function() return "never looked" end)
  local queued = td:sendmsg("queued")
  td:schedule()
  check.join(td)
  fails_epipe("queued when it ended", queued:wait(60))
  fails_epipe("domsg to a dead thread", td:domsg("late"))
  fails_epipe("sendmsg to a dead thread", td:sendmsg("late"):wait(60))
  fails_epipe("send to a dead thread", td:send("late"))

  td = lwkt.create({ nostart = true }, function() error("dies") end)
  queued = td:sendmsg("queued")
  td:schedule()
  check.died("dies", td)
  fails_epipe("queued when it died", queued:wait(60))

  -- A thread port that it made itself goes the same way.
  local port
  td = lwkt.create(function()
    local own = lwkt.port { kind = "thread" }
    lwkt.wait():reply(own)
    lwkt.recv()
  end)
  port = td:domsg("your port?")
  queued = port:sendmsg("queued")
  td:send("end")
  check.join(td)
  fails_epipe("a thread port of its own", queued:wait(60))
end

-- A spin port outlives the threads that received from it.
do
  local port = lwkt.port()
  local td = lwkt.create(function() port:wait():reply("first") end)
  check.eq(port:domsg(1), "first", "the first receiver")
  check.join(td)
  local msg = port:sendmsg(2)
  td = lwkt.create(function() port:wait():reply("second") end)
  check.eq(msg:wait(60), "second", "its successor")
  check.join(td)
end

-- A message that is dropped: nobody can answer it once it is collected.
do
  local port = lwkt.port()
  local td = lwkt.create(function()
    port:wait()
    collectgarbage()
    collectgarbage()
    lwkt.recv()
  end)
  local msg = port:sendmsg("dropped")
  fails_epipe("dropped", msg:wait(60))
  td:send("end")
  check.join(td)

  -- In a queue that nobody can reach any more.
  local orphan = lwkt.port()
  msg = orphan:sendmsg("orphan")
  orphan = nil
  collectgarbage()
  collectgarbage()
  fails_epipe("a port that has gone away", msg:wait(60))
end

-- A server that dies in the middle of a hundred requests leaves none of them hanging, collected
-- or not.
do
  local port = lwkt.port()
  local server = lwkt.create({ nostart = true }, function()
    local held = {}
    for i = 1, 50 do held[i] = port:wait() end
    for i = 1, 25 do held[i]:reply(i) end
    error("in the middle")
  end)
  local asked = {}
  for i = 1, 100 do asked[i] = port:sendmsg(i) end
  server:schedule()
  check.died("in the middle", server)
  for i = 1, 25 do check.eq(asked[i]:wait(60), i, "answered in time") end
  for i = 26, 50 do fails_epipe("received and not answered", asked[i]:wait(60)) end
  check.eq(#port, 50, "the rest waits for another server")
  port:close()
  for i = 51, 100 do check.fails(errno.ENOTCONN, "queued", asked[i]:wait(60)) end
end

-- The sender goes away: the receiver may answer all the same, into nowhere.
do
  local port = lwkt.port()
  local td = lwkt.create(function() port:sendmsg("and gone") end)
  check.join(td)
  local msg = port:wait(60)
  check.eq(msg:unpack(), "and gone", "its message is there")
  msg:reply("thanks")
  td = lwkt.create(function() port:domsg("waits") end)
  msg = port:wait(60)
  td:abort("enough")
  msg:reply("too late")
  check.died("enough", td)
end

check.done()
