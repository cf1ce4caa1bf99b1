-- status: 1
-- stdout: closed in main
-- stdout: closed in thread
-- stderr: interrupted!
-- Ctrl-C raises an error in the main thread, as stock lua does; that ends the others in order.
local gate = lwkt.port()
lwkt.create(function()
  local var <close> = setmetatable({}, { __close = function() print("closed in thread") end })
  gate:send("ready")
  lwkt.recv()
end)
gate:recv()
local var <close> = setmetatable({}, { __close = function() print("closed in main") end })
os.execute("p=$PPID; (sleep 0.2; kill -INT $p) >/dev/null 2>&1 &")
lwkt.sleep(3600)
print("not reached")
