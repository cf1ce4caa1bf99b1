-- Four threads send to one: million messages per second.
local common = require "common"
local each = tonumber(arg[1]) or 500000
local senders = 4

local sink = lwkt.create(function()
  for _ = 1, senders * each do lwkt.recv() end
end)

print(senders * each / common.seconds(function()
  for _ = 1, senders do
    lwkt.create(function()
      for i = 1, each do sink:send(i) end
    end)
  end
  common.join(sink)
end) / 1e6)
