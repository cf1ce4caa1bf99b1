-- status: 0
-- stdout: main ends
-- The program ends when the last non-daemon thread has, whatever the daemons do.
lwkt.create({ daemon = true }, function() while true do end end)
lwkt.create({ daemon = true }, function() lwkt.sleep(3600) end)
lwkt.create({ daemon = true }, function() lwkt.recv() end)
lwkt.sleep(0.05)
print("main ends")
