-- stdin: first line
-- stdin: 42 and the rest
-- status: 0
-- stdout: first line
-- stdout: 42
-- stdout:  and the rest
-- Standard input can be read by any thread; one at a time, each goes on where the last one was.
print(select(2, lwkt.create(function() return io.read() end):join()))
print(select(2, lwkt.create(function() return io.read("n") end):join()))
print(io.read())
