// HelpText.swift: help for strings and UTF-8.

let stringHelp = HelpSubject(
  title: "Strings",
  entries: [
    HelpEntry(
      .module, "string", "",
      "Functions on strings of bytes; `(\"x\"):rep(3)` is `string.rep(\"x\", 3)`.",
      """
      Places are counted from 1, negative ones from the end. Patterns: `.` any byte, `%a`
      letters, `%d` digits, `%s` white space, `%w` letters and digits, `%p` punctuation,
      `%l` `%u` lower and upper case, `%x` hexadecimal digits (capitals: all others),
      `[set]`, `[^set]`; after one of these `*` `+` any number, `-` as few as can be, `?`
      one or none; `^` `$` at the ends; `(...)` a capture, `()` a place; `%b()` balanced,
      `%f[set]` a border.
      """),
    HelpEntry(
      .function, "string.byte", "(s: string, i?: integer, j?: integer): integer...",
      "The bytes from `i`, by default 1, to `j`, by default `i`, as numbers.",
      example: """
        print(("Lua"):byte(1, -1))              --> 76   117   97
        """),
    HelpEntry(
      .function, "string.char", "(...: integer): string",
      "A string of these bytes.",
      example: """
        print(string.char(76, 117, 97))         --> Lua
        """),
    HelpEntry(
      .function, "string.dump", "(f: function, strip?: boolean): string",
      "The function as binary code, which `load` can load.",
      example: """
        print(load(string.dump(function() return 1 end), "f", "b")())     --> 1
        """),
    HelpEntry(
      .function, "string.find",
      "(s: string, pattern: string, init?: integer, plain?: boolean): integer?, integer?, any...",
      "Where the first match begins and ends, and its captures; nil if there is none.",
      "With `plain` it is text, not a pattern.",
      example: """
        print(("key = value"):find("(%w+)%s*=")) --> 1   5   key
        """),
    HelpEntry(
      .function, "string.format", "(format: string, ...: any): string",
      "The arguments in a format, as in C: `%d` `%5.2f` `%s` `%q` `%x` `%c` `%%`.",
      example: """
        print(("%05.2f %-4s|%q"):format(3.14159, "ab", "c"))      --> 03.14 ab  |"c"
        """),
    HelpEntry(
      .function, "string.gmatch",
      "(s: string, pattern: string, init?: integer): fun(): string, ...",
      "For `for`: all matches, or their captures.",
      example: """
        for word in ("one two"):gmatch("%a+") do print(word) end
        --> one
        --> two
        """),
    HelpEntry(
      .function, "string.gsub",
      "(s: string, pattern: string, repl: string|table|function, n?: integer): string, integer",
      "Replace all matches, or the first `n`; the result, and how many there were.",
      """
      `repl` is text, in which `%1` is a capture and `%0` the match; a table to look the
      first capture up in; or a function to call with the captures. False or nil keeps the
      match.
      """,
      example: """
        print(("a b"):gsub("%a", string.upper)) --> A B   2
        """),
    HelpEntry(
      .function, "string.len", "(s: string): integer", "How many bytes it has: `#s`.",
      example: """
        print(("four"):len())                   --> 4
        """),
    HelpEntry(
      .function, "string.lower", "(s: string): string", "In lower case.",
      example: """
        print(("LUA"):lower())                  --> lua
        """),
    HelpEntry(
      .function, "string.upper", "(s: string): string", "In upper case.",
      example: """
        print(("lua"):upper())                  --> LUA
        """),
    HelpEntry(
      .function, "string.match", "(s: string, pattern: string, init?: integer): any...",
      "The captures of the first match, or the whole match; nil if there is none.",
      example: """
        print(("2026-11-25"):match("(%d+)-(%d+)"))      --> 2026   11
        """),
    HelpEntry(
      .function, "string.pack", "(format: string, ...: any): string",
      "The values as bytes.",
      """
      `b` `h` `i[n]` `l` `j` integers and `B` `H` `I[n]` `L` `J` unsigned ones, `f` `d` `n`
      floats, `s[n]` a string with its length before it, `z` with a zero at its end, `x` a
      byte of padding; `<` little, `>` big, `=` native endian.
      """,
      example: """
        print(string.pack(">I2", 258):byte(1, -1))      --> 1   2
        """),
    HelpEntry(
      .function, "string.packsize", "(format: string): integer",
      "How many bytes `string.pack` makes of this format.",
      example: """
        print(string.packsize("<i4i8"))         --> 12
        """),
    HelpEntry(
      .function, "string.unpack", "(format: string, s: string, init?: integer): any...",
      "The values that are packed in `s`, and the place after them.",
      example: """
        print(string.unpack("<I2", "\\1\\2"))     --> 513   3
        """),
    HelpEntry(
      .function, "string.rep", "(s: string, n: integer, sep?: string): string",
      "`n` times `s`, with `sep` between.",
      example: """
        print(("ab"):rep(3, "-"))               --> ab-ab-ab
        """),
    HelpEntry(
      .function, "string.reverse", "(s: string): string", "The bytes in reverse order.",
      example: """
        print(("abc"):reverse())                --> cba
        """),
    HelpEntry(
      .function, "string.sub", "(s: string, i: integer, j?: integer): string",
      "The part from `i` to `j`, by default the end.",
      example: """
        print(("hello"):sub(2, 3), ("hello"):sub(-2))   --> el   lo
        """),
  ])

let utf8Help = HelpSubject(
  title: "UTF-8",
  entries: [
    HelpEntry(
      .module, "utf8", "", "Functions on strings in UTF-8. Places are counted in bytes."),
    HelpEntry(
      .function, "utf8.char", "(...: integer): string", "A string of these code points.",
      example: """
        print(utf8.char(228, 8364))             --> ä€
        """),
    HelpEntry(
      .field, "utf8.charpattern", "string", "The pattern of one character.",
      example: """
        for c in ("aé"):gmatch(utf8.charpattern) do print(#c) end
        --> 1
        --> 2
        """),
    HelpEntry(
      .function, "utf8.codes", "(s: string, lax?: boolean): function, string, integer",
      "For `for`: the place and code point of each character.",
      example: """
        for place, code in utf8.codes("é!") do print(place, code) end
        --> 1   233
        --> 3   33
        """),
    HelpEntry(
      .function, "utf8.codepoint",
      "(s: string, i?: integer, j?: integer, lax?: boolean): integer...",
      "The code points of the characters that begin between `i` and `j`.",
      example: """
        print(utf8.codepoint("é"))              --> 233
        """),
    HelpEntry(
      .function, "utf8.len",
      "(s: string, i?: integer, j?: integer, lax?: boolean): integer?, integer?",
      "How many characters; or nil and the place of the first byte that is wrong.",
      example: """
        print(utf8.len("é!"), utf8.len("\\xff")) --> 2   nil   1
        """),
    HelpEntry(
      .function, "utf8.offset", "(s: string, n: integer, i?: integer): integer?",
      "The place of the `n`th character, counted from `i`.",
      example: """
        print(utf8.offset("éa", 2))             --> 3
        """),
  ])
