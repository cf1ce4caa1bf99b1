// HelpBasic.swift: help for Lua's basic functions, coroutines and modules.

let basicHelp = HelpSubject(
  title: "Basic functions",
  entries: [
    HelpEntry(
      .function, "assert", "(v: any, message?: any, ...: any): any...",
      "Raise an error with `message` if `v` is false or nil; else return all arguments.",
      example: """
        print(assert(1, "never"))               --> 1   never
        """),
    HelpEntry(
      .function, "collectgarbage", "(option?: string, arg?: number): any",
      "Control the garbage collector of this thread's Lua heap.",
      """
      `collect` (the default), `stop`, `restart`, `count` (kilobytes in use), `step`,
      `isrunning`, `incremental`, `generational`.
      """,
      example: """
        print(collectgarbage("count") > 0)      --> true
        """),
    HelpEntry(
      .function, "dofile", "(filename?: string): any...",
      "Run a file and return its results; without a name the standard input.",
      example: """
        print(pcall(dofile, "/nonexistent"))    --> false   cannot open /nonexistent...
        """),
    HelpEntry(
      .function, "error", "(message: any, level?: integer)",
      "Raise an error.",
      "To a string it adds where: at `level` 1 (the default) the caller of `error`, 0 nothing.",
      example: """
        print(pcall(error, "oops", 0))          --> false   oops
        """),
    HelpEntry(
      .field, "_G", "table",
      "The table of this thread's globals.",
      example: """
        answer = 42
        print(_G.answer)                        --> 42
        """),
    HelpEntry(
      .field, "_VERSION", "string",
      "The version of Lua.",
      example: """
        print(_VERSION)                         --> Lua 5.4
        """),
    HelpEntry(
      .function, "getmetatable", "(object: any): any",
      "The metatable of `object`, or its `__metatable` field, or nil.",
      example: """
        print(getmetatable("").__index == string)       --> true
        """),
    HelpEntry(
      .function, "setmetatable", "(t: table, metatable: table?): table",
      "Set the metatable of a table and return the table.",
      example: """
        local t = setmetatable({}, { __index = function(_, key) return key end })
        print(t.anything)                       --> anything
        """),
    HelpEntry(
      .function, "ipairs", "(t: any): function, any, integer",
      "For `for`: the elements `t[1]`, `t[2]`, ... up to the first nil.",
      example: """
        for i, v in ipairs { "a", "b" } do print(i, v) end
        --> 1   a
        --> 2   b
        """),
    HelpEntry(
      .function, "pairs", "(t: any): function, any, any",
      "For `for`: all keys and values of a table, in no order.",
      example: """
        for k, v in pairs { x = 1 } do print(k, v) end  --> x   1
        """),
    HelpEntry(
      .function, "next", "(t: table, key?: any): any, any",
      "The key and value after `key`, or the first; nil at the end.",
      example: """
        print(next({}), next({ "a" }))          --> nil   1   a
        """),
    HelpEntry(
      .function, "load",
      "(chunk: string|function, chunkname?: string, mode?: string, env?: table): function? | nil, message",
      "Compile a chunk of Lua and return it as a function.",
      "`mode` is `t` (text), `b` (binary) or `bt`.",
      example: """
        print(load("return 1 + 1")())           --> 2
        print(load("return ="))
        --> nil   [string "return ="]:1: unexpected symbol near '='
        """),
    HelpEntry(
      .function, "loadfile",
      "(filename?: string, mode?: string, env?: table): function? | nil, message",
      "Compile a file and return it as a function.",
      example: """
        print(loadfile("/nonexistent"))         --> nil   cannot open /nonexistent...
        """),
    HelpEntry(
      .function, "pcall", "(f: function, ...: any): boolean, any...",
      "Call `f(...)`: true and its results, or false and the error.",
      example: """
        print(pcall(error, "oops"))             --> false   oops
        """),
    HelpEntry(
      .function, "xpcall", "(f: function, handler: function, ...: any): boolean, any...",
      "As `pcall`, but `handler` is called with the error, where it happened.",
      example: """
        print(xpcall(error, string.upper, "oops"))      --> false   OOPS
        """),
    HelpEntry(
      .function, "print", "(...: any)",
      "Write the values as a line to the standard output, in one piece.",
      example: """
        print(1, "two", nil)                    --> 1   two   nil
        """),
    HelpEntry(
      .function, "rawequal", "(a: any, b: any): boolean",
      "Are they equal, without the metamethod `__eq`?",
      example: """
        print(rawequal({}, {}))                 --> false
        """),
    HelpEntry(
      .function, "rawget", "(t: table, key: any): any",
      "`t[key]` without metamethods.",
      example: """
        print(rawget(setmetatable({}, { __index = string }), "rep"))      --> nil
        """),
    HelpEntry(
      .function, "rawlen", "(v: table|string): integer",
      "`#v` without the metamethod `__len`.",
      example: """
        print(rawlen("four"))                   --> 4
        """),
    HelpEntry(
      .function, "rawset", "(t: table, key: any, value: any): table",
      "`t[key] = value` without metamethods.",
      example: """
        print(rawset({}, "a", 1).a)             --> 1
        """),
    HelpEntry(
      .function, "select", "(n: integer|\"#\", ...: any): any...",
      "The arguments from the `n`th on, from the end if negative; with `#` how many there are.",
      example: """
        print(select("#", nil, nil), select(2, "a", "b", "c"))    --> 2   b   c
        """),
    HelpEntry(
      .function, "tonumber", "(v: any, base?: integer): number?",
      "The number that `v` is or a string says, or nil.",
      example: """
        print(tonumber("0x10"), tonumber("ff", 16), tonumber("x"))        --> 16   255   nil
        """),
    HelpEntry(
      .function, "tostring", "(v: any): string",
      "The value as text.",
      example: """
        print(tostring(nil) .. tostring(1.0))   --> nil1.0
        """),
    HelpEntry(
      .function, "type", "(v: any): string",
      "The name of its type: `nil`, `boolean`, `number`, `string`, `table`, `function`, ...",
      example: """
        print(type(lwkt), type(lwkt.curthread()))       --> table   userdata
        """),
    HelpEntry(
      .function, "warn", "(message: string, ...: string)",
      "Write a warning to the standard error; `@on` and `@off` turn warnings on and off.",
      "They are off at first.",
      example: """
        warn("nobody sees this")
        """),
    HelpEntry(
      .function, "require", "(name: string): any, any",
      "Load a module, at most once per Lua heap; its value, and where it was found.",
      """
      Threads that use a module's functions or tables load it where they are: treat a
      module's own variables as constants.
      """,
      example: """
        print(require("string") == string)      --> true
        """),
  ])

let coroutineHelp = HelpSubject(
  title: "Coroutines",
  entries: [
    HelpEntry(
      .module, "coroutine", "",
      "Functions that are left in the middle and gone on with; within one thread.",
      """
      A thread may wait inside its coroutines like anywhere else: then the whole thread
      waits. Each thread sees itself as the main one.
      """),
    HelpEntry(
      .function, "coroutine.create", "(f: function): thread",
      "A new coroutine that will run `f`.",
      example: """
        local co = coroutine.create(function(a) local b = coroutine.yield(a + 1) return b * 2 end)
        print(coroutine.resume(co, 1))          --> true   2
        print(coroutine.resume(co, 10))         --> true   20
        """),
    HelpEntry(
      .function, "coroutine.resume", "(co: thread, ...: any): boolean, any...",
      "Go on with a coroutine: true and what it yields or returns, or false and its error.",
      example: """
        print(coroutine.resume(coroutine.create(error), "oops"))  --> false   oops
        """),
    HelpEntry(
      .function, "coroutine.yield", "(...: any): any...",
      "Leave the coroutine; `resume` returns these values. Returns what the next `resume` gives.",
      example: """
        local next = coroutine.wrap(function() for i = 1, 2 do coroutine.yield(i) end end)
        print(next(), next())                   --> 1   2
        """),
    HelpEntry(
      .function, "coroutine.wrap", "(f: function): function",
      "A function that resumes a new coroutine each time it is called; errors are raised.",
      example: """
        for letter in coroutine.wrap(function() coroutine.yield("a") end) do print(letter) end --> a
        """),
    HelpEntry(
      .function, "coroutine.status", "(co: thread): string",
      "`suspended`, `running`, `normal` or `dead`.",
      example: """
        print(coroutine.status(coroutine.create(print)))          --> suspended
        """),
    HelpEntry(
      .function, "coroutine.running", "(): thread, boolean",
      "The running coroutine, and whether it is the main one of its thread.",
      example: """
        print(select(2, coroutine.running()))   --> true
        """),
    HelpEntry(
      .function, "coroutine.isyieldable", "(co?: thread): boolean",
      "Can it yield?",
      example: """
        print(coroutine.isyieldable())          --> false
        """),
    HelpEntry(
      .function, "coroutine.close", "(co: thread): boolean, any",
      "Close a suspended or dead coroutine: its variables to be closed are closed.",
      example: """
        print(coroutine.close(coroutine.create(print)))           --> true
        """),
  ])

let packageHelp = HelpSubject(
  title: "Modules",
  entries: [
    HelpEntry(
      .module, "package", "",
      "How `require` finds modules. `path`, `cpath` and `preload` travel to created threads."),
    HelpEntry(
      .field, "package.path", "string", "Where modules in Lua are looked for.",
      example: """
        print(package.path:find("?.lua", 1, true) ~= nil)         --> true
        """),
    HelpEntry(
      .field, "package.cpath", "string", "Where modules in C are looked for.",
      example: """
        print(package.cpath:find("?.so", 1, true) ~= nil)         --> true
        """),
    HelpEntry(
      .field, "package.loaded", "table", "The modules loaded in this Lua heap, by name.",
      example: """
        print(package.loaded.lwkt == lwkt)      --> true
        """),
    HelpEntry(
      .field, "package.preload", "table", "Functions that load modules, by name; looked at first.",
      example: """
        package.preload.greeting = function() return "hello" end
        print((require "greeting"))             --> hello
        """),
    HelpEntry(
      .field, "package.searchers", "table", "The functions by which `require` looks for a module.",
      example: """
        print(#package.searchers)               --> 4
        """),
    HelpEntry(
      .field, "package.config", "string", "The separators used in paths, a line each.",
      example: """
        print(package.config:sub(1, 1))         --> /
        """),
    HelpEntry(
      .function, "package.searchpath",
      "(name: string, path: string, sep?: string, rep?: string): string? | nil, message",
      "The first file of a path that is there for a name.",
      example: """
        print(package.searchpath("hosts", "/etc/?"))    --> /etc/hosts
        """),
    HelpEntry(
      .function, "package.loadlib", "(path: string, name: string): function? | nil, message, where",
      "A C function of a library.",
      example: """
        print(package.loadlib("/nonexistent.so", "*") == nil)     --> true
        """),
  ])
