// HelpTokens.swift: help for tokens.

let tokenHelp = HelpSubject(
  title: "Tokens",
  entries: [
    HelpEntry(
      .function, "lwkt.token", "(name?: string): lwkt.Token",
      "A token; the same name is the same token everywhere.",
      """
      A token serialises the threads that hold it, while they run. A thread that waits, for
      whatever it may be, gives up all it holds and has all of it again when it goes on. So
      tokens never deadlock, whatever the order; and after any wait what they guard must be
      looked at again.
      """,
      example: """
        local tok = lwkt.token("accounts")
        print(tok, tok == lwkt.token("accounts"))       --> token accounts   true
        """),
    HelpEntry(
      .function, "lwkt.getpooltoken", "(key: string|integer): lwkt.Token",
      "The token that serialises `key`, out of a pool of 4001.",
      "The same key always gives the same token; two keys may happen to share one.",
      example: """
        print(lwkt.getpooltoken("user 7") == lwkt.getpooltoken("user 7"))   --> true
        """),
    HelpEntry(
      .function, "lwkt.token_swap", "()",
      "Swap the two tokens acquired last, so that the other can be released first.",
      "Raises an error when fewer than two are held.",
      example: """
        local a, b = lwkt.token("a"), lwkt.token("b")
        a:get() b:get()
        lwkt.token_swap()
        a:rel() b:rel()
        """),
    HelpEntry(
      .object, "tok", "lwkt.Token",
      "A token, as `lwkt.token` returns it.",
      """
      As a `<close>` variable it is released at the end of the block, on errors too. Tokens
      a thread still holds when it ends are released.
      """,
      example: """
        local tok = lwkt.token("accounts")
        do
          local ref <close> = tok:get()
          print(tok:held())                     --> exclusive
        end
        print(tok:held())                       --> nil
        """),
    HelpEntry(
      .method, "tok:get", "(): lwkt.Token",
      "Acquire it exclusively; returns the token, for a `<close>` variable.",
      """
      Waits until it is free; meanwhile all other tokens held are given up. May be nested:
      each `get` needs its release. Raises an error if this thread holds it shared.
      """,
      example: """
        local tok = lwkt.token("accounts")
        tok:get()
        tok:rel()
        """),
    HelpEntry(
      .method, "tok:get_shared", "(): lwkt.Token",
      "Acquire it together with others who only look.",
      "Otherwise as `tok:get`. Who holds it exclusively may take it shared on top.",
      example: """
        local tok = lwkt.token("accounts")
        local ref <close> = tok:get_shared()
        print(tok:held())                       --> shared
        """),
    HelpEntry(
      .method, "tok:try", "(): boolean",
      "Acquire it exclusively if that can be done at once. Does not wait.",
      example: """
        local tok = lwkt.token("accounts")
        if tok:try() then
          print("mine")                         --> mine
          tok:rel()
        end
        """),
    HelpEntry(
      .method, "tok:rel", "()",
      "Release it. It must be the token acquired last.",
      """
      Raises an error for another: `reltoken: release wants "accounts", got "audit"`; see
      `lwkt.token_swap`.
      """,
      example: """
        local a, b = lwkt.token("a"), lwkt.token("b")
        a:get() b:get()
        print(pcall(a.rel, a))                  --> false   reltoken: release wants "b", got "a"
        b:rel() a:rel()
        """),
    HelpEntry(
      .method, "tok:with", "<T>(fn: (fun(...: any): T), ...: any): T",
      "Call `fn(...)` holding it and return its results; it is released on errors too.",
      "Waits as `tok:get` does.",
      example: """
        local tok = lwkt.token("accounts")
        print(tok:with(function(n) return n + 1 end, 1))          --> 2
        """),
    HelpEntry(
      .method, "tok:is_stale", "(): boolean",
      "Has anybody else held it exclusively since this thread got it first?",
      "Only a wait makes it so. Raises an error when it is not held.",
      example: """
        local tok = lwkt.token("accounts")
        local ref <close> = tok:get()
        print(tok:is_stale())                   --> false
        lwkt.create(function() tok:with(function() end) end):join()
        print(tok:is_stale())                   --> true
        """),
    HelpEntry(
      .method, "tok:held", "(): \"exclusive\"|\"shared\"|nil",
      "How this thread holds it: `exclusive`, `shared`, or nil.",
      example: """
        print(lwkt.token("accounts"):held())    --> nil
        """),
  ])
