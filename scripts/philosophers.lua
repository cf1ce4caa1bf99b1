-- The dining philosophers with tokens for forks: each takes the left one, then the right one, and
-- yet they never deadlock.
--
--   lwkt-lua philosophers.lua [philosophers] [meals]
--
-- Who has to wait for the right fork gives up the left one meanwhile and has both when it goes on.
-- For the same reason a philosopher must not wait while eating: a sleep would give up both forks,
-- which is right for a program, but no way to eat. So eating is work, and thinking is sleep.
local seats = tonumber(arg[1]) or 5
local meals = tonumber(arg[2]) or 100

local eating = lwkt.shared.array("i64", seats)

local function dine(seat)
  local left, right = lwkt.token("fork " .. seat), lwkt.token("fork " .. seat % seats + 1)
  local neighbours = { (seat - 2) % seats + 1, seat % seats + 1 }
  for meal = 1, meals do
    lwkt.sleep(((seat + meal) % 3) / 10000)
    local one <close> = left:get()
    local other <close> = right:get()
    eating[seat] = 1
    for bite = 1, 500 do
      for _, neighbour in ipairs(neighbours) do
        if neighbour ~= seat and eating[neighbour] == 1 then
          error(("seat %d eats with a fork of seat %d"):format(neighbour, seat))
        end
      end
    end
    eating[seat] = 0
  end
  return meals
end

local guests, eaten = {}, 0
for seat = 1, seats do
  guests[seat] = lwkt.create({ name = "philosopher " .. seat }, dine, seat)
end
for seat = 1, seats do
  local ok, result = guests[seat]:join()
  if not ok then error(result, 0) end
  eaten = eaten + result
end
print(("%d philosophers have had %d meals"):format(seats, eaten))
