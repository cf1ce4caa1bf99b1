-- status: 7
-- From a variable that is closed by lwkt.exit, in a coroutine.
lwkt.create(function()
  coroutine.wrap(function()
    local var <close> = setmetatable({}, { __close = function() os.exit(7) end })
    lwkt.exit()
  end)()
end)
lwkt.recv()
