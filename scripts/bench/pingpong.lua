-- A small message there and back between two threads: nanoseconds per round trip. With more threads
-- there are as many pairs of them, all at it.
--
--   pingpong.lua [rounds] [threads]
local common = require "common"
local rounds = tonumber(arg[1]) or 1000000
local pairs_ = (tonumber(arg[2]) or 2) // 2

local function pong()
  local ping, recv = lwkt.recv(), lwkt.recv
  while true do ping:send(recv()) end
end

local each = math.max(rounds // pairs_, 1)
print(common.race(pairs_, function()
  local partner, recv = lwkt.create({ daemon = true }, pong), lwkt.recv
  partner:send(lwkt.curthread())
  for i = 1, each do
    partner:send(i)
    recv()
  end
end) / (each * pairs_) * 1e9)
os.exit(0)
