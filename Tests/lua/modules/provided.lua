-- A class whose table belongs to another module.
local class = require("modules.provider").class
class.__index = class
function class.new(n) return setmetatable({ n = n }, class) end
function class:twice() return self.n * 2 end
return setmetatable(class, { __call = function(_, n) return class.new(n) end })
