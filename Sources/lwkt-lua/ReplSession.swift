// ReplSession.swift: the part of the driver that evaluates: compiling with the locals of earlier
// blocks, results, errors.

extension ReplDriver {
  static let session = #"""
    local load, xpcall, pcall, pack, tostring = load, xpcall, pcall, table.pack, tostring
    local getupvalue, upvaluejoin, traceback = debug.getupvalue, debug.upvaluejoin, debug.traceback
    local rep, match, gmatch, find, gsub, sub =
      string.rep, string.match, string.gmatch, string.find, string.gsub, string.sub
    local concat, rawset, type, getmetatable = table.concat, rawset, type, debug.getmetatable
    local lwkt, globals, style, hold = repl.lwkt, repl.globals, repl.style, ui.hold
    local visible = repl.visible
    local curthread, setpri, crit_exit = lwkt.curthread, lwkt.setpri_self, lwkt.crit_exit

    -- Lines are counted through the session, so that a message names one for good.
    local line = 1
    local sources = {}
    repl.done = {} -- the blocks that raised no error, for :save

    -- The locals of earlier blocks: how to get at the variable, or the value of a constant.
    local locals = {}
    repl.locals = locals

    -- ---- compiling ----

    local function compile(text)
      local lines = rep("\n", line - 1)
      local source = lines .. "return " .. text
      if load(source, "=stdin", "t") then return "return " .. text end
      local chunk, message = load(lines .. text, "=stdin", "t")
      if chunk then return text end
      return nil, message
    end

    local function ends_early(message)
      return find(message, "<eof>$") and not find(message, "unfinished string", 1, true)
    end

    -- As an expression or as a statement, it could go on.
    function repl.is_incomplete(text)
      local body, message = compile(text)
      if body then return false end
      local _, other = load("return " .. text, "=stdin", "t")
      return (ends_early(message) or ends_early(other)) and true or false
    end

    local function keep(name, entry)
      local old = locals[name]
      if old and old.get then hold(old.get, old.index, false) end
      if entry.get then hold(entry.get, entry.index, true) end
      locals[name] = entry
    end

    -- What the calls in a block do: see ReplSource.swift.
    local function keeper(declarations)
      return function(number, get)
        local declaration = declarations[number]
        local position = 0
        for name in gmatch(declaration.names, "%S+") do
          position = position + 1
          for index = 1, 255 do
            local found = getupvalue(get, index)
            if found == nil then break end
            if found == name then keep(name, { get = get, index = index }) end
          end
        end
        if declaration.constants == "" then return end
        local values = pack(get())
        for name in gmatch(declaration.constants, "%S+") do
          position = position + 1
          keep(name, { value = values[position] })
        end
      end
    end

    -- The block as a function that sees the locals of earlier blocks; or nil and what is wrong.
    local function chunk_of(body)
      local text, declarations, names = ui.prepare(body)
      local constants, values, variables = { "__lwkt_keep <const>" }, { keeper(declarations) }, {}
      for name in next, names do
        local entry = locals[name]
        if entry and entry.get then
          variables[#variables + 1] = name
        elseif entry then
          constants[#constants + 1] = name .. " <const>"
          values[#constants] = entry.value
        end
      end
      local head = "local " .. concat(constants, ", ") .. " = ... "
      if #variables > 0 then head = head .. "local " .. concat(variables, ", ") .. " " end
      local source = rep("\n", line - 1) .. head .. "return function(...) " .. text .. "\nend"
      local wrapper, message = load(source, "=stdin", "t")
      if not wrapper then return nil, message end
      local chunk = wrapper(table.unpack(values, 1, #constants))
      for index = 1, 255 do
        local name = getupvalue(chunk, index)
        if name == nil then break end
        local entry = locals[name]
        if entry and entry.get then upvaluejoin(chunk, index, entry.get, entry.index) end
      end
      return chunk, declarations
    end

    -- ---- errors ----

    local function text_of(value)
      if type(value) == "string" then return value end
      local meta = getmetatable(value)
      if type(meta) == "table" and meta.__tostring then
        local ok, text = pcall(tostring, value)
        if ok and type(text) == "string" then return text end
      end
      local ok, text = pcall(repl.pretty, value, ui.size())
      return "(error object is a " .. type(value) .. " value)" .. (ok and " " .. text or "")
    end

    -- The calls inside of the block, the innermost first.
    local function short_trace(trace)
      local calls = {}
      for call in gmatch(trace, "[^\n]+") do
        if find(call, "^%s+%[C%]: in %?$") then break end
        if find(call, "^%s") then calls[#calls + 1] = call end
      end
      -- Who raised it, if that is all it does, is not where it went wrong.
      local raiser = match(calls[1] or "", "^%s+%[C%]: in function '(%a+)'")
      if raiser == "error" or raiser == "assert" then table.remove(calls, 1) end
      local last = calls[#calls]
      if last then calls[#calls] = gsub(last, "(stdin:%d+: in) main chunk$", "%1 this block") end
      if #calls < 2 then return "" end
      if #calls > 10 then
        local cut = #calls - 9
        calls = { table.unpack(calls, 1, 5) , "\t... " .. cut .. " more",
          table.unpack(calls, #calls - 3) }
      end
      return "\n" .. concat(calls, "\n")
    end

    local function at_line(text)
      local number = tonumber(match(text, "^stdin:(%d+):"))
      local source = sources[number]
      if not source then return "" end
      return "\n" .. style("  " .. number .. " | ", "faint") .. ui.colour(source)
    end

    local function report(text, trace)
      text, trace = visible(text), visible(trace)
      repl.writeln(style(text, "error") .. at_line(text) .. style(trace, "faint"))
    end
    repl.report = report

    local function failed(value) return { value, traceback("", 2) } end

    -- ---- running ----

    -- True and the results; or nil, when the error has been shown. What is soon done does not stand in
    -- line behind a thousand busy threads; what takes longer does, at the priority that evaluations
    -- have had last.
    local priority = curthread().pri
    function repl.run(chunk)
      repl.forget_keys()
      ui.deadlock()
      ui.begin(priority)
      local results = pack(xpcall(chunk, failed))
      ui.over()
      priority = curthread().pri
      setpri(31)
      while pcall(crit_exit) do end
      if results[1] then return results end
      report(ui.deadlock() or text_of(results[2][1]), short_trace(results[2][2]))
      return nil
    end

    local function note_results(results)
      if results.n < 2 then return end
      rawset(globals, "_", results[2])
      for index = 1, 9 do rawset(globals, "_" .. index, results[index + 1]) end
    end

    local function note_lines(text)
      for source in gmatch(text .. "\n", "(.-)\n") do
        sources[line] = source
        line = line + 1
      end
    end

    -- Evaluate a block and show what it comes to. `timed` is called with how long it took.
    function repl.evaluate(text, timed)
      local body, message = compile(text)
      local chunk, declarations
      if body then
        chunk, declarations = chunk_of(body)
        if not chunk then message = declarations end
      end
      note_lines(text)
      if not chunk then return report(message, "") end
      local start = lwkt.sys.clock_gettime("monotonic")
      local results = repl.run(chunk)
      local took = lwkt.sys.clock_gettime("monotonic") - start
      if results then
        note_results(results)
        if not timed then repl.done[#repl.done + 1] = text end
        if results.n > 1 then repl.show_values(results, 2, results.n) end
      end
      if timed then timed(took) end
      for _, declaration in ipairs(declarations) do
        for name in gmatch(declaration.closed, "%S+") do
          repl.writeln(style("'" .. name .. "' was closed at the end of this block", "faint"))
        end
      end
    end
    """#
}
