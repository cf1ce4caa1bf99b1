-- status: 1
-- stderr: main fails
-- stderr: thread 1\.[12], created at .*endless_gc\.lua:\d+ did not end
-- So it is with finalisers; the status is that of the program.
local function never_ends()
  local kept = setmetatable({}, { __gc = function() while true do end end })
  pcall(lwkt.recv)
  kept = nil
  collectgarbage()
end
local one, other = lwkt.create(never_ends), lwkt.create(never_ends)
repeat lwkt.sleep(0.001) until one.wmesg and other.wmesg
error("main fails")
