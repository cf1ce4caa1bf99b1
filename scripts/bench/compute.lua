-- 64 threads that compute, all created by one: seconds until the last is done.
local common = require "common"
local count = tonumber(arg[1]) or 64

local function fib(n)
  if n < 2 then return n end
  return fib(n - 1) + fib(n - 2)
end

print(common.seconds(function()
  local threads = {}
  for i = 1, count do threads[i] = lwkt.create(fib, 25) end
  for i = 1, count do assert(common.join(threads[i]) == 75025) end
end))
