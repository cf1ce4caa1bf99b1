-- Threads that compute, all created on worker 0 and then started at once; every second one ends
-- early: seconds until the last is done.
--
--   imbalance.lua [threads] [n]
local common = require "common"
local count = tonumber(arg[1]) or 64
local n = tonumber(arg[2]) or 26

local function fib(n)
  if n < 2 then return n end
  return fib(n - 1) + fib(n - 2)
end

print(common.join(lwkt.create({ cpu = 0 }, function()
  local threads = {}
  for i = 1, count do
    threads[i] = lwkt.create({ nostart = true }, fib, i % 2 == 0 and n - 8 or n)
  end
  return common.seconds(function()
    for i = 1, count do threads[i]:schedule() end
    for i = 1, count do common.join(threads[i]) end
  end)
end)))
