-- status: 3
-- stdout: closed
-- With a true second argument the state of the caller is closed first, as in stock lua.
local var <close> = setmetatable({}, { __close = function() print("closed") end })
os.exit(3, true)
