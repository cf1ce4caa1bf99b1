-- Threads that take a token, add to a variable, and release it: nanoseconds each time.
--
--   tokens.lua [times] [threads] [shared]
local common = require "common"
local times = tonumber(arg[1]) or 2000000
local threads = tonumber(arg[2]) or 1
local shared = arg[3] == "shared"

local token = lwkt.token("bench")
local each = times // threads
print(common.race(threads, shared and function()
  local sum = 0
  for _ = 1, each do
    token:get_shared()
    sum = sum + 1
    token:rel()
  end
end or function()
  local sum = 0
  for _ = 1, each do
    token:get()
    sum = sum + 1
    token:rel()
  end
end) / (each * threads) * 1e9)
os.exit(0)
