-- status: 0
-- stdout: main ends
-- stderr: thread 1\.1, created at .*endless_blocked\.lua:5 did not end
-- And with what blocks its worker in C.
lwkt.create({ daemon = true }, function()
  pcall(lwkt.recv)
  io.popen("exec sleep 20 2>/dev/null"):read()
end)
lwkt.sleep(0.05)
print("main ends")
