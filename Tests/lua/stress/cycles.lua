-- Threads on all workers link tables, ports and messages to each other at random and let go of them,
-- while cycles are looked for: what somebody can still reach is whole.
local check = require "check"

local board = lwkt.shared.table()     -- slot -> a node of some thread's graph
local slots <const> = 40

-- A node is a shared table that knows its number under "id", the same under "again", and others.
local function worker(board, seed, rounds)
  math.randomseed(seed)
  local random = math.random
  local function node(id)
    local t = lwkt.shared.table()
    t:set("id", id)
    t:set("again", { id = id })
    t:set("self", t)
    return t
  end
  local function whole(t)
    local id = t:get("id")
    if t:get("again").id ~= id then error("a node with two numbers") end
    if t:get("self") ~= t then error("a node that is not itself") end
    local port = t:get("port")
    if port then
      local got = port:get()
      if got then
        local other = got:unpack()
        if other:get("again").id ~= other:get("id") then error("a queued node is broken") end
        port:send(other)
      end
    end
    return id
  end
  for round = 1, rounds do
    local t = node(seed * 1000000 + round)
    local a, b = board:get(random(slots)), board:get(random(slots))
    if a then
      whole(a)
      t:set("a", a)
      a:set("b", t)
    end
    if b and random(3) == 1 then
      local port = lwkt.port()
      port:send(b)
      port:send(t)
      t:set("port", port)
      whole(b)
    end
    if random(4) == 1 then board:set(random(slots), nil) end
    board:set(random(slots), t)
    -- A walk through whatever there is.
    local at = t
    for _ = 1, random(6) do
      at = at:get(random(2) == 1 and "a" or "b") or t
      whole(at)
    end
    if round % 50 == 0 then
      t, a, b, at = nil, nil, nil, nil
      collectgarbage()
    end
  end
end

local threads = {}
for i = 1, 8 do threads[i] = lwkt.create(worker, board, i, 3000) end
for _, td in ipairs(threads) do check.join(td) end
check.done()
