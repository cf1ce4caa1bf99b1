// HelpMessages.swift: help for messages.

let messageHelp = HelpSubject(
  title: "Messages",
  entries: [
    HelpEntry(
      .object, "msg", "lwkt.Message",
      "A message: a request and its answer in one, or values sent one way.",
      """
      `port:sendmsg` gives it to the sender, `port:wait` to the receiver. The receiver looks
      at it with `unpack` and answers it once, when it likes, also after other messages.
      No request is lost: if its receiver ends, forgets it, or the port goes away, the
      sender gets nil, `peer exited`, `EPIPE`.
      """,
      example: """
        local port = lwkt.port()
        local mine = port:sendmsg("lost")
        port:wait()
        collectgarbage()
        print(mine:wait())                      --> nil   peer exited   32
        """),
    HelpEntry(
      .method, "msg:unpack", "(): any...",
      "Its values: of a request what was sent, of an answer what was replied.",
      "Does not wait. An answer that is a failure gives nil, message, errno.",
      example: """
        local port = lwkt.port()
        port:send(1, "two")
        print(port:wait():unpack())             --> 1   two
        """),
    HelpEntry(
      .method, "msg:reply", "(...: any): true",
      "Answer the request with these values.",
      """
      Does not wait. Raises an error if it was answered or forwarded already, or was sent
      one way.
      """,
      example: """
        local td = lwkt.create(function() lwkt.wait():reply(1, 2) end)
        print(td:domsg("count"))                --> 1   2
        """),
    HelpEntry(
      .method, "msg:fail", "(err: any, errno?: integer): true",
      "Answer the request with a failure: the sender gets nil, `err`, `errno`.",
      "The errno is `EIO`, 5, unless another is given.",
      example: """
        local td = lwkt.create(function() lwkt.wait():fail("no such thing", 2) end)
        print(td:domsg("find"))                 --> nil   no such thing   2
        """),
    HelpEntry(
      .method, "msg:forward", "(port: lwkt.Port|lwkt.Thread): true | nil, message, errno",
      "Pass the request on; the answer goes to its sender.",
      """
      From then on it is its next receiver's to answer. If that port is closed, the sender
      gets `ENOTCONN`, and so does the caller.
      """,
      example: """
        local clerk = lwkt.create(function() lwkt.wait():reply("the clerk") end)
        local boss = lwkt.create(function() lwkt.wait():forward(clerk) end)
        print(boss:domsg("who answers?"))       --> the clerk
        """),
    HelpEntry(
      .method, "msg:wait", "(timeout?: number): any... | nil, message, errno",
      "Wait for the answer to a request this thread has sent, and return its values.",
      """
      May be called again: the answer stays. Fails as the receiver says, with `EPIPE` if
      nobody is left to answer, with `ETIMEDOUT` when the time is up; the request is then
      still under way.
      """,
      example: """
        local td = lwkt.create(function() lwkt.wait():reply("done") end)
        local msg = td:sendmsg("work")
        print(msg:wait(), msg:wait())           --> done   done
        """),
    HelpEntry(
      .method, "msg:check", "(): boolean",
      "Is the answer there?",
      example: """
        local port = lwkt.port()
        local msg = port:sendmsg("question")
        print(msg:check())                      --> false
        port:wait():reply("answer")
        print(msg:check())                      --> true
        """),
    HelpEntry(
      .method, "msg:abort", "()",
      "Ask the receiver to give the request up. By the sender.",
      """
      Does not wait; the answer still comes. A request that is still queued is answered with
      `EINTR`; a receiver who has it sees `msg.aborted` and may answer as it likes. A
      system call is cancelled.
      """,
      example: """
        local msg = lwkt.sysport:sendmsg("nanosleep", 1000)
        msg:abort()
        print(msg:wait())                       --> nil   Interrupted system call   4
        """),
    HelpEntry(
      .field, "msg.sender", "lwkt.Thread?",
      "The thread that sent it.",
      example: """
        local port = lwkt.port()
        port:send("hello")
        print(port:wait().sender)               --> thread 1
        """),
    HelpEntry(
      .field, "msg.isreply", "boolean",
      "Is it an answer, come back to a reply port?",
      example: """
        local port, answers = lwkt.port(), lwkt.port()
        port:sendmsg_to(answers, "question")
        port:wait():reply("answer")
        print(answers:wait().isreply)           --> true
        """),
    HelpEntry(
      .field, "msg.aborted", "boolean",
      "Has the sender asked to give it up?",
      example: """
        local port = lwkt.port()
        local mine = port:sendmsg("question")
        local theirs = port:wait()
        mine:abort()
        print(theirs.aborted)                   --> true
        theirs:fail("given up", lwkt.errno.EINTR)
        """),
  ])
