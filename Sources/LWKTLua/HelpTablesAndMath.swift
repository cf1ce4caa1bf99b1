// HelpTablesAndMath.swift: help for tables and numbers.

let tableHelp = HelpSubject(
  title: "Tables",
  entries: [
    HelpEntry(.module, "table", "", "Functions on lists."),
    HelpEntry(
      .function, "table.concat",
      "(list: table, sep?: string, i?: integer, j?: integer): string",
      "The strings and numbers of a list in one string, with `sep` between.",
      example: """
        print(table.concat({ 1, 2, 3 }, ", "))  --> 1, 2, 3
        """),
    HelpEntry(
      .function, "table.insert",
      """
      (list: table, value: any)
      (list: table, pos: integer, value: any)
      """,
      "Insert a value at `pos`, by default at the end.",
      example: """
        local list = { "b" }
        table.insert(list, 1, "a")
        table.insert(list, "c")
        print(table.concat(list))               --> abc
        """),
    HelpEntry(
      .function, "table.move",
      "(from: table, first: integer, last: integer, to: integer, target?: table): table",
      "Copy elements to another place or table, which is returned.",
      example: """
        print(table.concat(table.move({ "a", "b" }, 1, 2, 2)))    --> aab
        """),
    HelpEntry(
      .function, "table.pack", "(...: any): table",
      "A list of the arguments, with their number as `n`.",
      example: """
        print(table.pack(nil, nil).n)           --> 2
        """),
    HelpEntry(
      .function, "table.remove", "(list: table, pos?: integer): any",
      "Remove the element at `pos`, by default the last, and return it.",
      example: """
        print(table.remove({ "a", "b" }, 1))    --> a
        """),
    HelpEntry(
      .function, "table.sort", "(list: table, less?: fun(a: any, b: any): boolean)",
      "Sort a list in place, by `<` or by `less`.",
      "`less` may wait.",
      example: """
        local list = { 2, 3, 1 }
        table.sort(list, function(a, b) return a > b end)
        print(table.concat(list))               --> 321
        """),
    HelpEntry(
      .function, "table.unpack", "(list: table, i?: integer, j?: integer): any...",
      "The elements from `i` to `j`, by default all.",
      example: """
        print(table.unpack({ 1, 2, 3 }, 2))     --> 2   3
        """),
  ])

let mathHelp = HelpSubject(
  title: "Numbers",
  entries: [
    HelpEntry(.module, "math", "", "Functions on numbers. Angles are in radians."),
    HelpEntry(
      .function, "math.abs", "(x: number): number", "Its absolute value.",
      example: """
        print(math.abs(-3))                     --> 3
        """),
    HelpEntry(
      .function, "math.ceil", "(x: number): integer", "The smallest integer that is not less.",
      example: """
        print(math.ceil(1.2))                   --> 2
        """),
    HelpEntry(
      .function, "math.floor", "(x: number): integer", "The greatest integer that is not more.",
      example: """
        print(math.floor(-1.2))                 --> -2
        """),
    HelpEntry(
      .function, "math.fmod", "(x: number, y: number): number",
      "The rest of a division that rounds towards zero.",
      example: """
        print(math.fmod(-5, 3), -5 % 3)         --> -2   1
        """),
    HelpEntry(
      .function, "math.modf", "(x: number): number, number",
      "Its integral part and the rest.",
      example: """
        print(math.modf(3.25))                  --> 3   0.25
        """),
    HelpEntry(
      .function, "math.max", "(x: number, ...: number): number", "The greatest.",
      example: """
        print(math.max(2, 7, 1))                --> 7
        """),
    HelpEntry(
      .function, "math.min", "(x: number, ...: number): number", "The smallest.",
      example: """
        print(math.min(2, 7, 1))                --> 1
        """),
    HelpEntry(
      .function, "math.sqrt", "(x: number): number", "The square root.",
      example: """
        print(math.sqrt(9))                     --> 3.0
        """),
    HelpEntry(
      .function, "math.exp", "(x: number): number", "e to the power of `x`.",
      example: """
        print(math.exp(0))                      --> 1.0
        """),
    HelpEntry(
      .function, "math.log", "(x: number, base?: number): number",
      "The logarithm, by default the natural one.",
      example: """
        print(math.log(8, 2))                   --> 3.0
        """),
    HelpEntry(
      .function, "math.sin", "(x: number): number", "The sine.",
      example: """
        print(math.sin(0))                      --> 0.0
        """),
    HelpEntry(
      .function, "math.cos", "(x: number): number", "The cosine.",
      example: """
        print(math.cos(0))                      --> 1.0
        """),
    HelpEntry(
      .function, "math.tan", "(x: number): number", "The tangent.",
      example: """
        print(math.tan(0))                      --> 0.0
        """),
    HelpEntry(
      .function, "math.asin", "(x: number): number", "The angle with this sine.",
      example: """
        print(math.asin(0))                     --> 0.0
        """),
    HelpEntry(
      .function, "math.acos", "(x: number): number", "The angle with this cosine.",
      example: """
        print(math.acos(1))                     --> 0.0
        """),
    HelpEntry(
      .function, "math.atan", "(y: number, x?: number): number",
      "The angle whose tangent is `y / x`, in the right quadrant; `x` is 1 by default.",
      example: """
        print(math.atan(0, -1) == math.pi)      --> true
        """),
    HelpEntry(
      .function, "math.deg", "(x: number): number", "Radians in degrees.",
      example: """
        print(math.deg(math.pi))                --> 180.0
        """),
    HelpEntry(
      .function, "math.rad", "(x: number): number", "Degrees in radians.",
      example: """
        print(math.rad(180) == math.pi)         --> true
        """),
    HelpEntry(
      .function, "math.random", "(m?: integer, n?: integer): number",
      "A random float from 0 to 1, or integer from 1 to `m`, or from `m` to `n`.",
      "Each Lua heap has a generator of its own; `math.random(0)` gives 64 random bits.",
      example: """
        local n = math.random(6)
        print(n >= 1 and n <= 6)                --> true
        """),
    HelpEntry(
      .function, "math.randomseed", "(x?: integer, y?: integer): integer, integer",
      "Begin a sequence of random numbers that is the same for the same seed.",
      example: """
        math.randomseed(1)
        local first = math.random(1000)
        math.randomseed(1)
        print(math.random(1000) == first)       --> true
        """),
    HelpEntry(
      .function, "math.tointeger", "(x: any): integer?",
      "The integer that `x` is, or nil.",
      example: """
        print(math.tointeger(3.0), math.tointeger(3.5))           --> 3   nil
        """),
    HelpEntry(
      .function, "math.type", "(x: any): string?",
      "`integer`, `float`, or nil.",
      example: """
        print(math.type(1), math.type(1.0), math.type("1"))       --> integer   float   nil
        """),
    HelpEntry(
      .function, "math.ult", "(m: integer, n: integer): boolean",
      "Is `m` less than `n` as unsigned integers?",
      example: """
        print(math.ult(1, -1))                  --> true
        """),
    HelpEntry(
      .field, "math.pi", "number", "π.",
      example: """
        print(math.pi)                          --> 3.1415926535898
        """),
    HelpEntry(
      .field, "math.huge", "number", "More than any other number.",
      example: """
        print(math.huge)                        --> inf
        """),
    HelpEntry(
      .field, "math.maxinteger", "integer", "The greatest integer.",
      example: """
        print(math.maxinteger)                  --> 9223372036854775807
        """),
    HelpEntry(
      .field, "math.mininteger", "integer", "The smallest integer.",
      example: """
        print(math.mininteger)                  --> -9223372036854775808
        """),
  ])
