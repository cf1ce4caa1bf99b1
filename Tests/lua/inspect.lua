-- Looking inside: threads, ports, tokens and stat return plain tables with sensible fields.
local check = require "check"

local function find(list, field, value)
  for _, row in ipairs(list) do
    if row[field] == value then return row end
  end
end

local function plain(value, depth)
  check.ok(type(value) ~= "function" and type(value) ~= "thread", "plain data")
  if type(value) == "table" then
    check.eq(getmetatable(value), nil, "a plain table")
    check.ok(depth < 5, "a flat one")
    for k, v in pairs(value) do
      plain(k, depth + 1)
      plain(v, depth + 1)
    end
  end
end

for _, name in ipairs { "threads", "ports", "tokens", "stat" } do
  local list = lwkt[name]()
  check.eq(type(list), "table", name)
  plain(list, 0)
  check.ok(list ~= lwkt[name](), name .. " is a new table each time")
end

-- Threads: a row for each that lives, with the fields of its handle.
do
  local gate = lwkt.port("inspect.gate")
  local td = lwkt.create({ name = "sleeper", cpu = 0, pri = 9 }, function() return gate:recv() end)
  check.waiting(td)
  local row = find(lwkt.threads(), "id", td.id)
  check.ok(row, "the row of " .. td.id)
  check.eq(row.name, "sleeper", "name")
  check.eq(row.state, td.state, "state")
  check.eq(row.cpu, 0, "cpu")
  check.eq(row.pri, 9, "pri")
  check.eq(row.wmesg, td.wmesg, "wmesg")
  local me = find(lwkt.threads(), "id", "1")
  check.ok(me, "the main thread's row")
  check.eq(me.state, "running", "the main thread runs")
  check.eq(me.wmesg, nil, "and waits for nothing")
  gate:send(1)
  check.join(td)
  check.eventually(function() return not find(lwkt.threads(), "id", td.id) end, "the dead are gone")
  gate:close()
end

-- A thousand of them, seen by one of them.
do
  local gate = lwkt.port()
  local threads = {}
  for i = 1, 1000 do threads[i] = lwkt.create(function() return gate:recv() end) end
  for i = 1, 1000 do check.waiting(threads[i]) end
  local count, known = 0, {}
  for _, row in ipairs(check.join(lwkt.create(function() return lwkt.threads() end))) do
    check.eq(known[row.id], nil, "one row each")
    known[row.id] = true
    count = count + 1
  end
  check.ok(count >= 1002, "all of them: " .. count)
  for i = 1, 1000 do check.ok(known[threads[i].id], threads[i].id) end
  for _ = 1, 1000 do gate:send(true) end
  for i = 1, 1000 do check.join(threads[i]) end
end

-- Ports: those with a name at least, with what is queued.
do
  local port = lwkt.port { name = "inspect.port", limit = 10 }
  port:send(1)
  port:send(2)
  local row = find(lwkt.ports(), "name", "inspect.port")
  check.ok(row, "the row of a named port")
  check.eq(row.queued, 2, "queued")
  check.eq(row.limit, 10, "limit")
  check.eq(row.kind, "spin", "kind")
  port:close()
  check.eq(find(lwkt.ports(), "name", "inspect.port"), nil, "a closed port is gone")
end

-- Tokens: by name, with the thread that holds one.
do
  local tok = lwkt.token("inspect.token")
  check.eq(find(lwkt.tokens(), "name", "inspect.token").owner, nil, "held by nobody")
  tok:get()
  check.eq(find(lwkt.tokens(), "name", "inspect.token").owner, "1", "held by the main thread")
  tok:rel()
end

-- Statistics: a row per worker, of counters that only grow.
do
  local before = lwkt.stat()
  check.eq(#before, lwkt.ncpus(), "a row per worker")
  local numbers = 0
  for cpu, row in ipairs(before) do
    check.eq(row.cpu, cpu - 1, "in order of workers")
    for _, value in pairs(row) do
      if math.type(value) then numbers = numbers + 1 end
    end
  end
  check.ok(numbers >= 8 * #before, "switches, IPIs and all that: " .. numbers)

  local a, b = lwkt.port(), lwkt.port()
  local td = lwkt.create(function() for _ = 1, 500 do b:send((a:recv())) end end)
  for i = 1, 500 do
    a:send(i)
    check.eq(b:recv(60), i, "back")
  end
  check.join(td)
  local total = 0
  for cpu, row in ipairs(lwkt.stat()) do
    for key, value in pairs(row) do
      if math.type(value) then check.ok(value >= before[cpu][key], key .. " does not shrink") end
    end
    total = total + row.switches - before[cpu].switches
  end
  -- A round whose answers come at once needs none, but that is rare.
  check.ok(total >= 100, "switches in 500 rounds: " .. total)
end

check.done()
