-- The help table knows all that there is, and nothing else. It is read from library/lwkt.lua, which is
-- generated from it; so a function without an entry, and an entry without a function, show here.
local check = require "check"

local CURE = ": the entries are in Sources/LWKTLua/Help*.swift, then: make docs"

local source = {}
local here = arg[0]:match("^(.*)/[^/]*$") or "."
for line in io.lines(here .. "/../../library/lwkt.lua") do source[#source + 1] = line end

-- What is documented: functions by full name, fields by class.
local functions, fields, class = {}, {}, nil
for _, line in ipairs(source) do
  local name = line:match("^function ([%w_.:]+)%(")
  if name then functions[name] = true end
  class = line:match("^%-%-%-@class ([%w_.]+)") or class
  local field, optional = line:match("^%-%-%-@field ([%w_]+)(%??) ")
  if field then
    fields[class] = fields[class] or {}
    fields[class][field] = optional == "" and "always" or "maybe"
  end
end

local existing = {}

local function exists(name)
  check.ok(functions[name], name .. " has no entry in the help table" .. CURE)
  existing[name] = true
end

local function walk(module, prefix)
  for name, value in pairs(module) do
    if type(value) == "function" then
      exists(prefix .. name)
    elseif type(value) == "table" and name ~= "errno" then
      walk(value, prefix .. name .. ".")
    end
  end
end

walk(lwkt, "lwkt.")

-- Handles: their metatables are in the registry; their members are __index, or an upvalue of it when
-- they have fields, which are numbers there.
local variables = {
  thread = "td", port = "port", message = "msg", token = "tok",
  ["shared counter"] = "counter", ["shared table"] = "tbl", ["shared array"] = "array",
}

local function members(metatable)
  if type(metatable.__index) == "table" then return metatable.__index end
  for n = 1, 2 do
    local _, value = debug.getupvalue(metatable.__index, n)
    if type(value) == "table" then return value end
  end
  return {}
end

local function isHandleType(value)
  return type(value) == "table" and rawget(value, "__metatable") == false
    and rawget(value, "__index") and rawget(value, "__name")
end

for _, metatable in pairs(debug.getregistry()) do
  if isHandleType(metatable) then
    for name, member in pairs(members(metatable)) do
      local variable = variables[metatable.__name]
      check.ok(variable, "no class of the help table is a " .. metatable.__name .. CURE)
      if type(member) == "function" then
        exists(variable .. ":" .. name)
      else
        local known = fields["lwkt." .. metatable.__name:gsub("^%l", string.upper)]
        check.ok(known and known[name], variable .. "." .. name .. " has no entry" .. CURE)
      end
    end
  end
end

lwkt.scope(function(scope)
  for name in pairs(scope) do exists("scope:" .. name) end
end)

for name in pairs(functions) do
  check.ok(existing[name], name .. " is in the help table but does not exist" .. CURE)
end

-- Fields of handles: all of them at once, on handles that have them.
do
  local waiter = lwkt.create({ name = "waiter" }, lwkt.recv)
  check.waiting(waiter)
  local port = lwkt.port { name = "help", limit = 5 }
  port:send(1)
  local handles = {
    ["lwkt.Thread"] = waiter, ["lwkt.Port"] = port, ["lwkt.Message"] = port:wait(),
    lwkt = lwkt,
  }
  for class, handle in pairs(handles) do
    check.ok(fields[class], class .. " has fields")
    for field in pairs(fields[class]) do
      check.ok(handle[field] ~= nil, class .. "." .. field .. " does not exist" .. CURE)
    end
  end

  -- Tables that functions return: what they have is documented, and what is documented they have.
  local function agrees(class, records)
    local seen = {}
    for _, record in ipairs(records) do
      for field in pairs(record) do
        check.ok(fields[class][field], class .. "." .. field .. " has no entry" .. CURE)
        seen[field] = true
      end
      for field, when in pairs(fields[class]) do
        if when == "always" then
          check.ok(record[field] ~= nil, class .. "." .. field .. " is not there" .. CURE)
        end
      end
    end
    return seen
  end

  local ref <close> = lwkt.token("help"):get()
  local only_at_prompt = { run_s = true, accounted_s = true }
  for class, records in pairs {
    ["lwkt.ThreadInfo"] = lwkt.threads(), ["lwkt.PortInfo"] = lwkt.ports(),
    ["lwkt.TokenInfo"] = lwkt.tokens(), ["lwkt.Stat"] = lwkt.stat(),
    ["lwkt.FileStat"] = { lwkt.sys.stat("/") }, ["lwkt.DirectoryEntry"] = lwkt.sys.readdir("/"),
  } do
    local seen = agrees(class, records)
    for field in pairs(fields[class]) do
      check.ok(seen[field] or only_at_prompt[field], class .. "." .. field .. " does not exist" .. CURE)
    end
  end
  waiter:send()
  check.join(waiter)
end

-- Options: each is one that the function knows.
do
  local makers = {
    ["lwkt.CreateOptions"] = function(options) lwkt.create(options, print) end,
    ["lwkt.PortOptions"] = lwkt.port,
    ["lwkt.SharedOptions"] = lwkt.shared.table,
  }
  for class, make in pairs(makers) do
    for option in pairs(fields[class]) do
      -- Of a type that no option has.
      local text = check.raises("option", make, { [option] = print })
      check.ok(not text:find("unknown"), class .. "." .. option .. " does not exist: " .. text)
    end
  end
  local text = check.raises("unknown", lwkt.create, { nonsense = 1 }, print)
  for option in text:match("there are (.*)%)"):gmatch("%w+") do
    check.ok(fields["lwkt.CreateOptions"][option], option .. " has no entry" .. CURE)
  end
  text = check.raises("unknown", lwkt.port, { nonsense = 1 })
  for option in text:match("there are (.*)%)"):gmatch("%w+") do
    check.ok(fields["lwkt.PortOptions"][option], option .. " has no entry" .. CURE)
  end
end

check.done()
