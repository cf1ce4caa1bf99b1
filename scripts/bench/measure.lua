-- Running programs and making sense of the figures they print.
local measure = {}

-- `text` as one word for the shell.
function measure.quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

-- The numbers on the last line that `command` prints, or nil and how it failed.
function measure.run(command, patience)
  local pipe = assert(io.popen(("timeout %d %s 2>&1"):format(patience or 120, command)))
  local last = ""
  for line in pipe:lines() do last = line end
  local ok, _, status = pipe:close()
  if not ok then
    return nil, status == 124 and "took too long" or ("status %d: %s"):format(status, last)
  end
  local numbers = {}
  for word in last:gmatch("%S+") do
    local number = tonumber(word)
    if not number then return nil, "printed " .. last end
    numbers[#numbers + 1] = number
  end
  return numbers
end

-- Whether `command` succeeds.
function measure.succeeds(command)
  return os.execute("{ " .. command .. "; } >/dev/null 2>&1") or false
end

-- The middle one; its argument is sorted by it.
function measure.median(numbers)
  table.sort(numbers)
  return numbers[(#numbers + 1) // 2]
end

-- Four digits that matter.
function measure.show(number)
  if not number then return "" end
  if number >= 1000 then return ("%.0f"):format(number) end
  return (("%.4g"):format(number))
end

-- Lua values of strings, numbers, booleans, lists and records as JSON; keys in order.
function measure.json(value)
  if type(value) == "string" then
    return '"' .. value:gsub('[%c"\\]', function(c) return ("\\u%04x"):format(c:byte()) end) .. '"'
  elseif type(value) ~= "table" then
    return tostring(value)
  elseif #value > 0 or not next(value) then
    local parts = {}
    for i, element in ipairs(value) do parts[i] = measure.json(element) end
    return "[" .. table.concat(parts, ", ") .. "]"
  end
  local parts = {}
  for key, field in pairs(value) do
    parts[#parts + 1] = measure.json(key) .. ": " .. measure.json(field)
  end
  table.sort(parts)
  return "{" .. table.concat(parts, ", ") .. "}"
end

return measure
