-- The string library and the collector.
local started = os.clock()
for round = 1, 30 do
  local parts = {}
  for i = 1, 10000 do parts[i] = ("%d:%s"):format(i * round, "word"):upper() end
  local text = table.concat(parts, ",")
  local count = 0
  for number in text:gmatch("(%d+):WORD") do count = count + #number end
  text = text:gsub("WORD", { WORD = "sentence" }):reverse()
end
print(os.clock() - started)
