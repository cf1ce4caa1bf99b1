-- status: 1
-- stdout: main goes on
-- stdout: main ends
-- stderr: 1\.1 \(careless\)
-- stderr: error_unobserved\.lua:[0-9]+: nobody looked
-- stderr: stack traceback
-- Nobody joins it: it is reported with name, message and traceback; the others go on.
lwkt.create({ name = "careless" }, function()
  local function deeper() error("nobody looked") end
  deeper()
end)
print("main goes on")
lwkt.sleep(0.05)
print("main ends")
