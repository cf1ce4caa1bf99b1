-- Threads that add to one shared counter: nanoseconds per addition.
--
--   counter.lua [additions] [threads]
local common = require "common"
local additions = tonumber(arg[1]) or 2000000
local threads = tonumber(arg[2]) or 8

local counter = lwkt.shared.counter()
local each = additions // threads
local seconds = common.race(threads, function()
  for _ = 1, each do counter:add(1) end
end)
assert(counter:get() == each * threads)
print(seconds / (each * threads) * 1e9)
os.exit(0)
