-- Tables, and a C function that calls back.
local started = os.clock()
local seed = 42
for _ = 1, 4 do
  local numbers = {}
  for i = 1, 100000 do
    seed = (seed * 1103515245 + 12345) % 2147483648
    numbers[i] = seed
  end
  table.sort(numbers, function(a, b) return a > b end)
end
print(os.clock() - started)
