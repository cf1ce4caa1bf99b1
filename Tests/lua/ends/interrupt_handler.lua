-- status: 1
-- stdout: false
-- stderr: interrupted!
-- Ctrl-C ends a message handler that never ends, and is an error where that would have returned.
os.execute("p=$PPID; (sleep 0.2; kill -INT $p) >/dev/null 2>&1 &")
local main_goes_on <close> = setmetatable({}, { __close = function() print(false) end })
xpcall(error, function() while true do end end)
while true do end
