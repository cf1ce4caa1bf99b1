-- Many clerks move money between accounts while an auditor adds it all up again and again. Each
-- account has a token; who touches it holds that, so the sum always holds.
--
--   lwkt-lua bank.lua [clerks] [transfers]
local clerks = tonumber(arg[1]) or 200
local transfers = tonumber(arg[2]) or 500
local accounts, deposit = 12, 1000

-- Lua values are never shared between threads; this array is. Its single reads and writes are safe
-- by themselves, but a transfer is four of them.
local balance = lwkt.shared.array("i64", accounts)
balance:fill(deposit)
local open = lwkt.shared.counter(1)

local function token_of(account) return lwkt.token("account " .. account) end

-- Tokens never deadlock: in whatever order two clerks take the same two, one waits and gives up
-- what it holds meanwhile, and has both when it goes on.
local function transfer(from, to, amount)
  local first <close> = token_of(from):get()
  local second <close> = token_of(to):get()
  if balance[from] < amount then return false end
  balance[from] = balance[from] - amount
  balance[to] = balance[to] + amount
  return true
end

local function clerk(number)
  local refused = 0
  math.randomseed(number)
  for _ = 1, transfers do
    local done = transfer(math.random(accounts), math.random(accounts), math.random(100))
    if not done then refused = refused + 1 end
  end
  return refused
end

local function total()
  local sum = 0
  for i = 1, accounts do token_of(i):get() end
  for i = 1, accounts do sum = sum + balance[i] end
  for i = accounts, 1, -1 do token_of(i):rel() end
  return sum
end

local auditor = lwkt.create({ name = "auditor" }, function()
  local audits = 0
  repeat
    assert(total() == accounts * deposit, "money was lost or made")
    audits = audits + 1
    lwkt.yield()
  until open:get() == 0
  return audits
end)

local staff, refused = {}, 0
for i = 1, clerks do staff[i] = lwkt.create({ name = "clerk " .. i }, clerk, i) end
for i = 1, clerks do
  local ok, result = staff[i]:join()
  if not ok then error(result, 0) end
  refused = refused + result
end
open:set(0)
local ok, audits = auditor:join()
if not ok then error(audits, 0) end

print(("%d transfers, %d of them refused for lack of funds"):format(clerks * transfers, refused))
print(("%d audits found %d each time"):format(audits, accounts * deposit))
print("balances: " .. table.concat(balance:slice(), " "))
