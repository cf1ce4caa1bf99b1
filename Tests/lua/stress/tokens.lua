-- A storm of tokens: thousands of threads, sets of tokens in all orders, waits in the middle,
-- errors and aborts while they are held. What they guard must add up.
local check = require "check"

local cells, tokens = 16, {}
local value = lwkt.shared.array("i64", cells)
local writes = lwkt.shared.array("i64", cells)
for i = 1, cells do tokens[i] = lwkt.token("storm " .. i) end

local function storm(seed)
  local function random(n)
    seed = (seed * 1103515245 + 12345) % 2147483648
    return seed // 65536 % n + 1
  end
  for _ = 1, 40 do
    local held, n = {}, random(4)
    for i = 1, n do
      held[i] = random(cells)
      tokens[held[i]]:get()
      if random(20) == 1 then lwkt.yield() end
    end
    -- One moves from the first to the last, in steps that anybody could come between.
    if random(10) == 1 then lwkt.sleep(0) end
    local from, to = held[1], held[n]
    local taken = value[from] - 1
    for _ = 1, random(50) do end
    value[from] = taken
    local given = value[to] + 1
    for _ = 1, random(50) do end
    value[to] = given
    writes[from] = writes[from] + 1
    if random(50) == 1 then error("planned") end
    for i = n, 1, -1 do tokens[held[i]]:rel() end
  end
end

local threads, planned = {}, 0
for t = 1, 2000 do threads[t] = check.doomed({}, storm, t) end
for t = 1, 2000 do
  local ok, err = threads[t]:join(60)
  if not ok then
    check.ok(tostring(err):find("planned"), tostring(err))
    planned = planned + 1
  end
end
check.ok(planned > 0, "some died holding tokens")

local sum, total = 0, 0
for i = 1, cells do
  check.ok(tokens[i]:try(), "free at the end")
  tokens[i]:rel()
  sum, total = sum + value[i], total + writes[i]
end
check.eq(sum, 0, "what was taken was given")
check.ok(total > 10000, "writes: " .. total)

-- Readers and writers of one token, many of each, with aborts among them.
do
  local tok = lwkt.token("storm rw")
  local pair = lwkt.shared.array("i64", 2)
  local list = {}
  for i = 1, 600 do
    list[i] = check.doomed({}, function(i)
      for n = 1, 30 do
        if i % 3 == 0 then
          local ref <close> = tok:get()
          local new = pair[1] + 1
          pair[1] = new
          for _ = 1, 50 do end
          pair[2] = new
        else
          local ref <close> = tok:get_shared()
          if pair[1] ~= pair[2] then error("half a write was seen") end
          if n % 10 == 0 then lwkt.sleep(0) end
          if pair[1] ~= pair[2] then error("half a write was seen after a wait") end
        end
      end
    end, i)
  end
  for i = 5, 600, 20 do if i % 3 ~= 0 then list[i]:abort("planned abort") end end
  for i = 1, 600 do
    local ok, err = list[i]:join(60)
    check.ok(ok or tostring(err):find("planned abort"), tostring(err))
  end
  check.eq(pair[1], pair[2], "both halves")
  check.eq(pair[1], 6000, "all writes, none of them aborted")
end

check.done()
