-- A number goes round a ring of 503 threads, one less at each hop; who gets the zero prints its
-- place in the ring.
--
--   lwkt-lua ring.lua [hops] [threads]
local hops = tonumber(arg[1]) or 1000000
local size = tonumber(arg[2]) or 503

local done = lwkt.port()

local function node(place)
  local following = lwkt.recv()
  while true do
    local left = lwkt.recv()
    if left == "stop" then return end
    if left == 0 then
      done:send(place)
    else
      following:send(left - 1)
    end
  end
end

local ring = {}
for i = 1, size do ring[i] = lwkt.create({ name = "node " .. i }, node, i) end
for i = 1, size do ring[i]:send(ring[i % size + 1]) end

local started = lwkt.sys.clock_gettime("monotonic")
ring[1]:send(hops)
local place = done:recv()
local seconds = lwkt.sys.clock_gettime("monotonic") - started

print(place)
io.stderr:write(("%d hops, %.0f ns each\n"):format(hops, seconds / math.max(hops, 1) * 1e9))
for i = 1, size do ring[i]:send("stop") end
