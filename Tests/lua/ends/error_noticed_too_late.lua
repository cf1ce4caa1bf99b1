-- status: 1
-- stdout: false	too late
-- stderr: 1\.1 \(forgotten\)
-- stderr: too late
-- A second without notice is too long: it has been reported when somebody joins at last.
local td = lwkt.create({ name = "forgotten" }, function() error("too late", 0) end)
lwkt.sleep(4)
print(td:join())
