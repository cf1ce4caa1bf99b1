-- Ten threads say hello from wherever they run; their creator gathers what they say.
--
--   lwkt-lua hello.lua [threads]
local count = tonumber(arg[1]) or 10

local threads = {}
for i = 1, count do
  threads[i] = lwkt.create({ name = "greeter " .. i }, function(i)
    return ("hello from %s on worker %d, number %d"):format(lwkt.curthread(), lwkt.mycpu(), i)
  end, i)
end

for i = 1, count do
  local ok, text = threads[i]:join()
  print(ok and text or "thread " .. i .. " failed: " .. tostring(text))
end
