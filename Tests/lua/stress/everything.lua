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
      local ok, err = lwkt.create(function() error("planned") end):join()
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

local started, generations, first, shown = now(), 0, nil, 0
repeat
  generation()
  generations = generations + 1
  local age = now() - started
  -- What is kept for use again has been made by then.
  if not first and age > seconds / 4 then first = resident() end
  if seconds > 0 and age > shown + 10 then
    shown = age
    print(("%4.0f s: %d generations, %d KB"):format(age, generations, resident()))
  end
until age >= seconds
local growth = resident() / first
if seconds > 0 then print(("%.2f times what it had after a quarter"):format(growth)) end
check.ok(seconds == 0 or growth < 1.3, "the process grows")

check.done()
