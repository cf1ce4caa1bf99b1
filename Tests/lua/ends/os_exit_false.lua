-- status: 1
-- From a coroutine in a comparator in a thread.
lwkt.create(function()
  table.sort({ 3, 2, 1 }, coroutine.wrap(function() os.exit(false) end))
end)
lwkt.recv()
