-- status: 1
-- stderr: syntax_error\.lua:6: .*near
-- Nothing of it runs.
print("not reached")

local = 5
