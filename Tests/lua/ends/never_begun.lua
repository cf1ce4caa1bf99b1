-- status: 0
-- stdout: over
-- Sharing threads that nobody has begun, held by what outlives their heap: a port, and a table that holds
-- itself.
local function idle() end
lwkt.port("kept"):send(lwkt.create({ nostart = true, sharing = true }, idle))
local t = lwkt.shared.table()
t:set("thread", (lwkt.create({ nostart = true, sharing = true }, idle)))
t:set("self", t)
lwkt.create(function()
  lwkt.lookup("kept"):send(lwkt.create({ nostart = true, sharing = true }, idle))
end):join()
print("over")
