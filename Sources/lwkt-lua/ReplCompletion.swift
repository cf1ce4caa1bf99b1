// ReplCompletion.swift: the part of the driver that knows what could stand at the cursor.

extension ReplDriver {
  static let completion = #"""
    local next, type, rawget, pcall, sort = next, type, rawget, pcall, table.sort
    local getmetatable, getupvalue = debug.getmetatable, debug.getupvalue
    local sub, match, find, gmatch, gsub = string.sub, string.match, string.find, string.gmatch, string.gsub
    local globals, lwkt, sys, locals, package = repl.globals, repl.lwkt, repl.sys, repl.locals, package
    local getenv = os.getenv

    local function begins(text, prefix) return sub(text, 1, #prefix) == prefix end

    -- Fields of handles that are no methods.
    local fields = {
      thread = { "id", "name", "state", "cpu", "pri", "wmesg", "msgport" },
      port = { "urgent", "id", "name", "limit", "kind" },
      message = { "sender", "isreply" },
      token = { "name" },
    }

    -- Call `add(key, value)` for what can be indexed in `value`, without running anybody's code.
    local function each_field(value, add)
      for _ = 1, 10 do
        if type(value) == "table" then
          for key, field in next, value do
            if type(key) == "string" then add(key, field) end
          end
        end
        local meta = getmetatable(value)
        if type(meta) ~= "table" then return end
        for _, name in ipairs(fields[rawget(meta, "__name")] or {}) do add(name, nil) end
        local index = rawget(meta, "__index")
        if type(index) == "function" then
          -- The methods of a handle are an upvalue of its __index.
          local _, methods = getupvalue(index, 1)
          index = methods
        end
        if type(index) ~= "table" then return end
        value = index
      end
    end

    local function field_of(value, name)
      local found
      each_field(value, function(key, field) if key == name and found == nil then found = field end end)
      return found
    end

    local function local_value(name)
      local entry = locals[name]
      if entry == nil then return nil end
      if not entry.get then return entry.value end
      local _, value = getupvalue(entry.get, entry.index)
      return value
    end

    local function value_at(...)
      local first = ...
      if first == nil then return "" end
      local value = local_value(first)
      if value == nil then value = field_of(globals, first) end
      for index = 2, select("#", ...) do
        if value == nil then return nil end
        value = field_of(value, (select(index, ...)))
      end
      return value
    end

    local keywords = {}
    for word in ([[and break do else elseif end false for function goto if in local nil not or repeat
      return then true until while]]):gmatch("%a+") do keywords[#keywords + 1] = word end

    local sources = {}

    function sources.name(add)
      for _, word in ipairs(keywords) do add(word) end
      for name in next, locals do add(name) end
      each_field(globals, function(key) if find(key, "^[%a_][%w_]*$") then add(key) end end)
    end

    function sources.field(add, _, ...)
      each_field(value_at(...), function(key) if find(key, "^[%a_][%w_]*$") then add(key) end end)
    end

    function sources.method(add, _, ...)
      each_field(value_at(...), function(key, value)
        local meta = getmetatable(value)
        local is_callable = type(value) == "function" or type(meta) == "table" and rawget(meta, "__call")
        if is_callable and find(key, "^[%a_][%w_]*$") then add(key) end
      end)
    end

    local function each_entry(folder, body)
      for _, entry in ipairs(sys.readdir(folder == "" and "." or folder) or {}) do
        body(type(entry) == "table" and entry.name or entry, type(entry) == "table" and entry.type)
      end
    end

    function sources.file(add, prefix)
      local folder, name = match(prefix, "^(.*/)([^/]*)$")
      if not folder then folder, name = "", prefix end
      local place = gsub(folder, "^~/", (getenv("HOME") or "~") .. "/")
      each_entry(place, function(entry)
        if sub(entry, 1, 1) == "." and sub(name, 1, 1) ~= "." then return end
        if not begins(entry, name) then return end
        local status = sys.stat(place .. entry)
        add(folder .. entry .. (status and status.type == "directory" and "/" or ""))
      end)
    end

    -- Modules that are loaded, or that a template of the path would find.
    function sources.module(add, prefix)
      for name in next, package.loaded do if type(name) == "string" then add(name) end end
      for name in next, package.preload do if type(name) == "string" then add(name) end end
      local parent, name = match(prefix, "^(.*%.)([^.]*)$")
      if not parent then parent, name = "", prefix end
      for template in gmatch(package.path .. ";" .. package.cpath, "[^;]+") do
        local before, after = match(template, "^(.-)%?(.*)$")
        if before then
          local folder = before .. gsub(parent, "%.", "/")
          each_entry(folder, function(entry)
            if not begins(entry, name) then return end
            if find(after, "^/") then
              if sys.stat(folder .. entry .. after) then add(parent .. entry) end
            elseif sub(entry, -#after) == after and #entry > #after then
              add(parent .. sub(entry, 1, -#after - 1))
            end
          end)
        end
      end
    end

    function sources.meta(add) for name in next, repl.commands do add(":" .. name) end end
    function sources.help(add) for name in gmatch(ui.helpnames(), "%S+") do add(name) end end
    function sources.thread(add) for _, info in ipairs(lwkt.threads()) do add(info.id) end end

    local most <const> = 2000

    function repl.complete(kind, prefix, start, ...)
      local words, seen = {}, {}
      local function add(word)
        if seen[word] or not begins(word, prefix) or #words >= most then return end
        seen[word] = true
        words[#words + 1] = word
      end
      pcall(sources[kind], add, prefix, ...)
      sort(words)
      ui.completions(start, table.unpack(words))
    end
    """#
}
