-- Modules written in C and a large library in Lua, as Debian has them: lua-cjson, lua-lpeg,
-- lua-filesystem, lua-socket, lua-penlight. Each Lua heap loads its own copy.
local check = require "check"
local eq, ok = check.eq, check.ok

local json = require "cjson"
local lpeg = require "lpeg"
local lfs = require "lfs"
local socket = require "socket"
local List = require "pl.List"

local function joined(f, ...)
  local results = table.pack(lwkt.create(f, ...):join())
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

-- In the main thread.
eq(json.encode { 1, { a = true } }, '[1,{"a":true}]')
eq((lpeg.C(lpeg.R "az" ^ 1) * " "):match "hello world", "hello")
eq(lfs.attributes("/", "mode"), "directory")
eq(tostring(List { 1, 2 }:map(function(x) return x * 2 end)), "{2,4}")

-- Captured, by a thread that finds its own copy of the module.
eq(joined(function() return json.encode(json.decode "[1, 2.5]") end), "[1,2.5]")
local encode, R, C = json.encode, lpeg.R, lpeg.C
eq(joined(function() return encode { "x" }, C(R "az" ^ 1):match "abc1" end), '["x"]')
eq(joined(function() return lfs.attributes("/", "mode") end), "directory")
ok(joined(function()
  for name in lfs.dir "/" do if name == "usr" then return true end end
end))
eq(joined(function()
  local server = assert(socket.bind("127.0.0.1", 0))
  local _, port = server:getsockname()
  local client = assert(socket.connect("127.0.0.1", port))
  local other = server:accept()
  client:send "ping\n"
  local line = other:receive()
  client:close() other:close() server:close()
  return line
end), "ping")

-- Null, which is the light userdata NULL, travels as a value of any kind.
local null, document = json.null, json.decode '{"a": [null, 1], "b": null}'
eq(joined(function() return json.encode { null } end), "[null]")
eq(joined(function(n) return n == json.null, json.encode { n } end, json.null), true)
eq(joined(function() return json.null end), json.null)
local copy = joined(function(d) return d, d.b == json.null end, document)
eq(copy.a[1], json.null)
eq(copy.a[2], 1)
local port = lwkt.port()
port:send(json.null, { [json.null] = json.null })
local first, second = port:recv()
eq(first, json.null)
eq(second[json.null], json.null)
local dict = lwkt.shared.table()
dict:set("null", { json.null })
eq(dict:get("null")[1], json.null)

-- Objects of C modules stay where they are, and the message says where that is.
local pattern = lpeg.P "x"
check.raises("create: cannot send userdata at upvalue 'pattern' of the thread function",
  lwkt.create, function() return pattern:match "x" end)
check.raises("cannot send userdata at [1].socket", port.send, port, { socket = socket.tcp() })
check.raises("cannot send light userdata", port.send, port, debug.upvalueid(joined, 1))
local instance = json.new()
check.raises("cannot send C function at upvalue 'instance%..-' of the thread function",
  lwkt.create, function() return instance.encode {} end)

-- Classes of a library that makes them in one module and fills them in another.
eq(joined(function() return tostring(List { 3, 1, 2 }:sort()) end), "{1,2,3}")
eq(joined(function(l) return tostring(l:sort()), getmetatable(l) == List end, List { 3, 1 }), "{1,3}")
eq(getmetatable(joined(function() return List { 1 } end)), List)
local provided = require "modules.provided"
eq(joined(function(o) return o:twice() + provided(1):twice() end, provided(4)), 10)

-- In thousands of threads on all workers.
local threads = {}
for i = 1, 2000 do
  threads[i] = lwkt.create(function()
    local text = json.encode { i = i, list = { json.null, i } }
    if i % 3 == 0 then lwkt.yield() end
    local back = json.decode(text)
    local digits = C(R "09" ^ 1):match(tostring(i))
    return back.i == i and back.list[1] == json.null and tonumber(digits)
  end)
end
for i, td in ipairs(threads) do
  local good, n = td:join()
  ok(good, n)
  eq(n, i)
end
print "ok"
