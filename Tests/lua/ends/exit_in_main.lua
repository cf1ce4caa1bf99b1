-- status: 0
-- stdout: closed
-- stdout: child	main's result
-- lwkt.exit in the main thread ends that thread only, and what it gives can be joined.
local main = lwkt.curthread()
lwkt.create(function() print("child", select(2, main:join())) end)
local var <close> = setmetatable({}, { __close = function() print("closed") end })
pcall(lwkt.exit, "main's result")
print("not reached")
