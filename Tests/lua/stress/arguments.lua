-- Every function of `lwkt` and every method and metamethod of every handle, with arguments of every
-- kind and number. What comes of a call is of no interest: it returns or raises an error with a text,
-- and the program goes on. A run is made again by its seed:
--
--     lwkt-lua --workers 2 stress/arguments.lua SEED THREADS
local check = require "check"

local seed, threads = tonumber(arg[1]) or 1, tonumber(arg[2]) or 300
print("seed " .. seed .. ", " .. threads .. " threads")

-- One thread: fifty calls.
local function fuzz(seed, number, notices)
  math.randomseed(seed, number)
  local random = math.random
  -- Its answers come at once, so that requests to it may be waited for without a limit.
  local echo = lwkt.create({ daemon = true, name = "echo" }, function()
    for msg in lwkt.wait do
      pcall(function() msg:reply(msg:unpack()) end)
    end
  end)
  echo:notify(notices)
  local function any(list) return list[random(#list)] end

  local closed = lwkt.port()
  closed:close()
  local dead = lwkt.create(function() return 1 end)
  dead:join()
  local answered = echo:sendmsg("a")
  answered:wait()
  local consumed = lwkt.port()
  consumed:send(1)
  local gone = consumed:wait()
  local cyclic = {}
  cyclic[cyclic] = cyclic
  local odd = setmetatable({}, { __index = error, __len = error, __tostring = error, __eq = error })
  local many = {}
  for i = 1, 300 do many[i] = lwkt.port() end
  local pool = {
    1, 2, 0, -1, 7, 31, 32, 255, 256, 65536, 2 ^ 31, 2 ^ 53, math.maxinteger, math.mininteger,
    0.0, -0.0, 0.5, 1e-9, 1e300, 1 / 0, -1 / 0, 0 / 0, "", "x", "a\0b", "\255\254", "1", "0x10", "nan",
    ("y"):rep(300), ("z"):rep(70000), "name", "i64", "f64", "u8", "spin", "thread", "exit",
    "getpid", "nanosleep", "clock_gettime", "stat", "nothing", true, false, {}, { 1, 2, 3 },
    { name = "odd\0name" }, { limit = 0 }, { limit = -1 }, { limit = math.maxinteger }, { limit = 1 },
    { kind = "spin" }, { kind = "thread" }, { kind = 5 }, { name = "x", limit = 2 }, { pri = 31 },
    { pri = 32 }, { cpu = 0 }, { cpu = 300 }, { maxmem = 1 }, { maxmem = 100000 }, { maxmem = -1 },
    { sharing = true }, { sharing = true, maxmem = 5 }, { nostart = true }, { daemon = 1 },
    { token = lwkt.token("arguments") }, { token = 5 }, { [1] = lwkt.port(), n = 1 }, cyclic, odd, many,
    error, lwkt.yield, coroutine.wrap(function() end), coroutine.create(function() end),
    function() end, function(...) return ... end, function() error() end, function() error({}) end,
    function() lwkt.sleep(0.0001) end, function() return lwkt.curthread() end, io.stdout,
    lwkt.curthread(), dead, echo, echo.msgport, closed, lwkt.port(), lwkt.port { limit = 1 },
    lwkt.port { kind = "thread" }, lwkt.port().urgent, consumed, gone, answered, echo:sendmsg("b"),
    closed:sendmsg(1), lwkt.token("arguments"), lwkt.token(), lwkt.getpooltoken(5),
    lwkt.shared.counter(5), lwkt.shared.table(), lwkt.shared.array("i64", 5),
    lwkt.shared.array("u8", 3), lwkt.shared.array("f64", 1), lwkt.sysport, lwkt.sysport:sendmsg("getpid"),
  }
  local fixed = #pool

  local kinds = {
    lwkt.curthread(), lwkt.port(), answered, lwkt.token(), lwkt.shared.counter(), lwkt.shared.table(),
    lwkt.shared.array("i64", 1),
  }
  local functions, methods = {}, {}
  for _, library in ipairs { lwkt, lwkt.shared } do
    for name, fn in pairs(library) do
      if type(fn) == "function" then functions[#functions + 1] = name; functions[name] = fn end
    end
  end
  -- Whoever calls these with numbers of files gets what he asked for.
  for name, fn in pairs(lwkt.sys) do
    if name ~= "close" then functions[#functions + 1] = name; functions[name] = fn end
  end
  table.sort(functions)
  for _, handle in ipairs(kinds) do
    for _, name in ipairs { "join", "abort", "schedule", "setpri", "notify", "send", "sendmsg", "domsg",
      "sendmsg_to", "wait", "get", "recv", "close", "unpack", "reply", "fail", "forward", "check",
      "get_shared", "try", "rel", "with", "is_stale", "held", "add", "set", "cas", "update", "pairs",
      "len", "fill", "slice", "bytes" } do
      if handle[name] then methods[#methods + 1] = handle[name] end
    end
    local metatable = debug.getmetatable(handle)
    for _, name in ipairs { "__index", "__newindex", "__len", "__tostring", "__close", "__gc", "__pairs" } do
      if type(metatable[name]) == "function" then methods[#methods + 1] = metatable[name] end
    end
  end
  local waits = { [echo.domsg] = true, [closed.domsg] = true }
  local last = { getpid = true, clock_gettime = true }

  local function value()
    if random(4) == 1 and #pool > fixed then return pool[random(fixed + 1, #pool)] end
    return pool[random(fixed)]
  end

  local function arguments(fn, isSystem)
    local list = { n = random(0, 5) }
    for i = 1, list.n do
      local v = value()
      if random(12) == 1 then v = nil end
      if isSystem then
        if math.type(v) == "integer" and v >= 0 and v < 1000 then v = v + 1000 end
        if type(v) == "string" then v = "/nowhere/at/all/" .. v end
      end
      list[i] = v
    end
    -- A request that another of these threads holds may wait for this one in turn.
    if waits[fn] and list.n > 0 and random(5) > 1 then list[1] = any { echo, echo.msgport, closed } end
    return list
  end

  local function keep(ok, ...)
    if not ok then
      pcall(tostring, (...)) -- it may be a value that cannot be shown
      return
    end
    for i = 1, select("#", ...) do
      local v = select(i, ...)
      -- That it dies of its arguments is no news.
      if type(v) == "userdata" and tostring(v):find("^thread") then v:notify(notices) end
      if v ~= nil and #pool < fixed + 40 then
        pool[#pool + 1] = v
      elseif v ~= nil then
        pool[random(fixed + 1, #pool)] = v
      end
    end
  end

  for _ = 1, 50 do
    local fn, isSystem
    if random(2) == 1 then
      local name = any(functions)
      fn, isSystem = functions[name], lwkt.sys[name] ~= nil
      if name == "exit" and random(10) > 1 then fn = lwkt.yield end
    else
      fn = any(methods)
    end
    local list = arguments(fn, isSystem)
    if random(3) == 1 then
      local handle = any(kinds)
      if random(2) == 1 then list[1], list.n = handle, math.max(list.n, 1) end
    end
    keep(pcall(lwkt.timeout, 0.002, fn, table.unpack(list, 1, list.n)))
    pcall(function() return value() == value(), #value(), value() .. "" end)
    pcall(function() return value() < value() end)
    pcall(tostring, value())
  end
end

local notices = lwkt.port()
local running = {}
for i = 1, threads do
  running[#running + 1] = lwkt.create({ name = "fuzz" }, fuzz, seed, i, notices)
  if #running == 8 then table.remove(running, 1):join() end
end
for _, td in ipairs(running) do td:join() end
collectgarbage()
check.eq(check.join(lwkt.create(function() return "still there" end)), "still there")
check.done()
