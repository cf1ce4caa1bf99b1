-- Threads that all wait for a message: bytes of resident memory each.
--
--   memory.lua [threads]
local common = require "common"
local count = tonumber(arg[1]) or 100000

local ready = lwkt.port()
local before = common.resident()
local threads = {}
for i = 1, count do
  threads[i] = lwkt.create(function()
    ready:send(true)
    lwkt.recv()
  end)
end
for _ = 1, count do ready:recv() end
lwkt.sleep(0.3) -- what the messages have left is given back meanwhile
print((common.resident() - before) / count)
os.exit(0)
