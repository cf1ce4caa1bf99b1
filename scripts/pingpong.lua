-- How long a message takes there and back between two threads.
--
--   lwkt-lua pingpong.lua [rounds]
local rounds = tonumber(arg[1]) or 200000
local function now() return lwkt.sys.clock_gettime("monotonic") end

local function serve()
  while true do
    local msg = lwkt.wait()
    local ball = msg:unpack()
    msg:reply(ball)
    if ball == "stop" then return end
  end
end

local function play(options)
  local pong = lwkt.create(options, serve)
  local ping = lwkt.create(function()
    for i = 1, rounds // 10 do pong:domsg(i) end
    local started = now()
    for i = 1, rounds do pong:domsg(i) end
    local seconds = now() - started
    pong:domsg("stop")
    return seconds
  end)
  local ok, seconds = ping:join()
  if not ok then error(seconds, 0) end
  return seconds / rounds * 1e9
end

print(("%d round trips on %d workers"):format(rounds, lwkt.ncpus()))
print(("wherever the scheduler likes: %8.0f ns each"):format(play({})))
if lwkt.ncpus() > 1 then
  -- What is pinned cannot be moved to its partner; the partner can.
  print(("one end pinned to a worker:  %8.0f ns each"):format(play({ cpu = lwkt.ncpus() - 1 })))
end
