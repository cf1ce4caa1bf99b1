-- status: 0
-- stdout: false	joined
-- stdout: exit	false	notified
-- stdout: false	late
-- stdout: false	scoped
-- An error that somebody takes notice of is his matter: nothing is reported.
local function fail(word) error(word, 0) end

print(lwkt.create(fail, "joined"):join())

local td = lwkt.create({ nostart = true }, fail, "notified")
td:notify(lwkt.curthread().msgport)
td:schedule()
local word, _, ok, err = lwkt.recv()
print(word, ok, err)

td = lwkt.create(fail, "late")
lwkt.sleep(0.1)
print(td:join())

-- A scope raises it with the traceback.
local scoped, text = pcall(lwkt.scope, function(s) s:create(fail, "scoped") end)
print(scoped, (text:match("^[^\n]*")))
