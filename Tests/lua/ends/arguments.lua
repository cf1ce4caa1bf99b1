-- args: one two 3
-- status: 0
-- stdout: one	two	3
-- stdout: 3	one	string
-- stdout: true
-- stdout: two
-- Arguments arrive as for stock lua, and `arg` is a global that threads may name.
print(...)
print(#arg, arg[1], type(arg[3]))
print(arg[0]:find("arguments.lua", 1, true) ~= nil)
print(select(2, lwkt.create(function() return arg[2] end):join()))
