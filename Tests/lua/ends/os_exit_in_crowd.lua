-- status: 7
-- From several threads at once, one with a token, while thousands wait, sleep and compute.
for i = 1, 5000 do
  lwkt.create({ pri = 2 }, function()
    if i % 3 == 0 then lwkt.recv() end
    if i % 3 == 1 then lwkt.sleep(1000) end
    while true do end
  end)
end
lwkt.token("held"):get()
for _ = 1, 20 do lwkt.create({ pri = 20 }, function() lwkt.sleep(0.01); os.exit(7) end) end
lwkt.sleep(0.01)
os.exit(7)
