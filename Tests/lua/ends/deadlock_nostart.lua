-- status: 2
-- stderr: [Dd]eadlock
-- stderr: 1\.1 \(never\)
-- Joining a thread that nobody starts.
lwkt.create({ name = "never", nostart = true }, function() end):join()
