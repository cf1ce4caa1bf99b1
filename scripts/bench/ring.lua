-- A number goes round a ring of threads: nanoseconds per hop.
--
--   ring.lua [hops] [threads]
local common = require "common"
local hops = tonumber(arg[1]) or 1000000
local size = tonumber(arg[2]) or 503

local done = lwkt.port()
local ring = {}
for i = 1, size do
  ring[i] = lwkt.create({ daemon = true }, function()
    local following, recv = lwkt.recv(), lwkt.recv
    while true do
      local left = recv()
      if left == 0 then done:send(true) else following:send(left - 1) end
    end
  end)
end
for i = 1, size do ring[i]:send(ring[i % size + 1]) end
ring[1]:send(size)
done:recv()

print(common.seconds(function()
  ring[1]:send(hops)
  done:recv()
end) / hops * 1e9)
os.exit(0)
