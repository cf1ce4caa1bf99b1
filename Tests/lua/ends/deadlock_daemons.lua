-- status: 2
-- stderr: [Dd]eadlock
-- stderr: 1\.1 \(server\)
-- A daemon that waits keeps nobody's hope alive.
local port = lwkt.port()
lwkt.create({ daemon = true, name = "server" }, function() lwkt.recv() end)
port:recv()
