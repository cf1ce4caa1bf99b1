-- status: 0
-- stdout: main ends
-- stdout: file: written
-- A to-be-closed variable of the main chunk is closed when the chunk ends.
local var <close> = setmetatable({}, { __close = function() print("file: written") end })
print("main ends")
