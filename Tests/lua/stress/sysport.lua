-- The kernel kept busy: thousands of sleeps, pipes and files at once, some of them aborted.
local check = require "check"

local sys, errno = lwkt.sys, lwkt.errno

-- Fifty thousand sleeps within two seconds, from as many threads.
do
  local woken, count = lwkt.shared.counter(0), check.many(50000)
  local threads = {}
  for i = 1, count do
    threads[i] = lwkt.create(function(i)
      lwkt.sleep(i % 1000 / 1000)
      woken:add(1)
    end, i)
  end
  for i = 1, count do check.join(threads[i]) end
  check.eq(woken:get(), count, "all woke")
end

-- Ten thousand sleeps of one thread, every third aborted.
do
  local msgs = {}
  for i = 1, 10000 do
    msgs[i] = lwkt.sysport:sendmsg("nanosleep", i % 3 == 0 and 3600 or i % 100 / 1000)
  end
  for i = 3, 10000, 3 do msgs[i]:abort() end
  for i = 1, 10000 do
    if i % 3 == 0 then
      check.fails(errno.EINTR, "aborted", msgs[i]:wait(60))
    else
      check.ok(msgs[i]:wait(60), "slept")
    end
  end
end

-- Bytes through a hundred pipes, a reader and a writer each, in pieces of odd sizes.
do
  local readers, writers, total = {}, {}, 100000
  for i = 1, 100 do
    local r, w = sys.pipe()
    readers[i] = lwkt.create(function()
      local count, sum = 0, 0
      while true do
        local data = check.ok(sys.read(r, 777 + i))
        if data == "" then break end
        for k = 1, #data, 97 do sum = sum + data:byte(k) end
        count = count + #data
      end
      sys.close(r)
      return count
    end)
    writers[i] = lwkt.create(function()
      local left = total
      while left > 0 do
        left = left - check.ok(sys.write(w, ("p"):rep(math.min(left, 999 + i))))
      end
      sys.close(w)
    end)
  end
  for i = 1, 100 do
    check.join(writers[i])
    check.eq(check.join(readers[i]), total, "bytes through pipe " .. i)
  end
end

-- Readers that are cancelled while the writer writes: each byte is read by somebody or left, and no cancel
-- is lost on a reader for whom the kernel has just found that another one was faster.
for _ = 1, check.many(20) do
  local r, w = sys.pipe()
  local got = lwkt.shared.counter(0)
  local readers = {}
  for i = 1, 200 do
    readers[i] = check.doomed({}, function()
      while true do got:add(#check.ok(sys.read(r, 3))) end
    end)
  end
  for i = 1, 200 do
    sys.write(w, "abc")
    readers[i]:abort("planned abort")
  end
  for i = 1, 200 do check.died("planned abort", readers[i]) end
  sys.close(w)
  local left = 0
  while true do
    local data = check.ok(sys.read(r, 1000))
    if data == "" then break end
    left = left + #data
  end
  sys.close(r)
  -- A read that had its bytes when the abort came may take them along.
  check.ok(got:get() + left <= 600, "no byte twice")
end

-- A file written and read in pieces by a thousand threads at once.
do
  local name = os.tmpname()
  local fd = check.ok(sys.open(name, "w+"))
  local list = {}
  for i = 0, 999 do
    list[i] = lwkt.create(function(i)
      local text = ("%07d\n"):format(i)
      check.eq(sys.pwrite(fd, text, i * 8), 8, "written")
      check.eq(sys.pread(fd, 8, i * 8), text, "read")
    end, i)
  end
  for i = 0, 999 do check.join(list[i]) end
  check.eq(sys.stat(name).size, 8000, "size")
  sys.close(fd)
  sys.unlink(name)
end

check.done()
