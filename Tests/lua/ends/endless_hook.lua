-- status: 0
-- stdout: main ends
-- stderr: thread 1\.1 \(hooked\), created at .*endless_hook\.lua:9 did not end
-- Lua calls no hook inside a hook, so nothing can end one that never ends: the process leaves without it,
-- whatever else it had to do: what was written before is not lost.
io.stdout:setvbuf("full")
print("main ends")
local over = lwkt.shared.counter(0)
local td = lwkt.create({ daemon = true, name = "hooked" }, function()
  debug.sethook(function() while over:get() == 1 do end end, "", 1)
  pcall(lwkt.recv)
end)
repeat lwkt.sleep(0.001) until td.wmesg
over:add(1)
