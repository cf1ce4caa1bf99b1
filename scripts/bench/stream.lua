-- Several threads send to one, one way: million messages per second.
--
--   stream.lua [messages] [senders]
local common = require "common"
local messages = tonumber(arg[1]) or 2000000
local senders = tonumber(arg[2]) or 4

local each = messages // senders
local sink = lwkt.create(function()
  local recv = lwkt.recv
  for _ = 1, senders * each do recv() end
end)

print(senders * each / common.seconds(function()
  for _ = 1, senders do
    lwkt.create(function()
      for i = 1, each do sink:send(i) end
    end)
  end
  common.join(sink)
end) / 1e6)
