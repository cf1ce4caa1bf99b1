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

-- The default files are per thread, like all of a thread's Lua, and of many threads too.
do
  local threads = {}
  for i = 1, 100 do
    threads[i] = lwkt.create(function(name)
      io.output(name)
      lwkt.sleep(0.001)
      io.write("in ", name)
      lwkt.yield()
      io.close()
      io.input(name)
      lwkt.sleep(0.001)
      local text = io.read("a")
      os.remove(name)
      return text
    end, path("default" .. i))
  end
  for i = 1, 100 do
    check.eq(check.join(threads[i]), "in " .. path("default" .. i), "io.output of a thread")
  end
  check.ok(io.output() == io.stdout, "main's is as it was")
end

-- Who reads a slow pipe holds up nobody. On one worker this would never end if it did: the writer
-- writes only when the others have answered.
do
  local name = path("fifo")
  check.ok(os.execute("mkfifo '" .. name .. "'"), "mkfifo")
  local ready = lwkt.port()
  local readers = {}
  for i = 1, 10 do
    readers[i] = lwkt.create({ cpu = i % lwkt.ncpus() }, function(i)
      local fifo = name .. i
      os.execute("mkfifo '" .. fifo .. "'")
      ready:send(i)
      local file = assert(io.open(fifo))
      local first, second = file:read("l", "n")
      file:close()
      os.remove(fifo)
      return first, second
    end, i)
  end
  for _ = 1, 10 do ready:recv(60) end
  local others = {}
  for i = 1, 50 do
    others[i] = lwkt.create({ cpu = i % lwkt.ncpus() }, function(i)
      lwkt.sleep(0.001)
      return i
    end, i)
  end
  for i = 1, 50 do check.eq(check.join(others[i]), i, "others run") end
  for i = 10, 1, -1 do
    local file = assert(io.open(name .. i, "w"))
    file:write("line " .. i .. "\n", i)
    file:close()
  end
  for i = 1, 10 do check.deep({ check.join(readers[i]) }, { "line " .. i, i }, "reader " .. i) end

  -- The same for os.execute and popen: each ends only when a thread on this worker has written.
  local executing = lwkt.create({ cpu = 0 }, function()
    return os.execute("read line < '" .. name .. "'; test \"$line\" = go")
  end)
  local writer = lwkt.create({ cpu = 0 }, function()
    lwkt.sleep(0.01)
    local file = assert(io.open(name, "w"))
    file:write("go\n")
    file:close()
  end)
  check.join(writer)
  check.eq(check.join(executing), true, "os.execute")

  local popen = lwkt.create({ cpu = 0 }, function()
    local pipe = io.popen("cat '" .. name .. "'")
    local text = pipe:read("a")
    pipe:close()
    return text
  end)
  writer = lwkt.create({ cpu = 0 }, function()
    local file = assert(io.open(name, "w"))
    file:write("through ")
    file:flush()
    lwkt.sleep(0.01)
    file:write("cat")
    file:close()
  end)
  check.eq(check.join(popen), "through cat", "io.popen")
  check.join(writer)
  os.remove(name)
end

-- Lines of one file from an iterator, in a coroutine, in a comparator: reading is a wait like any.
do
  local name = path("lines")
  local file = assert(io.open(name, "w"))
  for i = 1, 100 do file:write(i * 37 % 101, "\n") end
  file:close()
  local threads = {}
  for t = 1, 10 do
    threads[t] = lwkt.create(function()
      local numbers = {}
      for n in coroutine.wrap(function() for l in io.lines(name) do coroutine.yield(l) end end) do
        numbers[#numbers + 1] = tonumber(n)
      end
      table.sort(numbers, function(a, b)
        local file <close> = assert(io.open(name))
        check.ok(file:read("n"), "a number")
        return a < b
      end)
      for i = 2, 100 do check.ok(numbers[i - 1] < numbers[i], "sorted") end
      return #numbers
    end)
  end
  for t = 1, 10 do check.eq(check.join(threads[t]), 100, "lines") end
  os.remove(name)
end

-- A read that waits can be cancelled.
do
  local name = path("cancel")
  check.ok(os.execute("mkfifo '" .. name .. "'"), "mkfifo")
  local holder = lwkt.sys.open(name, "r+")
  local td = lwkt.create(function()
    local file <close> = assert(io.open(name))
    return file:read()
  end)
  check.waiting(td)
  td:abort("enough")
  check.died("enough", td)
  lwkt.sys.close(holder)
  os.remove(name)
end

-- Threads that write to one file: what one call writes stays together.
do
  local name = path("mixed")
  local file = assert(io.open(name, "w"))
  local threads = {}
  for i = 1, 10 do
    threads[i] = lwkt.create({ sharing = true }, function()
      for n = 1, 50 do file:write(("%02d"):format(i):rep(10) .. "\n") end
    end)
  end
  for i = 1, 10 do check.join(threads[i]) end
  file:close()
  local count = 0
  for line in io.lines(name) do
    check.eq(line, line:sub(1, 2):rep(10), "a whole line")
    count = count + 1
  end
  check.eq(count, 500, "lines")
  os.remove(name)
end

check.done()
