-- status: 7
-- From a variable that is closed by lwkt.exit.
lwkt.create(function()
  local var <close> = setmetatable({}, { __close = function() os.exit(7) end })
  lwkt.exit()
end)
lwkt.recv()
