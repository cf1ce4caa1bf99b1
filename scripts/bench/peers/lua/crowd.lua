-- Coroutines made, then each run to its end: microseconds each.
local count = tonumber(arg[1]) or 100000

local started = os.clock()
local all = {}
for i = 1, count do all[i] = coroutine.create(function() end) end
for i = 1, count do coroutine.resume(all[i]) end
print((os.clock() - started) / count * 1e6)
