// HelpPorts.swift: help for ports and for receiving.

let portHelp = HelpSubject(
  title: "Ports",
  entries: [
    HelpEntry(
      .function, "lwkt.port",
      "(options?: string|lwkt.PortOptions): lwkt.Port | nil, message, errno",
      "A new port: a queue of messages that threads send to and receive from.",
      """
      A string is the port's name. Fails with `EEXIST` if there is an open port of that
      name. Who holds the handle may send; who may receive is a matter of its `kind`.
      """,
      example: """
        local jobs = lwkt.port { name = "jobs", limit = 10 }
        jobs:send("wash up")
        print(jobs:recv())                      --> wash up
        """),
    HelpEntry(
      .option, "lwkt.port{name=}", "string",
      "The name under which `lwkt.lookup` finds it, until it is closed.",
      example: """
        local port = lwkt.port { name = "jobs" }
        print(lwkt.lookup("jobs") == port)      --> true
        """),
    HelpEntry(
      .option, "lwkt.port{limit=}", "integer",
      "How many messages may be queued; who sends one more waits for room.",
      "Without it there is no limit. Who sends to `port.urgent` waits for room like others.",
      example: """
        local port = lwkt.port { limit = 1 }
        port:send(1)
        print(lwkt.timeout(0.01, port.send, port, 2))   --> nil   timed out   110
        """),
    HelpEntry(
      .option, "lwkt.port{kind=}", "\"spin\"|\"thread\"",
      "Who may receive: `spin`, any thread (the default); `thread`, its creator only.",
      example: """
        local port = lwkt.port { kind = "thread" }
        print(port.kind)                        --> thread
        """),
    HelpEntry(
      .function, "lwkt.lookup", "(name: string, timeout?: number): lwkt.Port | nil, message, errno",
      "The open port of that name; waits until there is one.",
      "Fails with `ETIMEDOUT`; 0 looks without waiting.",
      example: """
        lwkt.create(function() lwkt.port("late"):recv() end)
        local port = lwkt.lookup("late")
        port:send("found")
        print(lwkt.lookup("nobody", 0))         --> nil   timed out   110
        """),
    HelpEntry(
      .object, "port", "lwkt.Port",
      "A port, as `lwkt.port` and `lwkt.lookup` return it.",
      """
      `#port` is the number of messages queued. Messages are received in the order in which
      they were sent, but those to `port.urgent` first. What can be sent: nil, booleans,
      numbers, strings, tables (with cycles, and metatables of modules), Lua functions, and
      handles; all but handles are copied. Anything else raises an error that names the
      path to it: `sendmsg: cannot send userdata at [2].conn.fd`.
      """,
      example: """
        local port = lwkt.port()
        port:send("a")
        port:send("b")
        print(#port)                            --> 2
        """),
    HelpEntry(
      .method, "port:send", "(...: any): true | nil, message, errno",
      "Queue the values, one way: no answer is expected.",
      "Waits only for room in a port with a limit. Fails with `ENOTCONN` when it is closed.",
      example: """
        local port = lwkt.port()
        port:send("a", { 1, 2 })
        local text, list = port:recv()
        print(text, #list)                      --> a   2
        port:close()
        print(port:send("b"))                   --> nil   port is closed   107
        """),
    HelpEntry(
      .method, "port:sendmsg", "(...: any): lwkt.Message",
      "Send a request and go on; the answer is waited for with `msg:wait`.",
      """
      Waits only for room in a port with a limit. If the port is closed, the request is
      answered at once, with `ENOTCONN`. If nobody is left who could answer, the answer is
      nil, `peer exited`, `EPIPE`.
      """,
      example: """
        local port = lwkt.port()
        lwkt.create(function() port:wait():reply("pong") end)
        local msg = port:sendmsg("ping")
        print(msg:wait())                       --> pong
        """),
    HelpEntry(
      .method, "port:domsg", "(...: any): any... | nil, message, errno",
      "Send a request and wait for its answer, which is returned.",
      "`port:sendmsg(...):wait()` in one. Fails as the receiver says with `msg:fail`.",
      example: """
        local port = lwkt.port()
        lwkt.create(function()
          for i = 1, 2 do
            local msg = port:wait()
            local n = msg:unpack()
            if n >= 0 then msg:reply(n ^ 0.5) else msg:fail("negative", lwkt.errno.EDOM) end
          end
        end)
        print(port:domsg(9))                    --> 3.0
        print(port:domsg(-9))                   --> nil   negative   33
        """),
    HelpEntry(
      .method, "port:sendmsg_to", "(rport: lwkt.Port, ...: any): lwkt.Message",
      "Send a request whose answer is queued on `rport`.",
      "There it is received with `rport:wait()`; it is the same message, with `isreply` true.",
      example: """
        local port, answers = lwkt.port(), lwkt.port()
        for i = 1, 2 do
          lwkt.create(function() local m = port:wait() m:reply(m:unpack() * 10) end)
        end
        port:sendmsg_to(answers, 1)
        port:sendmsg_to(answers, 2)
        print(answers:wait():unpack() + answers:wait():unpack())  --> 30
        """),
    HelpEntry(
      .method, "port:wait", "(timeout?: number): lwkt.Message | nil, message, errno",
      "Wait for the next message and take it.",
      """
      A message that is a request must be answered: with `msg:reply`, `msg:fail` or
      `msg:forward`. Fails with `ETIMEDOUT`, or `ENOTCONN` when the port is closed.
      """,
      example: """
        local port = lwkt.port()
        port:send("one way")
        print(port:wait():unpack())             --> one way
        print(port:wait(0))                     --> nil   timed out   110
        """),
    HelpEntry(
      .method, "port:get", "(): lwkt.Message?",
      "The next message, or nil if there is none. Does not wait.",
      example: """
        local port = lwkt.port()
        print(port:get())                       --> nil
        """),
    HelpEntry(
      .method, "port:recv", "(timeout?: number): any... | nil, message, errno",
      "Wait for the next message and return its values.",
      """
      For what was sent one way with `send`. A request is answered with no values. Fails
      with `ETIMEDOUT`, or `ENOTCONN` when the port is closed. Where nil may be sent, tell
      a failure from it by the errno, or use `port:wait`.
      """,
      example: """
        local port = lwkt.port()
        port:send(1, 2)
        print(port:recv())                      --> 1   2
        print(port:recv(0.01))                  --> nil   timed out   110
        """),
    HelpEntry(
      .method, "port:close", "()",
      "Take no more messages.",
      """
      What is queued and was not answered fails with `ENOTCONN`; who waits to receive or to
      send is woken and fails likewise. Its name is free again. Closing twice is nothing.
      """,
      example: """
        local port = lwkt.port()
        local msg = port:sendmsg("hello?")
        port:close()
        print(msg:wait())                       --> nil   port is closed   107
        """),
    HelpEntry(
      .field, "port.urgent", "lwkt.Port",
      "The same port's head queue: what is sent there is received first.",
      example: """
        local port = lwkt.port()
        port:send("later")
        port.urgent:send("first")
        print(port:recv())                      --> first
        """),
    HelpEntry(
      .field, "port.id", "integer",
      "Its number.",
      example: """
        print(lwkt.port().id ~= lwkt.port().id) --> true
        """),
    HelpEntry(
      .field, "port.name", "string?",
      "The name it was made with.",
      example: """
        print(lwkt.port("jobs").name)           --> jobs
        """),
    HelpEntry(
      .field, "port.limit", "integer?",
      "How many messages may be queued; nil if there is no limit.",
      example: """
        print(lwkt.port({ limit = 5 }).limit)   --> 5
        """),
    HelpEntry(
      .field, "port.kind", "\"spin\"|\"thread\"|\"sysport\"",
      "Who may receive: `spin`, any thread; `thread`, its owner; `sysport`, nobody.",
      example: """
        print(lwkt.port().kind, lwkt.curthread().msgport.kind)    --> spin   thread
        """),
    HelpEntry(
      .function, "lwkt.wait", "(timeout?: number): lwkt.Message | nil, message, errno",
      "Wait for the next message at this thread's own port; see `port:wait`.",
      example: """
        local td = lwkt.create(function() lwkt.wait():reply("here") end)
        print(td:domsg("where?"))               --> here
        """),
    HelpEntry(
      .function, "lwkt.get", "(): lwkt.Message?",
      "The next message at this thread's own port, or nil; see `port:get`.",
      example: """
        print(lwkt.get())                       --> nil
        """),
    HelpEntry(
      .function, "lwkt.recv", "(timeout?: number): any... | nil, message, errno",
      "The values of the next message at this thread's own port; see `port:recv`.",
      example: """
        local td = lwkt.create(function() return lwkt.recv() end)
        td:send("a", "b")
        print(td:join())                        --> true   a   b
        """),
    HelpEntry(
      .function, "lwkt.waitany",
      "<T: lwkt.Port|lwkt.Message|lwkt.Thread>(objects: T[], timeout?: number): T, integer | nil, message, errno",
      "Wait for the first of several to be ready; return it and its place in the list.",
      """
      A port is ready when it has a message or is closed, a message when it is answered, a
      thread when it has ended. Takes nothing: receive, `wait` or `join` then. Another
      receiver may be faster. Fails with `ETIMEDOUT`.
      """,
      example: """
        local port = lwkt.port()
        local td = lwkt.create(function() lwkt.sleep(1000) end)
        port:send("ready")
        print(select(2, lwkt.waitany { td, port }))     --> 2
        print(port:recv())                      --> ready
        td:abort()
        td:join()
        """),
  ])
