-- A module that waits while it is being loaded.
lwkt.sleep(0.005)
local reply = lwkt.lookup("waits.echo", 60):domsg("loaded")
return { reply = reply, name = ... }
