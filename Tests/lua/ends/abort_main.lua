-- status: 1
-- stdout: closed
-- stderr: aborted by a child
-- The main thread can be aborted like any other; that is an error in the main thread.
local main = lwkt.curthread()
local var <close> = setmetatable({}, { __close = function() print("closed") end })
lwkt.create(function() main:abort("aborted by a child") end)
lwkt.sleep(3600)
print("not reached")
