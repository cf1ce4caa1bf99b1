-- main only: Ctrl-C is for the main thread
-- Ctrl-C ends a read that blocks, and a protected call of that catches the error.
local pid = io.open("/proc/self/stat"):read("n")
local slow <close> = io.popen("sleep 2; echo late")
os.execute("(sleep 0.3; kill -INT " .. pid .. ") >/dev/null 2>&1 &")
print(pcall(slow.read, slow))
print("goes on")
