-- status: 1
-- stderr: 1\.1 \(helper\)
-- stderr: a daemon fails
-- A daemon's error is nobody's less than another's.
lwkt.create({ daemon = true, name = "helper" }, function() error("a daemon fails") end)
lwkt.sleep(0.1)
