-- status: 0
-- stdout: timed out
-- stdout: from a daemon
-- stdout: from the shell
-- stdout: from a busy thread
-- Waiting is not deadlock while a clock, a daemon, the kernel or a computation can end it.
local main = lwkt.curthread()
print((select(2, lwkt.recv(0.2))))

lwkt.create({ daemon = true }, function()
  lwkt.sleep(0.2)
  main:send("from a daemon")
  lwkt.recv()
end)
print(lwkt.recv())

local pipe = io.popen("sleep 1; echo from the shell")
print(pipe:read())
pipe:close()

lwkt.create(function()
  local stop = os.clock() + 0.3
  repeat until os.clock() > stop
  main:send("from a busy thread")
end)
print(lwkt.recv())
