-- A class in a module, with inheritance, operators and a module variable.
local Shape = {}
Shape.__index = Shape
Shape.unit = "cm"
Shape.origin = { x = 0, y = 0 }

-- Constants as far as scripts are concerned: each heap has its own.
local prefix = "a "
local made = 0

function Shape.new(name, width)
  made = made + 1
  return setmetatable({ name = name, width = width, at = Shape.origin }, Shape)
end

function Shape:describe() return prefix .. self.name .. " of " .. self:area() .. " " .. self.unit end
function Shape:area() return self.width end
function Shape.__add(a, b) return Shape.new(a.name .. "+" .. b.name, a.width + b.width) end
function Shape.__eq(a, b) return a.width == b.width end
function Shape.__lt(a, b) return a.width < b.width end
function Shape.made() return made end

local Square = setmetatable({}, { __index = Shape })
Square.__index = Square
Shape.Square = Square

function Square.new(width) return setmetatable(Shape.new("square", width), Square) end
function Square:area() return self.width * self.width end

return Shape
