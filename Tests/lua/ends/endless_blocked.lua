-- status: 0
-- stdout: main ends
-- stderr: thread 1\.1, created at .*endless_blocked\.lua:5 did not end
-- And with what blocks its worker in C.
local td = lwkt.create({ daemon = true }, function()
  local pipe <close> = io.popen("exec sleep 20 2>/dev/null") -- its closing waits for the child
  lwkt.recv()
end)
repeat lwkt.sleep(0.001) until td.wmesg
print("main ends")
