-- status: 2
-- stdout: taken
-- stdout: collected
-- stderr: [Dd]eadlock
-- stderr: thread 1 waits for an answer from thread 1\.1
-- stderr: thread 1\.1 waits for port
-- A request that its receiver still has is not answered by anybody else, however long all heaps are
-- searched for one that was dropped. That they are is seen by a finaliser.
local port = lwkt.port()
lwkt.create({ daemon = true }, function()
  local msg = port:wait()
  print("taken")
  setmetatable({}, { __gc = function() print("collected") end })
  port:wait()
  msg:reply()
end)
port:domsg()
