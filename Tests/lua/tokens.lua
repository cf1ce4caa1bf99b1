-- Tokens, one thread at a time: each row of the contract, the panics, who holds what when.
-- Contention is in tokens_contended.lua.
local check = require "check"

-- Names and printing.
do
  local accounts = lwkt.token("accounts")
  check.eq(lwkt.token("accounts"), accounts, "same name, same token")
  check.eq(tostring(accounts), "token accounts", "tostring")
  check.ok(lwkt.token("audit") ~= accounts, "another name, another token")
  check.ok(lwkt.token() ~= lwkt.token(), "without a name each is new")
  check.ok(tostring(lwkt.token()):find("^token"), "without a name")
  check.eq(check.join(lwkt.create(function() return lwkt.token("accounts") end)), accounts,
    "the same in every thread")
end

-- get, rel, held; recursion.
do
  local tok = lwkt.token("tokens.plain")
  check.eq(tok:held(), nil, "before")
  tok:get()
  check.eq(tok:held(), "exclusive", "get")
  tok:get()
  tok:get()
  tok:rel()
  tok:rel()
  check.eq(tok:held(), "exclusive", "once more got than released")
  tok:rel()
  check.eq(tok:held(), nil, "released")

  tok:get_shared()
  check.eq(tok:held(), "shared", "get_shared")
  tok:get_shared()
  tok:rel()
  check.eq(tok:held(), "shared", "recursion")
  tok:rel()

  tok:get()
  tok:get_shared()
  check.eq(tok:held(), "exclusive", "shared under exclusive")
  tok:rel()
  tok:rel()
  check.eq(tok:held(), nil, "released")

  for _ = 1, 20 do tok:get() end
  for _ = 1, 20 do tok:rel() end
  check.eq(tok:held(), nil, "twenty deep")
end

-- try never waits.
do
  local tok = lwkt.token()
  check.ok(tok:try(), "a free one")
  check.eq(tok:held(), "exclusive", "it is had")
  check.ok(tok:try(), "one's own")
  tok:rel()
  tok:rel()
  check.eq(tok:held(), nil, "both released")

  -- Held by one who runs and does not wait: try fails and holds nothing.
  local release = check.held(tok)
  check.ok(not tok:try(), "one that is held elsewhere")
  check.eq(tok:held(), nil, "and still is not mine")
  release()
  check.ok(tok:try(), "free again")
  tok:rel()
end

-- Release is strictly of the last one acquired, and names both if it is not.
do
  local accounts, audit = lwkt.token("accounts"), lwkt.token("audit")
  audit:get()
  accounts:get()
  check.raises('reltoken: release wants "accounts", got "audit"', audit.rel, audit)
  check.eq(accounts:held(), "exclusive", "nothing was released")
  check.eq(audit:held(), "exclusive", "nothing was released")
  accounts:rel()
  audit:rel()
  check.raises('reltoken', audit.rel, audit)

  -- token_swap is the way to release out of order.
  audit:get()
  accounts:get()
  lwkt.token_swap()
  audit:rel()
  check.eq(accounts:held(), "exclusive", "swapped")
  check.raises("token_swap", lwkt.token_swap)
  accounts:rel()
  check.raises("token_swap", lwkt.token_swap)

  -- In a thread it kills only that thread, and what it held is free.
  local td = lwkt.create(function()
    audit:get()
    accounts:get()
    audit:rel()
  end)
  check.died('release wants "accounts", got "audit"', td)
  check.ok(accounts:try() and audit:try(), "both are free")
  audit:rel()
  accounts:rel()
end

-- Exclusive after shared by the same thread could never be granted to two who try it: refused.
do
  local tok = lwkt.token("tokens.upgrade")
  tok:get_shared()
  check.raises("gettoken.*shared", tok.get, tok)
  check.eq(tok:held(), "shared", "still shared")
  check.ok(not tok:try(), "try does not upgrade either")
  tok:rel()
end

-- with: arguments, results, release on error and when fn waits.
do
  local tok, other = lwkt.token("tokens.with"), lwkt.token("tokens.other")
  check.deep(table.pack(tok:with(function(...)
    check.eq(tok:held(), "exclusive", "inside")
    return select("#", ...), ...
  end, nil, 2, nil)), { 3, nil, 2, nil, n = 4 }, "arguments and results")
  check.eq(tok:held(), nil, "after")
  check.raises("inside with", tok.with, tok, function() error("inside with") end)
  check.eq(tok:held(), nil, "after an error")
  check.deep(check.raises("table", tok.with, tok, function() error({ 5 }) end), { 5 }, "its value")
  check.eq(tok:with(function()
    lwkt.sleep(0.001)
    return other:with(function() return tok:held() .. " " .. other:held() end)
  end), "exclusive exclusive", "nested, with a wait")
  check.raises("bad argument", tok.with, tok)
  check.raises("bad argument", tok.with, tok, 42)
  check.eq(tok:held(), nil, "a refused call holds nothing")
end

-- <close>: released at the end of the block, however it is left.
do
  local tok = lwkt.token("tokens.close")
  do
    local ref <close> = tok:get()
    check.eq(tok:held(), "exclusive", "in the block")
    lwkt.sleep(0.001)
    do
      local again <close> = tok:get_shared()
    end
    check.eq(tok:held(), "exclusive", "after an inner block")
  end
  check.eq(tok:held(), nil, "after the block")
  for _ = 1, 3 do
    local ref <close> = tok:get()
    if tok:held() then break end
  end
  check.eq(tok:held(), nil, "after break")
  pcall(function()
    local ref <close> = tok:get()
    error("out")
  end)
  check.eq(tok:held(), nil, "after an error")
  local function early()
    local ref <close> = tok:get_shared()
    return tok:held()
  end
  check.eq(early(), "shared", "return")
  check.eq(tok:held(), nil, "after return")

  -- In an order of blocks, the last one acquired goes first by itself.
  local a, b = lwkt.token("tokens.a"), lwkt.token("tokens.b")
  pcall(function()
    local one <close> = a:get()
    local two <close> = b:get()
    error("out")
  end)
  check.deep({ a:held(), b:held() }, {}, "two of them")
end

-- Given up while waiting, all had again afterwards.
do
  local a, b, other = lwkt.token("tokens.a"), lwkt.token("tokens.b"), lwkt.token("tokens.other")
  a:get()
  b:get_shared()
  local td = lwkt.create(function()
    -- Both can be had exclusively by another while main waits for it.
    local ref <close> = b:get()
    local ref2 <close> = a:get()
    return a:held(), b:held()
  end)
  check.deep({ check.join(td) }, { "exclusive", "exclusive" }, "had by another meanwhile")
  check.deep({ a:held(), b:held() }, { "exclusive", "shared" }, "had again as they were")
  lwkt.sleep(0.001)
  check.deep({ a:held(), b:held() }, { "exclusive", "shared" }, "after any wait")

  -- Waiting for a third gives up the two as well.
  local state = lwkt.shared.counter(0)
  td = lwkt.create(function()
    local ref <close> = other:get()
    state:add(1)
    -- Main now wants `other` and has to let go of `a`, which nobody else ever releases.
    while not a:try() do end
    a:rel()
    state:add(1)
  end)
  while state:get() == 0 do lwkt.yield() end
  other:get()
  check.eq(state:get(), 2, "it had both in between")
  check.deep({ a:held(), b:held(), other:held() }, { "exclusive", "shared", "exclusive" }, "all")
  other:rel()
  b:rel()
  a:rel()
  check.join(td)
end

-- is_stale: has anybody else held it since I got it?
do
  local tok = lwkt.token("tokens.stale")
  local function borrow(how) check.join(lwkt.create(function() tok[how](tok) tok:rel() end)) end
  tok:get()
  check.eq(tok:is_stale(), false, "just got")
  lwkt.sleep(0.001)
  check.eq(tok:is_stale(), false, "nobody came while I waited")
  tok:get()
  tok:rel()
  check.eq(tok:is_stale(), false, "I do not count")
  borrow("get")
  check.eq(tok:is_stale(), true, "somebody had it")
  tok:rel()
  tok:get()
  check.eq(tok:is_stale(), false, "got anew")
  tok:rel()
  check.raises("stale", tok.is_stale, tok)
end

-- Held by a thread, not by a coroutine or a function.
do
  local tok = lwkt.token("tokens.coroutine")
  local co = coroutine.wrap(function()
    tok:get()
    coroutine.yield(tok:held())
    tok:rel()
  end)
  check.eq(co(), "exclusive", "in the coroutine")
  check.eq(tok:held(), "exclusive", "and outside it")
  lwkt.sleep(0.001)
  co()
  check.eq(tok:held(), nil, "released by the coroutine")
  tok:get()
  check.eq(check.join(lwkt.create(function() return tostring(tok:held()) end)), "nil",
    "not held by a new thread")
  check.eq(check.join(lwkt.create({ sharing = true }, function() return tostring(tok:held()) end)),
    "nil", "not by a sharing one either")
  check.eq(tok:held(), "exclusive", "mine")
  tok:rel()
end

-- A thread that ends, in whatever way, leaves no token behind.
do
  local tok = lwkt.token("tokens.dying")
  local function holding(body) return lwkt.create(function() tok:get() tok:get() body() end) end
  check.join(holding(function() end))
  check.ok(tok:with(function() return true end), "after a return")
  check.died("dies", holding(function() error("dies") end))
  check.ok(tok:with(function() return true end), "after an error")
  check.join(holding(function() lwkt.exit() end))
  check.ok(tok:with(function() return true end), "after exit")
  local td = holding(function() lwkt.sleep(3600) end)
  check.waiting(td)
  td:abort("enough")
  check.died("enough", td)
  check.ok(tok:with(function() return true end), "after abort")
end

-- Pool tokens: the token that serialises a key. Keys may share one, so it is asked by recursion.
do
  local tok = lwkt.getpooltoken("customer 17")
  check.eq(lwkt.getpooltoken("customer 17"), tok, "a string")
  check.eq(lwkt.getpooltoken(17), lwkt.getpooltoken(17), "an integer")
  check.eq(check.join(lwkt.create(function() return lwkt.getpooltoken("customer 17") end)), tok,
    "the same in every thread")
  local refs = {}
  for i = 1, 10 do refs[i] = lwkt.getpooltoken(i):get() end
  for i = 10, 1, -1 do lwkt.getpooltoken(i):rel() end
  check.eq(lwkt.getpooltoken(1):held(), nil, "all released")
  check.ok(tostring(tok):find("^token"), tostring(tok))
  local distinct, n = {}, 0
  for i = 1, 1000 do
    local pooled = lwkt.getpooltoken("key " .. i)
    if not distinct[pooled] then distinct[pooled], n = true, n + 1 end
  end
  check.ok(n > 100, "a thousand keys use many tokens, not " .. n)
  for _, key in ipairs { {}, true, 1.5, print } do
    check.raises("bad argument", lwkt.getpooltoken, key)
  end
  check.raises("bad argument", lwkt.getpooltoken)
end

-- Wrong arguments.
do
  local tok = lwkt.token("tokens.args")
  check.raises("bad argument", lwkt.token, {})
  for _, call in ipairs { "get", "get_shared", "try", "rel", "with", "is_stale", "held" } do
    check.raises("bad argument", tok[call])
    check.raises("bad argument", tok[call], "no token")
    check.raises("bad argument", tok[call], lwkt.port())
  end
end

check.done()
