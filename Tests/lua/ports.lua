-- Ports: kinds, names, limits, the urgent queue, order, many receivers, the thread's own port.
local check = require "check"

local errno = lwkt.errno

-- Printing, counting, getting.
do
  local port, named = lwkt.port(), lwkt.port("ports.first")
  check.ok(tostring(port):find("^port %d+"), tostring(port))
  check.ok(tostring(named):find("^port %d+ %(ports%.first%)$"), tostring(named))
  check.ok(tostring(lwkt.port { name = "ports.second" }):find("%(ports%.second%)$"), "by option")
  check.ok(port ~= named, "two ports")

  check.eq(#port, 0, "empty")
  check.eq(port:get(), nil, "get when empty")
  check.ok(port:send("a", 1), "send is true")
  port:send("b", 2)
  check.eq(#port, 2, "two queued")
  check.deep({ port:get():unpack() }, { "a", 1 }, "get")
  check.deep({ port:recv() }, { "b", 2 }, "recv")
  check.eq(#port, 0, "empty again")
  check.fails(errno.ETIMEDOUT, "wait(0)", port:wait(0))
  check.eq(check.fails(errno.ETIMEDOUT, "wait(0.01)", port:wait(0.01)), "timed out", "its words")
  check.fails(errno.ETIMEDOUT, "recv(0)", port:recv(0))
  check.fails(errno.ETIMEDOUT, "recv(0.01)", port:recv(0.01))
  port:send()
  check.eq(select("#", port:recv()), 0, "a message without values")
  port:send(nil, nil)
  check.eq(select("#", port:recv()), 2, "a message of nothing but nil")
end

-- What one thread sends arrives in its order, whatever else goes on.
do
  local port = lwkt.port()
  local senders = {}
  for s = 1, 20 do
    senders[s] = lwkt.create(function(s)
      for i = 1, 500 do
        port:send(s, i)
        if i % 100 == 0 then lwkt.yield() end
      end
    end, s)
  end
  local expected = {}
  for _ = 1, 20 * 500 do
    local s, i = port:recv(60)
    check.eq(i, (expected[s] or 0) + 1, "order from one sender")
    expected[s] = i
  end
  for s = 1, 20 do check.join(senders[s]) end
  check.eq(#port, 0, "nothing more")
end

-- A spin port is a work queue: any thread receives, each message goes to one of them.
do
  local jobs, results = lwkt.port { kind = "spin" }, lwkt.port()
  local workers = {}
  for w = 1, 10 do
    workers[w] = lwkt.create(function()
      local done = 0
      while true do
        local n = jobs:recv()
        if n == "stop" then return done end
        done = done + 1
        results:send(n)
      end
    end)
  end
  for n = 1, 1000 do jobs:send(n) end
  local seen = {}
  for _ = 1, 1000 do
    local n = results:recv(60)
    check.eq(seen[n], nil, "job " .. n .. " is done once")
    seen[n] = true
  end
  for _ = 1, 10 do jobs:send("stop") end
  local done = 0
  for w = 1, 10 do done = done + check.join(workers[w]) end
  check.eq(done, 1000, "all jobs")
end

-- As many messages as waiting receivers: each gets one, and none is left asleep.
do
  local port, receivers, seen = lwkt.port(), {}, {}
  for i = 1, 50 do
    receivers[i] = lwkt.create(function() return port:recv() end)
    check.waiting(receivers[i])
  end
  for i = 1, 50 do port:send(i) end
  for i = 1, 50 do
    local n = check.join(receivers[i])
    check.eq(seen[n], nil, "received once")
    seen[n] = true
  end
end

-- A thread port: its creator alone receives, anybody sends.
do
  local port = lwkt.port { kind = "thread", name = "ports.mine" }
  local td = lwkt.create(function()
    for _, call in ipairs { "wait", "get", "recv" } do
      check.raises("port", port[call], port)
    end
    port:send("from another")
    return port:domsg("question")
  end)
  check.eq(port:recv(60), "from another", "one way")
  local msg = port:wait(60)
  check.eq(msg.sender, td, "a request")
  msg:reply("answer")
  check.eq(check.join(td), "answer", "its answer")
  check.raises("kind", lwkt.port, { kind = "sponge" })
  port:close()
end

-- Every thread owns one, and talks to it by short names.
do
  local me = lwkt.curthread()
  check.eq(me.msgport, me.msgport, "always the same")
  check.eq(lwkt.get(), nil, "lwkt.get")
  check.fails(errno.ETIMEDOUT, "lwkt.wait", lwkt.wait(0))
  check.fails(errno.ETIMEDOUT, "lwkt.recv", lwkt.recv(0.01))
  local td = lwkt.create(function(boss)
    boss:send("hello", lwkt.curthread())
    local msg = lwkt.wait()
    msg:reply((msg:unpack()) + 1)
    msg = lwkt.wait()
    msg:reply((msg:unpack()) + 2)
    return lwkt.recv()
  end, me)
  check.deep({ lwkt.recv(60) }, { "hello", td }, "td:send")
  check.eq(td:domsg(1), 2, "td:domsg")
  check.eq(td:sendmsg(1):wait(), 3, "td:sendmsg")
  td.msgport:send("end")
  check.eq(check.join(td), "end", "through msgport")

  local other = lwkt.create({ nostart = true }, function() end)
  check.raises("port", other.msgport.recv, other.msgport, 0)
  other:schedule()
  check.join(other)
end

-- What was sent before a thread starts waits for it.
do
  local td = lwkt.create({ nostart = true }, function() return lwkt.recv(), (lwkt.recv()) end)
  td:send("first")
  td:send("second")
  td:schedule()
  check.deep({ check.join(td) }, { "first", "second" }, "sent before it ran")
end

-- urgent: the head queue of the same port.
do
  local port = lwkt.port()
  port:send("ordinary 1")
  port.urgent:send("urgent 1")
  port:send("ordinary 2")
  port.urgent:send("urgent 2")
  check.eq(#port, 4, "all in one port")
  local request = port.urgent:sendmsg("urgent request")
  check.eq(port:recv(), "urgent 1", "urgent ones first")
  check.eq(port:recv(), "urgent 2", "in their order")
  local msg = port:wait()
  check.eq(msg:unpack(), "urgent request", "requests too")
  msg:reply("at once")
  check.eq(request:wait(), "at once", "answered")
  check.deep({ port:recv(), port:recv() }, { "ordinary 1", "ordinary 2" }, "then the others")

  local td = lwkt.create(function() return lwkt.recv() end)
  td.msgport.urgent:send("to a thread port")
  check.eq(check.join(td), "to a thread port", "of a thread port")
  local urgent = port.urgent
  check.join(lwkt.create(function() urgent:send("sent along") end))
  check.eq(port:recv(60), "sent along", "a head queue is a handle too")
end

-- limit: a sender waits while so many are queued.
do
  local port = lwkt.port { limit = 3 }
  local sent = lwkt.shared.counter(0)
  local td = lwkt.create(function()
    for i = 1, 20 do
      port:send(i)
      sent:add(1)
    end
    return "all sent"
  end)
  check.eventually(function() return sent:get() == 3 end, "three fit")
  check.waiting(td)
  check.fails(errno.ETIMEDOUT, "the fourth waits", td:join(0.02))
  check.eq(#port, 3, "three are queued")
  for i = 1, 20 do
    check.ok(sent:get() <= i + 3, "never more than fit")
    check.eq(port:recv(60), i, "in order")
    check.ok(#port <= 3, "never more than the limit")
  end
  check.eq(check.join(td), "all sent", "the sender")

  -- Requests count while they are queued, not while they are served.
  port = lwkt.port { limit = 1 }
  td = lwkt.create(function()
    local first, second = port:sendmsg(1), port:sendmsg(2)
    return first:wait(), second:wait()
  end)
  local first, second = port:wait(60), port:wait(60)
  second:reply("second")
  first:reply("first")
  check.deep({ check.join(td) }, { "first", "second" }, "requests under a limit")

  -- Many senders at one narrow door: each gets through.
  port = lwkt.port { limit = 1 }
  local list = {}
  for i = 1, 100 do
    list[i] = lwkt.create(function(i) for _ = 1, 10 do port:send(i) end end, i)
  end
  local count = {}
  for _ = 1, 1000 do
    local i = port:recv(60)
    count[i] = (count[i] or 0) + 1
  end
  for i = 1, 100 do
    check.eq(count[i], 10, "sender " .. i)
    check.join(list[i])
  end
  for _, bad in ipairs { 0, -1, 1.5, "many" } do
    check.raises("limit", lwkt.port, { limit = bad })
  end
end

-- Names: lookup finds them, waits for them, and a closed port gives its name back.
do
  local port = lwkt.port("ports.service")
  check.eq(lwkt.lookup("ports.service"), port, "lookup")
  check.eq(check.join(lwkt.create(function() return lwkt.lookup("ports.service") end)), port,
    "lookup elsewhere")
  check.fails(errno.ETIMEDOUT, "lookup(0)", lwkt.lookup("ports.nobody", 0))
  check.fails(errno.ETIMEDOUT, "lookup(0.01)", lwkt.lookup("ports.nobody", 0.01))
  check.fails(errno.EEXIST, "a name that is taken", lwkt.port("ports.service"))
  check.fails(errno.EEXIST, "by option", lwkt.port { name = "ports.service", limit = 1 })

  local waiters = {}
  for i = 1, 10 do
    waiters[i] = lwkt.create(function() return lwkt.lookup("ports.later") end)
    check.waiting(waiters[i])
  end
  local later = lwkt.port("ports.later")
  for i = 1, 10 do check.eq(check.join(waiters[i]), later, "who waited for the name") end

  port:close()
  check.fails(errno.ETIMEDOUT, "a closed port has no name", lwkt.lookup("ports.service", 0))
  local again = lwkt.port("ports.service")
  check.ok(again and again ~= port, "the name is free again")
  again:close()

  check.raises("bad argument", lwkt.lookup)
  check.raises("bad argument", lwkt.lookup, {})
  check.raises("bad argument", lwkt.lookup, "ports.x", "soon")
  check.raises("bad argument", lwkt.port, true)
  check.raises("name", lwkt.port, { name = {} })
  check.raises("nmae", lwkt.port, { nmae = "typo" })
end

-- Wrong arguments everywhere.
do
  local port = lwkt.port()
  for _, call in ipairs { "wait", "recv" } do check.raises("bad argument", port[call], port, {}) end
  for _, call in ipairs { "send", "sendmsg", "domsg", "wait", "get", "recv", "close" } do
    check.raises("bad argument", port[call], "no port")
    check.raises("bad argument", port[call])
  end
  check.raises("bad argument", port.sendmsg_to, port, "no port", 1)
  check.raises("bad argument", port.sendmsg_to, port)
  check.raises("bad argument", lwkt.wait, "soon")
end

-- Names are bytes: what looks alike, or is no text, is told apart. NUL is refused.
do
  local names = { "caf\u{e9}", "cafe\u{301}", "\255", "\254", "\xc3", "\xc3(", "\u{fffd}", "a\nb", " ", "" }
  local ports, tokens = {}, {}
  for i, name in ipairs(names) do
    ports[i] = check.ok(lwkt.port(name), name)
    tokens[i] = lwkt.token("bytes " .. name)
    check.eq(ports[i].name, name, "its name")
    check.eq(lwkt.create({ name = name }, function() end).name, name, "a thread's name")
  end
  for i, name in ipairs(names) do
    check.eq(lwkt.lookup(name, 0), ports[i], "found")
    for j in ipairs(names) do
      check.eq(lwkt.token("bytes " .. name) == tokens[j], i == j, "tokens")
    end
  end
  for _, port in ipairs(ports) do port:close() end
  for _, name in ipairs(names) do check.eq(lwkt.lookup(name, 0), nil, "closed") end
  for what, call in pairs {
    port = function() lwkt.port("a\0b") end,
    token = function() lwkt.token("a\0b") end,
    lookup = function() lwkt.lookup("a\0b", 0) end,
  } do
    check.raises("bad argument #1 to '" .. what .. "' (a name is a string without NUL bytes)", call)
  end
  check.raises("option 'name' is a string without NUL bytes", lwkt.port, { name = "\0" })
  check.raises("option 'name' is a string without NUL bytes", lwkt.create, { name = "\0" }, function() end)
end

check.done()
