-- What print has written when a __tostring raises or prints.
-- main only: in a program with threads a line leaves in one piece
print(pcall(print, "before", setmetatable({}, {__tostring = function() error("in tostring", 0) end}), "after"))
print("x", setmetatable({}, {__tostring = function() io.write("<written inside>") return "y" end}), "z")
print("x", setmetatable({}, {__tostring = function() print("a line inside") return "y" end}), "z")
print(pcall(print, 1, setmetatable({}, {__tostring = function() return 12 end})))
print(coroutine.resume(coroutine.create(function()
  print("in", setmetatable({}, {__tostring = coroutine.yield}))
end)))
