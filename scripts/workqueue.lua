-- A work queue: jobs go into one port, any idle worker thread takes the next one, the answers come
-- back on another port. The jobs here count the primes in a stretch of numbers.
--
--   lwkt-lua workqueue.lua [jobs] [threads]
local jobs = tonumber(arg[1]) or 200
local threads = tonumber(arg[2]) or 8
local stretch = 2000

-- Any thread may receive from a spin port. The limit keeps whoever fills it from running ahead.
local queue = lwkt.port { name = "jobs", kind = "spin", limit = 2 * threads }

local function is_prime(n)
  if n < 2 then return false end
  for d = 2, math.floor(n ^ 0.5) do
    if n % d == 0 then return false end
  end
  return true
end

local function work()
  local done = 0
  while true do
    -- Receiving fails when the queue is closed: time to go home.
    local msg = queue:wait()
    if not msg then return done end
    local from, to = msg:unpack()
    local count = 0
    for n = from, to do
      if is_prime(n) then count = count + 1 end
    end
    msg:reply(count)
    done = done + 1
  end
end

local crew = {}
for i = 1, threads do crew[i] = lwkt.create({ name = "worker " .. i }, work) end

local answers = lwkt.port()
lwkt.create({ name = "foreman" }, function()
  for j = 1, jobs do queue:sendmsg_to(answers, (j - 1) * stretch + 1, j * stretch) end
end)

local primes = 0
for _ = 1, jobs do
  local count, err = answers:recv()
  primes = primes + (count or error(err, 0))
end
queue:close()

print(("%d primes up to %d"):format(primes, jobs * stretch))
for i = 1, threads do
  local ok, done = crew[i]:join()
  print(("%s: %s jobs"):format(crew[i], ok and done or "failed, " .. tostring(done)))
end
