-- The hot paths, one at a time, without a clock, so that a run takes the same way each time:
-- `counts.lua` counts the instructions of this program.
--
--   operations.lua NAME times
local name, times = arg[1], tonumber(arg[2])

local function nothing() end

local operations = {}

-- Two threads that give way to each other: half as often each.
function operations.switch()
  local function run()
    local yield = lwkt.yield
    for _ = 1, times // 2 do yield() end
  end
  local one, other = lwkt.create(run), lwkt.create(run)
  assert(one:join() and other:join())
end

-- Two threads of different heaps play one message to and fro.
operations["send+receive"] = function()
  local function play(starts)
    local other, recv = lwkt.recv(), lwkt.recv
    if starts then other:send(1) end
    for _ = 1, times // 2 do other:send(recv()) end
  end
  local one, other = lwkt.create(play, true), lwkt.create(play, false)
  one:send(other)
  other:send(one)
  assert(one:join() and other:join())
end

operations["request+reply"] = function()
  local server = lwkt.create({ daemon = true }, function()
    while true do
      local msg = lwkt.wait()
      msg:reply(msg:unpack())
    end
  end)
  for i = 1, times do server:domsg(i) end
end

function operations.create()
  for _ = 1, times do lwkt.create(nothing):join() end
end

operations["create sharing"] = function()
  for _ = 1, times do lwkt.create({ sharing = true }, nothing):join() end
end

operations["token get+release"] = function()
  local token = lwkt.token("guarded")
  for _ = 1, times do
    token:get()
    token:rel()
  end
end

operations["counter add"] = function()
  local counter = lwkt.shared.counter()
  for _ = 1, times do counter:add(1) end
end

assert(operations[name], "no such operation")()
