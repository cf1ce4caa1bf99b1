// ReplPrinter.swift: the part of the driver that shows values: within the width of the screen, within
// limits, and whatever refers to itself.

extension ReplDriver {
  static let printer = #"""
    local type, tostring, pcall, rawlen, next = type, tostring, pcall, rawlen, next
    local getmetatable, rawget, mathtype = debug.getmetatable, rawget, math.type
    local format, rep, find, gsub, sub = string.format, string.rep, string.find, string.gsub, string.sub
    local concat, sort, utf8len, utf8offset = table.concat, table.sort, utf8.len, utf8.offset
    local style, width, visible = repl.style, repl.width, repl.visible

    local most_depth <const> = 6
    local most_items <const> = 100 -- of one table
    local most_text <const> = 500 -- bytes of a string inside a table
    local most_nodes <const> = 3000 -- of one value

    local escapes = { ["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r", ['"'] = '\\"', ["\\"] = "\\\\" }

    local function quoted(text)
      local rest = #text - most_text
      if rest > 0 then
        local last = most_text
        while last > most_text - 4 and find(text, "^[\128-\191]", last + 1) do last = last - 1 end
        text, rest = sub(text, 1, last), #text - last
      end
      text = visible(gsub(text, '[\n\t\r"\\]', escapes))
      return '"' .. text .. '"' .. (rest > 0 and format("... %d more bytes", rest) or "")
    end

    local keywords = {}
    for word in ([[and break do else elseif end false for function goto if in local nil not or repeat
      return then true until while]]):gmatch("%a+") do keywords[word] = true end

    local function is_name(text)
      return find(text, "^[%a_][%w_]*$") and not keywords[text]
    end

    -- Text and width of what is no plain table.
    local function scalar(value)
      local kind = type(value)
      if kind == "string" then
        local text = quoted(value)
        return style(text, "string"), width(text)
      end
      local ok, text = pcall(tostring, value)
      if not ok or type(text) ~= "string" then text = "(" .. kind .. " that cannot be shown)" end
      text = visible(text)
      local is_plain = kind == "number" or kind == "boolean" or kind == "nil"
      return style(text, is_plain and "number" or "meta"), width(text)
    end

    local function is_plain_table(value)
      if type(value) ~= "table" then return false end
      local meta = getmetatable(value)
      return not (type(meta) == "table" and rawget(meta, "__tostring"))
    end

    local rank = { number = 1, string = 2, boolean = 3 }
    local function before(a, b)
      local first, second = rank[type(a)] or 4, rank[type(b)] or 4
      if first ~= second then return first < second end
      if first <= 2 then return a < b end
      return pcall(tostring, a) and pcall(tostring, b) and tostring(a) < tostring(b)
    end

    local function path_to(stack, depth)
      local path = "_"
      for level = 1, depth do
        local key = stack[level]
        if type(key) == "string" and is_name(key) then
          path = path .. "." .. key
        else
          path = path .. "[" .. (type(key) == "string" and quoted(key) or tostring(key)) .. "]"
        end
      end
      return path
    end

    -- The printer of one value: how deep it is, what it is inside of, how much is left.
    local show

    local function items_of(state, value, depth)
      local items, count, left = {}, rawlen(value), 0
      for index = 1, count do
        if index > most_items or state.nodes <= 0 then
          left = count - index + 1
          break
        end
        state.keys[depth] = index
        items[#items + 1] = { "", 0, show(state, rawget(value, index), depth) }
      end
      local keys = {}
      for key in next, value do
        if mathtype(key) ~= "integer" or key < 1 or key > count then keys[#keys + 1] = key end
      end
      if #keys <= 10000 then pcall(sort, keys, before) end
      for position, key in ipairs(keys) do
        if #items >= most_items or state.nodes <= 0 then
          left = left + #keys - position + 1
          break
        end
        local text, taken
        if type(key) == "string" and is_name(key) then
          text, taken = key, #key
        else
          text, taken = scalar(key)
          text, taken = "[" .. text .. "]", taken + 2
        end
        state.keys[depth] = key
        items[#items + 1] = { text .. " = ", taken + 3, show(state, rawget(value, key), depth) }
      end
      if left > 0 then
        local text = "... " .. left .. " more"
        items[#items + 1] = { "", 0, style(text, "faint"), #text }
      end
      return items
    end

    -- All in one line if it fits; else an item a line, short values of a list side by side.
    local function laid_out(state, items, depth)
      local room = state.columns - 2 * depth
      local total, is_flat = 2, true
      for _, item in ipairs(items) do
        total = total + item[2] + item[4] + 2
        if item[5] then is_flat = false end
      end
      if is_flat and total <= room then
        local parts = {}
        for index, item in ipairs(items) do parts[index] = item[1] .. item[3] end
        return "{ " .. concat(parts, ", ") .. " }", total + 2, false
      end
      local indent = rep("  ", depth)
      local lines, line, used = {}, "", 0
      for index, item in ipairs(items) do
        local text, taken = item[1] .. item[3] .. (index < #items and "," or ""), item[4] + 2
        if item[2] == 0 and not item[5] and used > 0 and used + taken <= room then
          line, used = line .. " " .. text, used + taken
        else
          if used > 0 then lines[#lines + 1] = line end
          line, used = indent .. text, item[2] == 0 and not item[5] and taken or room
        end
      end
      lines[#lines + 1] = line
      return "{\n" .. concat(lines, "\n") .. "\n" .. rep("  ", depth - 1) .. "}", 0, true
    end

    -- Text, width, and whether it takes several lines.
    function show(state, value, depth)
      state.nodes = state.nodes - 1
      if not is_plain_table(value) then
        local text, taken = scalar(value)
        return text, taken, false
      end
      if state.inside[value] then
        local text = "<cycle: " .. path_to(state.keys, state.inside[value]) .. ">"
        return style(text, "faint"), #text, false
      end
      if next(value) == nil then return "{}", 2, false end
      if depth >= most_depth then return style("{...}", "faint"), 5, false end
      state.inside[value] = depth
      local items = items_of(state, value, depth + 1)
      state.inside[value] = nil
      return laid_out(state, items, depth + 1)
    end

    function repl.pretty(value, columns)
      local state = { nodes = most_nodes, columns = columns, inside = {}, keys = {} }
      return show(state, value, 0)
    end

    -- The values of an evaluation, in a line if they fit. Strings are shown without quotes.
    function repl.show_values(values, first, last)
      local columns = ui.size()
      local texts, total, is_flat = {}, 0, true
      for index = first, last do
        local value = values[index]
        local text, taken, many
        if type(value) == "string" then
          text = visible(value)
          taken, many = width(text), find(text, "\n") ~= nil
        else
          text, taken, many = repl.pretty(value, columns)
        end
        texts[#texts + 1] = text
        total = total + taken + 8
        if many then is_flat = false end
      end
      repl.writeln(concat(texts, is_flat and total <= columns + 8 and "\t" or "\n"))
    end
    """#
}
