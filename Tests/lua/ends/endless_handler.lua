-- status: 0
-- stdout: end
-- A daemon in a message handler that never ends does not keep the program.
lwkt.create({ daemon = true }, function() xpcall(error, function() while true do end end) end)
lwkt.sleep(0.05)
print("end")
