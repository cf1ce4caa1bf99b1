-- A hundred thousand threads that are all alive at once: created, each asked for something, each
-- told something, joined. Then the same for threads in one Lua heap.
local check = require "check"

local count = check.many(100000)

local function all_at_once(options)
  local threads = {}
  for i = 1, count do
    threads[i] = lwkt.create(options, function(i)
      local msg = lwkt.wait()
      msg:reply(i, (msg:unpack()))
      return i + lwkt.recv()
    end, i)
  end
  local asked = {}
  for i = count, 1, -1 do asked[i] = threads[i]:sendmsg(-i) end
  for i = 1, count do
    local mine, yours = asked[i]:wait(60)
    check.eq(mine, i, "who answers")
    check.eq(yours, -i, "what was asked")
    asked[i] = nil
  end
  for i = 1, count do threads[i]:send(1) end
  for i = 1, count do
    check.eq(check.join(threads[i]), i + 1, "result")
    threads[i] = nil
  end
end

all_at_once({})
collectgarbage()
all_at_once({ sharing = true })

-- Created by many at the same time.
do
  local makers = {}
  for m = 1, 100 do
    makers[m] = lwkt.create(function()
      local sum, threads = 0, {}
      for i = 1, count // 100 do
        threads[i] = lwkt.create(function(n) return n end, i)
      end
      for i = 1, #threads do sum = sum + check.join(threads[i]) end
      return sum
    end)
  end
  local each = count // 100
  for m = 1, 100 do check.eq(check.join(makers[m]), each * (each + 1) // 2, "maker " .. m) end
end

check.done()
