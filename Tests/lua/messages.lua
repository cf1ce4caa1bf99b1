-- Messages: a request and its reply in one. Each row about them, answers good and bad, forwarding,
-- aborting, waiting for one of many. Ports as such are in ports.lua, lost ones in loss.lua.
local check = require "check"

local errno = lwkt.errno

-- A server: answers by the first word.
local function serve(port)
  while true do
    local msg = port:wait()
    local word, a, b = msg:unpack()
    if word == "add" then
      msg:reply(a + b)
    elseif word == "echo" then
      msg:reply(select(2, msg:unpack()))
    elseif word == "fail" then
      msg:fail(a, b)
    elseif word == "stop" then
      return msg:reply("stopped")
    end
  end
end

local port = lwkt.port()
local server = lwkt.create({ name = "server" }, serve, port)

-- domsg: the values replied, or nil, err, errno.
do
  check.eq(port:domsg("add", 2, 3), 5, "an answer")
  check.deep(table.pack(port:domsg("echo", nil, 1, nil)), { nil, 1, nil, n = 3 }, "nil and all")
  check.eq(select("#", port:domsg("echo")), 0, "no values")
  check.fails(errno.ENOENT, "fail", port:domsg("fail", "no such thing", errno.ENOENT))
  local got = table.pack(port:domsg("fail", "sorry"))
  check.deep({ got[1], got[2] }, { nil, "sorry" }, "fail without a number")
  check.deep(port:domsg("echo", { 1, { 2 } }), { 1, { 2 } }, "a table")
end

-- sendmsg: go on meanwhile, then wait, look or poll.
do
  local msg = port:sendmsg("add", 1, 1)
  check.ok(tostring(msg):find("^message"), tostring(msg))
  check.eq(msg:wait(), 2, "wait")
  check.eq(msg:check(), true, "check when it is there")

  msg = port:sendmsg("fail", "refused", errno.EACCES)
  check.fails(errno.EACCES, "a failed request", msg:wait())

  local held = lwkt.port()
  msg = held:sendmsg("later")
  check.eq(msg:check(), false, "check when it is not there")
  check.fails(errno.ETIMEDOUT, "wait(0)", msg:wait(0))
  check.eq(check.fails(errno.ETIMEDOUT, "wait(0.01)", msg:wait(0.01)), "timed out", "words")
  held:wait():reply("now", 2)
  check.deep({ msg:wait(60) }, { "now", 2 }, "after a timeout the answer still comes")
end

-- What the receiver sees.
do
  local box = lwkt.port()
  local mine = box:sendmsg("a", nil, { 3 })
  local msg = box:wait()
  check.deep(table.pack(msg:unpack()), { "a", nil, { 3 }, n = 3 }, "unpack")
  check.deep(table.pack(msg:unpack()), { "a", nil, { 3 }, n = 3 }, "unpack again")
  check.eq(msg.sender, lwkt.curthread(), "sender")
  check.eq(msg.isreply, false, "a request is no reply")
  msg:reply()
  check.eq(select("#", mine:wait()), 0, "an empty answer")

  local td = lwkt.create(function(box) return box:domsg("x") end, box)
  msg = box:wait(60)
  check.eq(msg.sender, td, "another sender")
  msg:reply(true)
  check.join(td)
end

-- sendmsg_to: the answer is queued on a port, with everything else that comes there.
do
  local inbox = lwkt.port()
  local sent = port:sendmsg_to(inbox, "add", 20, 1)
  local msg = inbox:wait(60)
  check.eq(msg.isreply, true, "an answer")
  check.deep({ msg:unpack() }, { 21 }, "its values")
  check.eq(msg, sent, "request and answer are one message")

  port:sendmsg_to(inbox, "fail", "bad luck", errno.EIO)
  msg = inbox:wait(60)
  check.eq(msg.isreply, true, "a failed answer")
  check.fails(errno.EIO, "its values", msg:unpack())

  -- Answers and requests on one port, told apart by isreply; to one's own thread port too.
  inbox:send("one way")
  port:sendmsg_to(lwkt.curthread().msgport, "add", 1, 2)
  check.eq(inbox:wait(60).isreply, false, "a one-way message is no reply")
  check.eq(lwkt.recv(60), 3, "recv gives an answer's values")

  -- A hundred answers collected at one port, each once.
  local sum = 0
  for i = 1, 100 do port:sendmsg_to(inbox, "add", i, 0) end
  for _ = 1, 100 do sum = sum + inbox:recv(60) end
  check.eq(sum, 5050, "all answers")
end

-- The receiver answers when and in the order it likes.
do
  local box = lwkt.port()
  local late = lwkt.create(function()
    local list = {}
    for i = 1, 1000 do list[i] = box:wait() end
    for i = 1000, 1, -1 do list[i]:reply(i, (list[i]:unpack())) end
  end)
  local mine = {}
  for i = 1, 1000 do mine[i] = box:sendmsg(i) end
  for i = 1, 1000 do check.deep({ mine[i]:wait(60) }, { i, i }, "answer " .. i) end
  check.join(late)
end

-- A message is a handle: somebody else may answer it.
do
  local box, helpers = lwkt.port(), lwkt.port()
  local helper = lwkt.create(function()
    for _ = 1, 10 do
      local msg = helpers:recv()
      msg:reply("helped " .. msg:unpack())
    end
  end)
  local front = lwkt.create(function()
    for _ = 1, 10 do helpers:send(box:wait()) end
    return lwkt.recv()
  end)
  for i = 1, 10 do check.eq(box:domsg(i), "helped " .. i, "by a helper") end
  front:send("all answered")
  check.join(front)
  check.join(helper)
end

-- forward: the answer goes to the original sender, who is still the sender.
do
  local first, second, third = lwkt.port(), lwkt.port(), lwkt.port()
  local function pass(from, to)
    return lwkt.create(function()
      while true do
        local msg = from:wait()
        if msg:unpack() == "stop" then return end
        msg:forward(to)
      end
    end)
  end
  local passers = { pass(first, second), pass(second, third) }
  local target = lwkt.create(function()
    for _ = 1, 50 do
      local msg = third:wait()
      msg:reply(msg:unpack(), msg.sender)
    end
  end)
  for i = 1, 25 do
    check.deep({ first:domsg(i) }, { i, lwkt.curthread() }, "forwarded twice")
    check.deep({ second:sendmsg(i):wait(60) }, { i, lwkt.curthread() }, "forwarded once")
  end
  check.join(target)
  first:send("stop")
  second:send("stop")
  for i = 1, 2 do check.join(passers[i]) end

  -- Forwarding to a port that is closed is an answer too.
  local closed, box = lwkt.port(), lwkt.port()
  closed:close()
  local msg = box:sendmsg("nobody")
  box:wait():forward(closed)
  check.fails(errno.ENOTCONN, "forwarded to a closed port", msg:wait(60))
end

-- abort: of a request that nobody has taken yet it works at once.
do
  local box = lwkt.port()
  local msg = box:sendmsg("x")
  msg:abort()
  check.fails(errno.EINTR, "aborted in the queue", msg:wait(60))
  check.eq(box:get(), nil, "the receiver never sees it")

  -- Of one that is being served: the answer still comes, whatever the server makes of it.
  msg = box:sendmsg("y")
  local got = box:wait()
  msg:abort()
  got:reply("done anyway")
  local value, _, number = msg:wait(60)
  check.ok(value == "done anyway" or number == errno.EINTR, "served or interrupted")

  -- Of one that is answered: nothing happens.
  msg = port:sendmsg("add", 1, 1)
  check.eq(msg:wait(), 2, "answered")
  msg:abort()

  -- The sysport honours it.
  msg = lwkt.sysport:sendmsg("nanosleep", 3600)
  check.fails(errno.ETIMEDOUT, "an hour is long", msg:wait(0.01))
  msg:abort()
  check.fails(errno.EINTR, "an aborted sleep", msg:wait(60))
end

-- waitany: the first of ports, messages and threads to be ready; it takes nothing away.
do
  local a, b = lwkt.port(), lwkt.port()
  local msg = a:sendmsg("pending")
  local td = lwkt.create(function() return b:recv() end)
  check.fails(errno.ETIMEDOUT, "nothing is ready", lwkt.waitany({ b, msg, td }, 0.01))
  check.fails(errno.ETIMEDOUT, "poll", lwkt.waitany({ b, msg, td }, 0))
  check.deep({ lwkt.waitany { b, a, msg } }, { a, 2 }, "a port with something queued")
  check.eq(#a, 1, "it is still queued")
  a:wait():reply("answer")
  check.deep({ lwkt.waitany { b, td, msg } }, { msg, 3 }, "a message that is answered")
  check.eq(msg:wait(), "answer", "its answer")
  b:send("go")
  check.deep({ lwkt.waitany { a, td } }, { td, 2 }, "a thread that has ended")
  check.eq(check.join(td), "go", "its result")
  check.deep({ lwkt.waitany({ a, td }, 0) }, { td, 2 }, "it stays ready")
  check.deep({ lwkt.waitany({ td, msg }, 0) }, { td, 1 }, "of several the first in the list")
  check.raises("bad argument", lwkt.waitany, { a, "b" })
  check.raises("bad argument", lwkt.waitany, {})
  check.raises("bad argument", lwkt.waitany, a)
  check.raises("bad argument", lwkt.waitany, { a }, "soon")
end

-- waitany over many, each ready in its turn.
do
  local list, left = {}, 200
  for i = 1, left do
    list[i] = lwkt.create(function(i)
      lwkt.sleep(i % 10 / 100)
      return i
    end, i)
  end
  local sum = 0
  while left > 0 do
    local td, index = lwkt.waitany(list)
    check.eq(list[index], td, "what and where")
    sum = sum + check.join(td)
    list[index] = list[left]
    list[left] = nil
    left = left - 1
  end
  check.eq(sum, 20100, "each once")
end

-- Requests in both directions at once: no order of serving is forced on anybody.
do
  local function partner(mine, other)
    local asked = {}
    for i = 1, 100 do asked[i] = other:sendmsg(i) end
    for _ = 1, 100 do
      local msg = mine:wait()
      msg:reply(msg:unpack() * 2)
    end
    local sum = 0
    for i = 1, 100 do sum = sum + asked[i]:wait() end
    return sum
  end
  local p, q = lwkt.port(), lwkt.port()
  local a, b = lwkt.create(partner, p, q), lwkt.create(partner, q, p)
  check.eq(check.join(a), 10100, "one side")
  check.eq(check.join(b), 10100, "the other side")
end

-- Through one's own port: a request to oneself, served by oneself.
do
  local msg = lwkt.curthread():sendmsg("note to self")
  local got = lwkt.wait()
  check.eq(got.sender, lwkt.curthread(), "from me")
  got:reply((got:unpack()))
  check.eq(msg:wait(), "note to self", "to me")
end

-- Whoever has the handle of a received request may answer it, one answer wins: also when it has been
-- forwarded, while those that had it before are still there, and whatever heaps they live in.
for _, options in ipairs { {}, { maxmem = 1 << 24 } } do
  local function spawn(fn, ...) return lwkt.create(options, fn, ...) end
  local gate = lwkt.port()
  local third = spawn(function()
    local msg = lwkt.recv()
    return msg:reply("third", (msg:unpack()))
  end)
  local second = spawn(function(third, gate)
    local msg = lwkt.wait()
    lwkt.recv() -- until the first has tried
    third:send(msg)
    gate:recv()
    return pcall(msg.reply, msg, "second")
  end, third, gate)
  local first = spawn(function(second, gate)
    local msg = lwkt.wait()
    msg:forward(second.msgport)
    check.raises("forwarded", msg.reply, msg, "first")
    check.raises("forwarded", msg.fail, msg, "first")
    check.raises("forwarded", msg.forward, msg, second)
    second:send("go on")
    gate:recv()
    check.raises("answered", msg.reply, msg, "first")
    return msg
  end, second, gate)
  check.deep({ first:domsg("question") }, { "third", "question" }, "the third answers")
  gate:send(1)
  gate:send(2)
  local ok, err = check.join(second)
  check.eq(ok, false, "an answer after the answer")
  check.ok(err:find("answered already", 1, true), err)
  check.eq(check.join(third), true, "reply of the one who won")
  check.join(first)

  -- Many have the handle: exactly one of them answers, and all can read the request meanwhile.
  local wins, values = lwkt.shared.counter(), {}
  for i = 1, 2000 do values[i] = { i, tostring(i) } end
  local crowd = {}
  for i = 1, 8 do
    crowd[i] = spawn(function(i, wins)
      while true do
        local msg = lwkt.recv()
        if not msg then return end
        local read, got = pcall(msg.unpack, msg)
        if read then
          for n = 1, 2000, 97 do check.eq(got[n][2], tostring(n), "the request") end
        end
        if pcall(msg.reply, msg, i) then wins:add(1) end
      end
    end, i, wins)
  end
  local hub = spawn(function(crowd)
    for _ = 1, 20 do
      local msg = lwkt.wait()
      for _, td in ipairs(crowd) do td:send(msg) end
    end
    for _, td in ipairs(crowd) do td:send(nil) end
  end, crowd)
  for _ = 1, 20 do
    local mine = hub:sendmsg(values)
    local got = mine:unpack()
    check.ok(type(got) == "number" or got[2000][1] == 2000, "what I sent, or the answer")
    check.ok(math.type(mine:wait(60)) == "integer", "one of them")
  end
  check.join(hub)
  for _, td in ipairs(crowd) do check.join(td) end
  check.eq(wins:get(), 20, "answers that won")

  -- One who has sent the handle on may end: the other has it still.
  local heir = spawn(function()
    local msg, giver = lwkt.recv()
    giver:join()
    msg:reply("inherited")
  end)
  local giver = spawn(function(heir) heir:send(lwkt.wait(), lwkt.curthread()) end, heir)
  check.eq(giver:domsg("estate"), "inherited", "the giver has ended")
  check.join(heir)

  -- Forwarded to one who drops it by ending, while the forwarder keeps its handle and lives.
  local sink = lwkt.port()
  local keeper = spawn(function(sink)
    local msg = lwkt.wait()
    msg:forward(sink)
    lwkt.recv()
    return msg
  end, sink)
  local dropper = spawn(function(sink) sink:wait() end, sink)
  check.fails(errno.EPIPE, "forwarded to one who ended", keeper:domsg("x"))
  keeper:send("go")
  check.join(keeper)
  check.join(dropper)
end

-- A forwarded request can be aborted wherever it is, and goes to the head of an urgent queue.
do
  local a, b = lwkt.port(), lwkt.port()
  local mine = a:sendmsg("one")
  a:wait():forward(b)
  mine:abort()
  check.fails(errno.EINTR, "aborted in the second queue", mine:wait(60))
  check.eq(b:get(), nil, "it is not there any more")

  mine = a:sendmsg("two")
  a:wait():forward(b)
  local got = b:wait()
  got:forward(a)
  got = a:wait()
  mine:abort()
  check.eq(got.aborted, true, "its receiver sees that")
  got:reply("all the same")
  check.eq(mine:wait(60), "all the same", "and may answer")

  mine = a:sendmsg("urgent")
  b:send("waits")
  a:wait():forward(b.urgent)
  got = b:wait()
  check.eq(got:unpack(), "urgent", "first")
  check.eq(got.sender, lwkt.curthread(), "whose it is")
  got:reply("done")
  check.eq(mine:wait(60), "done", "its answer")
  check.eq(b:recv(), "waits", "second")

  -- To the port it came from, and through many hands.
  mine = a:sendmsg("round")
  for _ = 1, 1000 do a:wait():forward(a) end
  a:wait():reply("and round")
  check.eq(mine:wait(60), "and round", "forwarded a thousand times")
end

-- Misuse.
do
  local box = lwkt.port()
  local mine = box:sendmsg(1)
  check.raises("reply", mine.reply, mine, "my own request, which I have not received")
  local got = box:wait()
  got:reply("once")
  check.raises("reply", got.reply, got, "twice")
  check.raises("repl", got.fail, got, "after the reply")
  check.raises("forward", got.forward, got, box)
  check.eq(mine:wait(), "once", "the first answer counts")

  mine = box:sendmsg(2)
  got = box:wait()
  check.raises("bad argument", got.forward, got, "nowhere")
  check.raises("bad argument", got.forward, got)
  check.raises("bad argument", got.fail, got)
  check.raises("bad argument", mine.wait, mine, "soon")
  check.eq(mine:check(), false, "a refused call is no answer")
  got:forward(lwkt.port())
  check.raises("reply", got.reply, got, "it is no longer mine")
  for _ = 1, 1000 do
    box:sendmsg("dropped by the server")
    got = box:wait()
    got:forward(port)
    check.raises("repl", got.reply, got, "whoever has it by now")
  end
  for _, field in ipairs { "sender", "isreply" } do
    check.raises(field, function() got[field] = 1 end)
  end
end

check.eq(port:domsg("stop"), "stopped", "the server")
check.join(server)
-- The sysport is for system calls alone.
do
  local port = lwkt.port()
  local refused = "the sysport takes system calls alone"
  check.raises(refused, port.sendmsg_to, port, lwkt.sysport, 1)
  check.raises(refused, lwkt.sysport.sendmsg_to, lwkt.sysport, lwkt.sysport, "getpid")
  port:sendmsg(1)
  local msg = port:wait()
  check.raises(refused, msg.forward, msg, lwkt.sysport)
  msg:reply()
end

check.done()
