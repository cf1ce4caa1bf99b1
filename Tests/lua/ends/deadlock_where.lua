-- status: 2
-- stderr: [Dd]eadlock
-- stderr: deadlock_where\.lua:6
-- The report says where each thread was created.
local never = lwkt.port()
lwkt.create({ name = "child" }, function() never:recv() end)
