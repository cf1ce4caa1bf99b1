-- status: 0
-- stdout: main ends
-- stdout: child ends
-- stdout: grandchild ends
-- The main thread's end is not the program's while others have not ended.
local gate = lwkt.port()
lwkt.create(function()
  gate:recv()
  lwkt.sleep(0.1)
  print("child ends")
  lwkt.create(function()
    lwkt.sleep(0.1)
    print("grandchild ends")
  end)
end)
print("main ends")
gate:send("go")
