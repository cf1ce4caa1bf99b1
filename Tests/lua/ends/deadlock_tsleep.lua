-- status: 2
-- stderr: [Dd]eadlock
-- stderr: 1\.1 \(beauty\)
-- stderr: prince
-- The report gives each one's wmesg.
local td = lwkt.create({ name = "beauty" }, function() lwkt.tsleep("castle", "prince") end)
td:join()
