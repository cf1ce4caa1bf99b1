-- status: 7
-- From a comparator and a callback that have waited on native stacks, in a message handler.
lwkt.create(function()
  table.sort({ 3, 2, 1 }, function()
    lwkt.sleep(0.001)
    string.gsub("abc", ".", function()
      lwkt.sleep(0.001)
      xpcall(error, function() os.exit(7) end)
    end)
  end)
end)
lwkt.recv()
