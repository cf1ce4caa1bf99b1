-- A cache in front of slow servers. It answers hits itself and passes misses on: the slow server's
-- answer goes straight to the client who asked, and the cache is told what it was.
--
--   lwkt-lua cachesrv.lua [clients] [requests]
local clients = tonumber(arg[1]) or 100
local requests = tonumber(arg[2]) or 50
local keys = 40

-- Takes its time over each key, and tells the cache the result on its urgent queue, so that those
-- who are already waiting there for the same key profit from it.
local function origin(cache)
  local served = 0
  while true do
    local msg = lwkt.wait()
    local verb, key = msg:unpack()
    if verb == "stop" then return served end
    lwkt.sleep(0.002)
    local value = "value of " .. key
    cache.urgent:send("store", key, value)
    msg:reply(value)
    served = served + 1
  end
end

local function serve()
  local cache, origins, turn = {}, {}, 0
  for i = 1, 4 do
    origins[i] = lwkt.create({ name = "origin " .. i }, origin, lwkt.curthread().msgport)
  end
  local hits, misses = 0, 0
  while true do
    local msg = lwkt.wait()
    local verb, key, value = msg:unpack()
    if verb == "store" then
      cache[key] = value
    elseif verb == "stop" then
      for i = 1, 4 do origins[i]:send("stop") end
      return hits, misses
    elseif cache[key] then
      hits = hits + 1
      msg:reply(cache[key])
    else
      misses, turn = misses + 1, turn % 4 + 1
      msg:forward(origins[turn].msgport)
    end
  end
end

local server = lwkt.create({ name = "cache" }, serve)

lwkt.scope(function(s)
  for c = 1, clients do
    s:create({ name = "client " .. c }, function()
      for r = 1, requests do
        local key = (c * 7 + r * r) % keys
        local value = assert(server:domsg("get", key))
        assert(value == "value of " .. key, "the wrong answer")
      end
    end)
  end
end)

server:send("stop")
local ok, hits, misses = server:join()
if not ok then error(hits, 0) end
print(("%d requests by %d clients: %d hits, %d misses"):format(clients * requests, clients, hits,
  misses))
