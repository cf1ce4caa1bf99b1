// HelpThreadHandles.swift: help for thread handles.

let threadHandleHelp = HelpSubject(
  title: "Thread handles",
  entries: [
    HelpEntry(
      .object, "td", "lwkt.Thread",
      "A thread, as `lwkt.create` and `lwkt.curthread` return it.",
      """
      Handles can be sent, compared (`==`), used as table keys and printed:
      `thread 1.4 (fetcher)`. Fields are read-only. A thread also has a port, `td.msgport`;
      `td:send`, `td:sendmsg` and `td:domsg` send to it.
      """,
      example: """
        print(lwkt.create({ name = "fetcher" }, function() end))  --> thread 1.1 (fetcher)
        """),
    HelpEntry(
      .method, "td:join",
      "(timeout?: number): boolean?, any... | nil, message, errno",
      "Wait for the thread's end and return how it ended.",
      """
      True and what its function returned, or false and its error. Fails with `ETIMEDOUT`
      when it has not ended in time; 0 looks without waiting. May be called any number of
      times, by any thread, except the thread itself.
      """,
      example: """
        local td = lwkt.create(function() return 1, "two" end)
        print(td:join())                        --> true   1   two
        local bad = lwkt.create(function() error("no luck", 0) end)
        print(bad:join())                       --> false   no luck
        local slow = lwkt.create({ daemon = true }, function() lwkt.sleep(9) end)
        print(slow:join(0.01))                  --> nil   timed out   110
        """),
    HelpEntry(
      .method, "td:abort", "(reason?: any)",
      "Ask the thread to stop: its present or next wait ends with an error.",
      """
      Does not wait. The error is `reason`, by default `aborted`. The thread may catch it
      to clean up, but the next wait raises it again; `<close>` variables run. What it is
      waiting for is given up: a request it has sent is aborted and its answer awaited. A
      thread that never waits is not stopped. Nothing happens to one that has ended.
      """,
      example: """
        local td = lwkt.create(function() lwkt.sleep(1000) end)
        td:abort("enough")
        print(td:join())                        --> false   enough
        """),
    HelpEntry(
      .method, "td:schedule", "()",
      "Let a thread run that was created with `nostart`.",
      "Nothing happens to one that runs already.",
      example: """
        local td = lwkt.create({ nostart = true }, function() return "ran" end)
        td:schedule()
        print(td:join())                        --> true   ran
        """),
    HelpEntry(
      .method, "td:setpri", "(pri: integer)",
      "Change the thread's priority, 0 to 31.",
      example: """
        local td = lwkt.create({ nostart = true }, function() end)
        td:setpri(3)
        print(td.pri)                           --> 3
        td:schedule()
        """),
    HelpEntry(
      .method, "td:notify", "(port: lwkt.Port)",
      "Have a message sent to `port` when the thread ends.",
      """
      Its values are `"exit"`, the thread, whether it ended well, and its results or its
      error. If it has ended already the message comes at once.
      """,
      example: """
        local ends = lwkt.port()
        for i = 1, 3 do lwkt.create(function() return i end):notify(ends) end
        local sum = 0
        for i = 1, 3 do
          local kind, td, ok, result = ends:recv()
          sum = sum + result
        end
        print(sum)                              --> 6
        """),
    HelpEntry(
      .method, "td:send", "(...: any): true | nil, message, errno",
      "Send values to the thread's port, one way; see `port:send`.",
      example: """
        local td = lwkt.create(function() return lwkt.recv() end)
        td:send("hello", 1)
        print(td:join())                        --> true   hello   1
        """),
    HelpEntry(
      .method, "td:sendmsg", "(...: any): lwkt.Message",
      "Send a request to the thread's port and go on; see `port:sendmsg`.",
      example: """
        local td = lwkt.create(function() lwkt.wait():reply("done") end)
        local msg = td:sendmsg("do it")
        print(msg:wait())                       --> done
        """),
    HelpEntry(
      .method, "td:domsg", "(...: any): any... | nil, message, errno",
      "Send a request to the thread's port and wait for the answer; see `port:domsg`.",
      example: """
        local td = lwkt.create(function() lwkt.wait():reply("done") end)
        print(td:domsg("do it"))                --> done
        """),
    HelpEntry(
      .field, "td.id", "string",
      "Its name by descent: the main thread is `1`, its fourth child `1.4`.",
      "The same in every run of a program, and in every report.",
      example: """
        print(lwkt.curthread().id, lwkt.create(function() end).id)    --> 1   1.1
        """),
    HelpEntry(
      .field, "td.name", "string?",
      "The name it was created with.",
      example: """
        print(lwkt.create({ name = "fetcher" }, function() end).name) --> fetcher
        """),
    HelpEntry(
      .field, "td.state", "\"nostart\"|\"runnable\"|\"running\"|\"waiting\"|\"dead\"",
      "What it does: `nostart`, `runnable`, `running`, `waiting` or `dead`.",
      "The state of another thread may be another by the time one looks at it.",
      example: """
        print(lwkt.curthread().state)           --> running
        """),
    HelpEntry(
      .field, "td.cpu", "integer",
      "The worker it is on.",
      example: """
        print(lwkt.curthread().cpu == lwkt.mycpu())     --> true
        """),
    HelpEntry(
      .field, "td.pri", "integer",
      "Its priority.",
      example: """
        print(lwkt.curthread().pri)             --> 8
        """),
    HelpEntry(
      .field, "td.wmesg", "string?",
      "What it waits for, in a word or two; nil if it does not wait.",
      example: """
        local td = lwkt.create({ daemon = true }, function() lwkt.tsleep("x", "better days") end)
        while td.state ~= "waiting" do lwkt.sleep(0.001) end
        print(td.wmesg)                         --> better days
        """),
    HelpEntry(
      .field, "td.msgport", "lwkt.Port",
      "Its port, from which it alone receives.",
      example: """
        local td = lwkt.curthread()
        td.msgport:send("to myself")
        print(lwkt.recv())                      --> to myself
        """),
  ])
