-- The standard io and os libraries in threads: their behaviour to the letter, and a thread that
-- reads something slow never holds up a worker.
local check = require "check"

local base = os.tmpname()
os.remove(base)
local function path(name) return base .. "." .. name end

-- The letter: each way of reading and writing gives what stock Lua gives.
local function letter(tag)
  local name = path(tag)
  local file = assert(io.open(name, "w"))
  check.eq(io.type(file), "file", "io.type")
  check.eq(file:write("one\n", 2, "\n", 3.5, "\nfour"), file, "write returns the file")
  check.eq(file:seek("cur"), 14, "seek")
  check.eq(file:close(), true, "close")
  check.eq(io.type(file), "closed file", "io.type")
  check.raises("attempt to use a closed file", file.read, file)

  file = assert(io.open(name))
  check.eq(file:read(), "one", "a line")
  check.eq(file:read("n"), 2, "a number")
  check.eq(file:read("L"), "\n", "a line with its end")
  check.eq(file:read(2), "3.", "two bytes")
  check.deep({ file:read("l", "a") }, { "5", "four" }, "two formats")
  check.eq(file:read("a"), "", "all of nothing")
  check.eq(file:read("l"), nil, "no line at the end")
  check.eq(file:seek("set", 4), 4, "back")
  check.deep(table.pack(file:read("n", "n", "n")), { 2, 3.5, nil, n = 3 }, "numbers")
  file:close()

  local lines = {}
  for line in io.lines(name) do lines[#lines + 1] = line end
  check.deep(lines, { "one", "2", "3.5", "four" }, "io.lines")
  check.raises("No such file or directory", io.lines, path("missing"))
  check.deep({ io.open(path("missing")) },
    { nil, path("missing") .. ": No such file or directory", lwkt.errno.ENOENT }, "io.open")
  check.raises("invalid mode", io.open, name, "rubbish")

  file = assert(io.open(name, "a+"))
  file:setvbuf("full", 1024)
  file:write("\nfive")
  file:flush()
  file:seek("set")
  check.eq(#file:read("a"), 19, "a+")
  file:close()

  check.eq(os.rename(name, name .. "2"), true, "os.rename")
  check.deep({ os.remove(name) }, { nil, name .. ": No such file or directory", lwkt.errno.ENOENT },
    "os.remove")
  check.eq(os.remove(name .. "2"), true, "os.remove")

  local pipe = assert(io.popen("echo from; echo popen; exit 3"))
  check.eq(pipe:read("a"), "from\npopen\n", "io.popen")
  check.deep({ pipe:close() }, { nil, "exit", 3 }, "its end")
  pipe = assert(io.popen("cat > '" .. name .. "'", "w"))
  pipe:write("to popen")
  check.deep({ pipe:close() }, { true, "exit", 0 }, "its end")
  check.eq(assert(io.open(name)):read("a"), "to popen", "what it wrote")
  os.remove(name)

  check.deep({ os.execute("exit 5") }, { nil, "exit", 5 }, "os.execute")
  check.deep({ os.execute("true") }, { true, "exit", 0 }, "os.execute")
  check.deep({ os.execute("kill -9 $$") }, { nil, "signal", 9 }, "a signal")
  check.eq(os.execute(), true, "a shell")
  local tmp = io.tmpfile()
  tmp:write("tmp")
  tmp:seek("set")
  check.eq(tmp:read("a"), "tmp", "io.tmpfile")
  return tag
end

letter("main")
do
  local threads = {}
  for i = 1, 10 do threads[i] = lwkt.create(letter, "thread" .. i) end
  for i = 1, 10 do check.eq(check.join(threads[i]), "thread" .. i, "in threads at once") end
end

check.done()
