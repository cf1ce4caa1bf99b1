-- status: 1
-- stdout: main fails
-- stdout: closed
-- stderr: error_in_main\.lua:[0-9]+: boom
-- stderr: stack traceback
-- An error in the main thread aborts the others, whose to-be-closed variables are closed.
local gate = lwkt.port()
lwkt.create(function()
  local var <close> = setmetatable({}, { __close = function() print("closed") end })
  gate:send("ready")
  lwkt.sleep(3600)
  print("not reached")
end)
gate:recv()
print("main fails")
io.stdout:flush()
error("boom")
