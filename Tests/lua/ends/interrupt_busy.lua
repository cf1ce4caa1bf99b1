-- status: 0
-- stdout: false	true
-- stdout: a later wait works
-- Ctrl-C reaches a main thread that computes, and is over once it has been caught.
lwkt.create(function() os.execute("p=$PPID; (sleep 0.2; kill -INT $p) >/dev/null 2>&1 &") end)
local ok, err = pcall(function() while true do end end)
print(ok, tostring(err):find("interrupted!", 1, true) ~= nil)
lwkt.sleep(0.01)
print("a later wait works")
