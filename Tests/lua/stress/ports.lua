-- Messages in bulk: many to one, one to many, many to many, through limits, forwarded, in rings;
-- each arrives once and in its sender's order.
local check = require "check"

-- Many to many through one narrow work queue.
do
  local queue = lwkt.port { limit = 16 }
  local senders, receivers, each = 50, 20, check.many(2000)
  local got = {}
  for r = 1, receivers do
    got[r] = lwkt.create(function()
      local count, sum, last = 0, 0, {}
      while true do
        local s, i = queue:recv()
        if s == "stop" then return count, sum end
        if i <= (last[s] or 0) then error("out of order: " .. i .. " after " .. last[s]) end
        last[s] = i
        count, sum = count + 1, sum + i
      end
    end)
  end
  local list = {}
  for s = 1, senders do
    list[s] = lwkt.create(function(s) for i = 1, each do queue:send(s, i) end end, s)
  end
  for s = 1, senders do check.join(list[s]) end
  for _ = 1, receivers do queue:send("stop") end
  local count, sum = 0, 0
  for r = 1, receivers do
    local c, s = check.join(got[r])
    count, sum = count + c, sum + s
  end
  check.eq(count, senders * each, "messages")
  check.eq(sum, senders * each * (each + 1) // 2, "their sum")
end

-- Requests from a thousand threads to ten servers, passed on by a dispatcher.
do
  local front = lwkt.port()
  local servers = {}
  for s = 1, 10 do
    servers[s] = lwkt.create(function()
      local served = 0
      while true do
        local msg = lwkt.wait()
        local n = msg:unpack()
        if n == "stop" then
          msg:reply(served)
          return
        end
        served = served + 1
        msg:reply(n * n)
      end
    end)
  end
  local dispatcher = lwkt.create(function()
    local turn = 0
    while true do
      local msg = front:wait()
      if msg:unpack() == "stop" then return turn end
      turn = turn + 1
      msg:forward(servers[turn % 10 + 1].msgport)
    end
  end)
  local clients = {}
  for c = 1, 1000 do
    clients[c] = lwkt.create(function(c)
      for i = 1, 20 do check.eq(front:domsg(c + i), (c + i) * (c + i), "square") end
    end, c)
  end
  for c = 1, 1000 do check.join(clients[c]) end
  front:send("stop")
  check.eq(check.join(dispatcher), 20000, "dispatched")
  for s = 1, 10 do
    check.eq(servers[s]:domsg("stop"), 2000, "served")
    check.join(servers[s])
  end
end

-- A ring with many balls in it.
do
  local size, balls, hops = 1000, 50, check.many(200)
  local done = lwkt.port()
  local ring = {}
  for i = 1, size do
    ring[i] = lwkt.create(function()
      local following = lwkt.recv()
      while true do
        local left = lwkt.recv()
        if left == "stop" then return end
        if left == 0 then done:send(true) else following:send(left - 1) end
      end
    end)
  end
  for i = 1, size do ring[i]:send(ring[i % size + 1]) end
  for b = 1, balls do ring[b * size // balls]:send(hops * b) end
  for _ = 1, balls do check.eq(done:recv(60), true, "a ball has come to rest") end
  for i = 1, size do ring[i]:send("stop") end
  for i = 1, size do check.join(ring[i]) end
end

-- A backlog: a hundred thousand messages wait in one port, then are read, urgent ones first.
do
  local port, count = lwkt.port(), check.many(100000)
  for i = 1, count do port:send(i, "x") end
  for i = 1, 100 do port.urgent:send(-i) end
  check.eq(#port, count + 100, "queued")
  for i = 1, 100 do check.eq(port:recv(), -i, "urgent") end
  for i = 1, count do
    local n = port:recv()
    if n ~= i then error("wanted " .. i .. ", got " .. tostring(n)) end
  end
end

-- Big tables to and fro.
do
  local td = lwkt.create(function()
    while true do
      local msg = lwkt.wait()
      local t = msg:unpack()
      if t == "stop" then return msg:reply() end
      t.count = t.count + 1
      msg:reply(t)
    end
  end)
  local t = { count = 0, list = {} }
  for i = 1, 2000 do t.list[i] = { i, tostring(i), { nested = true, up = t } } end
  local rounds = check.many(100)
  for _ = 1, rounds do t = td:domsg(t) end
  check.eq(t.count, rounds, "rounds")
  check.eq(t.list[2000][2], "2000", "contents")
  check.eq(t.list[1][3].up, t, "references")
  td:domsg("stop")
  check.join(td)
end

check.done()
