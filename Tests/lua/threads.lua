-- Threads: creation and its options, names, join, exit, notify, the read-only fields, and how a
-- thread looks from inside. Where they run is in placement.lua, sleeping in sleepwake.lua.
local check = require "check"

local errno = lwkt.errno

-- Named by who created whom, in order, whoever runs first. This block must stay the first.
do
  local main = lwkt.curthread()
  check.eq(main.id, "1", "the main thread")

  local function myid() return lwkt.curthread().id end
  local first = lwkt.create(myid)
  local second = lwkt.create({ name = "second", nostart = true }, function()
    local child = lwkt.create(function() return lwkt.curthread().id end)
    return child.id, check.join(child)
  end)
  check.raises("bad argument", lwkt.create, 42)
  local third = lwkt.create({ sharing = true }, myid)

  check.eq(first.id, "1.1", "first child")
  check.eq(second.id, "1.2", "a thread counts before it starts")
  check.eq(third.id, "1.3", "a refused create takes no number, a sharing thread does")
  check.eq(check.join(first), "1.1", "its id from inside")
  check.eq(check.join(third), "1.3", "its id from inside")
  second:schedule()
  check.deep({ check.join(second) }, { "1.2.1", "1.2.1" }, "a grandchild")
end

-- How they print, and who is who.
do
  local named = lwkt.create({ name = "fetcher" }, function()
    local td = lwkt.curthread()
    return td.name, tostring(td), td
  end)
  check.ok(tostring(named):find("^thread 1%.%d+ %(fetcher%)$"), tostring(named))
  local name, text, td = check.join(named)
  check.eq(name, "fetcher", "its own name")
  check.eq(text, tostring(named), "the same name from inside")
  check.eq(td, named, "one handle per thread and heap")
  check.eq(named.name, "fetcher", "name")
  check.ok(tostring(lwkt.create(function() end)):find("^thread 1%.%d+"), "without a name")
  check.eq(lwkt.curthread(), lwkt.curthread(), "curthread is always the same handle")
  check.eq(require "lwkt", lwkt, "require")
  check.eq(check.join(lwkt.create(function() return require "lwkt" == lwkt end)), true, "require")
end

-- Arguments and results, nil and all.
do
  check.eq(select("#", lwkt.create(function() end):join()), 1, "no results")
  local n = check.join(lwkt.create(function(...) return select("#", ...) end, nil, 2, nil))
  check.eq(n, 3, "nil arguments")
  local results = table.pack(lwkt.create(function() return nil, 2, nil end):join())
  check.deep(results, { true, nil, 2, nil, n = 4 }, "nil results")
  local many = table.pack(check.join(lwkt.create(function(...) return ... end,
    table.unpack({}, 1, 200))))
  check.eq(many.n, 200, "200 values there and back")
end

-- join: as often and by as many as like, before and after the end, with and without a limit.
do
  local gate = lwkt.port()
  local td = lwkt.create(function(gate) return gate:recv(), { 1, 2 } end, gate)
  check.fails(errno.ETIMEDOUT, "join(0) polls", td:join(0))
  check.eq(check.fails(errno.ETIMEDOUT, "join(0.01)", td:join(0.01)), "timed out", "its words")
  local joiners = {}
  for i = 1, 5 do
    joiners[i] = lwkt.create(function(td) return td:join() end, td)
  end
  gate:send("go")
  for i = 1, 5 do
    check.deep({ check.join(joiners[i]) }, { true, "go", { 1, 2 } }, "several joiners")
  end
  check.deep({ td:join() }, { true, "go", { 1, 2 } }, "join after the end")
  check.deep({ td:join(0) }, { true, "go", { 1, 2 } }, "join again")
  check.raises("bad argument", td.join, 42)
  check.raises("bad argument", td.join, td, "soon")
  check.raises("join", function() lwkt.curthread():join() end)
end

-- A thread that dies: only it does, and join tells why with the very value that was raised.
do
  check.died("threads.lua:%d+: boom", lwkt.create(function() error("boom") end))
  check.eq(check.died("bare", lwkt.create(function() error("bare", 0) end)), "bare", "level 0")
  check.died("attempt to index a nil value", lwkt.create(function() return (nil).x end))
  local err = check.died("table", lwkt.create(function() error({ code = 7, list = { 1 } }) end))
  check.deep(err, { code = 7, list = { 1 } }, "an error that is a table")
  check.deep({ lwkt.create(function() error(nil) end):join() }, { false }, "an error that is nil")
  local td = lwkt.create(function() error("again") end)
  check.died("again", td)
  check.died("again", td)
  -- Nobody could receive these, so the thread dies of them: the results are not lost silently.
  check.died("cannot send userdata at [2]", lwkt.create(function() return 1, io.stdout end))
  -- An error that cannot leave arrives as its text.
  check.died("^file %(", lwkt.create(function() error(io.stdout) end))
end

-- exit ends the thread from wherever it is; no pcall stops it, to-be-closed variables are closed.
do
  local log = lwkt.port()
  local function mark(text)
    return setmetatable({}, { __close = function() log:send(text) end })
  end
  local td = lwkt.create(function()
    local outer <close> = mark("outer")
    pcall(function()
      local inner <close> = mark("inner")
      lwkt.exit("done", 2)
    end)
    log:send("not reached")
  end)
  check.deep({ check.join(td) }, { "done", 2 }, "exit's results")
  check.eq(log:recv(10), "inner", "closed first")
  check.eq(log:recv(10), "outer", "closed second")
  check.eq(#log, 0, "nothing after exit ran")

  td = lwkt.create(function()
    coroutine.wrap(function()
      table.sort({ 3, 2, 1 }, function() lwkt.exit("from deep below") end)
    end)()
    return "not reached"
  end)
  check.eq(check.join(td), "from deep below", "exit in a comparator in a coroutine")
  check.eq(select("#", lwkt.create(function() lwkt.exit() end):join()), 1, "exit without results")
end

-- nostart and schedule.
do
  local started = lwkt.shared.counter(0)
  local td = lwkt.create({ nostart = true }, function() started:add(1) return "ran" end)
  check.fails(errno.ETIMEDOUT, "it does not start by itself", td:join(0.02))
  check.eq(started:get(), 0, "it did not run")
  td:schedule()
  td:schedule()
  check.eq(check.join(td), "ran", "it runs when scheduled")
  td:schedule()
  check.eq(started:get(), 1, "scheduling it again starts nothing")
end

-- notify: "exit", td, ok, results or error, to any port, before the end or after.
do
  local port = lwkt.port()
  local gate = lwkt.port()
  local good = lwkt.create(function(gate) return gate:recv(), nil, 3 end, gate)
  good:notify(port)
  gate:send(1)
  check.deep(table.pack(port:recv(60)), { "exit", good, true, 1, nil, 3, n = 6 }, "a good end")
  good:notify(lwkt.curthread().msgport)
  check.deep(table.pack(lwkt.recv(60)), { "exit", good, true, 1, nil, 3, n = 6 }, "after the end")

  local bad = lwkt.create({ nostart = true }, function() error({ why = "bad" }) end)
  bad:notify(port)
  bad:schedule()
  check.deep({ port:recv(60) }, { "exit", bad, false, { why = "bad" } }, "a bad end")
  check.raises("bad argument", good.notify, good, "nowhere")
  check.raises("bad argument", good.notify, good)
end

-- One port to watch a hundred threads: a supervisor.
do
  local port = lwkt.port()
  for i = 1, 100 do
    local td = lwkt.create({ nostart = true }, function(i)
      if i % 10 == 0 then error(i, 0) end
      return i
    end, i)
    td:notify(port)
    td:schedule()
  end
  local good, bad = 0, 0
  for _ = 1, 100 do
    local word, td, ok, value = port:recv(60)
    check.eq(word, "exit", "the word")
    check.eq(td:join(0), ok, "it has ended by then")
    check.eq(value % 10 == 0, not ok, "its result")
    if ok then good = good + 1 else bad = bad + 1 end
  end
  check.deep({ good, bad }, { 90, 10 }, "all of them")
end

-- State and wmesg of another thread.
do
  local gate = lwkt.port("threads.gate")
  local td = lwkt.create({ nostart = true }, function()
    return lwkt.lookup("threads.gate"):recv()
  end)
  local new = td.state
  td:schedule()
  check.waiting(td)
  check.eq(type(td.wmesg), "string", "wmesg")
  local waiting = td.state
  gate:send(true)
  check.join(td)
  local running, dead = lwkt.curthread().state, td.state
  check.eq(running, "running", "my own state")
  check.eq(lwkt.curthread().wmesg, nil, "who runs waits for nothing")
  check.eq(td.wmesg, nil, "neither does who is dead")
  local names = {}
  for _, state in ipairs { new, waiting, running, dead } do
    check.eq(type(state), "string", "state")
    check.eq(names[state], nil, "each state has its own name, so " .. state)
    names[state] = true
  end
  gate:close()
end

-- The fields are read-only, and of the kinds they should be.
do
  local td = lwkt.curthread()
  check.eq(math.type(td.cpu), "integer", "cpu")
  check.eq(math.type(td.pri), "integer", "pri")
  check.ok(td.pri >= 0 and td.pri <= 31, "pri is 0..31")
  check.ok(td.cpu >= 0 and td.cpu < lwkt.ncpus(), "cpu is 0..ncpus-1")
  check.ok(tostring(td.msgport):find("^port %d+"), "msgport")
  for _, field in ipairs { "id", "name", "state", "cpu", "pri", "wmesg", "msgport" } do
    check.raises(field, function() td[field] = 1 end)
  end
end

-- Priorities are numbers 0..31.
do
  local td = lwkt.create({ pri = 7, nostart = true }, function()
    local before = lwkt.curthread().pri
    lwkt.setpri_self(20)
    return before, lwkt.curthread().pri
  end)
  check.eq(td.pri, 7, "pri at creation")
  td:setpri(9)
  check.eq(td.pri, 9, "setpri")
  td:schedule()
  check.deep({ check.join(td) }, { 9, 20 }, "setpri_self")
  for _, pri in ipairs { -1, 32, 1.5, "high" } do
    check.raises("pri", lwkt.create, { pri = pri }, function() end)
    check.raises("bad argument", td.setpri, td, pri)
    check.raises("bad argument", lwkt.setpri_self, pri)
  end
end

-- maxmem: who wants more dies of it, and nobody else does.
do
  local big = lwkt.create({ maxmem = 4 * 1024 * 1024 }, function()
    local list = {}
    for i = 1, 1e9 do list[i] = ("x"):rep(1000) .. i end
  end)
  local small = lwkt.create({ maxmem = 4 * 1024 * 1024 }, function()
    local sum = 0
    for i = 1, 100000 do sum = sum + #("x"):rep(100) end
    return sum
  end)
  check.died("not enough memory", big)
  check.eq(check.join(small), 10000000, "garbage is not counted")
  local caught = lwkt.create({ maxmem = 4 * 1024 * 1024 }, function()
    local ok, err = pcall(string.rep, "x", 1 << 30)
    return ok, err, #string.rep("x", 1000)
  end)
  check.deep({ check.join(caught) }, { false, "not enough memory", 1000 }, "it can be caught")
  -- However little is left when it is over, the error still finds its way out.
  for room = 0, 400, 16 do
    local full = lwkt.create({ maxmem = 200000 + room }, function()
      local list = {}
      for i = 1, 1e9 do list[i] = { i } end
    end)
    check.died("not enough memory", full)
  end
end

-- A daemon is a thread like any other; only the end of the program does not wait for it.
do
  check.eq(check.join(lwkt.create({ daemon = true }, function() return 5 end)), 5, "joined")
  lwkt.create({ daemon = true }, function() lwkt.port():recv() end)
end

-- To a script each thread is a Lua main thread.
do
  local function look()
    local co, main = coroutine.running()
    local ok, err = pcall(coroutine.yield, 1)
    return type(co), main, coroutine.isyieldable(), ok, err, coroutine.status(co)
  end
  local want = { "thread", true, false, false, "attempt to yield from outside a coroutine",
    "running" }
  check.deep({ look() }, want, "in the main thread")
  check.deep({ check.join(lwkt.create(look)) }, want, "in a thread")
  check.deep({ check.join(lwkt.create({ sharing = true }, look)) }, want, "in a sharing thread")

  check.eq(check.join(lwkt.create(function()
    local co = coroutine.create(function(a)
      local _, main = coroutine.running()
      check.eq(main, false, "inside a coroutine")
      check.eq(coroutine.isyieldable(), true, "inside a coroutine")
      local b = coroutine.yield(a + 1)
      error("end " .. b, 0)
    end)
    check.deep({ coroutine.resume(co, 1) }, { true, 2 }, "first resume")
    check.deep({ coroutine.resume(co, 5) }, { false, "end 5" }, "second resume")
    check.eq(coroutine.status(co), "dead", "status")
    return "checked"
  end)), "checked", "coroutines in a thread")
end

-- Everything standard is there, and `arg` is a global like any other.
do
  local missing = check.join(lwkt.create(function()
    local list = {}
    local names = "assert collectgarbage dofile error getmetatable ipairs load loadfile next pairs "
      .. "pcall print rawequal rawget rawlen rawset require select setmetatable tonumber tostring "
      .. "type warn xpcall coroutine.create debug.traceback io.open math.pi os.time package.path "
      .. "string.format table.concat utf8.char lwkt.create _VERSION"
    for name in names:gmatch("%S+") do
      if load("return " .. name)() == nil then list[#list + 1] = name end
    end
    check.eq(("x"):upper(), "X", "strings have their methods")
    check.eq(_G._G, _G, "_G is the globals")
    return table.concat(list, " ")
  end))
  check.eq(missing, "", "standard names that a thread lacks")
  check.eq(check.join(lwkt.create(function() return arg[0] end)), arg[0], "arg")
  check.eq(check.join(lwkt.create(function() return package.path end)), package.path, "path")
end

-- What create refuses, each by name.
do
  local function nothing() end
  check.raises("bad argument", lwkt.create)
  check.raises("bad argument", lwkt.create, "print")
  check.raises("bad argument", lwkt.create, {})
  check.raises("bad argument", lwkt.create, {}, "print")
  check.raises("name", lwkt.create, { name = {} }, nothing)
  check.raises("cpu", lwkt.create, { cpu = lwkt.ncpus() }, nothing)
  check.raises("cpu", lwkt.create, { cpu = -1 }, nothing)
  check.raises("cpu", lwkt.create, { cpu = "first" }, nothing)
  check.raises("maxmem", lwkt.create, { maxmem = "lots" }, nothing)
  check.raises("maxmem", lwkt.create, { maxmem = -1 }, nothing)
  check.raises("nmae", lwkt.create, { nmae = "typo" }, nothing)
end

-- notify: asked before or after the end, of threads that end in any way, to ports of any kind.
do
  local port = lwkt.port()
  local function notice(td, to)
    td:notify(to or port)
    return table.pack((to or port):recv(60))
  end
  local function ended(...) return table.pack("exit", ...) end
  local td = lwkt.create(function() return 1, nil, 3 end)
  td:join()
  check.deep(notice(td), ended(td, true, 1, nil, 3), "after the end")
  td = lwkt.create(lwkt.sleep, 0.01)
  check.deep(notice(td), ended(td, true, true), "before it")
  td = lwkt.create(lwkt.exit, 1, 2)
  check.deep(notice(td), ended(td, true, 1, 2), "exit")
  td = lwkt.create(function() error({ code = 5 }) end)
  check.deep(notice(td), ended(td, false, { code = 5 }), "an error")
  td = lwkt.create(lwkt.sleep, 3600)
  td:abort("reason")
  check.deep(notice(td), ended(td, false, "reason"), "aborted")
  for _, reason in ipairs { "short", ("long"):rep(1000), 1.5, true, port } do
    td = lwkt.create({ nostart = true }, print)
    td:abort(reason)
    check.deep({ td:join(60) }, { false, reason }, "never started")
  end
  td = lwkt.create({ nostart = true }, print)
  td:notify(port)
  td:abort({ deep = { 1 } })
  check.deep(table.pack(port:recv(60)), ended(td, false, { deep = { 1 } }), "never started")
  td = lwkt.create(function() return io.stdout end)
  check.ok(notice(td)[4]:find("exit: cannot send userdata at [1]", 1, true), "results that cannot travel")

  -- Twice to the same port: twice. A limit does not hold it up. A closed port is as good as none.
  td = lwkt.create(function() return "once" end)
  td:notify(port)
  check.deep(notice(td), ended(td, true, "once"), "twice")
  check.deep(table.pack(port:recv(60)), ended(td, true, "once"), "twice")
  local full, closed = lwkt.port { limit = 1 }, lwkt.port()
  full:send("full")
  closed:close()
  td = lwkt.create(function() end)
  td:notify(full)
  td:notify(closed)
  check.join(td)
  check.eq(full:recv(60), "full", "what was there")
  check.deep(table.pack(full:recv(60)), ended(td, true), "beyond the limit")

  -- To the head of a queue; to a port of another thread, asked by a third.
  port:send("earlier")
  td = lwkt.create(function() end)
  td:join()
  td:notify(port.urgent)
  check.eq(port:recv(60), "exit", "urgent")
  check.eq(port:recv(60), "earlier", "not urgent")
  local hears = lwkt.create({ cpu = lwkt.ncpus() - 1 }, function()
    local _, td, ok, value = lwkt.recv(60)
    return td, ok, value
  end)
  td = lwkt.create(function() return lwkt.sleep(0.01) end)
  check.join(lwkt.create({ cpu = 0 }, function(td, hears) td:notify(hears.msgport) end, td, hears))
  check.deep({ check.join(hears) }, { td, true, true }, "another's port")
  check.ok(lwkt.create(function()
    local me = lwkt.curthread()
    me:notify(me.msgport)
    return true
  end):join(), "its own")
  -- It is one way and has no values of its own until it is looked into.
  td = lwkt.create(function() return 5 end)
  td:notify(port)
  local msg = port:wait(60)
  check.eq(msg.sender, td, "its sender")
  check.deep({ msg:unpack() }, { "exit", td, true, 5 }, "unpack")
  check.raises("nobody waits for an answer", msg.reply, msg)
  check.raises("the sysport takes system calls alone", td.notify, td, lwkt.sysport)
  check.raises("port expected, got no value", td.notify, td)
  check.raises("port expected, got thread handle", td.notify, td, td)
end

-- maxmem counts what is received, too, before it is there; who has room for it later has it then.
do
  local port, store = lwkt.port(), lwkt.shared.table()
  local big = ("x"):rep(1000000)
  store:set("big", big)
  local function frugal(fn)
    return lwkt.create({ maxmem = 300000 }, fn)
  end
  local ways = {
    recv = function()
      port:send(big)
      return frugal(function() return #port:recv() end)
    end,
    unpack = function()
      port:send(big)
      return frugal(function() return #port:wait():unpack() end)
    end,
    domsg = function()
      lwkt.create(function() port:wait():reply(big) end)
      return frugal(function() return #port:domsg() end)
    end,
    join = function()
      local td = lwkt.create(function() return big end)
      return frugal(function() return #select(2, td:join()) end)
    end,
    shared = function() return frugal(function() return #store:get("big") end) end,
    arguments = function() return lwkt.create({ maxmem = 300000 }, function(big) return #big end, big) end,
  }
  for name, way in pairs(ways) do
    big = name == "arguments" and ("x"):rep(1000000) or big
    check.died("not enough memory", way(), name)
  end
  for name, where in pairs {
    coroutine = function(eat) return coroutine.resume(coroutine.create(eat)) end,
    metamethod = function(eat) return pcall(function() return setmetatable({}, { __index = eat }).x end) end,
    sort = function(eat) return pcall(table.sort, { 3, 2, 1 }, eat) end,
    handler = function(eat) return xpcall(error, eat) end,
    timeout = function(eat) return pcall(lwkt.timeout, 3600, eat) end,
    scope = function(eat)
      return pcall(lwkt.scope, function(s)
        s:create(lwkt.sleep, 0.001)
        eat()
      end)
    end,
    sharing = function(eat) return lwkt.create({ sharing = true }, eat):join() end,
    rep = function() return pcall(string.rep, "x", 1000000) end,
    several = function() return pcall(port.recv, port) end,
  } do
    if name == "several" then port:send(("x"):rep(1000000)) end
    port:send("after")
    local td = frugal(function()
      local ok, err = where(function()
        local list = {}
        while true do list[#list + 1] = {} end
      end)
      lwkt.sleep(0.001)
      return ok, err, port:recv()
    end)
    check.deep({ check.join(td, name) }, { false, "not enough memory", "after" }, name)
  end
  -- Garbage makes room.
  local td = frugal(function()
    local sum = 0
    for _ = 1, 20 do sum = sum + #port:recv() end
    return sum
  end)
  for _ = 1, 20 do port:send(("y"):rep(100000)) end
  check.eq(check.join(td), 2000000, "one after the other")
  -- An error object cannot hold up or eat up anything by what it does to be shown.
  for _, show in ipairs {
    function() while true do end end,
    function() return ("x"):rep(1000000) end,
    function() return lwkt.sleep(0.001) and "waited" end,
    function() error("again") end,
    function() lwkt.exit() end,
  } do
    td = frugal(function() error(setmetatable({ io.stdout }, { __tostring = show })) end)
    check.eq((td:join(60)), false, "an error object")
  end
end

check.done()
