-- A request that its receiver drops is answered although nothing makes that heap collect its garbage:
-- whatever the receiver does afterwards, the sender hears of it.
local check = require "check"

local errno = lwkt.errno

-- Each receives a request, drops it, and does something else for ever.
local receivers = {
  ["waits for the next"] = function(port)
    port:wait()
    port:wait()
  end,
  ["passes it to one who drops it"] = function(port)
    local other = lwkt.create({ daemon = true }, function()
      lwkt.recv()
      lwkt.recv()
    end)
    other:send((port:wait()))
  end,
  ["ends, in a heap that goes on"] = function(port)
    local box = {}
    lwkt.create({ sharing = true }, function() box.msg = port:wait() end):join()
    -- It was sent on, so the end of its receiver is not the end of it.
    lwkt.create({ daemon = true }, function() lwkt.recv() end):send(box.msg)
    box.msg = nil
    lwkt.recv()
  end,
  ["leaves it to a finaliser"] = function(port)
    setmetatable({ port:wait() }, {
      __gc = function(box) lwkt.curthread().msgport:send(box[1].sender) end,
    })
    lwkt.recv()
  end,
  ["has it in a table that holds itself"] = function(port)
    local table = lwkt.shared.table()
    table:set("self", table)
    table:set("msg", port:wait())
    table = nil
    port:wait()
  end,
  ["is in a sort"] = function(port)
    port:wait()
    table.sort({ 2, 1 }, function() return lwkt.recv() end)
  end,
}

-- Those that do not let the program come to rest.
local restless = {
  ["sleeps on and on"] = function(port)
    port:wait()
    while true do lwkt.sleep(0.01) end
  end,
  ["computes"] = function(port)
    port:wait()
    local n = 0
    while true do n = n + 1 end
  end,
}

-- Ask each of them at the same time. The answer for all is that nobody is left to give one.
local function ask_all(list)
  local clients = {}
  for name, receive in pairs(list) do
    local port = lwkt.port()
    lwkt.create({ daemon = true, name = name }, receive, port)
    clients[name] = lwkt.create(function() return port:domsg("what?") end)
  end
  -- No time limit here: a timer would be something still to come.
  for name, td in pairs(clients) do
    local results = table.pack(td:join())
    check.ok(results[1], name)
    check.fails(errno.EPIPE, name, table.unpack(results, 2, results.n))
  end
end

-- A port that everybody has dropped is closed, and answers for what is in it.
local function dropped_port()
  local port = lwkt.port()
  local msg = port:sendmsg("anybody there?")
  port = nil
  check.fails(errno.EPIPE, "dropped port", msg:wait())
end

-- So is that of a thread which nobody can start any more.
local function dropped_thread()
  local td = lwkt.create({ nostart = true }, function() end)
  local msg = td:sendmsg("hello?")
  td = nil
  check.fails(errno.EPIPE, "dropped thread", msg:wait())
end

-- When nothing else happens: what would be called a deadlock otherwise.
ask_all(receivers)
dropped_port()
dropped_thread()

-- A heap whose collector is stopped is not collected behind the script's back as long as others go on.
local function stopped()
  local port = lwkt.port()
  lwkt.create({ daemon = true }, function()
    collectgarbage("stop")
    local watched = setmetatable({ {} }, { __mode = "v" })
    port:wait()
    lwkt.sleep(3)
    port:send(watched[1] ~= nil)
    collectgarbage("restart")
    lwkt.recv()
  end)
  local msg = port:sendmsg("kept")
  check.fails(errno.ETIMEDOUT, "too early", msg:wait(2.5))
  check.eq(port:recv(), true, "nothing was collected")
  check.fails(errno.EPIPE, "after the restart", msg:wait())
end

-- Requests that are still in use stay so, although their heap is collected meanwhile.
local function kept()
  local port = lwkt.port()
  lwkt.create({ daemon = true }, function()
    local kept, collected = {}, false
    for i = 1, 10 do kept[i] = port:wait() end
    setmetatable({}, { __gc = function() collected = true end })
    repeat lwkt.sleep(0.1) until collected
    for i = 1, 10 do kept[i]:reply(i) end
  end)
  local asked = {}
  for i = 1, 10 do asked[i] = port:sendmsg() end
  for i = 1, 10 do check.eq(asked[i]:wait(), i, "kept") end
end

-- When something else happens all the time. Objects that hold each other are then found when there are
-- many: see cycles.lua.
receivers["has it in a table that holds itself"] = nil
lwkt.create({ daemon = true, name = "ticker" }, function()
  while true do lwkt.sleep(0.01) end
end)
local all = {}
for _, case in ipairs { dropped_port, dropped_thread, stopped, kept } do
  all[#all + 1] = lwkt.create(case)
end
ask_all(receivers)
ask_all(restless)
for _, td in ipairs(all) do check.ok(td:join()) end

check.done()
