-- Sort numbers by sleeping: a thread for each sleeps as long as its number says.
--
--   lwkt-lua sleepsort.lua [number...]
local unit = 0.02

local numbers = {}
for i, word in ipairs(arg) do
  numbers[i] = tonumber(word) or error("not a number: " .. word, 0)
end
if #numbers == 0 then numbers = { 30, 10, 50, 20, 40, 0, 25 } end

-- One-way messages arrive in the order in which the sleepers wake.
local woken = lwkt.port()
for _, n in ipairs(numbers) do
  lwkt.create({ name = "sleeper " .. n }, function()
    lwkt.sleep(math.max(n, 0) * unit)
    woken:send(n)
  end)
end

for _ = 1, #numbers do print((woken:recv())) end
