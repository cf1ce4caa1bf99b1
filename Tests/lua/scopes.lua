-- Structured concurrency: lwkt.scope returns when all its threads have ended; the first error
-- aborts the others and is raised again.
local check = require "check"

local never = lwkt.port()

-- It waits for all of them, joined or not.
do
  local ended = lwkt.shared.counter(0)
  lwkt.scope(function(s)
    for i = 1, 50 do
      s:create(function(i)
        lwkt.sleep(i % 5 / 100)
        ended:add(1)
      end, i)
    end
  end)
  check.eq(ended:get(), 50, "all have ended")
  lwkt.scope(function() end)
end

-- Its threads are threads like all others: options, arguments, results, numbers.
do
  local sum, log = 0, {}
  lwkt.scope(function(s)
    local td = s:create({ name = "scoped" }, function(n)
      return n * 2, lwkt.curthread().name
    end, 21)
    check.ok(tostring(td):find("^thread 1%.%d+ %(scoped%)$"), tostring(td))
    check.deep({ check.join(td) }, { 42, "scoped" }, "joined inside")
    s:create({ sharing = true }, function() log[1] = "shared" end)
    -- fn runs in this very thread.
    sum = sum + 1
    check.raises("bad argument", s.create, s)
    check.raises("bad argument", s.create, s, 42)
  end)
  check.eq(sum, 1, "this thread's locals")
  check.eq(log[1], "shared", "a sharing thread in a scope")
end

-- The first error aborts the others, is raised again when all have ended, with its traceback.
do
  local closed = lwkt.shared.counter(0)
  local started = lwkt.shared.counter(0)
  local err = check.raises("scoped failure", lwkt.scope, function(s)
    for _ = 1, 20 do
      s:create(function()
        local var <close> = setmetatable({}, { __close = function() closed:add(1) end })
        started:add(1)
        never:recv()
      end)
    end
    check.eventually(function() return started:get() == 20 end, "all wait")
    s:create(function() error("scoped failure") end)
  end)
  check.eq(closed:get(), 20, "the others have ended, and cleaned up")
  check.ok(tostring(err):find("scopes%.lua:%d+"), "it says where: " .. tostring(err))

  -- Also if the scope's own function is still waiting for something.
  check.raises("scoped failure", lwkt.scope, function(s)
    s:create(function() error("scoped failure") end)
    never:recv()
  end)

  -- Only the first one is raised; what it causes is not.
  check.raises("the first", lwkt.scope, function(s)
    for _ = 1, 10 do
      s:create(function()
        local ok = pcall(never.recv, never)
        error("a consequence")
      end)
    end
    s:create(function() error("the first") end)
  end)

  -- An error value of another kind is raised as it is.
  local value = check.raises("table", lwkt.scope, function(s)
    s:create(function() error({ code = 5 }) end)
  end)
  check.eq(value.code, 5, "an error that is a table")
end

-- An error in the scope's function does the same.
do
  local closed = lwkt.shared.counter(0)
  check.raises("in fn", lwkt.scope, function(s)
    local td = s:create(function()
      local var <close> = setmetatable({}, { __close = function() closed:add(1) end })
      never:recv()
    end)
    check.waiting(td)
    error("in fn")
  end)
  check.eq(closed:get(), 1, "its thread has ended")
end

-- An error that somebody has joined is noticed; it still fails the scope, whose matter it is.
do
  check.raises("noticed", lwkt.scope, function(s)
    local td = s:create(function() error("noticed") end)
    td:join(60)
  end)
end

-- Scopes in scopes, in threads; the inner ends before the outer goes on.
do
  local order = lwkt.shared.table()
  local count = lwkt.shared.counter(0)
  local function mark(word) order:set(word, count:add(1)) end
  lwkt.scope(function(outer)
    outer:create(function()
      lwkt.scope(function(inner)
        for _ = 1, 5 do inner:create(function() lwkt.sleep(0.01) end) end
        inner:create(function() mark("inner thread") end)
      end)
      mark("inner scope")
    end)
  end)
  mark("outer scope")
  check.ok(order:get("inner thread") < order:get("inner scope"), "thread before scope")
  check.ok(order:get("inner scope") < order:get("outer scope"), "inner before outer")

  -- An error passes through both.
  check.raises("deep inside", lwkt.scope, function(outer)
    outer:create(function() never:recv() end)
    outer:create(function()
      lwkt.scope(function(inner)
        inner:create(function() never:recv() end)
        inner:create(function() error("deep inside") end)
      end)
    end)
  end)
end

-- Abort of the thread that is in a scope aborts the scope's threads first.
do
  local begun, closed = lwkt.shared.counter(0), lwkt.shared.counter(0)
  local td = lwkt.create(function()
    lwkt.scope(function(s)
      for _ = 1, 5 do
        s:create(function()
          local var <close> = setmetatable({}, { __close = function() closed:add(1) end })
          begun:add(1)
          lwkt.sleep(3600)
        end)
      end
    end)
  end)
  check.waiting(td)
  while begun:get() < 5 do lwkt.yield() end
  td:abort("from outside")
  check.died("from outside", td)
  check.eq(closed:get(), 5, "none is left")

  -- So does a timeout.
  local function endless(s)
    for _ = 1, 5 do s:create(function() never:recv() end) end
  end
  check.fails(lwkt.errno.ETIMEDOUT, "in a timeout", lwkt.timeout(0.05, lwkt.scope, endless))
end

-- One of its threads is aborted: an error like any other.
do
  check.raises("singled out", lwkt.scope, function(s)
    local td = s:create(function() never:recv() end)
    s:create(function() never:recv() end)
    check.waiting(td)
    td:abort("singled out")
  end)
end

-- When it is over, it is over.
do
  local kept
  lwkt.scope(function(s) kept = s end)
  check.raises("scope", kept.create, kept, function() end)
  check.raises("bad argument", lwkt.scope)
  check.raises("bad argument", lwkt.scope, 42)
end

-- A hundred scopes at once, some failing.
do
  local threads = {}
  for i = 1, 100 do
    threads[i] = lwkt.create(function(i)
      local total = lwkt.shared.counter(0)
      local ok, err = pcall(lwkt.scope, function(s)
        for k = 1, 5 do
          s:create(function()
            lwkt.yield()
            if i % 10 == 0 and k == 3 then error("planned") end
            total:add(k)
          end)
        end
      end)
      if i % 10 == 0 then
        check.ok(not ok and tostring(err):find("planned"), tostring(err))
      else
        check.eq(total:get(), 15, "all five")
      end
      return ok
    end, i)
  end
  for i = 1, 100 do check.eq(check.join(threads[i]), i % 10 ~= 0, "scope " .. i) end
end

check.done()
