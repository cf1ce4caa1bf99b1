// HelpFiles.swift: help for Lua's own files, the system, and debugging.

let ioHelp = HelpSubject(
  title: "Files",
  entries: [
    HelpEntry(
      .module, "io", "", "Lua's own files. `io.stdin`, `io.stdout`, `io.stderr` are open."),
    HelpEntry(
      .field, "io.stdin", "file*", "The standard input.",
      example: """
        print(io.type(io.stdin))                --> file
        """),
    HelpEntry(
      .field, "io.stdout", "file*", "The standard output.",
      example: """
        io.stdout:write("hello\\n")              --> hello
        """),
    HelpEntry(
      .field, "io.stderr", "file*", "The standard error.",
      example: """
        print(io.type(io.stderr))               --> file
        """),
    HelpEntry(
      .function, "io.open", "(filename: string, mode?: string): file*? | nil, message, errno",
      "Open a file: `r` to read (the default), `w` anew, `a` at its end, with `+` both.",
      example: """
        local name = os.tmpname()
        local file <close> = assert(io.open(name, "w"))
        print(file:write("hello"):seek())       --> 5
        os.remove(name)
        """),
    HelpEntry(
      .function, "io.close", "(file?: file*): true? | nil, message, errno",
      "Close a file, by default the default output.",
      example: """
        print(io.close(io.tmpfile()))           --> true
        """),
    HelpEntry(
      .function, "io.input", "(file?: file*|string): file*",
      "The default input; with an argument it becomes that file.",
      example: """
        print(io.input() == io.stdin)           --> true
        """),
    HelpEntry(
      .function, "io.output", "(file?: file*|string): file*",
      "The default output; with an argument it becomes that file.",
      example: """
        print(io.output() == io.stdout)         --> true
        """),
    HelpEntry(
      .function, "io.lines", "(filename?: string, ...: string|integer): function",
      "For `for`: the lines of a file, which is closed at its end.",
      example: """
        for line in io.lines("/proc/sys/kernel/ostype") do print(line) end        --> Linux
        """),
    HelpEntry(
      .function, "io.popen", "(command: string, mode?: string): file*? | nil, message, errno",
      "Start a program by the shell and read its output, or write its input (`w`).",
      example: """
        local file <close> = io.popen("echo hello")
        print(file:read())                      --> hello
        """),
    HelpEntry(
      .function, "io.read", "(...: string|integer): any...",
      "`io.input():read(...)`.",
      example: """
        print(io.read(0))                       --> nil
        """),
    HelpEntry(
      .function, "io.write", "(...: string|number): file*",
      "`io.output():write(...)`.",
      example: """
        io.write("a", 1, "\\n")                  --> a1
        """),
    HelpEntry(
      .function, "io.tmpfile", "(): file*",
      "A temporary file, removed when the program ends.",
      example: """
        local file <close> = io.tmpfile()
        file:write("x")
        print(file:seek("set"), file:read())    --> 0   x
        """),
    HelpEntry(
      .function, "io.type", "(v: any): string?",
      "`file`, `closed file`, or nil if it is no file.",
      example: """
        print(io.type(io.stdin), io.type(1))    --> file   nil
        """),
    HelpEntry(
      .object, "file", "file*", "An open file, as `io.open` returns it."),
    HelpEntry(
      .method, "file:read", "(...: string|integer): any...",
      "Read: `l` a line (the default), `L` with its end, `n` a number, `a` all, or so many bytes.",
      "Nil at the end.",
      example: """
        local file <close> = io.popen("printf '12rest'")
        print(file:read("n", "a"))              --> 12   rest
        """),
    HelpEntry(
      .method, "file:write", "(...: string|number): file*? | nil, message, errno",
      "Write the arguments; the file.",
      example: """
        io.stdout:write("one ", 2, "\\n")        --> one 2
        """),
    HelpEntry(
      .method, "file:lines", "(...: string|integer): function",
      "For `for`: its lines, or what the formats say.",
      example: """
        local file <close> = io.popen("printf 'a\\nb\\n'")
        for line in file:lines() do print(line) end
        --> a
        --> b
        """),
    HelpEntry(
      .method, "file:seek",
      "(whence?: \"set\"|\"cur\"|\"end\", offset?: integer): integer? | nil, message, errno",
      "Move its position, and return it.",
      example: """
        local file <close> = io.tmpfile()
        file:write("hello")
        print(file:seek("set", 1), file:read()) --> 1   ello
        """),
    HelpEntry(
      .method, "file:setvbuf", "(mode: \"no\"|\"full\"|\"line\", size?: integer): boolean",
      "How output is buffered.",
      example: """
        print(io.stdout:setvbuf("line"))        --> true
        """),
    HelpEntry(
      .method, "file:flush", "(): file*",
      "Write what is in the buffer.",
      example: """
        io.stdout:flush()
        """),
    HelpEntry(
      .method, "file:close", "(): true? | nil, string, integer",
      "Close it; of `io.popen` the program's end: true or nil, `exit` or `signal`, a number.",
      example: """
        print(io.popen("exit 3"):close())       --> nil   exit   3
        """),
  ])

let osHelp = HelpSubject(
  title: "The system",
  entries: [
    HelpEntry(.module, "os", "", "Time, files' names, the environment."),
    HelpEntry(
      .function, "os.clock", "(): number",
      "Seconds of processor time that the process has used.",
      example: """
        print(os.clock() >= 0)                  --> true
        """),
    HelpEntry(
      .function, "os.date", "(format?: string, time?: integer): string|table",
      "A time as text, as strftime(3) has it; with `*t` as a table; `!` first: in UTC.",
      example: """
        print(os.date("!%Y-%m-%d", 0))          --> 1970-01-01
        """),
    HelpEntry(
      .function, "os.difftime", "(t2: integer, t1: integer): number",
      "Seconds between two times.",
      example: """
        print(os.difftime(10, 4))               --> 6.0
        """),
    HelpEntry(
      .function, "os.execute", "(command?: string): boolean?, string, integer",
      "Run a command by the shell: true or nil, `exit` or `signal`, a number.",
      example: """
        print(os.execute("exit 3"))             --> nil   exit   3
        """),
    HelpEntry(
      .function, "os.exit", "(code?: boolean|integer, close?: boolean)",
      "End the program at once; with `close` the thread's variables are closed first.",
      example: """
        os.exit(true)
        """),
    HelpEntry(
      .function, "os.getenv", "(name: string): string?",
      "An environment variable.",
      example: """
        print(os.getenv("NO_SUCH_VARIABLE"))    --> nil
        """),
    HelpEntry(
      .function, "os.remove", "(filename: string): true? | nil, message, errno",
      "Remove a file or an empty directory.",
      example: """
        print(os.remove("/nonexistent"))
        --> nil   /nonexistent: No such file or directory   2
        """),
    HelpEntry(
      .function, "os.rename", "(from: string, to: string): true? | nil, message, errno",
      "Give a file another name.",
      example: """
        local name = os.tmpname()
        print(os.rename(name, name .. ".old"))  --> true
        os.remove(name .. ".old")
        """),
    HelpEntry(
      .function, "os.setlocale", "(locale?: string, category?: string): string?",
      "Set or ask for the locale of the whole process.",
      example: """
        print(os.setlocale())                   --> C
        """),
    HelpEntry(
      .function, "os.time", "(t?: table): integer",
      "Seconds since 1970, now or of the local date in a table.",
      example: """
        print(os.time { year = 2001, month = 1, day = 1 } > 0)    --> true
        """),
    HelpEntry(
      .function, "os.tmpname", "(): string",
      "The name of a new temporary file.",
      example: """
        print(os.remove(os.tmpname()))          --> true
        """),
  ])

let debugHelp = HelpSubject(
  title: "Debugging",
  entries: [
    HelpEntry(.module, "debug", "", "Looking into functions, stacks and hidden values."),
    HelpEntry(
      .function, "debug.debug", "()", "Run lines from the standard input until `cont`."),
    HelpEntry(
      .function, "debug.getinfo",
      "(thread?: thread, f: function|integer, what?: string): table",
      "What there is to know about a function or a level of the stack.",
      example: """
        print(debug.getinfo(print).what)        --> C
        """),
    HelpEntry(
      .function, "debug.getlocal",
      "(thread?: thread, f: function|integer, n: integer): string?, any",
      "Name and value of a local variable.",
      example: """
        local answer = 42
        print(debug.getlocal(1, 1))             --> answer   42
        """),
    HelpEntry(
      .function, "debug.setlocal",
      "(thread?: thread, level: integer, n: integer, value: any): string?",
      "Set a local variable; its name.",
      example: """
        local answer = 42
        debug.setlocal(1, 1, 43)
        print(answer)                           --> 43
        """),
    HelpEntry(
      .function, "debug.getmetatable", "(v: any): table?",
      "The metatable, even if it is protected.",
      example: """
        print(debug.getmetatable("").__index == string)           --> true
        """),
    HelpEntry(
      .function, "debug.setmetatable", "(v: any, metatable: table?): any",
      "Set the metatable of any value.",
      example: """
        debug.setmetatable(0, { __index = math })
        print((-3):abs())                       --> 3
        """),
    HelpEntry(
      .function, "debug.getregistry", "(): table", "The registry of this Lua heap.",
      example: """
        print(type(debug.getregistry()))        --> table
        """),
    HelpEntry(
      .function, "debug.getupvalue", "(f: function, n: integer): string?, any",
      "Name and value of a captured variable.",
      example: """
        local n = 5
        print(debug.getupvalue(function() return n end, 1))       --> n   5
        """),
    HelpEntry(
      .function, "debug.setupvalue", "(f: function, n: integer, value: any): string?",
      "Set a captured variable; its name.",
      example: """
        local n = 5
        local function get() return n end
        print(debug.setupvalue(get, 1, 6), get())       --> n   6
        """),
    HelpEntry(
      .function, "debug.upvalueid", "(f: function, n: integer): userdata?",
      "What two functions that share a captured variable have in common.",
      example: """
        local n = 5
        local function f() return n end
        local function g() return n end
        print(debug.upvalueid(f, 1) == debug.upvalueid(g, 1))     --> true
        """),
    HelpEntry(
      .function, "debug.upvaluejoin", "(f1: function, n1: integer, f2: function, n2: integer)",
      "Let `f1` share a captured variable of `f2`.",
      example: """
        local a, b = 1, 2
        local function f() return a end
        debug.upvaluejoin(f, 1, function() return b end, 1)
        print(f())                              --> 2
        """),
    HelpEntry(
      .function, "debug.getuservalue", "(u: userdata, n?: integer): any, boolean?",
      "A value that goes with a userdata.",
      example: """
        print(debug.getuservalue(io.stdin, 1))  --> nil
        """),
    HelpEntry(
      .function, "debug.setuservalue", "(u: userdata, value: any, n?: integer): userdata?",
      "Set a value that goes with a userdata.",
      example: """
        print(debug.setuservalue(io.stdin, 1))  --> nil
        """),
    HelpEntry(
      .function, "debug.sethook",
      "(thread?: thread, hook?: function, mask?: string, count?: integer)",
      "Call a function at each call (`c`), return (`r`), line (`l`), or `count` instructions.",
      example: """
        local lines = 0
        debug.sethook(function() lines = lines + 1 end, "l")
        local x = 1
        debug.sethook()
        print(lines)                            --> 2
        """),
    HelpEntry(
      .function, "debug.gethook", "(thread?: thread): function?, string, integer",
      "The hook that is set.",
      example: """
        print((debug.gethook()))                --> nil
        """),
    HelpEntry(
      .function, "debug.setcstacklimit", "(limit: integer): integer",
      "Nothing any more; it is there for old programs.",
      example: """
        print(debug.setcstacklimit(200) > 0)    --> true
        """),
    HelpEntry(
      .function, "debug.traceback",
      "(thread?: thread, message?: any, level?: integer): string",
      "The calls on the stack as text.",
      example: """
        print(debug.traceback("here"):match("[^\\n]*\\n[^\\n]*"))
        --> here
        --> stack traceback:
        """),
  ])
