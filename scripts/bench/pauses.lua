-- A crowd of threads that wait, each woken now and then to make a little garbage. One thread gives way
-- all the time and looks at the clock when its turn comes: the longest it had to wait, in
-- milliseconds. Turns are short and few at a time, so that what shows is collections. The clock is
-- processor time, which other programs do not disturb: one worker.
--
--   pauses.lua [threads] [messages]
local count = tonumber(arg[1]) or 100000
local messages = tonumber(arg[2]) or 500000

local ready = lwkt.shared.counter()
local threads = {}
for i = 1, count do
  threads[i] = lwkt.create({ daemon = true }, function()
    ready:add(1)
    local kept
    while true do kept = { lwkt.recv(), tostring(kept) } end
  end)
end
while ready:get() < count do lwkt.sleep(0.001) end

local probe = lwkt.create(function()
  local longest, last, clock = 0, os.clock(), os.clock
  while ready:get() >= 0 do
    local now = clock()
    if now - last > longest then longest = now - last end
    last = now
    lwkt.yield()
  end
  return longest * 1e3
end)
for i = 1, messages do
  threads[i * 7919 % count + 1]:send(i)
  if i % 4 == 0 then lwkt.yield() end
end
ready:set(-1)
print(select(2, probe:join()))
os.exit(0)
