-- The coroutine library: results, statuses, messages, closing.
local function show(what, ...)
  local parts = table.pack(...)
  for i = 1, parts.n do
    parts[i] = tostring(parts[i]):gsub("0x%x+", "PTR"):gsub("^thread: .*", "thread")
  end
  print(what, table.concat(parts, "\t", 1, parts.n))
end

-- running, isyieldable, status
do
  local main, is_main = coroutine.running()
  show("running", type(main), is_main, coroutine.status(main), coroutine.isyieldable())
  show("isyieldable(main)", coroutine.isyieldable(main))
  local co
  co = coroutine.create(function()
    local me, flag = coroutine.running()
    show("inside", me == co, flag, coroutine.status(co), coroutine.status(main),
      coroutine.isyieldable(), coroutine.isyieldable(main), coroutine.isyieldable(co))
    table.sort({1, 2}, function() show("in sort", coroutine.isyieldable()) end)
    local inner = coroutine.create(function()
      show("nested", coroutine.status(co), coroutine.isyieldable(co))
      show("resume normal", coroutine.resume(co))
      show("resume main", coroutine.resume(main))
      show("close normal", pcall(coroutine.close, co))
      show("close main", pcall(coroutine.close, main))
    end)
    show("inner", coroutine.resume(inner))
    show("resume self", coroutine.resume(co))
    show("close self", pcall(coroutine.close, co))
    show("wrap of self", pcall(coroutine.wrap(function() return coroutine.resume(co) end)))
  end)
  show("isyieldable(co)", coroutine.isyieldable(co), coroutine.status(co))
  show("resume", coroutine.resume(co))
  show("status", coroutine.status(co), coroutine.isyieldable(co))
  show("resume dead", coroutine.resume(co))
  show("close dead", coroutine.close(co))
  show("close main", pcall(coroutine.close, main))
  show("close running", pcall(coroutine.close, (coroutine.running())))
  show("resume main", coroutine.resume(main))
end

-- values in and out
do
  local co = coroutine.create(function(...)
    show("args", select("#", ...), ...)
    show("resumed", coroutine.yield())
    show("resumed", coroutine.yield(1, nil, 3, nil))
    local t = {}
    for i = 1, 200 do t[i] = i end
    show("many", select("#", coroutine.yield(table.unpack(t))))
    return nil, nil
  end)
  show("1", coroutine.resume(co, nil, nil))
  show("2", coroutine.resume(co, "a", nil))
  show("3", select("#", coroutine.resume(co)))
  local t = {}
  for i = 1, 1000 do t[i] = i end
  show("4", coroutine.resume(co, table.unpack(t)))
  show("5", coroutine.resume(co))
  show("tail yield", coroutine.wrap(function(...) return coroutine.yield(...) end)(1, 2))
  show("yield as body", coroutine.wrap(coroutine.yield)(1, 2))
  local w = coroutine.wrap(coroutine.yield)
  show("yield as body", w(1, 2))
  show("yield as body", w(3, 4))
  show("too many", pcall(coroutine.wrap(function()
    return table.unpack({}, 1, 1000000)
  end)))
  show("too many to resume", pcall(function()
    local c = coroutine.create(print)
    return coroutine.resume(c, table.unpack({}, 1, 900000))
  end))
end

-- misuse
show("create", pcall(coroutine.create))
show("create", pcall(coroutine.create, 1))
show("wrap", pcall(coroutine.wrap, {}))
show("resume", pcall(coroutine.resume))
show("resume", pcall(coroutine.resume, 1))
show("status", pcall(coroutine.status, "x"))
show("status", pcall(coroutine.status))
show("close", pcall(coroutine.close))
show("close", pcall(coroutine.close, print))
show("isyieldable", pcall(coroutine.isyieldable, 1))
show("isyieldable", pcall(coroutine.isyieldable, nil))
show("running", pcall(coroutine.running, 1))
show("yield outside", pcall(coroutine.yield))
show("yield outside", pcall(coroutine.yield, 1, 2))
show("yield in sort", pcall(table.sort, {1, 2, 3}, coroutine.yield))
show("yield in sort", pcall(function() table.sort({1, 2, 3}, function() coroutine.yield() end) end))
show("yield in a coroutine's sort", coroutine.resume(coroutine.create(function()
  table.sort({1, 2, 3}, function() coroutine.yield() end)
end)))
show("yield in gsub", coroutine.resume(coroutine.create(function()
  return pcall(string.gsub, "abc", ".", coroutine.yield)
end)))
show("yield in load", coroutine.resume(coroutine.create(function()
  return load(function() coroutine.yield() end)
end)))
show("yield in gc", coroutine.resume(coroutine.create(function()
  local said
  setmetatable({}, {__gc = function() said = {pcall(coroutine.yield, 1)} end})
  collectgarbage()
  return table.unpack(said)
end)))
show("self", pcall(function() (coroutine.create(print))() end))

-- errors
do
  local co = coroutine.create(function() error("text") end)
  show("error", coroutine.resume(co))
  show("status", coroutine.status(co))
  show("again", coroutine.resume(co))
  show("close", coroutine.close(co))
  show("close again", coroutine.close(co))
  co = coroutine.create(function() error({}) end)
  show("error table", coroutine.resume(co))
  show("error nil", coroutine.resume(coroutine.create(error)))
  show("error level 0", coroutine.resume(coroutine.create(function() error("x", 0) end)))
  show("error level 2", coroutine.resume(coroutine.create(function() error("x", 2) end)))
  show("runtime", coroutine.resume(coroutine.create(function() return nil + 1 end)))

  show("wrap", pcall(coroutine.wrap(function() error("text") end)))
  show("wrap level 0", pcall(coroutine.wrap(function() error("text", 0) end)))
  show("wrap table", pcall(coroutine.wrap(function() error({}) end)))
  show("wrap number", pcall(coroutine.wrap(function() error(12) end)))
  show("wrap in lua", pcall(function() coroutine.wrap(function() error("text") end)() end))
  show("wrap in wrap", pcall(function()
    coroutine.wrap(function() coroutine.wrap(function() error("text") end)() end)()
  end))
  local dead = coroutine.wrap(function() end)
  dead()
  show("wrap dead", pcall(dead))
  show("wrap dead in lua", pcall(function() dead() end))
  local failed = coroutine.wrap(function() error("once") end)
  show("wrap failed", pcall(failed))
  show("wrap failed again", pcall(failed))
  local self
  self = coroutine.wrap(function() return pcall(self) end)
  show("wrap itself", self())
  self = coroutine.wrap(function() self() end)
  show("wrap itself", pcall(self))
  for _, x in ipairs {1} do
    show("wrap as iterator", pcall(function()
      for v in coroutine.wrap(function() coroutine.yield(1) error("in iterator") end) do end
    end))
  end
end

-- yields across pcall, metamethods, iterators
do
  local function yielder(name)
    return function(...) return coroutine.yield(name, ...) end
  end
  local mt = {}
  for _, event in ipairs {"add", "sub", "mul", "div", "mod", "pow", "unm", "idiv", "band", "bor",
      "bxor", "shl", "shr", "bnot", "concat", "len", "eq", "lt", "le", "index", "newindex",
      "call", "close"} do
    mt["__" .. event] = function(...) return coroutine.yield(event) end
  end
  local function object() return setmetatable({}, mt) end
  local function run(f)
    local co = coroutine.create(f)
    local result = table.pack(coroutine.resume(co))
    local said = {}
    while coroutine.status(co) == "suspended" do
      said[#said + 1] = tostring(result[2])
      result = table.pack(coroutine.resume(co, #said))
    end
    show("yielded " .. table.concat(said, " "), table.unpack(result, 1, result.n))
  end
  local a, b = object(), object()
  run(function() return a + 1, 1 - a, a * b, a / 2, 2 % a, a ^ 2, -a, a // 1 end)
  run(function() return a & 1, a | 1, a ~ 1, a << 1, a >> 1, ~a end)
  run(function() return a .. "x", "x" .. a, "x" .. "y" .. a, a .. b .. "z" end)
  run(function() return #a, a == b, a ~= b, a < b, a <= b, a > b, 1 < a, a >= 1 end)
  run(function() return a.x, a[1], a("arg"), rawlen(a) end)
  run(function() a.x = 1 a[1] = 2 return rawget(a, "x"), rawget(a, 1) end)
  run(function() if a < b then return "less" else return "not" end end)
  run(function() if a == b then return "equal" end return not (a == b) end)
  run(function() do local x <close> = object() end return "closed" end)
  run(function() local x <close>, n = object(), 1 return n, 2, 3 end)
  run(function()
    for i = 1, 2 do local x <close> = object() if i == 2 then break end end
    return "loop"
  end)
  run(function() return pcall(function() local x <close> = object() error("e", 0) end) end)
  run(function() return pcall(function() local x <close> = object() error(coroutine.yield "in", 0) end) end)
  run(function() return pcall(coroutine.yield, "pcall") end)
  run(function() return pcall(pcall, coroutine.yield, "pcall pcall") end)
  run(function() return pcall(function() coroutine.yield "then" error("error", 0) end) end)
  run(function() return xpcall(function() coroutine.yield "x" error("e", 0) end, function(m)
    return "handled " .. m
  end) end)
  run(function() return select(2, pcall(error, coroutine.yield "argument")) end)
  run(function()
    local n = 0
    for i, j in yielder "iterator" do n = n + i if n > 4 then return n, i, j end end
  end)
  run(function()
    local t = {}
    for k, v in pairs(setmetatable({}, {__pairs = function()
      coroutine.yield "pairs"
      return function(_, k) if k == nil then return 1, coroutine.yield "next" end end
    end})) do t[#t + 1] = k .. "=" .. v end
    return table.concat(t, ",")
  end)
  run(function() return table.unpack(setmetatable({}, {__index = function() return 1 end}), 1, 3) end)
  run(function() return load("return coroutine.yield('loaded') + 1")() end)
  run(function() return require end)
  run(function() return coroutine.wrap(function() return coroutine.yield "inner" end)() end)
  run(function()
    local w = coroutine.wrap(function() local x = coroutine.yield "inner" return x, "end" end)
    local first = w()
    local got = coroutine.yield(first .. " outer")
    return w(got)
  end)
end

-- generators and the like
do
  local function permutations(a, n)
    n = n or #a
    if n <= 1 then
      coroutine.yield(a)
    else
      for i = 1, n do
        a[n], a[i] = a[i], a[n]
        permutations(a, n - 1)
        a[n], a[i] = a[i], a[n]
      end
    end
  end
  for p in coroutine.wrap(function() permutations {"a", "b", "c"} end) do
    print(table.concat(p, " "))
  end
  local function sieve(limit)
    local function numbers() for i = 2, limit do coroutine.yield(i) end end
    local function filter(p, source)
      return coroutine.wrap(function()
        for n in source do if n % p ~= 0 then coroutine.yield(n) end end
      end)
    end
    local source = coroutine.wrap(numbers)
    local primes = {}
    while true do
      local p = source()
      if not p then break end
      primes[#primes + 1] = p
      source = filter(p, source)
    end
    return primes
  end
  print(table.concat(sieve(100), " "))
end

-- tracebacks of coroutines
do
  local function level3() coroutine.yield("here") end
  local function level2() level3() return 1 end
  local co = coroutine.create(function() local x = level2() return x end)
  print(debug.traceback(co))
  coroutine.resume(co)
  print(debug.traceback(co))
  print(debug.traceback(co, "message"))
  print(debug.traceback(co, "message", 1))
  print(debug.traceback(co, nil, 2))
  print(debug.traceback(co, 12, 100))
  print(debug.traceback(co, {}) ~= nil)
  show("info", debug.getinfo(co, 0, "n").name, debug.getinfo(co, 1, "l").currentline,
    debug.getinfo(co, 9))
  coroutine.resume(co)
  print(debug.traceback(co))
  co = coroutine.create(function() local x <close> = setmetatable({}, {__close = print}) error("e") end)
  coroutine.resume(co)
  print(debug.traceback(co))
  print(debug.traceback(co, nil))
end
