-- The sysport: system calls as messages. Each call raw (`domsg`, `sendmsg`) and plain (`lwkt.sys`),
-- its errors, and aborting it.
local check = require "check"

local errno, sys, sysport = lwkt.errno, lwkt.sys, lwkt.sysport

-- A directory for all that follows, and its removal.
local dir = os.tmpname()
os.remove(dir)
check.ok(sys.mkdir(dir), "mkdir")
local function path(name) return dir .. "/" .. name end

local function mkfifo(name)
  check.ok(os.execute("mkfifo '" .. path(name) .. "'"), "mkfifo")
  return path(name)
end

check.ok(tostring(sysport):find("^port"), tostring(sysport))

-- nanosleep.
do
  check.ok(sysport:domsg("nanosleep", 0.01), "domsg")
  check.ok(sys.nanosleep(0.01), "plain")
  check.ok(sys.nanosleep(0), "none")
  local msg = sysport:sendmsg("nanosleep", 0.01)
  check.ok(msg:wait(60), "sendmsg")
  check.eq(msg:check(), true, "it is there")
  local inbox = lwkt.port()
  for _, tenths in ipairs { 6, 2, 4 } do sysport:sendmsg_to(inbox, "nanosleep", tenths / 10) end
  for _ = 1, 3 do check.ok(inbox:wait(60).isreply, "answers at a port") end
end

-- open, write, read, close, with strings for modes as in io.open.
do
  local name = path("plain")
  local fd = check.ok(sys.open(name, "w"))
  check.eq(math.type(fd), "integer", "a descriptor")
  check.eq(sys.write(fd, "hello "), 6, "write")
  check.eq(sysport:domsg("write", fd, "world\n"), 6, "write, raw")
  check.ok(sys.fsync(fd), "fsync")
  check.ok(sys.close(fd), "close")

  fd = sysport:domsg("open", name, "r")
  check.eq(sys.read(fd, 5), "hello", "read")
  check.eq(sysport:domsg("read", fd, 100), " world\n", "read, raw, as much as there is")
  check.eq(sys.read(fd, 100), "", "at the end")
  check.fails(errno.EBADF, "writing to it", sys.write(fd, "x"))
  check.ok(sysport:domsg("close", fd), "close, raw")
  check.fails(errno.EBADF, "closed", sys.read(fd, 1))
  check.fails(errno.EBADF, "closed", sys.close(fd))

  fd = sys.open(name, "a")
  sys.write(fd, "again")
  sys.close(fd)
  fd = sys.open(name, "r+")
  check.eq(sys.read(fd, 100), "hello world\nagain", "appended")
  check.eq(sys.pread(fd, 5, 6), "world", "pread")
  check.eq(sys.pwrite(fd, "WORLD", 6), 5, "pwrite")
  check.eq(sysport:domsg("pread", fd, 11, 0), "hello WORLD", "both by offset")
  check.eq(sys.pread(fd, 5, 1000), "", "beyond the end")
  sys.close(fd)
  fd = sys.open(name, "w+")
  check.eq(sys.read(fd, 10), "", "w+ empties it")
  sys.write(fd, "\0\255\n\0")
  check.eq(sys.pread(fd, 10, 0), "\0\255\n\0", "any bytes")
  sys.close(fd)
  check.ok(sys.unlink(name), "unlink")
end

-- Permission bits of what open makes, and what stat tells.
do
  local name = path("modes")
  sys.close(sys.open(name, "w", tonumber("600", 8)))
  local st = check.ok(sys.stat(name))
  check.eq(st.type, "file", "type")
  check.eq(st.size, 0, "size")
  check.eq(st.mode & tonumber("777", 8), tonumber("600", 8), "mode")
  check.ok(math.abs(st.mtime - os.time()) < 3600, "mtime is in seconds")
  local fd = sys.open(name, "w")
  sys.write(fd, ("x"):rep(1000))
  sys.close(fd)
  check.eq(sysport:domsg("stat", name).size, 1000, "size, raw")
  check.eq(sys.stat(dir).type, "directory", "a directory")
  check.ok(sys.stat("/dev/zero").type ~= "file", "a device is no file")
  check.fails(errno.ENOENT, "nothing there", sys.stat(path("missing")))
  sys.unlink(name)
end

-- Directories.
do
  check.deep(sys.readdir(dir), {}, "an empty one, without . and ..")
  check.ok(sys.mkdir(path("sub")), "mkdir")
  for i = 1, 300 do sys.close(sys.open(path("sub/file" .. i), "w")) end
  check.ok(sys.mkdir(path("sub/subsub")), "mkdir")
  local entries = sys.readdir(path("sub"))
  check.eq(#entries, 301, "entries")
  table.sort(entries, function(a, b) return a.name < b.name end)
  check.deep(entries[1], { name = "file1", type = "file" }, "a file")
  check.deep(entries[301], { name = "subsub", type = "directory" }, "a directory")
  check.eq(#sysport:domsg("readdir", path("sub")), 301, "raw")
  check.fails(errno.ENOTEMPTY, "rmdir", sys.rmdir(path("sub")))
  check.ok(sys.rename(path("sub/file1"), path("moved")), "rename")
  check.ok(sys.unlink(path("moved")), "unlink")
  for i = 2, 300 do sys.unlink(path("sub/file" .. i)) end
  check.ok(sys.rmdir(path("sub/subsub")), "rmdir")
  check.ok(sys.rmdir(path("sub")), "rmdir")
  check.fails(errno.ENOENT, "readdir", sys.readdir(path("sub")))
  check.fails(errno.ENOENT, "unlink", sys.unlink(path("sub")))
  check.fails(errno.EEXIST, "mkdir", sys.mkdir(dir))
end

-- Errors say what the system says.
do
  local text = check.fails(errno.ENOENT, "open", sys.open(path("missing"), "r"))
  check.ok(text:find("No such file or directory"), text)
  check.fails(errno.ENOENT, "open, raw", sysport:domsg("open", path("missing"), "r"))
  check.fails(errno.ENOENT, "open, later", sysport:sendmsg("open", path("missing"), "r"):wait(60))
  check.fails(errno.EISDIR, "open", sys.open(dir, "w"))
  check.fails(errno.EBADF, "read", sys.read(987654, 1))
  check.fails(errno.EBADF, "read", sys.read(-1, 1))
  check.raises("sysport: no system call 'frobnicate'", sysport.domsg, sysport, "frobnicate", 1)
  check.raises("bad argument", sysport.domsg, sysport)
  check.raises("bad argument #1 to 'read' (number expected, got string)", sysport.domsg, sysport,
    "read", "one", 1)
  check.raises("bad argument #1 to 'read'", sysport.sendmsg, sysport, "read", {})
  check.raises("bad argument", sys.read, "one", 1)
  check.raises("bad argument", sys.read, 0)
  check.raises("bad argument", sys.open, path("x"), "nonsense")
  check.raises("bad argument", sys.open)
  check.raises("bad argument", sys.nanosleep, "long")
  check.raises("bad argument", sys.pread, 0, 1)
  check.raises("bad argument", sys.write, 1)
  check.eq(sys.frobnicate, nil, "no such function")
end

-- A FIFO: who reads waits, and holds up nobody, whichever worker it is on.
do
  local name = mkfifo("fifo")
  local reader = lwkt.create(function()
    local fd = check.ok(sys.open(name, "r"))
    local parts = {}
    while true do
      local data = check.ok(sys.read(fd, 100))
      if data == "" then break end
      parts[#parts + 1] = data
    end
    sys.close(fd)
    return table.concat(parts)
  end)
  -- Opening a FIFO waits for the other end, which is this very thread, later.
  check.fails(errno.ETIMEDOUT, "the reader waits", reader:join(0.02))
  local fd = check.ok(sys.open(name, "w"))
  for i = 1, 50 do
    check.eq(sys.write(fd, "line " .. i .. "\n"), #("line " .. i .. "\n"), "write")
    if i % 10 == 0 then lwkt.sleep(0.001) end
  end
  sys.close(fd)
  local text = check.join(reader)
  check.eq(select(2, text:gsub("line %d+\n", "")), 50, "all lines")

  -- More than a pipe holds: the writer waits for the reader.
  local size = 1 << 20
  reader = lwkt.create(function()
    local fd, n = sys.open(name, "r"), 0
    repeat
      local data = check.ok(sys.read(fd, 10000))
      n = n + #data
    until data == ""
    sys.close(fd)
    return n
  end)
  fd = sys.open(name, "w")
  local written = 0
  while written < size do
    written = written + check.ok(sys.write(fd, ("x"):rep(math.min(size - written, 100000))))
  end
  sys.close(fd)
  check.eq(check.join(reader), size, "all bytes")
  sys.unlink(name)
end

-- Hundreds of threads each at a pipe of its own, one writer. Both ends at once: "r+" never waits.
do
  local count = 100
  local fds, threads = {}, {}
  for i = 1, count do
    local name = mkfifo("many" .. i)
    fds[i] = check.ok(sys.open(name, "r+"))
    threads[i] = lwkt.create(function(fd) return sys.read(fd, 100) end, fds[i])
  end
  for i = count, 1, -1 do sys.write(fds[i], "for " .. i) end
  for i = 1, count do check.eq(check.join(threads[i]), "for " .. i, "what arrived") end
  for i = 1, count do
    sys.close(fds[i])
    sys.unlink(path("many" .. i))
  end
end

-- poll: what of "r", "w", "rw" is ready.
do
  local name = mkfifo("poll")
  local fd = check.ok(sys.open(name, "r+"))
  check.eq(sys.poll(fd, "w"), "w", "there is room")
  check.eq(sys.poll(fd, "rw"), "w", "nothing to read")
  check.fails(errno.ETIMEDOUT, "with a limit", sys.poll(fd, "r", 0.01))
  check.fails(errno.ETIMEDOUT, "at once", sys.poll(fd, "r", 0))
  local waiter = lwkt.create(function() return sys.poll(fd, "r") end)
  check.waiting(waiter)
  sys.write(fd, "x")
  check.eq(check.join(waiter), "r", "somebody wrote")
  check.eq(sysport:domsg("poll", fd, "rw"), "rw", "both, raw")
  check.eq(sys.read(fd, 1), "x", "nothing was taken")
  check.raises("bad argument", sys.poll, fd, "x")
  sys.close(fd)
  sys.unlink(name)
end

-- abort: the call is given up, the answer says so, and nothing is lost.
do
  local name = mkfifo("abort")
  local fd = check.ok(sys.open(name, "r+"))
  local msg = sysport:sendmsg("read", fd, 10)
  check.fails(errno.ETIMEDOUT, "it waits", msg:wait(0.01))
  msg:abort()
  check.fails(errno.EINTR, "read", msg:wait(60))
  msg = sysport:sendmsg("poll", fd, "r")
  msg:abort()
  check.fails(errno.EINTR, "poll", msg:wait(60))
  sys.write(fd, "kept")
  check.eq(sys.read(fd, 10), "kept", "an aborted read takes nothing")

  -- The reader is cancelled: its read is aborted with it.
  local reader = lwkt.create(function() return sys.read(fd, 10) end)
  check.waiting(reader)
  reader:abort("enough")
  check.died("enough", reader)
  sys.write(fd, "still here")
  check.eq(sys.read(fd, 10), "still here", "nor does a cancelled one")
  sys.close(fd)
  sys.unlink(name)

  -- A hundred sleeps aborted out of a hundred and one.
  local sleeps = {}
  for i = 1, 100 do sleeps[i] = sysport:sendmsg("nanosleep", 3600 + i) end
  local short = sysport:sendmsg("nanosleep", 0.05)
  for i = 1, 100 do sleeps[i]:abort() end
  for i = 1, 100 do check.fails(errno.EINTR, "a long sleep", sleeps[i]:wait(60)) end
  check.ok(short:wait(60), "a short one")
end

-- Several calls at once for one thread, collected in any order.
do
  local name = path("batch")
  local fd = sys.open(name, "w+")
  local msgs = {}
  for i = 0, 99 do msgs[i] = sysport:sendmsg("pwrite", fd, ("%03d\n"):format(i), i * 4) end
  for i = 99, 0, -1 do check.eq(msgs[i]:wait(60), 4, "pwrite " .. i) end
  for i = 0, 99 do msgs[i] = sysport:sendmsg("pread", fd, 3, i * 4) end
  for i = 0, 99 do check.eq(msgs[i]:wait(60), ("%03d"):format(i), "pread " .. i) end
  sys.close(fd)
  sys.unlink(name)
end

-- Shared arrays as targets and sources: no copy on the way.
do
  local name = path("array")
  local fd = sys.open(name, "w+")
  local bytes = lwkt.shared.array("u8", 8)
  for i = 1, 8 do bytes[i] = 64 + i end
  check.eq(sys.write(fd, bytes), 8, "write from an array")
  bytes:fill(0)
  check.eq(sys.pread(fd, bytes, 0), 8, "pread into an array tells how many")
  check.eq(bytes:bytes(), "ABCDEFGH", "what came")
  local zero = sys.open("/dev/zero", "r")
  check.eq(sys.read(zero, bytes), 8, "read into an array")
  check.eq(bytes:bytes(), ("\0"):rep(8), "what came")
  sys.close(zero)
  sys.close(fd)
  sys.unlink(name)
end

-- A thousand threads in files at the same time.
do
  local zero = check.ok(sys.open("/dev/zero", "r"))
  local threads = {}
  for i = 1, 1000 do
    threads[i] = lwkt.create(function(i) return #sys.read(zero, i) end, i)
  end
  for i = 1, 1000 do check.eq(check.join(threads[i]), i, "bytes read") end
  sys.close(zero)
end

-- The small ones.
do
  local seconds = sys.clock_gettime("realtime")
  check.ok(math.abs(seconds - os.time()) < 3600, "realtime")
  local before = sys.clock_gettime("monotonic")
  lwkt.sleep(0.05)
  check.ok(sys.clock_gettime("monotonic") - before >= 0.045, "monotonic")
  check.ok(sys.clock_gettime() >= before, "monotonic unless told")
  check.eq(math.type(sys.getpid()), "integer", "getpid")
  local fd = sys.open("/dev/null", "w")
  check.eq(sys.isatty(fd), false, "isatty")
  sys.close(fd)
  local r, w = sys.pipe()
  check.eq(sys.write(w, "through"), 7, "pipe, in")
  check.eq(sys.read(r, 100), "through", "pipe, out")
  sys.close(w)
  check.eq(sys.read(r, 100), "", "its end")
  sys.close(r)
end

check.ok(sys.rmdir(dir), "everything is removed")
check.done()
