-- A number goes round a ring of 503 threads: nanoseconds per hop.
local common = require "common"
local hops = tonumber(arg[1]) or 1000000
local size = 503

local done = lwkt.port()
local ring = {}
for i = 1, size do
  ring[i] = lwkt.create({ daemon = true }, function()
    local following = lwkt.recv()
    while true do
      local left = lwkt.recv()
      if left == 0 then done:send(true) else following:send(left - 1) end
    end
  end)
end
for i = 1, size do ring[i]:send(ring[i % size + 1]) end

print(common.seconds(function()
  ring[1]:send(hops)
  done:recv()
end) / hops * 1e9)
