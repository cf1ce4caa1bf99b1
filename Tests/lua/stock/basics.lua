-- Basic functions, values, control flow.
local function show(what, ...)
  local parts = table.pack(...)
  for i = 1, parts.n do
    parts[i] = tostring(parts[i]):gsub("0x%x+", "PTR"):gsub("^thread: .*", "thread")
  end
  print(what, table.concat(parts, "\t", 1, parts.n))
end

-- print
print()
print(nil)
print(nil, true, 1, 1.0, "s", -0.0, 1e100, 2^53, 1 / 0, -1 / 0, math.mininteger)
print(setmetatable({}, {__tostring = function() return "by tostring" end}))
print((tostring(setmetatable({}, {__name = "Named"})):gsub("0x%x+", "PTR")))
print("a\0b", "c")
show("print", pcall(print, setmetatable({}, {__tostring = function() return 1 end})))
do
  local old = tostring
  tostring = nil
  print("without tostring", 1)
  tostring = old
end
show("many", select("#", table.unpack({}, 1, 200)))

-- tostring, tonumber
show("tostring", tostring(nil), tostring(1), tostring(1.5), tostring("x"), tostring(true), tostring(-0.0), tostring(3.0))
show("tostring", pcall(tostring))
show("tostring", tostring(print):match("^builtin") or tostring(print):match("^function"))
show("tonumber", tonumber("10"), tonumber("0x10"), tonumber("1e1"), tonumber(" 10 "), tonumber("10x"), tonumber(""), tonumber("0x"), tonumber("1 2"))
show("tonumber", tonumber("ff", 16), tonumber("zz", 36), tonumber("8", 8), tonumber("-7", 8), tonumber("1.5", 10), tonumber("7" , 2))
show("tonumber", tonumber("0x1p4"), tonumber("0x.8"), tonumber("inf"), tonumber("nan"), tonumber("1e"), tonumber("1e500"))
show("tonumber", tonumber("9223372036854775807"), tonumber("9223372036854775808"), tonumber("0xffffffffffffffffff"))
show("tonumber", pcall(tonumber))
show("tonumber", pcall(tonumber, "1", 99))
show("tonumber", pcall(tonumber, 1, 10))
show("tonumber", pcall(tonumber, "1", 1.5))
show("tonumber", tonumber({}), tonumber(nil), tonumber(true))

-- type, select, rawequal, rawlen, rawget, rawset
show("type", type(nil), type(print), type(io.stdout), pcall(type))
show("select", select(2, "a", "b", "c"))
show("select", select(-1, "a", "b", "c"), select("#"), select("#", nil, nil))
show("select", pcall(select, 0))
show("select", pcall(select, -5, 1))
show("select", pcall(select, {}))
show("raw", rawequal("a", "a"), rawequal({}, {}), rawlen({1, 2}), rawlen("abc"), pcall(rawlen, 1))
show("raw", pcall(rawget, 1, 2))
show("raw", pcall(rawset, {}, nil, 1))
show("raw", pcall(rawset, {}, 0 / 0, 1))
show("raw", pcall(rawequal, 1))
show("next", next({}), next({1}), pcall(next, {}, "nokey"))
show("next", pcall(next))
show("pairs", pcall(pairs))
show("pairs", pcall(pairs, nil))
show("ipairs", pcall(ipairs))
do
  local seen = {}
  for i, v in ipairs(setmetatable({}, {__index = function(_, i) if i < 4 then return i * 10 end end})) do seen[#seen + 1] = v end
  show("ipairs", table.concat(seen, " "))
  local t = {1, 2, 3, nil, 5}
  local n = 0
  for _ in ipairs(t) do n = n + 1 end
  show("ipairs stops", n)
  show("pairs", pairs(setmetatable({}, {__pairs = function() return 1, 2, 3, 4 end})))
  local u = {}
  for i = 1, 10 do u[i] = i u["k" .. i] = i end
  for k in pairs(u) do u[k] = nil end
  show("clearing", next(u))
end
show("metatable", getmetatable("").__index == string, getmetatable({}), getmetatable(setmetatable({}, {__metatable = "hidden"})))
show("metatable", pcall(setmetatable, setmetatable({}, {__metatable = 1}), {}))
show("metatable", pcall(setmetatable, 1, {}))
show("metatable", pcall(setmetatable, {}))
show("metatable", pcall(setmetatable, {}, 1))

-- error, assert, pcall, xpcall
show("error", pcall(error))
show("error", pcall(error, nil))
show("error", pcall(error, "msg"))
show("error", pcall(error, "msg", 0))
show("error", pcall(error, "msg", 1))
show("error", pcall(error, "msg", 2))
show("error", pcall(error, {1}))
show("error", pcall(error, 12))
show("error", pcall(function() error(12) end))
show("error", pcall(function() error("x", 3) end))
show("error", pcall(function() error() end))
show("assert", assert(1, 2, 3))
show("assert", pcall(assert))
show("assert", pcall(assert, nil))
show("assert", pcall(assert, false, "message"))
show("assert", pcall(assert, false, {}))
show("assert", pcall(assert, nil, nil))
show("assert", pcall(assert, false, 12))
show("pcall", pcall(1))
show("pcall", pcall(nil))
show("pcall", pcall(pcall))
show("pcall", pcall(pcall, error, "x"))
show("xpcall", pcall(xpcall))
show("xpcall", pcall(xpcall, print))
show("xpcall", pcall(xpcall, print, 1))
show("xpcall", xpcall(function(...) return select("#", ...), ... end, print, 1, nil, 3))
show("xpcall", xpcall(error, function(m) return "H:" .. tostring(m) end, "e"))
show("xpcall", xpcall(nil, function(m) return "H:" .. tostring(m) end))
show("xpcall", xpcall(function() local x = nil; x() end, function(m) return "H:" .. m, "second" end))

-- messages of runtime errors
local undefined_local
local t = {}
for _, f in ipairs {
  function() return undefined_local.x end,
  function() return undefined_global.x end,
  function() return t.x.y end,
  function() return t[1][2] end,
  function() return ("x").y.z end,
  function() undefined_local.x = 1 end,
  function() t.x.y = 1 end,
  function() t[nil] = 1 end,
  function() t[0 / 0] = 1 end,
  function() undefined_local() end,
  function() undefined_global() end,
  function() t.method() end,
  function() t:method() end,
  function() ("x"):nomethod() end,
  function() (1)() end,
  function() return 1 + nil end,
  function() return t + 1 end,
  function() return "a" + 1 end,
  function() return "a" * "b" end,
  function() return undefined_local + 1 end,
  function() return t.x + 1 end,
  function() return -{} end,
  function() return #5 end,
  function() return #undefined_local end,
  function() return "a" .. {} end,
  function() return undefined_global .. "x" end,
  function() return 1 < "2" end,
  function() return {} < {} end,
  function() return nil < 1 end,
  function() return "a" <= 1 end,
  function() return print < print end,
  function() return 1 // 0 end,
  function() return 1 % 0 end,
  function() return 1 & 1.5 end,
  function() return 1 | "x" end,
  function() return "1.5" | 1 end,
  function() return 2^63 | 0 end,
  function() return ~{} end,
  function() return 1 << {} end,
  function() for i = 1, 10, 0 do end end,
  function() for i = "a", 10 do end end,
  function() for i = 1, {} do end end,
  function() for i = 1, 2, "x" do end end,
  function() for i = 1.5, "2" do end end,
  function() for k in 1 do end end,
  function() for k in nil do end end,
  function() local a <close> = 1 end,
  function() string.rep() end,
  function() ("x"):rep({}) end,
  function() ("x").rep() end,
  function() string.char(256) end,
  function() string.format("%d", 1.5) end,
  function() string.format("%d", "x") end,
  function() string.format("%y", 1) end,
  function() string.format("%") end,
  function() string.format("%10.123f", 1) end,
  function() table.concat({{}}) end,
  function() table.insert({}, 5, 1) end,
  function() table.insert({}) end,
  function() table.insert({}, 1, 2, 3) end,
  function() table.remove({}, 5) end,
  function() table.unpack({}, 1, 1e8) end,
  function() table.move({}, 1, math.maxinteger, 2) end,
  function() table.sort({3, 1, "x"}) end,
  function() table.sort({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, function() return true end) end,
  function() math.floor("x") end,
  function() math.random(0, -1) end,
  function() math.random(1, 2, 3) end,
  function() math.tointeger() end,
  function() math.fmod(1, 0) end,
  function() utf8.char(-1) end,
  function() utf8.codepoint("\xff") end,
  function() utf8.len("abc", 5) end,
  function() io.open() end,
  function() io.open("x", "q") end,
  function() io.lines("/nonexistent") end,
  function() io.stdout.write() end,
  function() io.stdout:seek("bad") end,
  function() io.read("x") end,
  function() os.time({}) end,
  function() os.time({year = 2020, month = "x", day = 1}) end,
  function() os.date("%Ez") end,
  function() os.date("%") end,
  function() os.setlocale("C", "bad") end,
  function() os.exit("x") end,
  function() os.rename("x") end,
  function() setmetatable({}, {__index = function(t, k) error("no " .. k) end}).field() end,
  function() local x = setmetatable({}, {__call = 1}) x() end,
  function() error(setmetatable({}, {__tostring = function() return "an object" end})) end,
} do
  show("message", pcall(f))
end

-- numbers
show("integers", 1 // 1, 7 // 2, -7 // 2, 7 // -2, 7 % -3, -7 % 3, 7.5 // 2, -7.5 % 2, 5 % math.huge, -5 % math.huge)
show("division", 1 / 2, 4 / 2, 0 / 1, -0.0, 3 | 0, 2^2, 10 // 0.0, -10 % 0.0 ~= -10 % 0.0)
show("overflow", math.maxinteger + 1 == math.mininteger, math.mininteger // -1, math.mininteger % -1, math.maxinteger * 2)
show("shifts", 1 << 63, 1 << 64, 1 >> -1, -1 >> 1, 1 << -1, ~0, 5 ~ 3, 3.0 | 0)
show("compare", 1 == 1.0, 1 < 1.5, math.maxinteger < math.huge, math.maxinteger + 0.0 == math.maxinteger, math.mininteger <= -2^63, 2^53 == 2^53 + 1)
show("compare", "a" < "b", "a" < "B", "" < "a", "a\0b" < "a\0c", "Z" < "a", 0 / 0 == 0 / 0, math.maxinteger < 2^63, math.maxinteger // 1 | 0)
show("strings as numbers", "10" + 5, "0x10" + 0, "1e1" * 1, 10 .. 20, "3" * "4", -"2", "10" // "3", "2" ^ 2)
show("formats", 1e15, 1e16, 123456789012345678, 0.1, 1 / 3, 1e-5, 100000000000000.0, 2^63, -2^63, 1e308 * 10)
show("literals", 0xff, 0xA.8p0, 0x1p-2, 1e2, .5, 3., 0xffffffffffffffff, 0x7fffffffffffffff, 9223372036854775808)
for _, range in ipairs {{1, 3}, {3, 1}, {3, 1, -1}, {1, 2, 0.5}, {math.maxinteger - 1, math.maxinteger}, {math.mininteger, math.mininteger + 1},
    {1, math.huge, 1 << 62}, {1, -math.huge, -(1 << 62)}, {1, 0}, {1.0, 2}, {-1, 1, math.maxinteger}, {1, 3.7}, {1, -3.7, -2}, {3, 2.9}, {math.maxinteger, math.maxinteger + 1.0}} do
  local seen = {}
  for i = range[1], range[2], range[3] or 1 do
    seen[#seen + 1] = tostring(i)
    if #seen > 5 then break end
  end
  show("for", table.concat(seen, " "))
end
do
  local i = 1
  ::top::
  if i <= 3 then
    local j = i * 2
    io.write(j, " ")
    i = i + 1
    goto top
  end
  print()
  for i = 1, 3 do
    for j = 1, 3 do
      if j == 2 then goto continue end
      io.write(i, ":", j, " ")
      ::continue::
    end
  end
  print()
  local fs = {}
  for i = 1, 3 do fs[i] = function() i = i + 1 return i end end
  show("closures", fs[1](), fs[1](), fs[2](), fs[3]())
  local a <const>, b <const> = 10, "text"
  show("const", a, b)
  local function vararg(...)
    local a, b = ... return a, b, select("#", ...), (...) end
  show("vararg", vararg(), vararg(1), (vararg(1, 2, 3)))
  local t = {vararg(1, 2), vararg(3, 4), n = vararg(5)}
  show("constructor", #t, t[1], t[2], t[3], t[4], t[5], t.n)
  local x, y, z = (function() return 1, 2, 3 end)()
  show("adjust", x, y, z, (function() return 1, 2 end)())
  local o = {n = 0, a = {}}
  function o.a.b(...) return "o.a.b", ... end
  function o.a:m(...) return self == o.a, ... end
  show("functions", o.a.b(1), o.a:m(2))
  local i, t = 1, {}
  i, t[i] = i + 1, 20
  show("assignment", i, t[1], t[2])
  local a, b = 1, 2
  a, b = b, a
  show("swap", a, b)
end
