-- load, loadfile, dofile, string.dump, require.
-- main only: reads package.path and the like, which threads inherit as copies
local function show(what, ...)
  local parts = table.pack(...)
  for i = 1, parts.n do
    parts[i] = tostring(parts[i]):gsub("0x%x+", "PTR"):gsub("^thread: .*", "thread")
      :gsub("/tmp/lua_%w+", "TMP")
  end
  print(what, table.concat(parts, "\t", 1, parts.n))
end

-- load
show("string", load("return 1, 2")())
show("vararg", load("return select('#', ...), ...")(1, nil))
show("syntax", load("return +"))
show("syntax", load("x ="))
show("syntax", load("for"))
show("syntax", load("x = }", "=name"))
show("syntax", load("x = }", "@file.lua"))
show("syntax", load("x = }\nmore", "line one\nline two"))
show("syntax", load("x = }", ("long"):rep(50)))
show("syntax", load("x = }", "=" .. ("long"):rep(50)))
show("syntax", load("x = }", "@" .. ("long"):rep(50)))
show("syntax", load("x = 'unfinished"))
show("syntax", load("x = [[unfinished"))
show("syntax", load("x = '\\q'"))
show("syntax", load("x = '\\300'"))
show("syntax", load("x = '\\u{110000000}'"))
show("syntax", load("x = '\\xZZ'"))
show("syntax", load("x = 0x"))
show("syntax", load("x = 1..2"))
show("syntax", load("x = 3e"))
show("syntax", load("goto nowhere"))
show("syntax", load("::a:: ::a::"))
show("syntax", load("break"))
show("syntax", load("local x <const> = 1 x = 2"))
show("syntax", load("do goto l local x ::l:: x = 1 end"))
show("syntax", load("return 1 return 2"))
show("syntax", load("f() = 1"))
show("syntax", load("a.b:c = 1"))
show("syntax", load("x = function(a, ..., b) end"))
show("syntax", load("x = ..."))
show("syntax", load("function f() return ... end"))
show("syntax", load("\1\2\3"))
show("syntax", load("x = \255"))
show("syntax", load("--[[ unfinished"))
show("syntax", load("if x then else elseif y then end"))
show("reader", load((function()
  local parts = {"return ", "1 ", "+ ", "41", nil}
  local i = 0
  return function() i = i + 1 return parts[i] end
end)())())
show("reader", load(function() return nil end))
show("reader", load(function() return {} end))
show("reader", load(function() error("reader fails") end))
show("reader", load(function() error({}) end))
show("reader", pcall(load, function() error("reader fails") end, "=reader"))
show("reader empty string ends", type(load((function()
  local done
  return function() if done then return "x = }" end done = true return "" end
end)())))
show("misuse", pcall(load))
show("misuse", pcall(load, 1))
show("misuse", pcall(load, {}))
show("misuse", pcall(load, nil))
show("misuse", pcall(load, "return 1", 1))
show("misuse", pcall(load, "return 1", {}))
show("misuse", pcall(load, "return 1", "=x", 1))
show("misuse", pcall(load, "return 1", "=x", {}))
show("mode", load("return 1", "=x", "b"))
show("mode", load("return 1", "=x", "t")())
show("mode", load("return 1", "=x", "bt")())
show("mode", load("return 1", "=x", ""))
show("mode", load("return 1", "=x", "q"))
show("mode", load(string.dump(load "return 1"), "=x", "t"))
show("mode", load(string.dump(load "return 1"), "=x", "b")())
show("env", load("x = 1 return _ENV", "=x", "t", {y = 2})().x)
show("env", pcall(load("return x", "=x", "t", nil)))
show("env", load("return _ENV", "=x", "t", 12)())
show("env", load("return _ENV == _G")(), load("return _ENV", "x", "t", _G)() == _G)
show("env upvalue", debug.getupvalue(load("return x"), 1), debug.getupvalue(load("return 1"), 1))
show("env of nested", load("return function() return x end", "=x", "t", {x = "given"})()())
loaded_global = "here"
show("global", load("return loaded_global")())
load("loaded_global = 'changed'")()
show("global", loaded_global)

-- string.dump
do
  local up = 10
  local function f(a) up = up + a return up end
  local copy = load(string.dump(function(a) return a and a * 2, _ENV == nil end))
  show("dump", copy(21))
  local withup = load(string.dump(function() return up end))
  show("upvalue is lost", pcall(withup))
  debug.setupvalue(withup, 1, "set")
  show("upvalue", withup())
  local stripped = string.dump(function() error("x") end, true)
  show("stripped", pcall(load(stripped)))
  show("stripped", pcall(load(stripped, "=other")))
  show("stripped smaller", #stripped < #string.dump(function() error("x") end))
  show("info", debug.getinfo(load(string.dump(show, true)), "S").short_src, debug.getinfo(load(string.dump(show)), "S").short_src)
  show("line", debug.getinfo(load(string.dump(show, true)), "l").currentline, debug.getinfo(load(stripped), "L").activelines)
  show("C", pcall(string.dump, print))
  show("misuse", pcall(string.dump))
  show("misuse", pcall(string.dump, "x"))
  local d = string.dump(load("return 'constant', 1.5, 1 << 40, true, nil, 'x'"))
  show("constants", load(d)())
  for cut = 1, #d - 1, 7 do
    local f, e = load(d:sub(1, cut), "=cut", "b")
    if f then show("cut", cut) end
  end
  show("truncated", load(d:sub(1, 3)))
  show("truncated", load(d:sub(1, 20), "=(cut)"))
  show("version", load("\27Lua\x53" .. d:sub(6), "=v"))
  show("header", d:sub(1, 4) == "\27Lua", d:byte(5))
  local parts = {}
  for c in d:gmatch(".") do parts[#parts + 1] = c end
  show("reader", load((function() local i = 0 return function() i = i + 1 return d:sub(i, i) end end)())())
end

-- files
local name = os.tmpname()
local function write(text)
  local f = assert(io.open(name, "wb"))
  f:write(text)
  f:close()
end
write "return ..., 'from the file'"
show("loadfile", loadfile(name)("argument"))
show("dofile", dofile(name))
show("chunk", debug.getinfo(loadfile(name), "S").source:sub(1, 5), debug.getinfo(loadfile(name), "S").what)
write "#!/usr/bin/lua\nreturn debug.getinfo(1, 'l').currentline"
show("first line", dofile(name))
write "#comment only"
show("first line", dofile(name))
write "\xEF\xBB\xBFreturn 'after the mark'"
show("mark", dofile(name))
write "\xEF\xBB\xBF#!x\nreturn 'after both'"
show("mark", dofile(name))
write(string.dump(load("return 'binary', ...")))
show("binary", loadfile(name)("x"))
show("binary", loadfile(name, "t"))
show("binary", loadfile(name, "b")("y"))
write("#!x\n" .. string.dump(load("return 'binary after a comment'")))
show("binary", dofile(name))
write "x = }"
show("syntax", loadfile(name))
show("syntax", pcall(dofile, name))
write "error('runtime')"
show("runtime", pcall(dofile, name))
write "return x"
show("env", loadfile(name, "t", {x = "from env"})())
show("env nil", pcall(loadfile(name, "t", nil)))
show("missing", loadfile("/nonexistent/file.lua"))
show("missing", pcall(dofile, "/nonexistent/file.lua"))
show("directory", loadfile("/"))
show("misuse", pcall(loadfile, {}))
show("misuse", pcall(loadfile, name, {}))
show("misuse", pcall(dofile, {}))
write "coroutine.yield('from dofile') return 'end'"
do
  local co = coroutine.create(function() return dofile(name) end)
  show("yield in dofile", coroutine.resume(co))
  show("yield in dofile", coroutine.resume(co))
end

-- require
do
  show("path", package.path)
  show("cpath", package.cpath)
  show("config", package.config)
  show("package", package.loaded.package == package, package.loaded._G == _G, package.loaded.coroutine == coroutine)
  show("searchers", #package.searchers, type(package.searchers[1]))
  local dir = name .. "_dir"
  os.execute("mkdir -p " .. dir .. "/sub")
  local function module(path, text)
    local f = assert(io.open(dir .. "/" .. path, "w"))
    f:write(text)
    f:close()
  end
  local old = package.path
  package.path = dir .. "/?.lua;" .. dir .. "/?/init.lua"
  module("plain.lua", "loads = (loads or 0) + 1 return {name = ..., file = select(2, ...), n = select('#', ...)}")
  local m, where = require "plain"
  show("require", m.name, m.file, m.n, where == m.file)
  show("again", require "plain" == m, select("#", require "plain"), loads)
  package.loaded.plain = nil
  show("reload", require "plain" ~= m, loads)
  module("nothing.lua", "")
  show("nothing", require "nothing", package.loaded.nothing)
  module("falsy.lua", "return false")
  show("false", require "falsy")
  show("false again", require "falsy", package.loaded.falsy)
  module("sets.lua", "package.loaded[...] = 'set by itself'")
  show("sets", require "sets")
  module("sub/init.lua", "return 'init of ' .. ...")
  show("init", require "sub")
  module("sub/inner.lua", "return 'inner ' .. ...")
  show("dots", require "sub.inner")
  module("bad.lua", "x = }")
  show("bad", pcall(require, "bad"))
  module("fails.lua", "error('while loading')")
  show("fails", pcall(require, "fails"))
  show("fails again", pcall(require, "fails"))
  module("failstable.lua", "error({code = 1})")
  show("fails with a table", pcall(require, "failstable"))
  module("cyclic.lua", "cycle = pcall(require, 'cyclic') return 1")
  module("yields.lua", "coroutine.yield()")
  show("yields", coroutine.resume(coroutine.create(function() return pcall(require, "yields") end)))
  show("missing", pcall(require, "missing"))
  show("missing", pcall(require, "missing.inner"))
  show("misuse", pcall(require))
  show("misuse", pcall(require, {}))
  show("number", pcall(require, 12))
  package.preload.pre = function(...) return {...} end
  show("preload", table.unpack((require "pre")))
  show("preload", select(2, require "pre"))
  package.preload.failing = function() error("preload fails") end
  show("preload", pcall(require, "failing"))
  package.preload.notfunction = 12
  show("preload", pcall(require, "notfunction"))
  show("searchpath", package.searchpath("plain", package.path) == dir .. "/plain.lua")
  show("searchpath", package.searchpath("a.b", "./?.x;/?/y"))
  show("searchpath", package.searchpath("a.b", "./?.x", ".", "_"))
  show("searchpath", package.searchpath("a-b", "./?.x", "-", "+"))
  show("searchpath", package.searchpath("a", ""))
  show("searchpath", package.searchpath("a", ";;"))
  show("searchpath", pcall(package.searchpath, "a"))
  table.insert(package.searchers, 1, function(n) if n == "mine" then return function(...) return {...} end, "data" end return "\n\tno mine" end)
  show("searcher", table.unpack((require "mine")))
  show("searcher", select(2, require "mine"))
  show("searcher", (select(2, pcall(require, "gone")):gsub("\n.*", "")))
  package.searchers[1] = function() return 12 end
  show("searcher", pcall(require, "gone2") )
  package.searchers[1] = function() return nil end
  show("searcher", (pcall(require, "gone2")))
  package.searchers[1] = function() error("searcher fails", 0) end
  show("searcher", pcall(require, "gone3"))
  table.remove(package.searchers, 1)
  local searchers = package.searchers
  package.searchers = nil
  show("no searchers", pcall(require, "gone4"))
  package.searchers = {}
  show("empty searchers", pcall(require, "gone5"))
  package.searchers = searchers
  package.path = nil
  show("no path", pcall(require, "gone6"))
  package.path = dir .. "/?.lua"
  local cpath = package.cpath
  package.cpath = 12
  show("number as cpath", pcall(require, "gone7"))
  package.cpath = {}
  show("table as cpath", pcall(require, "gone8"))
  package.cpath = cpath
  show("loadlib", package.loadlib("/nonexistent.so", "f"))
  show("loadlib", package.loadlib("/nonexistent.so", "*"))
  module("notalib.so", "text")
  show("loadlib", (select(3, package.loadlib(dir .. "/notalib.so", "f"))))
  package.cpath = dir .. "/?.so"
  show("not a library", (pcall(require, "notalib")))
  show("all in one", (pcall(require, "notalib.inner")))
  package.cpath = cpath
  package.path = old
  os.execute("rm -r " .. dir)
end
os.remove(name)
