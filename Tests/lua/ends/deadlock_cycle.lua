-- status: 2
-- stdout: all are there
-- stderr: [Dd]eadlock
-- stderr: 1\.[23] \((alice|bob)\)
-- stderr: 1\.[23] \((alice|bob)\)
-- stderr: 1\.1 \(bystander\)
-- Two that ask each other, and one that waits for nobody's word. The members of the cycle are
-- reported first, then the rest, although the rest is older.
lwkt.create({ name = "bystander" }, function() lwkt.recv() end)
local function ask()
  local other = lwkt.recv()
  other:domsg("after you")
end
local alice = lwkt.create({ name = "alice" }, ask)
local bob = lwkt.create({ name = "bob" }, ask)
alice:send(bob)
bob:send(alice)
print("all are there")
alice:join()
