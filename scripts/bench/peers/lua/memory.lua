-- Coroutines that have begun and wait: bytes of resident memory each.
local count = tonumber(arg[1]) or 100000

local function resident()
  local file = assert(io.open("/proc/self/statm"))
  local _, pages = file:read("*n", "*n")
  file:close()
  return pages * 4096
end

local before = resident()
local all = {}
for i = 1, count do
  all[i] = coroutine.create(function() coroutine.yield() end)
  coroutine.resume(all[i])
end
print((resident() - before) / count)
