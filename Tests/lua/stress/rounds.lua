-- Each way to leave something behind, over and over: nothing may be left of it, neither objects nor
-- memory, with whatever is freed late given its time.
local check = require "check"

local function resident()
  local file <close> = assert(io.open("/proc/self/statm"))
  file:read("n")
  return file:read("n") * 4096 // 1024
end

-- What passes requests on and what answers them.
local passer, answerer = lwkt.port(), lwkt.port()
for _ = 1, 2 do
  lwkt.create({ daemon = true, name = "passer" }, function()
    while true do
      local msg = passer:wait()
      msg:forward((select(2, msg:unpack())))
    end
  end)
end
lwkt.create({ daemon = true, name = "answerer" }, function()
  while true do
    local msg = answerer:wait()
    msg:reply((msg:unpack()))
  end
end)

local function aborted(fn)
  local td = lwkt.create(fn)
  lwkt.yield()
  td:abort("planned")
  td:join()
end

local number = 0
local function new_name()
  number = number + 1
  return "rounds." .. number
end

local ways = {
  ["aborted in a sort"] = function()
    aborted(function() table.sort({ 3, 1, 2 }, function(a, b) return lwkt.recv() or a < b end) end)
  end,
  ["aborted in waitany"] = function()
    local a, b = lwkt.port(), lwkt.port()
    aborted(function() lwkt.waitany { a, b, lwkt.curthread() } end)
  end,
  ["aborted in a coroutine"] = function()
    aborted(function() coroutine.wrap(function() lwkt.recv() end)() end)
  end,
  ["aborted in a sleep"] = function()
    aborted(function() lwkt.tsleep("rounds", "why") end)
  end,
  ["aborted before a full port"] = function()
    local port = lwkt.port { limit = 1 }
    port:send(1)
    aborted(function() port:send { 2 } end)
  end,
  ["aborted before a token"] = function()
    local token = lwkt.token()
    local held <close> = token:get()
    aborted(function() local also <close> = token:get() end)
  end,
  ["died, joined after"] = function()
    local td = lwkt.create(function() error { "late", lwkt.port() } end)
    check.eventually(function() return td.state == "dead" end)
    td:join()
  end,
  ["died of a big error"] = function()
    lwkt.create(function() error(("x"):rep(100000)) end):join()
  end,
  ["died of its limit"] = function()
    lwkt.create({ maxmem = 200000 }, function()
      local list = {}
      while true do list[#list + 1] = ("x"):rep(1000) .. #list end
    end):join()
  end,
  ["never started"] = function()
    lwkt.create({ nostart = true }, function() return {} end, { 1, 2 })
  end,
  ["aborted before its start"] = function()
    local td = lwkt.create({ nostart = true }, function() return {} end, { 1, 2 })
    td:abort("planned")
    td:schedule()
    td:join()
  end,
  ["left a coroutine"] = function()
    lwkt.create(function()
      local step = coroutine.wrap(function() coroutine.yield(1) end)
      step()
    end):join()
  end,
  ["left a file open"] = function()
    lwkt.create(function() io.open("/dev/null") end):join()
  end,
  ["shared its heap"] = function()
    local box = {}
    lwkt.create({ sharing = true }, function()
      box[1] = 1
      lwkt.yield()
    end):join()
  end,
  ["came of age elsewhere"] = function()
    lwkt.create(function() lwkt.setcpu_self((lwkt.mycpu() + 1) % lwkt.ncpus()) end):join()
  end,
  ["failed scope"] = function()
    pcall(lwkt.scope, function(scope)
      for i = 1, 3 do scope:create(function() return i == 2 and error("planned") or lwkt.recv() end) end
    end)
  end,
  ["time limit"] = function()
    lwkt.timeout(0.00001, function() lwkt.recv() end)
  end,
  ["returned itself"] = function()
    lwkt.create(function() return lwkt.curthread() end):join()
  end,
  ["exit notice not read"] = function()
    local port = lwkt.port()
    local td = lwkt.create(function() return port end)
    td:notify(port)
    td:join()
  end,
  ["port dropped with messages"] = function()
    local port = lwkt.port()
    for i = 1, 3 do port:send(i, { i }) end
  end,
  ["port dropped with itself"] = function()
    local port = lwkt.port()
    port:send(port)
  end,
  ["port closed with requests"] = function()
    local port, msgs = lwkt.port(), {}
    for i = 1, 5 do msgs[i] = port:sendmsg { i } end
    port:close()
    msgs[1]:wait()
  end,
  ["named port, ever another"] = function()
    local port = lwkt.port(new_name())
    port:send(port)
    port:close()
  end,
  ["named token, ever another"] = function()
    local held <close> = lwkt.token(new_name()):get()
  end,
  ["name looked for in vain"] = function() lwkt.lookup(new_name(), 0) end,
  ["answer not fetched"] = function()
    local port = lwkt.port()
    answerer:sendmsg_to(port, { 2 })
  end,
  ["request in a request"] = function()
    local port = lwkt.port()
    answerer:domsg(port:sendmsg {})
  end,
  ["passed on"] = function() passer:domsg({}, answerer) end,
  ["passed on and aborted"] = function() passer:sendmsg({}, answerer):abort() end,
  ["passed to a closed port"] = function()
    local port = lwkt.port()
    port:close()
    passer:domsg({}, port)
  end,
  ["passed to a dropped port"] = function() passer:sendmsg({}, lwkt.port()) end,
  ["table in itself"] = function()
    local table = lwkt.shared.table()
    table:set("self", table)
  end,
  ["code, ever another"] = function()
    local fn = load("return function() return " .. #new_name() .. number .. " end", "=" .. new_name())
    lwkt.create(fn()):join()
  end,
  ["chunk, ever another"] = function()
    load("lwkt.create(function() end):join()", "@" .. new_name() .. ".lua")()
  end,
}

-- The least of what it had after some rounds, in KB.
local function live_through(way, rounds, times)
  local least = math.huge
  for _ = 1, rounds do
    for _ = 1, times do way() end
    collectgarbage()
    least = math.min(least, resident())
  end
  return least
end

local slack = check.is_sanitized() and 1 << 20 or 4096
local times = check.many(300)
-- As many of each as there may be until cycles are searched for, so that these have been.
for name, way in pairs(ways) do live_through(way, 1, times) end
for name, way in pairs(ways) do
  local early = live_through(way, 4, times)
  live_through(way, 4, times)
  local late = live_through(way, 4, times)
  if late > early + slack then
    -- Is it slow to come to its limit, or has it none?
    early, late = late, (live_through(way, 12, times))
  end
  check.ok(late < early + slack, ("%s: %d KB, then %d KB"):format(name, early, late))
end

-- What heaps that are at rest have not freed yet (ports, tokens) does not count.
check.eventually(function() return #lwkt.threads() <= 4 end, "all threads are gone")

check.done()
