-- status: 1
-- stderr: main fails
-- stderr: thread 1\.[12], created at .*endless_gc\.lua:\d+ did not end
-- So it is with finalisers; the status is that of the program.
local function never_ends()
  pcall(lwkt.recv)
  setmetatable({}, { __gc = function() while true do end end })
  collectgarbage()
end
for _ = 1, 2 do lwkt.create(never_ends) end
lwkt.sleep(0.05)
error("main fails")
