-- Objects that only hold each other are given back, and nothing that is in use ever is.
local check = require "check"

local function resident_kb()
  for line in io.lines("/proc/self/status") do
    local kb = line:match("^VmRSS:%s+(%d+)")
    if kb then return tonumber(kb) end
  end
end

-- Ways in which an object can come to hold itself. Each makes a cycle and forgets it.
local ways = {
  table_in_itself = function()
    local t = lwkt.shared.table()
    t:set("self", t)
  end,
  table_as_key = function()
    local t = lwkt.shared.table()
    t:set(t, 1)
  end,
  parent_and_child = function()
    local parent, child = lwkt.shared.table(), lwkt.shared.table()
    parent:set("children", { child })
    child:set("parent", parent)
  end,
  guarded = function()
    local tok = lwkt.token()
    local t = lwkt.shared.table { token = tok }
    tok:with(t.set, t, "self", { deep = { t } })
  end,
  port_in_its_queue = function()
    local p = lwkt.port()
    p:send(p)
    p.urgent:send { p }
  end,
  request_for_its_port = function()
    local p = lwkt.port()
    p:sendmsg(p)
  end,
  reply_port = function()
    local p, q = lwkt.port(), lwkt.port()
    p:sendmsg_to(q, q)
    q:sendmsg_to(p, p)
  end,
  port_and_table = function()
    local p, t = lwkt.port(), lwkt.shared.table()
    t:set(1, p)
    p:send(t)
  end,
  result = function()
    lwkt.create(function() return lwkt.curthread() end):join()
  end,
  results = function()
    local p = lwkt.port()
    local a = lwkt.create(function(p) return p:recv() end, p)
    local b = lwkt.create(function(a) return a end, a)
    p:send(b)
    a:join()
    b:join()
  end,
  exit = function()
    lwkt.create(function() lwkt.exit({ lwkt.curthread() }) end):join()
  end,
  nostart = function()
    local p = lwkt.port()
    p:send(lwkt.create({ nostart = true }, function() return p end))
  end,
  notify = function()
    local p = lwkt.port()
    local td = lwkt.create(function(p) return p end, p)
    td:notify(p)
    td:join()
  end,
  own_queue = function()
    lwkt.create(function()
      local me = lwkt.curthread()
      me:send(me)
      me:sendmsg(me.msgport)
    end):join()
  end,
  answer = function()
    local p = lwkt.port()
    local mine = p:sendmsg(1)
    local got = p:wait()
    got:reply(got, mine)
    mine:wait()
  end,
  answers = function()
    local p = lwkt.port()
    local one, two = p:sendmsg(1), p:sendmsg(2)
    p:wait():reply(two)
    p:wait():reply(one)
    one:wait()
    two:wait()
  end,
  forwarded = function()
    local p, q = lwkt.port(), lwkt.port()
    p:sendmsg(q)
    p:wait():forward(q)
  end,
}

local turns = check.many(10000)
if check.is_sanitized() then
  print("memory is not looked at: the sanitizer keeps what is given back")
end

-- What one round takes the next uses again. The next search comes when as many have been made as were left after the last, and the
-- other workers could be stopped.
for name, way in pairs(ways) do
  collectgarbage()
  local ports, before = #lwkt.ports(), resident_kb()
  for _ = 1, 3 do
    for i = 1, turns do
      way()
      if i % 100 == 0 then collectgarbage() end
    end
    check.eventually(function()
      for _ = 1, 500 do ways.table_in_itself() end
      collectgarbage()
      return #lwkt.ports() - ports < 5000
    end, name .. ": its ports are gone")
  end
  -- Three rounds of tables that stay are 250 MB.
  local more = resident_kb() - before
  check.ok(more < 150000 or check.is_sanitized(), name .. ": KB more: " .. more)
end

-- A request in the queue of a port that only its own queue holds: its sender is told.
do
  local function ask()
    local p = lwkt.port()
    p:send(p)
    return p:sendmsg "first", p:sendmsg "second"
  end
  local one, two = ask()
  collectgarbage()
  check.eventually(function()
    for _ = 1, 2000 do
      local t = lwkt.shared.table()
      t:set(1, t)
    end
    collectgarbage()
    return one:check() and two:check()
  end, "the port is gone")
  check.fails(lwkt.errno.EPIPE, "a request nobody can receive", one:wait())
  check.fails(lwkt.errno.EPIPE, "another", two:wait())
end

-- What is in use stays as it is, whatever holds it: a local, a thread, a name, a queue, a table.
do
  local root = lwkt.shared.table()
  root:set("self", root)
  local named = lwkt.port("cycles.named")
  named:send(named, root)
  local queue = lwkt.port()
  queue:send { queue, lwkt.shared.table() }
  local asking = queue:sendmsg(queue, "request")
  local holder = lwkt.create(function(t)
    local mine = lwkt.shared.table()
    mine:set("mine", mine)
    mine:set("given", t)
    lwkt.recv()
    return mine:get("mine"):get("given"):get("self")
  end, root)
  local unstarted = lwkt.create({ nostart = true }, function(t) return t:get("self") end, root)
  root:set("unstarted", unstarted)
  local ended = lwkt.create(function() return lwkt.curthread(), { root } end)
  check.waiting(holder)
  named = nil
  for i = 1, 10000 do
    local t = lwkt.shared.table()
    t:set("up", t)
    t:set("root", root)
    root:set(i % 10, t)
    if i % 100 == 0 then collectgarbage() end
  end
  for i = 0, 9 do check.eq(root:get(i):get("up"):get("root"), root, "a table in a table") end
  local port, same = lwkt.lookup("cycles.named"):recv()
  check.eq(port, lwkt.lookup("cycles.named"), "the named port's message")
  check.eq(same, root, "and the table in it")
  local pair = queue:recv()
  check.eq(pair[1], queue, "a queued port")
  check.eq(#pair[2], 0, "a queued table")
  queue:wait():reply("fine")
  check.eq(asking:wait(), "fine", "a queued request")
  holder:send("go")
  check.eq(check.join(holder), root, "what a thread holds")
  check.eq(root:get("unstarted"), unstarted, "a thread that has not begun")
  unstarted:schedule()
  check.eq(check.join(unstarted), root, "has all it was given")
  local me, list = check.join(ended)
  check.eq(me, ended, "a result with its thread")
  check.eq(list[1], root, "and more")
  lwkt.lookup("cycles.named"):close()
end

check.done()
