-- More threads wait where Lua cannot yield than there are native stacks: those that find none get an error
-- and are as if they had not begun to wait.
local check = require "check"

local threads <const> = check.is_sanitized() and 100 or 8400
local list = {}
for i = 1, threads do
  list[i] = lwkt.create(function()
    local got
    local function compare(a, b)
      got = got or lwkt.recv()
      return a < b
    end
    local ok, err = pcall(table.sort, { 3, 2, 1, 5, 4 }, compare)
    if ok then return "sorted", got end
    ok, err = pcall(table.sort, { 2, 1 }, coroutine.wrap(compare))
    if ok then return "sorted", got end
    return "refused", lwkt.recv(), err
  end)
end
local waiting = 0
check.eventually(function()
  waiting = 0
  for i = 1, threads do waiting = waiting + (list[i].wmesg and 1 or 0) end
  return waiting == threads
end, "all wait")
for i = 1, threads do list[i]:send(i) end
local refused = 0
for i = 1, threads do
  local how, number, err = check.join(list[i])
  check.eq(number, i, "what thread " .. i .. " has received")
  if how == "refused" then
    refused = refused + 1
    check.ok(err:find("too many threads wait inside C functions that call back", 1, true), err)
  end
end
check.eq(refused, math.max(0, threads - 8192), "refused")
check.done()
