-- status: 1
-- stderr: a readable error
-- An error object that can be read as text.
error(setmetatable({}, { __tostring = function() return "a readable error" end }))
