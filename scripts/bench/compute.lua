-- Threads that compute, all created by one: seconds until the last is done. Runs under stock Lua as
-- well, where it computes the same without threads.
--
--   compute.lua [threads] [n]
local count = tonumber(arg[1]) or 64
local n = tonumber(arg[2]) or 25

local function fib(n)
  if n < 2 then return n end
  return fib(n - 1) + fib(n - 2)
end

if not lwkt then
  local started = os.clock()
  for _ = 1, count do fib(n) end
  print(os.clock() - started)
  return
end

local common = require "common"
print(common.seconds(function()
  local threads = {}
  for i = 1, count do threads[i] = lwkt.create(fib, n) end
  for i = 1, count do common.join(threads[i]) end
end))
