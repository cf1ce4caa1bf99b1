-- Movement: threads that one thread has created end up on all workers, and what they carry with
-- them is unharmed.
local check = require "check"

local ncpus = lwkt.ncpus()

-- Compute-bound threads, all made here, none pinned: each worker comes to run some of them. They
-- go on until that has happened, so it is no matter of speed.
local function spread(create)
  local seen = lwkt.shared.array("i64", ncpus)
  local count = lwkt.shared.counter(0)
  local marks = lwkt.shared.table()
  local threads = {}
  for i = 1, 16 * ncpus do
    threads[i] = create(function(i)
      local list = { i }
      local deadline = os.time() + 120
      while count:get() < ncpus do
        local cpu = lwkt.mycpu()
        if seen[cpu + 1] == 0 then
          seen[cpu + 1] = 1
          marks:update(cpu, function(old)
            if not old then count:add(1) end
            return true
          end)
        end
        -- Some work with the heap, which must come along.
        for k = 2, 200 do list[k] = list[k - 1] + 1 end
        if os.time() > deadline then error("only " .. count:get() .. " workers were used") end
      end
      return list[#list] - #list + 1
    end, i)
  end
  for i = 1, 16 * ncpus do check.eq(check.join(threads[i]), i, "its heap") end
  check.eq(count:get(), ncpus, "workers used")
end

spread(lwkt.create)

-- The same when a thread that is not main creates them, and when it is pinned itself.
check.join(lwkt.create(function() spread(lwkt.create) end))
check.join(lwkt.create({ cpu = 0 }, function() spread(lwkt.create) end))

-- With a heap each.
spread(function(...) return lwkt.create({ maxmem = 16 * 1024 * 1024 }, ...) end)

-- Threads that have moved are found: messages, wakeups, joins and aborts reach them wherever they
-- are by then.
do
  local threads = {}
  for i = 1, 50 do
    threads[i] = lwkt.create(function(i)
      local got = 0
      while true do
        local msg = lwkt.wait()
        local word = msg:unpack()
        if word == "stop" then
          msg:reply("stopped")
          return got
        end
        got = got + 1
        -- Enough to be worth moving.
        for _ = 1, 2000 * (i % 5) do end
        if got % 7 == 0 then lwkt.setcpu_self((lwkt.mycpu() + 1) % lwkt.ncpus()) end
        msg:reply(word * 2)
      end
    end, i)
  end
  for round = 1, 30 do
    local asked = {}
    for i = 1, 50 do asked[i] = threads[i]:sendmsg(round * i) end
    for i = 1, 50 do check.eq(asked[i]:wait(60), round * i * 2, "answer") end
  end
  for i = 1, 50 do
    check.eq(threads[i]:domsg("stop"), "stopped", "stop")
    check.eq(check.join(threads[i]), 30, "messages received")
  end
end

-- Aborts and wakeups that cross a move.
do
  local never = lwkt.port()
  local movers = {}
  for i = 1, 40 do
    movers[i] = lwkt.create(function(i)
      local n = 0
      while true do
        n = n + 1
        lwkt.setcpu_self((n + i) % lwkt.ncpus())
        lwkt.tsleep("movement", "moves", 0.002)
      end
    end, i)
  end
  for _ = 1, 100 do lwkt.wakeup("movement") end
  lwkt.sleep(0.01)
  for i = 1, 40 do movers[i]:abort("end of the journey") end
  for i = 1, 40 do check.died("end of the journey", movers[i]) end
  check.eq(#never, 0, "nothing strayed")
end

check.done()
