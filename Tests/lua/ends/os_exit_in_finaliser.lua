-- status: 7
-- From a finaliser.
lwkt.create(function()
  setmetatable({}, { __gc = function() os.exit(7) end })
  collectgarbage()
  lwkt.recv()
end)
lwkt.recv()
