-- What the tests have in common. Each Lua heap loads a copy of this module of its own, so it keeps
-- no state: a check in a thread raises an error, and `check.join` raises it again in the joiner.
local check = {}

local function show(value)
  if type(value) ~= "string" then return tostring(value) end
  if #value > 200 then return string.format("%q... (%d bytes)", value:sub(1, 200), #value) end
  return string.format("%q", value)
end

local function complain(what, text)
  error((what and what .. ": " or "") .. text, 3)
end

-- 1 and 1.0 are different answers: the kind of a number must survive copying.
local function same(a, b)
  return rawequal(a, b) or (a == b and math.type(a) == math.type(b))
end

function check.eq(got, want, what)
  if not same(got, want) then
    complain(what, "wanted " .. show(want) .. ", got " .. show(got))
  end
end

function check.ok(value, what)
  if not value then complain(what, "wanted a true value, got " .. show(value)) end
  return value
end

-- The first place where two values differ, or nil. `seen` pairs the tables being compared, so that
-- cycles end and must have the same shape on both sides.
local function difference(got, want, path, seen)
  if type(got) ~= "table" or type(want) ~= "table" then
    if same(got, want) then return nil end
    return path .. ": wanted " .. show(want) .. ", got " .. show(got)
  end
  if seen[want] then
    return seen[want] ~= got and path .. ": another table than before" or nil
  end
  seen[want] = got
  for key, value in pairs(want) do
    local found = difference(got[key], value, path .. "[" .. show(key) .. "]", seen)
    if found then return found end
  end
  for key, value in pairs(got) do
    if want[key] == nil then return path .. ": unexpected " .. show(key) .. " = " .. show(value) end
  end
end

function check.deep(got, want, what)
  local found = difference(got, want, "value", {})
  if found then complain(what, found) end
end

-- `fn(...)` must raise an error whose message contains `pattern`, as plain text or as a Lua
-- pattern. Returns the error.
function check.raises(pattern, fn, ...)
  local results = table.pack(pcall(fn, ...))
  if results[1] then complain("raises", "no error, wanted " .. show(pattern)) end
  local text = tostring(results[2])
  if not (text:find(pattern, 1, true) or text:find(pattern)) then
    complain("raises", "wanted " .. show(pattern) .. ", got " .. show(text))
  end
  return results[2]
end

-- What follows `what` must be the three results of a failed operation: nil, message, `errno`.
function check.fails(errno, what, ...)
  local first, message, number = ...
  if math.type(errno) ~= "integer" then complain(what, "no such errno in lwkt.errno") end
  if first ~= nil then complain(what, "did not fail: " .. show(first)) end
  if type(message) ~= "string" then complain(what, "failed with no message: " .. show(message)) end
  if number ~= errno then
    complain(what, "wanted errno " .. errno .. ", got " .. show(number) .. " (" .. message .. ")")
  end
  return message
end

-- Seconds that a thread has to end; LWKT_TEST_PATIENCE times as many where everything is slow.
local patience = 60 * (tonumber(os.getenv("LWKT_TEST_PATIENCE")) or 1)

-- Join a thread that must have ended well; its results.
function check.join(td, what)
  local results = table.pack(td:join(patience))
  if results[1] == nil then
    complain(what, tostring(td) .. " still waits (" .. show(td.wmesg) .. ") after " .. patience .. " s")
  elseif not results[1] then
    complain(what, tostring(td) .. " died: " .. tostring(results[2]))
  end
  return table.unpack(results, 2, results.n)
end

-- Join a thread that must have died of an error with `pattern` in it; the error.
function check.died(pattern, td, what)
  local ok, err = td:join(patience)
  if ok ~= false then complain(what, "wanted " .. tostring(td) .. " dead, got " .. show(ok)) end
  local text = tostring(err)
  if not (text:find(pattern, 1, true) or text:find(pattern)) then
    complain(what, "wanted it dead of " .. show(pattern) .. ", got " .. show(text))
  end
  return err
end

-- Create a thread that may die, which is looked at whenever its turn comes: a port is told of its death,
-- so that it is not reported after a second.
function check.doomed(options, fn, ...)
  options.nostart = true
  local td = lwkt.create(options, fn, ...)
  td:notify(lwkt.port())
  td:schedule()
  return td
end

-- Poll until `fn()` is true. Only for what no message can announce: another thread's state, mostly.
-- The minute is for a machine that does many other things.
function check.eventually(fn, what)
  for _ = 1, 60000 do
    local value = fn()
    if value then return value end
    lwkt.sleep(0.001)
  end
  complain(what, "did not happen within a minute")
end

-- Poll until `td` waits, for whatever it may be.
function check.waiting(td)
  for _ = 1, 60000 do
    if td.wmesg then return td end
    lwkt.sleep(0.001)
  end
  complain(nil, tostring(td) .. " does not wait")
end

-- A thread has `tok` to itself, running all the time, until what is returned is called.
function check.held(tok)
  local state = lwkt.shared.counter(0)
  local holder = lwkt.create(function()
    tok:get()
    state:add(1)
    while state:get() == 1 do end
    tok:rel()
  end)
  while state:get() == 0 do lwkt.yield() end
  return function()
    check.eq(state:get(), 1, "the holder holds on")
    state:add(1)
    check.join(holder)
  end
end

-- Is this a build with a sanitizer? It takes terabytes of addresses for what it notes, is slow, and
-- keeps memory that was given back for a while.
function check.is_sanitized()
  for line in io.lines("/proc/self/status") do
    local kb = line:match("^VmSize:%s+(%d+)")
    if kb then return tonumber(kb) > 1 << 30 end
  end
end

-- `n`, or a tenth of it where a sanitizer makes everything slow.
function check.many(n) return check.is_sanitized() and n // 10 or n end

function check.done()
  print("ok")
end

return check
