-- status: 1
-- stderr: interrupted!
-- stderr: stack traceback:
-- Ctrl-C reaches the only thread of a program, which computes: nothing else has been started for it.
local pid = io.open("/proc/self/stat"):read("n")
os.execute("(sleep 0.2; kill -INT " .. pid .. ") >/dev/null 2>&1 &")
while true do end
