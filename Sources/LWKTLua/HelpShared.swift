// HelpShared.swift: help for shared objects.

let sharedHelp = HelpSubject(
  title: "Shared objects",
  entries: [
    HelpEntry(
      .module, "lwkt.shared", "",
      "Values that threads do share: counters, tables of copies, arrays of numbers.",
      """
      Each single operation is atomic and runs in parallel with others. Their handles can
      be sent and captured. What takes several operations needs a token; with
      `{token=tok}` at creation every access without it raises an error.
      """,
      example: """
        local hits = lwkt.shared.counter()
        lwkt.scope(function(scope)
          for i = 1, 10 do scope:create(function() hits:add() end) end
        end)
        print(hits:get())                       --> 10
        """),
    HelpEntry(
      .function, "lwkt.shared.counter", "(n?: integer, options?: lwkt.SharedOptions): lwkt.Counter",
      "A counter that begins at `n`, by default 0.",
      example: """
        print(lwkt.shared.counter(5):get())     --> 5
        """),
    HelpEntry(
      .function, "lwkt.shared.table", "(options?: lwkt.SharedOptions): lwkt.Table",
      "A table of copies: what goes in and what comes out is copied.",
      example: """
        local tbl = lwkt.shared.table()
        tbl:set("primes", { 2, 3, 5 })
        print(#tbl:get("primes"))               --> 3
        """),
    HelpEntry(
      .function, "lwkt.shared.array",
      "(type: \"i64\"|\"f64\"|\"u8\", n: integer, options?: lwkt.SharedOptions): lwkt.Array",
      "An array of `n` numbers of one type, all 0.",
      """
      `i64` are integers, `f64` floats, `u8` integers from 0 to 255. Its length is fixed. A
      system call reads into it or writes from it without a copy.
      """,
      example: """
        local array = lwkt.shared.array("f64", 3)
        array[1] = 0.5
        print(array[1], array[2], #array)       --> 0.5   0.0   3
        """),
    HelpEntry(
      .option, "lwkt.shared{token=}", "lwkt.Token",
      "Any access without this token held raises an error; reading needs it shared at least.",
      example: """
        local tok = lwkt.token("accounts")
        local sum = lwkt.shared.counter(0, { token = tok })
        print(pcall(sum.get, sum))
        --> false   shared counter...: token "accounts" is not held
        print(tok:with(sum.add, sum, 2))        --> 2
        """),
    HelpEntry(
      .object, "counter", "lwkt.Counter",
      "A shared counter: an integer that wraps around as Lua's do."),
    HelpEntry(
      .method, "counter:add", "(n?: integer): integer",
      "Add `n`, by default 1; the new value.",
      example: """
        print(lwkt.shared.counter(1):add(2))    --> 3
        """),
    HelpEntry(
      .method, "counter:get", "(): integer",
      "Its value.",
      example: """
        print(lwkt.shared.counter(1):get())     --> 1
        """),
    HelpEntry(
      .method, "counter:set", "(n: integer)",
      "Make it `n`.",
      example: """
        local counter = lwkt.shared.counter()
        counter:set(7)
        print(counter:get())                    --> 7
        """),
    HelpEntry(
      .method, "counter:cas", "(expected: integer, desired: integer): boolean",
      "Make it `desired` if it is `expected`; was it?",
      example: """
        local counter = lwkt.shared.counter(1)
        print(counter:cas(1, 2), counter:cas(1, 3))     --> true   false
        """),
    HelpEntry(
      .object, "tbl", "lwkt.Table",
      "A shared table. Keys are booleans, numbers, strings and handles; `#tbl` is `tbl:len()`."),
    HelpEntry(
      .method, "tbl:get", "(key: any): any",
      "A copy of the value of `key`, or nil.",
      example: """
        print(lwkt.shared.table():get("nothing"))       --> nil
        """),
    HelpEntry(
      .method, "tbl:set", "(key: any, value: any)",
      "Store a copy of `value`; nil removes the key.",
      "Raises an error for what cannot be copied.",
      example: """
        local tbl = lwkt.shared.table()
        tbl:set("a", 1)
        print(tbl:get("a"))                     --> 1
        """),
    HelpEntry(
      .method, "tbl:update", "(key: any, fn: fun(old: any): any): any",
      "Store what `fn` makes of the value of `key`, with nobody between; the new value.",
      """
      `fn` runs in this thread and may run again, with a newer value, when somebody else was
      faster: it should do nothing but compute. An error in it changes nothing.
      """,
      example: """
        local tbl = lwkt.shared.table()
        tbl:update("n", function(old) return (old or 0) + 1 end)
        print(tbl:update("n", function(old) return (old or 0) + 1 end))   --> 2
        """),
    HelpEntry(
      .method, "tbl:pairs", "(): fun(): any, any",
      "An iterator over all keys and values as they are now.",
      "Later changes are not seen.",
      example: """
        local tbl = lwkt.shared.table()
        tbl:set("a", 1)
        for key, value in tbl:pairs() do print(key, value) end    --> a   1
        """),
    HelpEntry(
      .method, "tbl:len", "(): integer",
      "How many keys it has.",
      example: """
        local tbl = lwkt.shared.table()
        tbl:set("a", 1)
        print(tbl:len(), #tbl)                  --> 1   1
        """),
    HelpEntry(
      .object, "array", "lwkt.Array",
      "A shared array: `array[i]` from 1 to `#array`.",
      "An index out of range, or a value that is no element, raises an error.",
      example: """
        local array = lwkt.shared.array("u8", 2)
        array[2] = 255
        print(array[2], pcall(function() array[3] = 1 end))
        --> 255   false   ...: index 3 is out of range 1..2
        """),
    HelpEntry(
      .method, "array:fill", "(value: number, i?: integer, j?: integer)",
      "Set the elements from `i` to `j`, by default all, to `value`.",
      "Each element is set atomically, not all at once.",
      example: """
        local array = lwkt.shared.array("i64", 3)
        array:fill(7, 2)
        print(table.unpack(array:slice()))      --> 0   7   7
        """),
    HelpEntry(
      .method, "array:slice", "(i?: integer, j?: integer): number[]",
      "A table of the elements from `i` to `j`, by default all.",
      example: """
        local array = lwkt.shared.array("i64", 3)
        print(#array:slice(2, 3))               --> 2
        """),
    HelpEntry(
      .method, "array:bytes", "(i?: integer, j?: integer): string",
      "The elements from `i` to `j`, by default all, as bytes in memory order.",
      example: """
        local array = lwkt.shared.array("u8", 2)
        array[1], array[2] = 72, 105
        print(array:bytes())                    --> Hi
        """),
    HelpEntry(
      .method, "array:add", "(i: integer, n: integer): integer",
      "Add `n` to an element of an `i64` array; its new value.",
      example: """
        local array = lwkt.shared.array("i64", 3)
        print(array:add(2, 5), array:add(2, 5)) --> 5   10
        """),
  ])
