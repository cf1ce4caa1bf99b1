-- status: 7
-- stdout: leaving
-- os.exit ends the program at once, whoever calls it and whoever still waits or computes.
lwkt.create(function() lwkt.recv() end)
lwkt.create(function() while true do end end)
lwkt.create(function()
  print("leaving")
  os.exit(7)
end)
lwkt.recv()
