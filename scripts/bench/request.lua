-- Requests and their replies, one thread serves: nanoseconds per request.
--
--   request.lua [requests] [clients]
local common = require "common"
local requests = tonumber(arg[1]) or 300000
local clients = tonumber(arg[2]) or 1

local server = lwkt.create({ daemon = true }, function()
  local wait = lwkt.wait
  while true do
    local msg = wait()
    msg:reply(msg:unpack())
  end
end)

local each = requests // clients
print(common.race(clients, function()
  for i = 1, each do server:domsg(i) end
end) / (each * clients) * 1e9)
os.exit(0)
