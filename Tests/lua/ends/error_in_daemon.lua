-- status: 1
-- stderr: 1\.1 \(helper\)
-- stderr: a daemon fails
-- A daemon's error is nobody's less than another's.
local td = lwkt.create({ daemon = true, name = "helper" }, function() error("a daemon fails") end)
repeat lwkt.sleep(0.001) until td.state == "dead"
