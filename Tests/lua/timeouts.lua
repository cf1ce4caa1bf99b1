-- lwkt.timeout around what computes instead of waiting, and what abort does to a thread that swallows it.
local check = require "check"

local errno = lwkt.errno
local never = lwkt.port()

local function forever() while true do end end

-- Compute for so many seconds of this process.
local function compute(seconds)
  local start = os.clock()
  repeat until os.clock() - start > seconds
end

local function closing(fn) return setmetatable({}, { __close = fn }) end

local function times_out(what, seconds, fn, ...)
  check.fails(errno.ETIMEDOUT, what, lwkt.timeout(seconds, fn, ...))
end

-- Wherever Lua code computes: in a coroutine, below a C function, in metamethods, iterators, chunks.
do
  local places = {
    plain = forever,
    pcall = function() pcall(forever) while true do end end,
    wrap = function() coroutine.wrap(forever)() end,
    nested = function() coroutine.wrap(function() coroutine.wrap(forever)() end)() end,
    resume = function()
      check.deep({ coroutine.resume(coroutine.create(forever)) }, { false, "timed out" }, "resume")
      forever()
    end,
    sort = function() table.sort({ 3, 2, 1 }, forever) end,
    gsub = function() ("x"):gsub("x", forever) end,
    index = function() return setmetatable({}, { __index = forever }).x end,
    iterator = function() for _ in forever do end end,
    load = function() load("while true do end")() end,
    pcall_of_chunk = function() pcall(load("while true do end")) forever() end,
    pcall_of_varargs = function() pcall(function(...) while true do end end, 1, 2, 3) forever() end,
    xpcall_of_varargs = function() xpcall(function(...) while true do end end, type, 1, 2) forever() end,
    pcall_of_tail_call = function()
      local function endless(...) while true do end end
      pcall(function(...) return endless(...) end, 1, 2, 3)
      forever()
    end,
    reader = function() load(forever) forever() end,
    xpcall = function() check.ok(select(2, xpcall(forever, debug.traceback)):find("traceback")) forever() end,
    with = function() lwkt.token("timeouts"):with(forever) end,
    yielding = function() while true do lwkt.yield() end end,
    polling = function() while true do never:recv(0) end end,
    line_hook = function()
      debug.sethook(function() end, "l")
      while true do
        local _ = 1
      end
    end,
  }
  -- Those that catch the error go on for a second: all of them at once.
  local threads = {}
  for name, fn in pairs(places) do threads[name] = lwkt.create(lwkt.timeout, 0.01, fn) end
  for name, td in pairs(threads) do
    check.fails(errno.ETIMEDOUT, name .. " in a thread", select(2, td:join()))
  end
  for _, name in ipairs { "plain", "nested", "sort", "gsub", "index", "iterator", "load", "with", "yielding" } do
    times_out(name, 0.01, places[name])
  end
  check.eq(lwkt.token("timeouts"):held(), nil, "with has released it")
end

-- It is over when it is over.
do
  for _ = 1, 20 do times_out("again", 0.001, forever) end
  compute(0.05)
  check.eq(lwkt.timeout(60, function() compute(0.01) return "in time" end), "in time", "in time")
  check.raises("its own", lwkt.timeout, 60, error, "its own")
end

-- The kinds of times.
do
  check.eq(lwkt.timeout(1 / 0, function() return "for ever" end), "for ever", "inf")
  check.eq(lwkt.timeout(1e300, function() return "for ever" end), "for ever", "1e300")
  for _, seconds in ipairs { 0, -1, -1 / 0, 0.0, math.mininteger } do
    check.eq(lwkt.timeout(seconds, function() return "no wait" end), "no wait", "polls")
    local full = lwkt.port()
    full:send("there")
    check.eq(lwkt.timeout(seconds, full.recv, full), "there", "what is there is taken")
    times_out("fails at the first wait", seconds, never.recv, never)
  end
  times_out("computing ends some time later", 0, forever)
  local text = check.raises("a time is a number, got nan", function()
    lwkt.timeout(0 / 0, forever)
  end)
  check.ok(text:find("timeouts.lua:%d+: bad argument #1 to 'timeout'"), text)
  check.raises("timeouts.lua:%d+: bad argument #1 to 'timeout'", function() lwkt.timeout("1", forever) end)
  check.raises("timeouts.lua:%d+: bad argument #2 to 'timeout'", function() lwkt.timeout(1) end)
  check.raises("timeouts.lua:%d+: bad argument #1 to 'scope'", function() lwkt.scope() end)
end

-- Nested: whose time is up ends, with all that is inside.
do
  times_out("the outer one", 0.01, function()
    lwkt.timeout(60, forever)
    error("not reached")
  end)
  check.eq(lwkt.timeout(60, function()
    times_out("the inner one", 0.01, forever)
    compute(0.01)
    return "goes on"
  end), "goes on", "the inner one")
  local inner = 0
  -- At the same time, but not before the inner one has begun, however slow the machine.
  times_out("both", 0.5, function()
    times_out("both, inside", 0.5, forever)
    inner = inner + 1
    forever()
  end)
  check.eq(inner, 1, "the error of the inner one is not the outer one's")
end

-- pcall may tidy up, and has time for it; but nobody swallows it.
do
  local tidied
  check.eq(lwkt.timeout(0.01, function()
    local ok, err = pcall(forever)
    check.deep({ ok, err }, { false, "timed out" }, "what pcall sees")
    compute(0.05)
    tidied = true
    return "results"
  end), "results", "who comes to an end has results")
  check.ok(tidied, "tidied up")
  times_out("a loop around pcall", 0.01, function()
    while true do pcall(forever) end
  end)
  times_out("loops around pcall in pcall", 0.01, function()
    while true do
      pcall(function()
        while true do pcall(forever) end
      end)
    end
  end)
  times_out("around pcall in a coroutine", 0.01, function()
    coroutine.wrap(function() while true do pcall(forever) end end)()
  end)
end

-- Nor does a loop of which hardly an instruction runs outside what is caught, or is left to tidy up.
do
  local function tidying(fn)
    return function()
      local _ <close> = closing(fn)
      forever()
    end
  end
  local loops = {
    wrap = function() while true do pcall(coroutine.wrap(forever)) end end,
    pcall_as_coroutine = function() while true do coroutine.wrap(pcall)(forever) end end,
    resume = function() while true do coroutine.resume(coroutine.create(forever)) end end,
    timeout = function() while true do pcall(lwkt.timeout, 1000, forever) end end,
    close = function() while true do pcall(tidying(function() end)) end end,
    long_close = function()
      while true do pcall(tidying(function() for i = 1, 1e5 do math.abs(i) end end)) end
    end,
    close_in_coroutine = function() while true do pcall(coroutine.wrap(tidying(function() end))) end end,
    hook = function()
      debug.sethook(function() end, "crl", 7)
      while true do pcall(tidying(function() end)) end
    end,
    count_hook = function()
      debug.sethook(function() end, "", 7)
      while true do pcall(tidying(function() end)) end
    end,
  }
  local threads = {}
  for name, fn in pairs(loops) do threads[name] = lwkt.create(lwkt.timeout, 0.01, fn) end
  for name, td in pairs(threads) do check.fails(errno.ETIMEDOUT, name, select(2, td:join())) end
end

-- Critical sections, __close and finalisers are not torn apart, however they came to run.
do
  local steps = 0
  times_out("critical section", 0.01, function()
    lwkt.crit_enter()
    compute(0.05)
    steps = steps + 1
    lwkt.crit_exit()
    forever()
  end)
  check.eq(steps, 1, "its end was reached")
  local function tidy()
    compute(0.05)
    steps = steps + 1
  end
  local ways = {
    ["end of a block"] = function()
      do local _ <close> = closing(tidy) end
    end,
    ["return"] = function()
      (function()
        local _ <close> = closing(tidy)
        return 1
      end)()
    end,
    ["error in pcall"] = function()
      pcall(function()
        local _ <close> = closing(tidy)
        error("x")
      end)
    end,
    ["error in xpcall"] = function()
      xpcall(function(...)
        local _ <close> = closing(tidy)
        error("x")
      end, debug.traceback, 1, 2, 3)
    end,
    ["error in tail call"] = function()
      pcall(function()
        return (function()
          local _ <close> = closing(tidy)
          error("x")
        end)()
      end)
    end,
    ["error in with"] = function()
      pcall(lwkt.token().with, lwkt.token(), function()
        local _ <close> = closing(tidy)
        error("x")
      end)
    end,
    ["in a coroutine"] = function()
      coroutine.wrap(function()
        pcall(function()
          local _ <close> = closing(tidy)
          error("x")
        end)
      end)()
    end,
    ["coroutine.close"] = function()
      local co = coroutine.create(function()
        local _ <close> = closing(tidy)
        coroutine.yield()
      end)
      coroutine.resume(co)
      coroutine.close(co)
    end,
    ["error in wrap"] = function()
      pcall(coroutine.wrap(function()
        local _ <close> = closing(tidy)
        error("x")
      end))
    end,
    ["finaliser"] = function()
      setmetatable({}, { __gc = tidy })
      collectgarbage()
    end,
  }
  for name, way in pairs(ways) do
    steps = 0
    times_out(name, 0.01, function()
      way()
      check.eq(steps, 1, name)
      forever()
    end)
    check.eq(steps, 1, name .. ": not torn apart")
  end
  steps = 0
  times_out("the error itself", 0.01, function()
    local _ <close> = closing(tidy)
    forever()
  end)
  check.eq(steps, 1, "variables are closed")
end

-- A scope inside ends its threads; one whose time is up while it computes waits for its threads.
do
  local ended = lwkt.shared.counter(0)
  times_out("scope", 0.05, lwkt.scope, function(s)
    s:create(function()
      local _ <close> = closing(function() ended:add(1) end)
      never:recv()
    end)
    forever()
  end)
  check.eq(ended:get(), 1, "its thread has ended")
end

-- With others that compute, many at once, and in one heap.
do
  local threads = {}
  for i = 1, 20 do
    threads[i] = lwkt.create({ sharing = i % 2 == 0 }, function()
      times_out("one of many", 0.01, forever)
      return i
    end)
  end
  for i = 1, 20 do check.eq(check.join(threads[i]), i, "one of many") end
end

-- A thread that catches its abort and waits again, over and over, is ended where it computes.
do
  for name, serve in pairs {
    plain = function() while true do pcall(never.recv, never) end end,
    nested = function()
      while true do
        pcall(function()
          while true do pcall(never.recv, never) end
        end)
      end
    end,
    coroutine = function()
      coroutine.wrap(function() while true do pcall(never.recv, never) end end)()
    end,
  } do
    local closed = lwkt.shared.counter(0)
    local td = lwkt.create(function(fn)
      local _ <close> = closing(function()
        compute(0.05)
        closed:add(1)
      end)
      fn()
    end, serve)
    check.waiting(td)
    td:abort({ reason = name })
    local ok, err = td:join(60)
    check.eq(ok, false, name)
    check.eq(err.reason, name, "the error is the reason")
    check.eq(closed:get(), 1, "variables are closed, undisturbed")
  end
end

-- A message handler that never ends is ended, whatever it does, and the time is up where its xpcall returns.
do
  local function forever() while true do end end
  local function caught() while true do pcall(error) end end
  for name, handler in pairs { forever = forever, caught = caught } do
    local function fail() return xpcall(error, handler) end
    check.fails(lwkt.errno.ETIMEDOUT, name, lwkt.timeout(0.02, fail))
    check.fails(lwkt.errno.ETIMEDOUT, name .. " in a coroutine",
      lwkt.timeout(0.02, function() return coroutine.wrap(fail)() end))
    check.fails(lwkt.errno.ETIMEDOUT, name .. " in another",
      lwkt.timeout(0.02, function() return xpcall(error, fail) end))
  end
  -- A handler that is not running gets the error itself.
  local seen
  check.fails(lwkt.errno.ETIMEDOUT, "handled", lwkt.timeout(0.02, function()
    xpcall(forever, function(err)
      seen = err
      return err
    end)
    forever()
  end))
  check.ok(tostring(seen):find("timed out", 1, true), seen)
end

check.done()
