-- A thread begins with its creator's `package.path`, also in a heap where threads with another one
-- have begun before it.
local check = require "check"

do
  local before, main = package.path, lwkt.curthread()
  local old = lwkt.create(function()
    for _ = 1, 3 do
      lwkt.recv()
      local paths = {}
      for index = 1, 100 do
        paths[index] = lwkt.create(function() return package.path end)
      end
      for index, td in ipairs(paths) do paths[index] = select(2, assert(td:join())) end
      for index = 2, #paths do check.eq(paths[index], paths[1], "path") end
      main:send(paths[1])
    end
  end)
  for round = 1, 3 do
    package.path = before .. ";./round" .. round .. "/?.lua"
    local threads = {}
    for index = 1, 100 do threads[index] = lwkt.create(function() return package.path end) end
    for _, td in ipairs(threads) do check.eq(check.join(td), package.path, "path of the round") end
    old:send(true)
    check.eq(lwkt.recv(), before, "path of a thread whose creator has kept it")
  end
  package.path = before
end

check.done()
