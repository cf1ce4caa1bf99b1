-- Coroutines that give way to each other, resumed in turn: nanoseconds per switch.
local switches = tonumber(arg[1]) or 5000000
local threads = tonumber(arg[2]) or 2

local yield, resume = coroutine.yield, coroutine.resume
local each = math.floor(switches / threads)
local all = {}
for i = 1, threads do
  all[i] = coroutine.create(function()
    for _ = 1, each do yield() end
  end)
end
local started = os.clock()
for _ = 1, each do
  for i = 1, threads do resume(all[i]) end
end
print((os.clock() - started) / (each * threads) * 1e9)
