-- Everything at once: threads that at each step do one of all the things there are, on all
-- workers, next to hogs. Each keeps an account that must balance in the end.
--
-- With a number of seconds as its argument (`make soak`) it lives through generation after generation
-- for that long, and the process must not grow.
local check = require "check"
local seconds = tonumber(arg[1]) or 0

local bank = lwkt.shared.array("i64", 32)
bank:fill(100)
local tokens = {}
for i = 1, 32 do tokens[i] = lwkt.getpooltoken(i) end
local done = lwkt.shared.counter(0)
local notes = lwkt.shared.table()

local registrar = lwkt.create({ daemon = true, name = "registrar" }, function()
  local port, known = lwkt.port("everything.registrar"), {}
  while true do
    local msg = port:wait()
    local verb, key, value = msg:unpack()
    if verb == "put" then
      known[key] = value
      msg:reply(true)
    elseif verb == "get" then
      msg:reply(known[key])
    else
      msg:fail("no such verb", lwkt.errno.EINVAL)
    end
  end
end)
lwkt.lookup("everything.registrar", 60)

for cpu = 0, lwkt.ncpus() - 1 do
  lwkt.create({ daemon = true, cpu = cpu, pri = 1, name = "hog" }, function()
    local list = {}
    while true do list[#list % 1000 + 1] = {} end
  end)
end

local function live(id)
  local seed = id
  local function random(n)
    seed = (seed * 1103515245 + 12345) % 2147483648
    return seed // 65536 % n + 1
  end
  local desk = lwkt.lookup("everything.registrar")
  local acts = {
    function()
      local from, to = random(32), random(32)
      local a <close> = tokens[from]:get()
      local b <close> = tokens[to]:get()
      bank[from] = bank[from] - 1
      bank[to] = bank[to] + 1
    end,
    function()
      local value = { id, { random(1000) } }
      check.eq(desk:domsg("put", id, value), true, "put")
      check.deep(desk:domsg("get", id), value, "get")
    end,
    function() check.fails(lwkt.errno.EINVAL, "verb", desk:domsg("forget")) end,
    function()
      local n = random(100)
      check.eq(check.join(lwkt.create(function() return n * 2 end)), n * 2, "child")
    end,
    function() notes:update(id % 50, function(old) return (old or 0) + 1 end) end,
    function() lwkt.sleep(random(10) / 10000) end,
    function() lwkt.setcpu_self(random(lwkt.ncpus()) - 1) end,
    function()
      local list = {}
      for i = 1, 10 do list[i] = random(100) end
      table.sort(list, function(a, b)
        lwkt.yield()
        return a < b
      end)
      for i = 2, 10 do check.ok(list[i - 1] <= list[i], "sorted") end
    end,
    function()
      check.fails(lwkt.errno.ETIMEDOUT, "timeout", lwkt.timeout(0.001, function()
        lwkt.lookup("everything.nobody")
      end))
    end,
    function()
      -- It dies when its end is awaited: an error that is left alone for a second is reported.
      local td = lwkt.create(function() error((lwkt.recv())) end)
      td:send("planned")
      local ok, err = td:join()
      check.ok(not ok and tostring(err):find("planned"), tostring(err))
    end,
    function() collectgarbage("step") end,
    function()
      local sum = 0
      for n in coroutine.wrap(function()
        for i = 1, 5 do
          lwkt.yield()
          coroutine.yield(i)
        end
      end) do sum = sum + n end
      check.eq(sum, 15, "coroutine")
    end,
    function()
      local td = lwkt.create(function() lwkt.recv() end)
      td:abort("planned")
      check.died("planned", td)
    end,
  }
  for _ = 1, 40 do acts[random(#acts)]() end
  done:add(1)
  return id
end

local function generation()
  local threads = {}
  done:set(0)
  for id = 1, 500 do threads[id] = lwkt.create({ sharing = id % 25 == 0 }, live, id) end
  for id = 1, 500 do check.eq(check.join(threads[id]), id, "a life") end
  check.eq(done:get(), 500, "all lived to the end")
  local sum = 0
  for i = 1, 32 do sum = sum + bank[i] end
  check.eq(sum, 3200, "the bank")
end

local function resident()
  local file <close> = assert(io.open("/proc/self/statm"))
  file:read("n")
  return file:read("n") * 4096 // 1024
end

local function now() return lwkt.sys.clock_gettime("monotonic") end

-- What it had after each generation. Most of it comes and goes: threads that are about to end, garbage.
-- What does not is in the least of many.
local sizes = {}

local function least(from, to) return math.min(table.unpack(sizes, from // 1, to // 1)) end

local started, shown = now(), 0
repeat
  generation()
  collectgarbage()
  sizes[#sizes + 1] = resident()
  local age = now() - started
  if seconds > 0 and age > shown + 10 then
    shown = age
    print(("%4.0f s: %d generations, %d KB"):format(age, #sizes, resident()))
  end
  -- However slow the machine is: enough of them to tell.
until age >= seconds and (seconds == 0 or #sizes >= 16)
if seconds > 0 then
  -- What is kept for use again has been made after a quarter.
  local n = #sizes
  local early, late = least(n / 4, n / 2), least(3 * n / 4, n)
  print(("%d KB at least in the second quarter, %d KB in the last"):format(early, late))
  check.ok(late < early * 1.1 + 2048, "the process grows")
end

check.done()
