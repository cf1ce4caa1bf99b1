-- Shared objects: counter, table, array; each single operation is atomic; {token=} is checked.
local check = require "check"

-- Counter.
do
  local c = lwkt.shared.counter()
  check.eq(c:get(), 0, "starts at 0")
  check.eq(lwkt.shared.counter(5):get(), 5, "or at n")
  check.eq(c:add(3), 3, "add returns the new value")
  check.eq(c:add(-5), -2, "a negative one")
  c:set(10)
  check.eq(c:get(), 10, "set")
  check.eq(c:cas(10, 11), true, "cas with the right old value")
  check.eq(c:cas(10, 12), false, "cas with a wrong one")
  check.eq(c:get(), 11, "after both")
  check.ok(c ~= lwkt.shared.counter(11), "each is its own")
  c:set(math.maxinteger)
  check.eq(c:add(1), math.mininteger, "wraps around as Lua's integers do")
  check.ok(tostring(c):find("counter"), tostring(c))
  for _, bad in ipairs { "x", 1.5, {} } do
    check.raises("bad argument", c.add, c, bad)
    check.raises("bad argument", c.set, c, bad)
    check.raises("bad argument", c.cas, c, 1, bad)
    check.raises("bad argument", lwkt.shared.counter, bad)
  end
  check.raises("bad argument", c.get, "no counter")
  check.raises("bad argument", c.set, c)
end

-- It counts right from everywhere at once, by add and by cas.
do
  local c = lwkt.shared.counter()
  local threads = {}
  for i = 1, 100 do
    threads[i] = lwkt.create(function()
      for n = 1, 100 do
        if n % 2 == 0 then
          c:add(1)
        else
          local old
          repeat old = c:get() until c:cas(old, old + 1)
        end
      end
    end)
  end
  for i = 1, 100 do check.join(threads[i]) end
  check.eq(c:get(), 10000, "the sum")
end

-- Table: get, set, len.
do
  local t = lwkt.shared.table()
  check.eq(t:get("a"), nil, "empty")
  check.eq(t:len(), 0, "len")
  check.eq(#t, 0, "#")
  t:set("a", 1)
  t:set(1, "one")
  t:set(true, { nested = { 2 } })
  t:set(2.5, false)
  check.eq(t:get("a"), 1, "a string key")
  check.eq(t:get(1), "one", "an integer key")
  check.eq(t:get(1.0), "one", "the same key as a float")
  check.eq(t:get(2.5), false, "false is a value")
  check.deep(t:get(true), { nested = { 2 } }, "a table")
  check.eq(t:len(), 4, "len")
  check.eq(#t, 4, "#")
  t:set("a", nil)
  check.eq(t:get("a"), nil, "removed")
  check.eq(#t, 3, "one fewer")
  t:set("a", nil)
  check.eq(#t, 3, "removing what is not there")
  check.ok(tostring(t):find("table"), tostring(t))
end

-- What goes in and out is a copy.
do
  local t = lwkt.shared.table()
  local value = { 1, { 2 } }
  t:set("k", value)
  value[1] = 99
  local got = t:get("k")
  check.deep(got, { 1, { 2 } }, "as it was when set")
  got[2][1] = 77
  check.deep(t:get("k"), { 1, { 2 } }, "a copy each time")
  t:set("fn", function(n) return n + got[1] end)
  check.eq(t:get("fn")(5), 6, "a function")
  local port = lwkt.port()
  t:set("port", port)
  check.eq(t:get("port"), port, "a handle")
  t:set(port, "by port")
  check.eq(t:get(port), "by port", "a handle as a key")
end

-- A function that changes the key under its own feet would never be in time: an error, not a loop.
do
  local t = lwkt.shared.table()
  t:set("k", 1)
  local err = check.raises("update: the function has itself set the key 'k'", t.update, t, "k",
    function(v)
      t:set("k", v + 1)
      return v + 2
    end)
  check.ok(err:find("let it return the new value", 1, true), err)
  check.raises("has itself set the key 7", t.update, t, 7, function()
    return t:update(7, function() return "inner" end) .. "outer"
  end)
  check.eq(t:get(7), "inner", "what the inner one made")
  check.eq(t:update("k", function(v)
    t:set("other", v)
    return t:update("another", function() return 1 end) + v
  end), 3, "other keys may be set")
  t:set("gone", 1)
  check.eq(t:update("gone", function(v)
    t:set("gone", nil)
    return v and "again" or "new"
  end), "new", "removed meanwhile: made anew")
  -- Another thread may, and then it is done again.
  check.eq(t:update("k", function(v)
    if v ~= 10 then check.join(lwkt.create(function() t:set("k", 10) end)) end
    return v * 2
  end), 20, "with what the other has set")
end

-- A slow update has its turn among quick ones, and among plain sets.
do
  local t = lwkt.shared.table()
  t:set("n", 0)
  local stop, calls = lwkt.shared.counter(), lwkt.shared.counter()
  local quick = {}
  for i = 1, 3 do
    quick[i] = lwkt.create(function()
      while stop:get() == 0 do
        if i == 3 then t:set("n", t:get("n")) else t:update("n", function(n) return n + 1 end) end
      end
    end)
  end
  for i = 1, 5 do
    t:update("n", function(n)
      calls:add(1)
      local sum = 0
      for k = 1, 1000000 do sum = sum + k end
      return n + 1
    end)
  end
  stop:set(1)
  for i = 1, 3 do check.join(quick[i]) end
  check.ok(calls:get() < 500, "calls for five updates: " .. calls:get())
  -- An error, an exit and an abort in a turn leave no turn behind.
  local crowd = {}
  for i = 1, 30 do
    crowd[i] = lwkt.create(function()
      local step = 0
      while step < 20 do
        step = step + 1
        t:update("n", function(n)
          lwkt.yield()
          if i % 3 == 0 and step == 5 then error("on purpose") end
          if i % 3 == 1 and step == 5 then lwkt.exit("left") end
          return n + 1
        end)
      end
      return "all"
    end)
  end
  for i = 1, 30 do
    if i % 3 == 0 then
      check.died("on purpose", crowd[i])
    else
      check.eq(check.join(crowd[i]), i % 3 == 1 and "left" or "all", "how it ended")
    end
  end
  check.raises("bad argument", t.set, t, nil, 1)
  check.raises("value expected", t.set, t, "n")
end

-- update: read, compute, write, with nobody between; the new value is returned.
do
  local t = lwkt.shared.table()
  local seen = "nothing"
  check.eq(t:update("n", function(old)
    seen = old
    return 1
  end), 1, "the new value")
  check.eq(seen, nil, "there was none, and fn runs in this very thread")
  check.eq(t:update("n", function(old) return old + 1 end), 2, "the old one")
  check.eq(t:get("n"), 2, "stored")
  check.eq(t:update("n", function() return nil end), nil, "removed")
  check.eq(#t, 0, "removed")
  t:set("n", 5)
  check.raises("in update", t.update, t, "n", function() error("in update") end)
  check.eq(t:get("n"), 5, "an error changes nothing")

  local threads = {}
  for i = 1, 50 do
    threads[i] = lwkt.create(function(i)
      for n = 1, 50 do
        t:update("sum", function(old) return (old or 0) + 1 end)
        t:update("list" .. n % 5, function(list)
          list = list or {}
          list[#list + 1] = i
          return list
        end)
      end
    end, i)
  end
  for i = 1, 50 do check.join(threads[i]) end
  check.eq(t:get("sum"), 2500, "no update is lost")
  for n = 0, 4 do check.eq(#t:get("list" .. n), 500, "nor is one of a table") end
end

-- pairs: a snapshot, whatever happens meanwhile.
do
  local t = lwkt.shared.table()
  for i = 1, 100 do t:set("k" .. i, i) end
  local seen, sum = 0, 0
  for key, value in t:pairs() do
    check.eq(key, "k" .. value, "key and value")
    seen, sum = seen + 1, sum + value
    t:set(key, nil)
    t:set("new" .. value, value)
  end
  check.deep({ seen, sum, #t }, { 100, 5050, 100 }, "each pair of the snapshot once")
  for key in t:pairs() do check.ok(key:find("^new"), "the next snapshot") end
end

-- Many threads on many keys.
do
  local t = lwkt.shared.table()
  local threads = {}
  for i = 1, 50 do
    threads[i] = lwkt.create(function(i)
      for n = 1, 100 do
        t:set(i .. ":" .. n, { i, n })
        if n > 50 then t:set(i .. ":" .. n - 50, nil) end
      end
    end, i)
  end
  for i = 1, 50 do check.join(threads[i]) end
  check.eq(#t, 2500, "what is left")
  for key, value in t:pairs() do check.eq(key, value[1] .. ":" .. value[2], "a pair") end
end

-- Misuse of tables.
do
  local t = lwkt.shared.table()
  check.raises("bad argument", t.get, "no table", 1)
  check.raises("bad argument", t.get, t)
  check.raises("nil", t.set, t, nil, 1)
  check.raises("[nN]a[nN]", function() t:set(0 / 0, 1) end)
  check.raises("bad argument", t.update, t, "k", 42)
  check.raises("bad argument", t.update, t, "k")
  check.raises("bad argument", lwkt.shared.table, 42)
  check.eq(#t, 0, "nothing was stored")
end

-- Array: index from 1, length, kinds of elements.
do
  local a = lwkt.shared.array("i64", 5)
  check.eq(#a, 5, "length")
  check.deep(a:slice(1, 5), { 0, 0, 0, 0, 0 }, "zeros at first")
  a[1], a[5] = math.mininteger, 7
  check.eq(a[1], math.mininteger, "first")
  check.eq(a[5], 7, "last")
  check.eq(math.type(a[5]), "integer", "i64")
  a[2] = 3.0
  check.eq(a[2], 3, "a float with an integer value")

  local f = lwkt.shared.array("f64", 2)
  f[1], f[2] = 1, 0.1
  check.eq(f[1], 1.0, "f64 gives floats")
  check.eq(f[2], 0.1, "to the last bit")
  f[1] = math.huge
  check.eq(f[1], math.huge, "infinity")

  local u = lwkt.shared.array("u8", 3)
  u[1], u[3] = 255, 65
  check.deep(u:slice(1, 3), { 255, 0, 65 }, "u8")
  check.ok(tostring(a):find("array"), tostring(a))
  check.eq(#lwkt.shared.array("u8", 1 << 20), 1 << 20, "a big one")
end

-- fill, slice, bytes.
do
  local a = lwkt.shared.array("i64", 6)
  a:fill(4)
  check.deep(a:slice(1, 6), { 4, 4, 4, 4, 4, 4 }, "fill all")
  a:fill(1, 2, 3)
  check.deep(a:slice(1, 6), { 4, 1, 1, 4, 4, 4 }, "fill some")
  a:fill(9, 5)
  check.deep(a:slice(4, 6), { 4, 9, 9 }, "fill from there on")
  check.deep(a:slice(), a:slice(1, 6), "slice of all")
  check.deep(a:slice(5), { 9, 9 }, "slice from there on")
  check.deep(a:slice(3, 2), {}, "an empty slice")
  check.deep({ string.unpack("i8i8i8i8i8i8", a:bytes()) }, { 4, 1, 1, 4, 9, 9, 49 }, "bytes")

  local u = lwkt.shared.array("u8", 5)
  for i, byte in ipairs { 72, 101, 108, 108, 111 } do u[i] = byte end
  check.eq(u:bytes(), "Hello", "bytes of u8")
  check.eq(u:bytes(2, 3), "el", "of some")
  check.eq(u:bytes(4), "lo", "from there on")
end

-- In parallel: each element is somebody's own, and single stores are never torn.
do
  local a = lwkt.shared.array("i64", 100)
  local threads = {}
  for i = 1, 100 do
    threads[i] = lwkt.create(function(i)
      for n = 1, 100 do a[i] = a[i] + n end
    end, i)
  end
  for i = 1, 100 do check.join(threads[i]) end
  for i = 1, 100 do check.eq(a[i], 5050, "element " .. i) end

  local torn = lwkt.shared.array("i64", 1)
  local values = { 0, -1, 0x5555555555555555, 0x00000000ffffffff, math.mininteger }
  local allowed = {}
  for _, value in ipairs(values) do allowed[value] = true end
  threads = {}
  for i = 1, #values do
    threads[i] = lwkt.create(function(i)
      for _ = 1, 2000 do
        torn[1] = values[i]
        check.ok(allowed[torn[1]], "a value that somebody wrote")
      end
    end, i)
  end
  for i = 1, #values do check.join(threads[i]) end
end

-- Misuse of arrays.
do
  local a, u = lwkt.shared.array("i64", 3), lwkt.shared.array("u8", 3)
  for _, index in ipairs { 0, 4, -1, math.maxinteger } do
    check.raises("index", function() return a[index] end)
    check.raises("index", function() a[index] = 1 end)
  end
  check.raises("", function() a[1] = "x" end)
  check.raises("", function() a[1] = 1.5 end)
  check.raises("", function() a[1] = nil end)
  check.raises("", function() u[1] = 256 end)
  check.raises("", function() u[1] = -1 end)
  check.raises("index", a.slice, a, 0, 2)
  check.raises("index", a.slice, a, 1, 4)
  check.raises("index", a.fill, a, 1, 2, 4)
  check.raises("index", u.bytes, u, 1, 4)
  check.raises("bad argument", a.fill, a, "x")
  check.raises("bad argument", lwkt.shared.array, "i32", 3)
  check.raises("bad argument", lwkt.shared.array, "i64")
  check.raises("bad argument", lwkt.shared.array, "i64", -1)
  check.raises("bad argument", lwkt.shared.array, "i64", 1.5)
  check.raises("bad argument", a.slice, u.bytes)
  check.deep(a:slice(), { 0, 0, 0 }, "nothing was stored")
end

-- {token=}: without it any access is an error that names it; with it everything works.
do
  local tok = lwkt.token("accounts")
  local c = lwkt.shared.counter(1, { token = tok })
  local t = lwkt.shared.table({ token = tok })
  local a = lwkt.shared.array("i64", 2, { token = tok })
  local accesses = {
    function() return c:get() end,
    function() return c:add(1) end,
    function() c:set(1) return true end,
    function() return c:cas(1, 1) or true end,
    function() t:set("k", 1) return true end,
    function() return t:get("k") end,
    function() return t:update("k", function() return 1 end) end,
    function() return t:pairs() end,
    function() return t:len() end,
    function() return #t end,
    function() a[1] = 1 return true end,
    function() return a[1] end,
    function() a:fill(1) return true end,
    function() return a:slice() end,
    function() return a:bytes() end,
  }
  local function refused()
    for _, access in ipairs(accesses) do check.raises("accounts", access) end
    return true
  end
  check.eq(refused(), true, "without the token")
  tok:get()
  for i, access in ipairs(accesses) do check.ok(access(), "access " .. i) end
  check.eq(check.join(lwkt.create(refused)), true, "somebody else's token is not mine")
  tok:rel()
  check.eq(refused(), true, "after release")
  check.eq(tok:with(function() return c:get() end), 1, "in with")

  -- Shared is enough to look.
  tok:get_shared()
  check.deep({ c:get(), t:get("k"), a[1] }, { 1, 1, 1 }, "reading with the token shared")
  tok:rel()

  check.raises("token", lwkt.shared.counter, 0, { token = "accounts" })
  check.raises("tokne", lwkt.shared.table, { tokne = tok })
end

check.done()
