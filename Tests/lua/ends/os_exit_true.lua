-- status: 0
-- stdout: no newline
-- As in stock lua: true is success, and buffers are written.
lwkt.create({ daemon = true }, function() while true do end end)
io.write("no newline")
os.exit(true)
