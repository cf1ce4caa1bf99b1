-- status: 2
-- stdout: before
-- stderr: [Dd]eadlock
-- What was written before is not lost.
io.write("before\n")
lwkt.lookup("no such port")
