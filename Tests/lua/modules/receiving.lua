-- A module that receives, from a port that exists by then, while it is being loaded.
local value = lwkt.lookup("starts.receiving", 60):recv()
return { get = function() return value end }
