-- sharing=true: threads in one Lua heap. They take turns, and preemption can fall between any two
-- instructions, so tokens guard what they share.
local check = require "check"

local function share(fn, ...) return lwkt.create({ sharing = true }, fn, ...) end

-- Upvalues, tables and globals are the same ones on both sides, and arguments are not copied.
do
  local count, list, stream = 0, {}, nil
  total = 0
  check.join(share(function(given, out)
    count = count + 1
    total = total + 2
    given[1] = "from the other side"
    stream = out
  end, list, io.stdout))
  check.eq(count, 1, "an upvalue")
  check.eq(total, 2, "a global")
  check.eq(list[1], "from the other side", "the very table")
  check.eq(stream, io.stdout, "what cannot be copied need not be")
  total = nil
end

-- Results and errors come as from any thread: whoever joins may live elsewhere.
do
  local list = { 1, { 2 } }
  check.deep(check.join(share(function() return list end)), list, "a result")
  local err = setmetatable({}, { __tostring = function() return "mine" end })
  local ok, got = share(function() error(err) end):join(60)
  check.eq(ok, false, "it died")
  check.eq(tostring(got), "mine", "of this")
end

-- A hundred of them count under a token; the sum holds although each one is preempted and yields.
do
  local token = lwkt.token()
  local count, threads = 0, {}
  for i = 1, 100 do
    threads[i] = share(function()
      for n = 1, 200 do
        token:get()
        local seen = count
        for _ = 1, n % 7 * 10 do end
        count = seen + 1
        token:rel()
        if n % 50 == 0 then lwkt.yield() end
      end
    end)
  end
  for i = 1, 100 do check.join(threads[i]) end
  check.eq(count, 20000, "counted under a token")
end

-- Without one only a critical section keeps the others out, and only while there is no wait in it.
do
  local count, threads = 0, {}
  for i = 1, 50 do
    threads[i] = share(function()
      for _ = 1, 200 do
        lwkt.crit_enter()
        count = count + 1
        lwkt.crit_exit()
      end
    end)
  end
  for i = 1, 50 do check.join(threads[i]) end
  check.eq(count, 10000, "counted in critical sections")
end

-- They wait and wake like all others: ports, messages, joins, each other's results.
do
  local port = lwkt.port()
  local log = {}
  local server = share(function()
    while true do
      local msg = port:wait()
      local word = msg:unpack()
      log[#log + 1] = word
      msg:reply(word .. "!")
      if word == "stop" then return #log end
    end
  end)
  check.eq(port:domsg("one"), "one!", "a request")
  check.eq(port:domsg("stop"), "stop!", "the last request")
  check.eq(check.join(server), 2, "requests served")
  check.deep(log, { "one", "stop" }, "the log is mine too")
end

-- Messages are copied even so: their receiver could be anybody.
do
  local port = lwkt.port()
  local sent = { 1, 2 }
  local got = check.join(share(function()
    port:send(sent)
    return port:recv(60)
  end))
  check.deep(got, sent, "the same contents")
  check.ok(got ~= sent, "in another table")
end

-- Sharing is no more than one step deep: a thread made by a sharing thread is of its own again,
-- and sees copies.
do
  local list = { "mine" }
  local td = share(function()
    local inner = lwkt.create(function()
      list[1] = "changed"
      return list[1]
    end)
    return check.join(inner), list[1]
  end)
  check.deep({ check.join(td) }, { "changed", "mine" }, "an ordinary thread of a sharing one")
  local chain = share(function()
    return check.join(share(function()
      list[1] = "twice shared"
      return true
    end))
  end)
  check.eq(check.join(chain), true, "a sharing thread of a sharing one")
  check.eq(list[1], "twice shared", "it shares with all three")
end

-- In a thread that is not main: its sharing children share with it, not with main.
do
  word = "main's"
  local td = lwkt.create(function()
    word = "thread's"
    check.join(lwkt.create({ sharing = true }, function() word = word .. " child's" end))
    return word
  end)
  check.eq(check.join(td), "thread's child's", "shared with its creator")
  check.eq(word, "main's", "and with nobody else")
  word = nil
end

-- A creator that ends leaves its heap to the threads that still share it.
do
  local port = lwkt.port()
  local gate = lwkt.port()
  local td = lwkt.create(function()
    local list = {}
    for i = 1, 1000 do list[i] = i end
    lwkt.create({ sharing = true }, function()
      gate:recv()
      collectgarbage()
      local sum = 0
      for i = 1, 1000 do sum = sum + list[i] end
      port:send(sum)
    end)
  end)
  check.join(td)
  gate:send("go on")
  check.eq(port:recv(60), 500500, "what it left behind")
end

check.done()
