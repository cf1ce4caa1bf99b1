// ReplCommands.swift: the part of the driver that looks at the program: the commands with a colon.

extension ReplDriver {
  /// What of a worker each thread has had.
  static let shares = #"""
    -- For each of `threads`, how much of the time since the last look, which is `before`, it has run: from
    -- one answer of its worker to the next, which each worker gives when it comes to it. So a thread has
    -- at most all of one worker, and those of a worker have no more than all of it together, as long as
    -- none moves. And this look, to be given next time.
    local function shares_since(before, threads)
      local shares, seen = {}, {}
      for index, info in ipairs(threads) do
        local run, now = info.run_s or 0, info.accounted_s
        local last = before[info.id]
        seen[info.id] = { run = run, at = now }
        -- A worker that has just begun keeps no account yet.
        local elapsed = last and last.at and now and now - last.at or 0
        shares[index] = elapsed > 0 and (run - last.run) / elapsed or 0
      end
      return shares, seen
    end
    """#

  static let commands = #"""
    local lwkt, style, width, writeln = repl.lwkt, repl.style, repl.width, repl.writeln
    local visible, gsub = repl.visible, string.gsub
    local format, rep, match, find, sub = string.format, string.rep, string.match, string.find, string.sub
    local concat, sort, ipairs, next, loadfile = table.concat, table.sort, ipairs, next, loadfile
    local open, getenv = io.open, os.getenv

    local commands, about = {}, {}
    repl.commands = commands

    local most_rows <const> = 500

    local function counted(count, noun, one, many)
      if count == 1 then return "1 " .. noun .. (one or "") end
      return count .. " " .. noun .. "s" .. (many or "")
    end

    -- ---- tables ----

    local function padded(text, room) return text .. rep(" ", room - width(text)) end

    local function cut(text, columns)
      local last = width(text) > columns and utf8.offset(text, columns)
      if last then text = sub(text, 1, last - 1) end
      while width(text) > columns do text = sub(text, 1, utf8.offset(text, -1) - 1) end
      return text
    end

    -- Rows of texts under headings, each cut at the screen's width.
    local function tabulated(headings, rows, columns, most)
      local rooms, lines = {}, {}
      for index, heading in ipairs(headings) do rooms[index] = width(heading) end
      for number = 1, math.min(#rows, most) do
        for index = 1, #headings do
          local text = (gsub(visible(tostring(rows[number][index] or "")), "%s", " "))
          rows[number][index] = text
          rooms[index] = math.max(rooms[index], width(text))
        end
      end
      local function line(texts)
        local parts = {}
        for index = 1, #headings do parts[index] = padded(texts[index], rooms[index]) end
        return cut(gsub(concat(parts, "  "), "%s+$", ""), columns)
      end
      lines[1] = style(line(headings), "prompt")
      for number = 1, math.min(#rows, most) do lines[#lines + 1] = line(rows[number]) end
      if #rows > most then lines[#lines + 1] = "... and " .. #rows - most .. " more" end
      return concat(lines, "\n")
    end

    local function print_table(headings, rows, nothing)
      if #rows == 0 then return writeln(nothing) end
      writeln(tabulated(headings, rows, (ui.size()), most_rows))
    end

    -- ---- threads ----

    local function seconds(time)
      if not time then return "" end
      if time < 10 then return format("%.3f s", time) end
      return format("%.1f s", time)
    end

    local thread_headings = {
      "ID", "NAME", "STATE", "WORKER", "PRI", "WAITS FOR", "RUN TIME", "CREATED AT",
    }

    local function thread_row(info)
      local waits = info.waits_for or info.wmesg or ""
      if info.waits_for and info.wmesg and info.wmesg ~= "" then
        waits = info.waits_for .. " [" .. info.wmesg .. "]"
      end
      return {
        info.id, info.name or "", info.state, info.cpu, info.pri, waits, seconds(info.run_s),
        info.created_at or "",
      }
    end

    about.threads = "all threads: who, where, what they wait for, how long they ran"
    function commands.threads()
      local rows = {}
      for index, info in ipairs(lwkt.threads()) do rows[index] = thread_row(info) end
      print_table(thread_headings, rows, "no threads")
    end

    about.bt = "where thread ID stands"
    function commands.bt(id)
      if id == "" then return writeln(":bt needs the id of a thread, as :threads shows it") end
      writeln(visible(ui.inspect("traceback", id) or "there is no thread " .. id))
    end

    about.kill = "abort thread ID"
    function commands.kill(id)
      if id == "" then return writeln(":kill needs the id of a thread, as :threads shows it") end
      if id == lwkt.curthread().id then
        return writeln("thread " .. id .. " is this prompt: Ctrl-D leaves it")
      end
      if ui.inspect("abort", id) then
        writeln("thread " .. id .. " is told to stop")
      else
        writeln("there is no thread " .. id)
      end
    end

    about.ports = "all ports: what is queued, who waits"
    function commands.ports()
      local rows = {}
      for index, info in ipairs(lwkt.ports()) do
        rows[index] = {
          info.id, info.name, info.kind, info.queued, info.limit, info.receivers, info.senders,
        }
      end
      print_table({ "ID", "NAME", "KIND", "QUEUED", "LIMIT", "RECEIVERS", "SENDERS" }, rows,
        "no ports")
    end

    about.tokens = "all tokens: who holds them, who waits"
    function commands.tokens()
      local rows = {}
      for index, info in ipairs(lwkt.tokens()) do
        rows[index] = { info.name, info.owner, info.sharers, info.waiters, info.collisions }
      end
      print_table({ "NAME", "OWNER", "SHARERS", "WAITERS", "COLLISIONS" }, rows, "no tokens")
    end

    local function worker_rows()
      local rows = {}
      for index, info in ipairs(lwkt.stat()) do
        rows[index] = {
          info.cpu, info.running and "yes" or "no", info.runnable, info.switches,
          info.preemptions, info.threads_created, info.threads_given, info.threads_taken,
          info.ipis_sent, info.sysport_messages, info.token_collisions,
        }
      end
      return rows
    end

    local worker_headings = {
      "WORKER", "STARTED", "RUNNABLE", "SWITCHES", "PREEMPTED", "CREATED", "GIVEN", "TAKEN", "IPIS",
      "SYSPORT", "COLLISIONS",
    }

    about.workers = "all workers: what they have done"
    function commands.workers() print_table(worker_headings, worker_rows(), "no workers") end

    -- ---- top ----

    \#(shares)

    -- The threads by how much they have run since the last look, which is `before`.
    local function top_text(before)
      local columns, lines = ui.size()
      local rows, states, threads = {}, {}, lwkt.threads()
      local shares, seen = shares_since(before, threads)
      for index, info in ipairs(threads) do
        states[info.state] = (states[info.state] or 0) + 1
        local row = thread_row(info)
        row.share, row.place = shares[index], index
        table.insert(row, 3, format("%.1f", 100 * row.share))
        rows[index] = row
      end
      sort(rows, function(a, b)
        if a.share ~= b.share then return a.share > b.share end
        return a.place < b.place
      end)
      local headings = { table.unpack(thread_headings) }
      table.insert(headings, 3, "CPU %")
      local counts = {}
      for state, count in next, states do counts[#counts + 1] = count .. " " .. state end
      sort(counts)
      local workers = worker_rows()
      local head = counted(#rows, "thread") .. ": " .. concat(counts, ", ") .. "   (q leaves)"
      local text = cut(head, columns) .. "\n\n"
        .. tabulated(worker_headings, workers, columns, math.max(1, lines // 3)) .. "\n\n"
      local used = 4 + math.min(#workers, math.max(1, lines // 3) + 1)
      return text .. tabulated(headings, rows, columns, math.max(1, lines - used - 2)), seen
    end

    about.top = "the busiest threads, live; q leaves"
    function commands.top()
      if ui.isdumb() then return writeln(":top needs a terminal that can move its cursor") end
      local ok, problem = pcall(function()
        local text, before = nil, {}
        while true do
          text, before = top_text(before)
          ui.screen(text)
          -- Another key, or none after all, is no reason to look again: what ran in the moment since the
          -- last look would seem to run all the time.
          local left = 1
          local till = lwkt.sys.clock_gettime("monotonic") + left
          while left > 0 do
            if repl.wait_for_key(left) and ui.leaves() then return end
            left = till - lwkt.sys.clock_gettime("monotonic")
          end
        end
      end)
      ui.screen()
      if not ok then error(problem, 0) end
    end

    -- ---- freeze ----

    -- Each worker has followed when it has answered for its threads.
    about.freeze = "stop all threads but this prompt"
    function commands.freeze()
      ui.freeze(true)
      writeln(counted(#lwkt.threads() - 1, "thread", " stands still; :thaw lets it go on",
        " stand still; :thaw lets them go on"))
    end

    about.thaw = "let them go on"
    function commands.thaw()
      ui.freeze(false)
      writeln(counted(#lwkt.threads() - 1, "thread", " goes on", " go on"))
    end

    -- ---- code ----

    -- The name of a file as shells understand it, and as Tab completes it.
    local function file_named(path)
      local home = find(path, "^~/") and getenv("HOME")
      return home and home .. sub(path, 2) or path
    end

    about.load = "run FILE here: its globals stay"
    function commands.load(path)
      if path == "" then return writeln(":load needs the name of a file") end
      local chunk, message = loadfile(file_named(path))
      if not chunk then return repl.report(message, "") end
      local results = repl.run(chunk)
      if results and results.n > 1 then repl.show_values(results, 2, results.n) end
    end

    about.time = "evaluate EXPR and say how long it took"
    function commands.time(text)
      if text == "" then return writeln(":time needs something to evaluate") end
      repl.evaluate(text, function(took)
        local shown = took < 0.001 and format("%.1f us", took * 1e6)
          or took < 1 and format("%.2f ms", took * 1e3) or format("%.3f s", took)
        writeln(style("took " .. shown, "faint"))
      end)
    end

    about.save = "write what was entered, except for what raised errors, to FILE"
    function commands.save(path)
      if path == "" then return writeln(":save needs the name of a file") end
      path = file_named(path)
      local file, message = open(path, "w")
      if not file then return repl.report(message, "") end
      local done = repl.done
      local ok, problem = file:write(concat(done, "\n"), #done > 0 and "\n" or "")
      -- What is in the buffer is written now, and may fail.
      local closed, why = file:close()
      if not (ok and closed) then return repl.report(path .. ": " .. (problem or why), "") end
      writeln(counted(#done, "block") .. " written to " .. path)
    end

    about.err = "the whole of background error N; without N, how many there were"
    function commands.err(number)
      local count = ui.death()
      if number == "" then
        if count == 0 then return writeln("no background errors") end
        return writeln(counted(count, "background error", ": :err 1", ": :err 1 to :err " .. count))
      end
      local text = math.tointeger(tonumber(number)) and ui.death(math.tointeger(tonumber(number)))
      writeln(text and style(visible(text), "error") or "there is no background error " .. number)
    end

    -- ---- help ----

    local shown = {
      { "threads" }, { "bt", "ID" }, { "kill", "ID" }, { "ports" }, { "tokens" }, { "workers" },
      { "top" }, { "freeze" }, { "thaw" }, { "load", "FILE" }, { "time", "EXPR" }, { "save", "FILE" },
      { "err", "[N]" }, { "help", "[NAME]" }, { "quit" },
    }

    about.help = "this list, or what NAME is: a function, a method, a library"
    function commands.help(name)
      if name == "functions" then return ui.write(ui.help()) end
      local command = match(name, "^:(%a+)$")
      if command and about[command] then return writeln(":" .. command .. "  " .. about[command]) end
      if name ~= "" then return ui.write(ui.help(name)) end
      local lines = {}
      for index, entry in ipairs(shown) do
        local call = ":" .. entry[1] .. (entry[2] and " " .. entry[2] or "")
        lines[index] = padded(call, 15) .. about[entry[1]]
      end
      writeln(concat(lines, "\n") .. "\n\n:help functions lists all there are.\n"
        .. ":help lwkt.create, :help join, :help string and the like tell about one.")
    end

    about.quit = "leave, as Ctrl-D does; other threads are aborted"
    function commands.quit() repl.is_over = true end

    -- The commands that a name or the beginning of one may mean.
    local function commands_named(name)
      if commands[name] then return { name } end
      local found = {}
      for other in next, commands do
        if sub(other, 1, #name) == name then found[#found + 1] = other end
      end
      sort(found)
      return found
    end

    function repl.command(text)
      local name, argument = match(text, "^:(%a+)%s*(.-)%s*$")
      local found = commands_named(name)
      if #found == 0 then return writeln("there is no command :" .. name .. " (:help lists them)") end
      if #found > 1 then return writeln(":" .. name .. " may be :" .. concat(found, ", :")) end
      commands[found[1]](argument)
    end
    """#
}
