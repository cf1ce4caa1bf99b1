-- A small message there and back: nanoseconds per round trip.
local common = require "common"
local rounds = tonumber(arg[1]) or 500000

local pong = lwkt.create({ daemon = true }, function()
  while true do
    local msg = lwkt.wait()
    msg:reply((msg:unpack()))
  end
end)

print(common.join(lwkt.create(function()
  for i = 1, rounds // 10 do pong:domsg(i) end
  return common.seconds(function()
    for i = 1, rounds do pong:domsg(i) end
  end) / rounds * 1e9
end)))
