-- lwkt.exit ends its thread from wherever it is called, and nothing that catches errors keeps it.
local check = require "check"

local function forever() while true do end end
local function closing(fn) return setmetatable({}, { __close = fn }) end

local places = {
  pcall = function() pcall(lwkt.exit, "out") end,
  sort = function() table.sort({ 3, 2, 1 }, function() lwkt.exit("out") end) end,
  sort_in_pcall = function()
    pcall(table.sort, { 3, 2, 1 }, function() lwkt.exit("out") end)
    forever()
  end,
  gsub = function() ("x"):gsub("x", function() lwkt.exit("out") end) end,
  coroutine = function() coroutine.wrap(function() lwkt.exit("out") end)() end,
  pcall_in_coroutine = function()
    pcall(coroutine.wrap(function() pcall(lwkt.exit, "out") end))
  end,
  coroutine_in_sort = function()
    pcall(table.sort, { 3, 2, 1 }, function() coroutine.wrap(function() lwkt.exit("out") end)() end)
    forever()
  end,
  index = function() return setmetatable({}, { __index = function() lwkt.exit("out") end }).x end,
  text = function() tostring(setmetatable({}, { __tostring = function() lwkt.exit("out") end })) end,
  iterator = function() for _ in function() lwkt.exit("out") end do end end,
  reader = function()
    load(function() lwkt.exit("out") end)
    forever()
  end,
  close = function()
    do local _ <close> = closing(function() lwkt.exit("out") end) end
  end,
  close_after_error = function()
    local _ <close> = closing(function() lwkt.exit("out") end)
    error("instead of this")
  end,
  close_of_coroutine = function()
    local co = coroutine.create(function()
      local _ <close> = closing(function() lwkt.exit("out") end)
      coroutine.yield()
    end)
    coroutine.resume(co)
    coroutine.close(co)
  end,
  line_hook = function()
    debug.sethook(function() lwkt.exit("out") end, "l")
    local _ = 1
  end,
  critical_section = function()
    lwkt.crit_enter()
    lwkt.exit("out")
  end,
  timeout = function() lwkt.timeout(60, lwkt.exit, "out") end,
}

for name, place in pairs(places) do
  for _, sharing in ipairs { false, true } do
    local td = lwkt.create({ sharing = sharing, name = name }, function()
      place()
      error("not reached")
    end)
    check.deep({ check.join(td, name) }, { "out" }, name)
  end
end

-- The first exit counts, variables are closed, tokens are given back.
do
  local closed, token = lwkt.shared.counter(0), lwkt.token("exits")
  local td = lwkt.create(function()
    local _ <close> = closing(function()
      lwkt.sleep(0.001)
      closed:add(1)
      lwkt.exit("second")
    end)
    token:get()
    token:with(lwkt.exit, "first", nil)
  end)
  check.deep(table.pack(td:join(60)), { true, "first", nil, n = 3 }, "the first")
  check.eq(closed:get(), 1, "closed")
  check.ok(token:try(), "free")
  token:rel()
end

-- So are those of the coroutines that it is in, the innermost first, however they were begun.
for _, enter in ipairs {
  function(f) coroutine.wrap(f)() end,
  function(f) coroutine.resume(coroutine.create(f)) end,
  function(f) pcall(coroutine.wrap(f)) end,
  function(f) table.sort({ 2, 1 }, coroutine.wrap(f)) end,
} do
  local order, count = lwkt.shared.table(), lwkt.shared.counter(0)
  local function closes(name)
    return closing(function()
      lwkt.sleep(0.001)
      order:set(count:add(1), name)
      if name == "inner" then lwkt.exit("second") end
    end)
  end
  local td = lwkt.create(function()
    local _ <close> = closes "thread"
    enter(function()
      local _ <close> = closes "outer"
      coroutine.wrap(function()
        local _ <close> = closes "inner"
        lwkt.exit("first")
      end)()
    end)
    error("not reached")
  end)
  check.eq(check.join(td), "first", "out of coroutines")
  check.eq(count:get(), 3, "all are closed")
  for i, name in ipairs { "inner", "outer", "thread" } do check.eq(order:get(i), name, "in order") end
end

-- An error in closing takes the place of the results, and cannot be kept by catching it.
check.died("in closing", lwkt.create(function()
  coroutine.wrap(function()
    local _ <close> = closing(function() error("in closing") end)
    lwkt.exit("out")
  end)()
end))
check.eq(check.join(lwkt.create(function()
  pcall(coroutine.wrap(function()
    local _ <close> = closing(function() error("in closing") end)
    lwkt.exit("out")
  end))
  for _ = 1, 1e9 do end
  error("not reached")
end)), "out", "caught")

-- A scope leaves nobody behind.
do
  local closed = lwkt.shared.counter(0)
  local td = lwkt.create(function()
    lwkt.scope(function(s)
      local started = lwkt.port()
      s:create(function()
        local _ <close> = closing(function() closed:add(1) end)
        started:send(true)
        lwkt.sleep(3600)
      end)
      started:recv()
      lwkt.exit("out")
    end)
  end)
  check.eq(check.join(td), "out", "out of a scope")
  check.eq(closed:get(), 1, "its thread has ended before")
end

-- What cannot be a result is no end; in a finaliser there is nothing to end.
check.died("exit: cannot send userdata at [1]", lwkt.create(function()
  lwkt.exit(io.stdout)
end))
do
  local ok, err
  setmetatable({}, { __gc = function() ok, err = pcall(lwkt.exit) end })
  collectgarbage()
  check.eq(ok, false, "in a finaliser")
  check.eq(err, "exit: cannot exit in a finaliser (__gc)", "in a finaliser")
end

check.done()
