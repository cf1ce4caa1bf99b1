-- status: 7
-- From a script's hook.
lwkt.create(function()
  debug.sethook(function() os.exit(7) end, "", 1)
  while true do end
end)
lwkt.recv()
