-- Tokens under contention: exclusion, sharing, no deadlock, no starvation, sums that hold.
local check = require "check"

-- Exclusive means exclusive: while a holder runs, nobody else gets in, also when it is preempted.
do
  local tok = lwkt.token()
  local inside = lwkt.shared.counter(0)
  local threads = {}
  for i = 1, 30 do
    threads[i] = lwkt.create(function()
      for _ = 1, 100 do
        local ref <close> = tok:get()
        check.eq(inside:add(1), 1, "entered alone")
        for _ = 1, 200 do end
        check.eq(inside:add(-1), 0, "left alone")
      end
    end)
  end
  for i = 1, 30 do check.join(threads[i]) end
end

-- A holder that is preempted keeps it: the clock gives nothing away.
do
  local tok = lwkt.token()
  local started, entered = lwkt.shared.counter(0), lwkt.shared.counter(0)
  local function rival()
    started:add(1)
    local ref <close> = tok:get()
    entered:add(1)
  end
  local holder = lwkt.create({ cpu = 0 }, function()
    tok:get()
    local rivals = {}
    for cpu = 0, lwkt.ncpus() - 1 do rivals[cpu] = lwkt.create({ cpu = cpu }, rival) end
    -- Busy until all of them have run, one of them on this very worker, which preempts me.
    while started:get() < lwkt.ncpus() do end
    local stop = os.clock() + 0.05
    repeat until os.clock() > stop
    check.eq(entered:get(), 0, "kept")
    tok:rel()
    for cpu = 0, lwkt.ncpus() - 1 do check.join(rivals[cpu]) end
    return entered:get()
  end)
  check.eq(check.join(holder), lwkt.ncpus(), "all got it in the end")
end

-- Shared holders are in at the same time: each waits, running, until all are.
do
  local tok = lwkt.token()
  local inside = lwkt.shared.counter(0)
  local threads = {}
  for i = 1, 5 do
    threads[i] = lwkt.create(function()
      local ref <close> = tok:get_shared()
      inside:add(1)
      while inside:get() < 5 do end
      return tok:held()
    end)
  end
  for i = 1, 5 do check.eq(check.join(threads[i]), "shared", "all at once") end
end

-- Readers and a writer: no reader sees half of what the writer does, and neither starves.
do
  local tok = lwkt.token("contended.rw")
  local pair = lwkt.shared.array("i64", 2)
  local stop = lwkt.shared.counter(0)
  local readers = {}
  for i = 1, 8 do
    readers[i] = lwkt.create(function()
      local reads = 0
      while stop:get() == 0 or reads < 100 do
        local ref <close> = tok:get_shared()
        check.eq(pair[1], pair[2], "both halves")
        reads = reads + 1
      end
      return reads
    end)
  end
  local writer = lwkt.create(function()
    for n = 1, 500 do
      local ref <close> = tok:get()
      pair[1] = n
      for _ = 1, 100 do end
      pair[2] = n
    end
  end)
  check.join(writer)
  stop:add(1)
  for i = 1, 8 do check.ok(check.join(readers[i]) >= 100, "reads") end
  check.deep(pair:slice(1, 2), { 500, 500 }, "all writes")
end

-- In opposite orders, in all orders: no deadlock.
do
  local a, b = lwkt.token("contended.a"), lwkt.token("contended.b")
  local function lock(first, second)
    for n = 1, 500 do
      local ref <close> = first:get()
      if n % 10 == 0 then lwkt.yield() end
      local ref2 <close> = second:get()
      check.eq(first:held(), "exclusive", "the first is had again")
    end
  end
  local threads = { lwkt.create(lock, a, b), lwkt.create(lock, b, a), lwkt.create(lock, a, b),
    lwkt.create(lock, b, a) }
  for i = 1, #threads do check.join(threads[i]) end

  local toks = {}
  for i = 1, 8 do toks[i] = lwkt.token() end
  threads = {}
  for t = 1, 40 do
    threads[t] = lwkt.create(function(seed)
      local function random(n)
        seed = (seed * 1103515245 + 12345) % 2147483648
        return seed // 65536 % n + 1
      end
      for _ = 1, 50 do
        local got = {}
        for i = 1, random(5) do
          local tok = toks[random(8)]
          -- What is held shared may not be wanted exclusively on top.
          if tok:held() == "shared" or random(4) == 1 then tok:get_shared() else tok:get() end
          got[i] = tok
        end
        if random(10) == 1 then lwkt.sleep(0) end
        for i = #got, 1, -1 do
          check.ok(got[i]:held(), "all are held")
          got[i]:rel()
        end
      end
    end, t)
  end
  for t = 1, 40 do check.join(threads[t]) end
end

-- A storm: what is read and written back under a token adds up, on however many workers.
do
  local tok = lwkt.token("contended.storm")
  local cells = lwkt.shared.array("i64", 2, { token = tok })
  local threads = {}
  for i = 1, 200 do
    threads[i] = lwkt.create(function()
      for n = 1, 100 do
        tok:get()
        cells[1] = cells[1] + 1
        cells[2] = cells[2] - 1
        tok:rel()
        if n % 25 == 0 then lwkt.yield() end
      end
    end)
  end
  for i = 1, 200 do check.join(threads[i]) end
  tok:with(function() check.deep(cells:slice(1, 2), { 20000, -20000 }, "the sums") end)
end

-- Transfers between accounts, each under its own token, pool tokens at that; an auditor that takes
-- them all sees the total unchanged at any time.
do
  local n = 10
  local money = lwkt.shared.array("i64", n)
  money:fill(1000)
  local function token_of(i) return lwkt.getpooltoken("account " .. i) end
  local stop = lwkt.shared.counter(0)
  local threads = {}
  for t = 1, 20 do
    threads[t] = lwkt.create(function(t)
      for k = 1, 200 do
        local from, to = (t * 7 + k * 3) % n + 1, (t + k * 5) % n + 1
        local ref <close> = token_of(from):get()
        local ref2 <close> = token_of(to):get()
        local amount = math.min(k % 50, money[from])
        money[from] = money[from] - amount
        money[to] = money[to] + amount
      end
    end, t)
  end
  local auditor = lwkt.create(function()
    local audits = 0
    repeat
      local sum = 0
      for i = 1, n do token_of(i):get() end
      for i = 1, n do sum = sum + money[i] end
      for i = n, 1, -1 do token_of(i):rel() end
      check.eq(sum, n * 1000, "the total")
      audits = audits + 1
    until stop:get() > 0
    return audits
  end)
  for t = 1, 20 do check.join(threads[t]) end
  stop:add(1)
  check.ok(check.join(auditor) > 0, "audits")
end

-- Fairness: of threads that do nothing but get and release, each one gets on.
do
  local tok = lwkt.token("contended.fair")
  local turns = lwkt.shared.array("i64", 6)
  local threads = {}
  for i = 1, 6 do
    threads[i] = lwkt.create(function(i)
      -- Each goes on until even the slowest has had its share.
      local least
      repeat
        tok:get()
        turns[i] = turns[i] + 1
        least = math.maxinteger
        for k = 1, 6 do least = math.min(least, turns[k]) end
        tok:rel()
      until least >= 200
    end, i)
  end
  for i = 1, 6 do check.join(threads[i]) end
end

-- A waiter says what it waits for.
do
  local tok = lwkt.token("contended.door")
  local release = check.held(tok)
  local waiter = lwkt.create(function() tok:get() end)
  check.waiting(waiter)
  check.eq(waiter.wmesg, "contended.door", "wmesg is the token's name")
  -- Wherever it waits, and for whoever asks.
  local waiters = {}
  for cpu = 0, lwkt.ncpus() - 1 do
    waiters[cpu] = lwkt.create({ cpu = cpu }, function() tok:get() end)
  end
  for cpu, td in pairs(waiters) do
    check.waiting(td)
    check.eq(td.wmesg, "contended.door", "wmesg of a waiter on worker " .. cpu)
  end
  for cpu = 0, lwkt.ncpus() - 1 do
    check.eq(check.join(lwkt.create({ cpu = cpu }, function(td) return td.wmesg end, waiter)),
      "contended.door", "wmesg as worker " .. cpu .. " sees it")
  end
  for _, row in ipairs(lwkt.threads()) do
    if row.id == waiter.id then
      check.eq(row.wmesg, "contended.door", "in lwkt.threads")
      check.eq(row.waits_for, "token contended.door", "what it waits for")
    end
  end
  release()
  check.join(waiter)
end

-- Stale or not: who checks, waits and checks again never acts on what it saw before.
do
  local tok = lwkt.token("contended.seats")
  local seats = lwkt.shared.counter(50)
  local threads = {}
  for i = 1, 100 do
    threads[i] = lwkt.create(function()
      local ref <close> = tok:get()
      while seats:get() > 0 do
        lwkt.sleep(0.001)
        if not tok:is_stale() or seats:get() > 0 then
          seats:add(-1)
          return 1
        end
      end
      return 0
    end)
  end
  local sold = 0
  for i = 1, 100 do sold = sold + check.join(threads[i]) end
  check.deep({ sold, seats:get() }, { 50, 0 }, "fifty seats, fifty tickets")
end

-- A hot token does not cost a switch each time, though its holders are preempted and others are then
-- passed over.
do
  local tok = lwkt.token("contended.hot")
  local each, threads = 100000, {}
  local function switches()
    local sum = 0
    for _, worker in ipairs(lwkt.stat()) do sum = sum + worker.switches end
    return sum
  end
  local before = switches()
  for i = 1, 8 do
    threads[i] = lwkt.create(function()
      for _ = 1, each do
        tok:get()
        tok:rel()
      end
    end)
  end
  for i = 1, 8 do check.join(threads[i]) end
  local took = switches() - before
  check.ok(took < 8 * each / 4, took .. " switches for " .. 8 * each .. " times")
end

check.done()
