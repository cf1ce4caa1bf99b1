-- Which worker a thread runs on, and which thread a worker runs next: cpu, pri, setcpu_self,
-- setpri_self and yield. That idle workers help themselves is in movement.lua.
local check = require "check"

local errno = lwkt.errno
local ncpus = lwkt.ncpus()
local last = ncpus - 1

check.eq(math.type(ncpus), "integer", "ncpus")
check.ok(ncpus >= 1, "at least one worker")
check.ok(lwkt.mycpu() >= 0 and lwkt.mycpu() < ncpus, "mycpu")

-- A pinned thread runs there and nowhere else, however often it waits or is preempted.
do
  local threads = {}
  for i = 0, 39 do
    threads[i] = lwkt.create({ cpu = i % ncpus }, function(cpu)
      for i = 1, 20 do
        if i % 3 == 0 then lwkt.sleep(0.001) elseif i % 3 == 1 then lwkt.yield() end
        for _ = 1, 10000 do end
        check.eq(lwkt.mycpu(), cpu, "where it runs")
      end
      return lwkt.curthread().cpu
    end, i % ncpus)
    check.eq(threads[i].cpu, i % ncpus, "td.cpu before it ran")
  end
  for i = 0, 39 do check.eq(check.join(threads[i]), i % ncpus, "td.cpu from inside") end
end

-- setcpu_self moves to any worker and back; what the thread has is still there.
do
  local td = lwkt.create(function()
    local list = {}
    local co = coroutine.wrap(function()
      while true do coroutine.yield(lwkt.mycpu()) end
    end)
    for round = 1, 3 do
      for cpu = 0, lwkt.ncpus() - 1 do
        check.ok(lwkt.setcpu_self(cpu), "setcpu_self")
        check.eq(lwkt.mycpu(), cpu, "after the move")
        check.eq(co(), cpu, "from an old coroutine")
        list[#list + 1] = cpu
      end
    end
    return #list
  end)
  check.eq(check.join(td), 3 * ncpus, "all moves")
  check.ok(lwkt.setcpu_self(last), "the main thread may move too")
  check.eq(lwkt.mycpu(), last, "the main thread")
  check.ok(lwkt.setcpu_self(0), "and back")
  check.eq(lwkt.mycpu(), 0, "the main thread")
end

-- From anywhere, also where stock Lua could not yield, while others run on all workers.
do
  local threads = {}
  for i = 1, 20 do
    threads[i] = lwkt.create(function(i)
      local list = {}
      for k = 1, 30 do list[k] = (k * 7 + i) % 31 end
      local cpu = i % lwkt.ncpus()
      lwkt.setcpu_self(cpu)
      table.sort(list, function(a, b)
        lwkt.yield()
        return a < b
      end)
      for k = 2, 30 do check.ok(list[k - 1] <= list[k], "sorted") end
    end, i)
  end
  for i = 1, 20 do check.join(threads[i]) end
end

-- A sharing thread comes along with its creator; one that is pinned elsewhere keeps it there.
do
  local td = lwkt.create(function(last)
    check.ok(lwkt.setcpu_self(0), "to the first")
    local stop, seen = false, nil
    local friend = lwkt.create({ sharing = true }, function()
      while not stop do
        seen = lwkt.mycpu()
        lwkt.yield()
      end
      return "along"
    end)
    check.ok(lwkt.setcpu_self(last), "to the last")
    seen = nil
    check.eventually(function() return seen ~= nil end, "the friend runs")
    stop = true
    return check.join(friend)
  end, last)
  check.eq(check.join(td), "along", "a friend without a cpu of its own")

  if ncpus > 1 then
    td = lwkt.create(function()
      check.ok(lwkt.setcpu_self(0), "to the first")
      local gate = lwkt.port()
      local anchor = lwkt.create({ sharing = true, cpu = 0 }, function() return gate:recv() end)
      check.waiting(anchor)
      check.fails(lwkt.errno.EBUSY, "with an anchor", lwkt.setcpu_self(1))
      check.eq(lwkt.mycpu(), 0, "it stayed")
      gate:send("up")
      check.eq(check.join(anchor), "up", "the anchor")
      check.ok(lwkt.setcpu_self(1), "when the anchor is gone")
      check.eq(lwkt.mycpu(), 1, "it went")
    end)
    check.join(td)
  end
end

-- On one worker the better runs first, whoever became runnable first.
do
  local order = lwkt.shared.array("i64", 3)
  local place = lwkt.shared.counter(0)
  local boss = lwkt.create({ cpu = last, pri = 31 }, function()
    local list = {}
    for i, pri in ipairs { 4, 20, 12 } do
      list[i] = lwkt.create({ cpu = lwkt.mycpu(), pri = pri }, function()
        order[place:add(1)] = lwkt.curthread().pri
      end)
    end
    for i = 1, 3 do check.join(list[i]) end
  end)
  check.join(boss)
  check.deep(order:slice(1, 3), { 20, 12, 4 }, "order of running")
end

-- A thread that lowers itself below a runnable one lets it run at its next yield, and a yield among
-- unequals gives nothing to the lesser.
do
  local ran = lwkt.shared.counter(0)
  local boss = lwkt.create({ cpu = last, pri = 25 }, function()
    local lesser = lwkt.create({ cpu = lwkt.mycpu(), pri = 10 }, function() ran:add(1) end)
    for _ = 1, 100 do lwkt.yield() end
    check.eq(ran:get(), 0, "the lesser waits")
    lwkt.setpri_self(5)
    lwkt.yield()
    check.eq(ran:get(), 1, "now it is the better")
    check.join(lesser)
  end)
  check.join(boss)
end

-- setpri moves a thread that already waits for its turn.
do
  local order = lwkt.shared.array("i64", 2)
  local place = lwkt.shared.counter(0)
  local boss = lwkt.create({ cpu = last, pri = 31 }, function()
    local function mark(n) order[place:add(1)] = n end
    local first = lwkt.create({ cpu = lwkt.mycpu(), pri = 10 }, mark, 1)
    local second = lwkt.create({ cpu = lwkt.mycpu(), pri = 10 }, mark, 2)
    second:setpri(11)
    check.join(first)
    check.join(second)
  end)
  check.join(boss)
  check.deep(order:slice(1, 2), { 2, 1 }, "order of running")
end

-- Equals take turns: two that only yield get on together.
do
  local turns = lwkt.shared.array("i64", 2)
  local boss = lwkt.create({ cpu = last, pri = 31 }, function()
    local list = {}
    for i = 1, 2 do
      list[i] = lwkt.create({ cpu = lwkt.mycpu(), pri = 10 }, function(i)
        for n = 1, 1000 do
          turns[i] = n
          lwkt.yield()
        end
        return turns[3 - i]
      end, i)
    end
    return check.join(list[1]), check.join(list[2])
  end)
  local first, second = check.join(boss)
  check.ok(first >= 900 and second >= 900, "turns: " .. first .. ", " .. second)
end

-- What is refused.
do
  for _, cpu in ipairs { -1, ncpus, 0.5, "one" } do
    check.raises("bad argument", lwkt.setcpu_self, cpu)
  end
  check.raises("bad argument", lwkt.setcpu_self)
end

check.done()
