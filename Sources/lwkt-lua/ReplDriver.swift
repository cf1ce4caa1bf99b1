// ReplDriver.swift: what the prompt does, in Lua: read, evaluate, print.
//
// In Lua, because it runs the user's code and shows the user's values: an error, a wait, Ctrl-C or a
// long table are then ordinary business. What is about keys and the screen is in Swift. Each part is
// given `ui`, the functions of Repl.swift, and `repl`, what the other parts offer; the last one
// returns the step that prompt.c repeats.

enum ReplDriver {
  static let chunk =
    environment
    + [base, printer, session, completion, commands].map { "do " + $0 + " end\n" }.joined()
    + loop

  /// Standard functions as they were at the start: what a script does to its globals and libraries is
  /// not to change the prompt.
  private static let environment = #"""
    local ui = ...
    local repl = {}
    local function copy(from)
      local to = {}
      for key, value in next, from do to[key] = value end
      return to
    end
    local own = copy(_G)
    for _, name in ipairs {
      "coroutine", "debug", "io", "lwkt", "math", "os", "string", "table", "utf8",
    } do own[name] = copy(own[name]) end
    own.lwkt.sys = copy(lwkt.sys)
    local _ENV = own

    """#

  private static let base = #"""
    repl.globals = _G
    repl.lwkt = lwkt
    repl.sys = lwkt.sys
    repl.sysport = lwkt.sysport

    function repl.writeln(text) ui.write(text .. "\n") end

    -- Styles as what stands before and after a text, so that each use costs no call.
    local before, after = {}, {}
    for _, name in ipairs { "keyword", "number", "string", "error", "faint", "prompt", "meta" } do
      before[name], after[name] = ui.style("?", name):match("^(.-)%?(.*)$")
    end
    function repl.style(text, name) return before[name] .. text .. after[name] end

    local find, gsub, format, byte, len = string.find, string.gsub, string.format, string.byte, string.len
    local utf8len = utf8.len

    local function escaped(c) return c == "\r" and "\\r" or format("\\x%02X", byte(c)) end

    -- Text from a program, as it may go to the terminal: what would steer that is shown as it is
    -- written in Lua, and so are bytes that are no characters.
    function repl.visible(text)
      if not find(text, "[\0-\8\11-\31\127-\255]") then return text end
      text = gsub(text, "[\0-\8\11-\31\127]", escaped)
      if not utf8len(text) then return (gsub(text, "[\128-\255]", escaped)) end
      return (gsub(text, "\194[\128-\159]", function(c) return format("\\u{%X}", byte(c, 2)) end))
    end

    function repl.width(text) return find(text, "[\128-\255]") and ui.width(text) or len(text) end
    """#

  /// The thread: keys are waited for by messages to the sysport.
  private static let loop = #"""
    local waitany, read, pack = lwkt.waitany, lwkt.sys.read, table.pack
    local tostring, rawget, pcall, match, find = tostring, rawget, pcall, string.match, string.find
    local globals, sysport, setpri = repl.globals, repl.sysport, lwkt.setpri_self
    local wakefd = ui.wakefd()

    local function poll(descriptor) return sysport:sendmsg("poll", descriptor, "r") end

    -- Questions to the kernel under way. They outlive an interrupted step.
    local keys, wake

    -- Has a block been accepted that is not done with? From then on Ctrl-C is for it, and is told of
    -- wherever in the driver it arrives.
    local is_under_way = false

    -- Wait for a key: false after `timeout`.
    function repl.wait_for_key(timeout)
      while true do
        keys = keys or poll(0)
        wake = wake or poll(wakefd)
        local ready, index = waitany({ keys, wake }, timeout)
        if not ready then return false end
        if index == 1 then
          keys = nil
          return true
        end
        wake = nil
        ui.changed()
      end
    end

    -- Before an evaluation: what could still come of a question would hide that nothing else can.
    function repl.forget_keys()
      if keys then keys:abort() end
      if wake then wake:abort() end
      keys, wake = nil, nil
    end

    local function prompt_text(name, default)
      local value = rawget(globals, name)
      if value == nil then return default end
      local ok, text = pcall(tostring, value)
      return ok and text or default
    end

    local function next_action()
      if repl.wait_for_key(ui.undecided() and 0.05 or nil) then return ui.keys() end
      return ui.expire()
    end

    -- A block to be evaluated; false for none; nil at the end.
    local function read_block()
      ui.edit(prompt_text("_PROMPT", "> "), prompt_text("_PROMPT2", ">> "))
      while true do
        local action = pack(next_action())
        local name, text = action[1], action[2]
        if name == "end" then return nil end
        if name == "interrupt" then return false end
        if name == "complete" then
          repl.complete(table.unpack(action, 2, action.n))
        elseif name == "enter" then
          if find(text, "^%s*$") or find(text, "^:%a") or not repl.is_incomplete(text) then
            is_under_way = true
            ui.accept()
            return text
          end
          ui.newline()
        end
      end
    end

    -- On a terminal that cannot move its cursor: lines as it gives them.
    local is_reading = false
    local function read_plain()
      if is_reading then ui.write("\n") end
      is_reading = true
      ui.write(prompt_text("_PROMPT", "> "))
      local text = ""
      while true do
        -- What interrupts it, or ends it, leaves the cursor in the line.
        is_reading = true
        local line = read(0, 65536)
        is_reading = false
        if not line or line == "" then
          ui.write("\n")
          return nil
        end
        text = text .. line
        if find(text, "^%s*$") or find(text, "^:%a") or not repl.is_incomplete(text) then
          is_under_way = true
          return (match(text, "^(.-)\n?$"))
        end
        ui.write(prompt_text("_PROMPT2", ">> "))
      end
    end

    local get_block = ui.isdumb() and read_plain or read_block
    local highest <const> = 31

    ui.account()
    ui.write("lwkt-lua, " .. _VERSION .. ", " .. lwkt.ncpus()
      .. " workers (:help lists commands, Ctrl-D leaves)\n")

    return function()
      setpri(highest)
      if is_under_way then
        is_under_way = false
        repl.writeln(repl.style("interrupted!", "error"))
      end
      local block = get_block()
      if block == nil then return false end
      if block and not find(block, "^%s*$") then
        if find(block, "^:%a") then repl.command(block) else repl.evaluate(block) end
      end
      is_under_way = false
      return not repl.is_over
    end
    """#
}
