-- status: 2
-- stdout: waiting
-- stderr: [Dd]eadlock
-- stderr: thread 1
-- The main thread waits for a message that nobody can send.
print("waiting")
lwkt.recv()
