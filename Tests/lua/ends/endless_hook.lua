-- status: 0
-- stdout: main ends
-- stderr: thread 1\.1 \(hooked\), created at .*endless_hook\.lua:8 did not end
-- Lua calls no hook inside a hook, so nothing can end one that never ends: the process leaves without it,
-- whatever else it had to do: what was written before is not lost.
io.stdout:setvbuf("full")
print("main ends")
lwkt.create({ daemon = true, name = "hooked" }, function()
  pcall(lwkt.recv)
  debug.sethook(function() while true do end end, "", 1)
end)
lwkt.sleep(0.05)
