-- Prime numbers by a pipeline: each thread holds one prime, passes on what it does not divide, and
-- creates its successor when the first such number comes.
--
--   lwkt-lua sieve.lua [limit]
--
-- The ports between them hold only so many numbers, so a fast stage waits for a slow one and the
-- pipeline stays small in memory however long it gets.
local limit = tonumber(arg[1]) or 2000
local batch = 64

local primes = lwkt.port()

local function stage(input)
  local prime = input:recv()
  if not prime then return primes:send(nil) end
  primes:send(prime)
  local output = lwkt.port { limit = batch }
  lwkt.create({ name = "filter " .. prime }, stage, output)
  while true do
    local n = input:recv()
    if not n then return output:send(nil) end
    if n % prime ~= 0 then output:send(n) end
  end
end

local first = lwkt.port { limit = batch }
lwkt.create({ name = "first filter" }, stage, first)
lwkt.create({ name = "generator" }, function()
  for n = 2, limit do first:send(n) end
  first:send(nil)
end)

local count, line = 0, {}
while true do
  local prime = primes:recv()
  if not prime then break end
  count = count + 1
  line[#line + 1] = ("%7d"):format(prime)
  if #line == 10 then
    print(table.concat(line))
    line = {}
  end
end
if #line > 0 then print(table.concat(line)) end
print(("%d primes up to %d, each found by a thread of its own"):format(count, limit))
