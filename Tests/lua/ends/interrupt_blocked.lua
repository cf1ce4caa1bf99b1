-- status: 1
-- stderr: interrupted!
-- Ctrl-C reaches a main thread that blocks its worker, whichever that is, in a read that would be long.
local pid = io.open("/proc/self/stat"):read("n")
lwkt.create({ daemon = true, cpu = 0 }, function() while true do lwkt.yield() end end)
lwkt.setcpu_self(lwkt.ncpus() - 1)
os.execute("(sleep 0.3; kill -INT " .. pid .. ") >/dev/null 2>&1 &")
local slow = io.popen("sleep 3; echo late")
print(slow:read())
