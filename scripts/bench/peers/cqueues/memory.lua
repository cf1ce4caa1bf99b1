-- Coroutines that wait, each for a condition of its own: bytes of resident memory each.
local cqueues, condition = require "cqueues", require "cqueues.condition"
local count = tonumber(arg[1]) or 100000

local function resident()
  local file <close> = assert(io.open("/proc/self/statm"))
  file:read("n")
  return file:read("n") * 4096
end

local controller = cqueues.new()
local before, ready = resident(), 0
for _ = 1, count do
  controller:wrap(function()
    ready = ready + 1
    condition.new():wait()
  end)
end
while ready < count do assert(controller:step(0)) end
print((resident() - before) / count)
