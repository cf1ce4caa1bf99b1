-- A fiber made, run and joined, and so on: microseconds each.
local clock, fiber = require "clock", require "fiber"
local count = tonumber(arg[1]) or 200000

local function nothing() end
local started = clock.monotonic()
for _ = 1, count do
  local one = fiber.new(nothing)
  one:set_joinable(true)
  one:join()
end
print((clock.monotonic() - started) / count * 1e6)
os.exit(0)
