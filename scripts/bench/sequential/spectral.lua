-- Floats in loops: the spectral norm of a matrix.
local n = 250

local function element(i, j)
  local ij = i + j - 1
  return 1.0 / (ij * (ij - 1) * 0.5 + i)
end

local function multiply(x, y, transposed)
  for i = 1, n do
    local sum = 0.0
    for j = 1, n do
      sum = sum + x[j] * (transposed and element(j, i) or element(i, j))
    end
    y[i] = sum
  end
end

local started = os.clock()
local u, v, t = {}, {}, {}
for i = 1, n do u[i] = 1 end
for _ = 1, 10 do
  multiply(u, t)
  multiply(t, v, true)
  multiply(v, t)
  multiply(t, u, true)
end
print(os.clock() - started)
