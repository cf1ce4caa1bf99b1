-- status: 0
-- stdout: thread ends
-- stdout: collected in thread
-- stdout: main ends
-- stdout: collected in main
-- Finalisers run at the latest when a heap is closed, as in stock lua.
local function finaliser(text)
  return setmetatable({}, { __gc = function() print(text) end })
end
kept = finaliser("collected in main")
lwkt.create(function()
  local var = finaliser("collected in thread")
  print("thread ends")
  var = nil
  collectgarbage()
  collectgarbage()
end):join()
print("main ends")
