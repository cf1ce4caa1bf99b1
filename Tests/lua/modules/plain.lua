-- A module that hands out functions over its own locals, and one table deep inside.
local plain = { deep = { er = { answer = 42 } } }

local factor = 3
local function scaled(n) return n * factor end

function plain.scale(n) return scaled(n) end

-- A closure made by a module is no part of it: it travels as code and captured values.
function plain.counter(start)
  local n = start
  return function()
    n = n + 1
    return n
  end
end

return plain
