// HelpThreads.swift: help for threads: making them, and what one does itself.

let threadHelp = HelpSubject(
  title: "Threads",
  entries: [
    HelpEntry(
      .module, "lwkt", "",
      "Threads, messages, tokens, shared objects and system calls.",
      """
      A global in every thread; `require "lwkt"` returns it too. Times are seconds,
      integers or floats. An operation that fails returns nil, a message and an errno;
      misuse raises an error. Every function that waits may be called anywhere but in
      a finaliser (`__gc`).
      """,
      example: """
        local td = lwkt.create(function(n) return n * 2 end, 21)
        print(td:join())                        --> true   42
        """),
    HelpEntry(
      .function, "lwkt.create",
      """
      (fn: function, ...: any): lwkt.Thread
      (options: lwkt.CreateOptions, fn: function, ...: any): lwkt.Thread
      """,
      "Create a thread that runs `fn(...)`, and let it run.",
      """
      The thread shares no Lua value with its creator: `fn`, the locals it captured, the
      globals it names and the arguments are copied. Does not wait: the new thread runs
      when its creator waits or on another worker. What `fn` returns is kept for `join`.

      Raises an error if something cannot be copied (it says what and where), or if `fn`
      assigns a local of its creator, who would never see it: use `lwkt.shared`, a
      message, or `sharing=true`.
      """,
      example: """
        local function double(n) return n * 2 end
        local td = lwkt.create({ name = "doubler" }, function(n) return double(n) end, 4)
        print(td, td:join())                    --> thread 1.1 (doubler)   true   8
        """),
    HelpEntry(
      .option, "lwkt.create{name=}", "string",
      "A name for reports and for reading.",
      "It need not be unique: the thread's `id` is.",
      example: """
        print(lwkt.create({ name = "worker" }, function() end))   --> thread 1.1 (worker)
        """),
    HelpEntry(
      .option, "lwkt.create{cpu=}", "integer",
      "The worker that the thread stays on, 0 to `lwkt.ncpus() - 1`.",
      "Without it the thread may be moved to another worker whenever it does not run.",
      example: """
        print(lwkt.create({ cpu = 0 }, function() return lwkt.mycpu() end):join()) --> true   0
        """),
    HelpEntry(
      .option, "lwkt.create{pri=}", "integer",
      "The thread's priority, 0 to 31; 31 is the highest, 8 the usual.",
      """
      On each worker a runnable thread of higher priority goes first; those of the same
      take turns. A thread that is created has the usual priority, not its creator's.
      """,
      example: """
        print(lwkt.create({ pri = 20 }, function() end).pri)      --> 20
        """),
    HelpEntry(
      .option, "lwkt.create{nostart=}", "boolean",
      "Do not run the thread before `td:schedule()`.",
      example: """
        local td = lwkt.create({ nostart = true }, function() return "ran" end)
        print(td.state)                         --> nostart
        td:schedule()
        print(td:join())                        --> true   ran
        """),
    HelpEntry(
      .option, "lwkt.create{daemon=}", "boolean",
      "The program does not wait for this thread's end.",
      """
      When the last thread that is no daemon has ended, the daemons are aborted: their
      `<close>` variables run.
      """,
      example: """
        lwkt.create({ daemon = true }, function() lwkt.sleep(1000) end)
        print("done")                           --> done
        """),
    HelpEntry(
      .option, "lwkt.create{sharing=}", "boolean",
      "Live in the creator's Lua heap and share its variables and tables.",
      """
      Nothing is copied. Such threads take turns, so they never run at the same instant,
      but preemption can fall between any two instructions: guard what belongs together
      with a token. Excludes `maxmem`.
      """,
      example: """
        local n = 0
        lwkt.create({ sharing = true }, function() n = n + 1 end):join()
        print(n)                                --> 1
        """),
    HelpEntry(
      .option, "lwkt.create{maxmem=}", "integer",
      "The most bytes of Lua values the thread may have.",
      """
      The thread gets a Lua heap of its own. Beyond the limit it gets the error
      `not enough memory`, which `pcall` can catch. Excludes `sharing`.
      """,
      example: """
        local td = lwkt.create({ maxmem = 1 << 20 }, function() return #("x"):rep(1 << 24) end)
        print(td:join())                        --> false   not enough memory
        """),
    HelpEntry(
      .function, "lwkt.curthread", "(): lwkt.Thread",
      "The thread that runs.",
      example: """
        print(lwkt.curthread())                 --> thread 1
        """),
    HelpEntry(
      .function, "lwkt.mycpu", "(): integer",
      "The number of the worker that this thread runs on, from 0.",
      "It may be another after any wait, and after preemption.",
      example: """
        print(lwkt.mycpu() < lwkt.ncpus())      --> true
        """),
    HelpEntry(
      .function, "lwkt.ncpus", "(): integer",
      "How many workers there are.",
      "The number that `--workers` gives, else of the cpus that the process may use.",
      example: """
        print(lwkt.ncpus() >= 1)                --> true
        """),
    HelpEntry(
      .function, "lwkt.yield", "()",
      "Let threads of the same or a higher priority run first.",
      "Seldom needed: a thread that computes too long is preempted.",
      example: """
        local td = lwkt.create({ cpu = lwkt.mycpu(), sharing = true }, print, "other")
        lwkt.yield()                            --> other
        print("this")                           --> this
        """),
    HelpEntry(
      .function, "lwkt.exit", "(...: any)",
      "End this thread with these results, which `join` returns.",
      """
      Variables to be closed are closed; no `pcall` is in the way. In the main thread it
      ends that thread only: the program goes on until the others have ended too.
      """,
      example: """
        print(lwkt.create(function() pcall(lwkt.exit, 1, 2) end):join())   --> true   1   2
        """),
    HelpEntry(
      .function, "lwkt.setcpu_self", "(cpu: integer): true | nil, message, errno",
      "Move to that worker.",
      """
      Threads in the same Lua heap come along. Fails with `EBUSY` if one of them is held
      where it is: pinned by `cpu=`, or waiting inside a C function.
      """,
      example: """
        print(lwkt.setcpu_self(0), lwkt.mycpu())        --> true   0
        """),
    HelpEntry(
      .function, "lwkt.setpri_self", "(pri: integer)",
      "Change this thread's own priority, 0 to 31.",
      example: """
        lwkt.setpri_self(20)
        print(lwkt.curthread().pri)             --> 20
        """),
    HelpEntry(
      .function, "lwkt.sleep", "(seconds: number): true",
      "Wait for so many seconds, while other threads run.",
      example: """
        print(lwkt.sleep(0.01))                 --> true
        """),
    HelpEntry(
      .function, "lwkt.tsleep",
      "(ident: string|integer|lwkt.Handle, wmesg?: string, timeout?: number): true | nil, message, errno",
      "Sleep until somebody calls `wakeup` with the same `ident`.",
      """
      `ident` is a string, an integer or any lwkt object; whoever uses the same sleeps on
      the same. `wmesg` says what for and is seen in `td.wmesg` and in reports. A wakeup
      that comes when nobody sleeps is lost: check what you wait for, with a token held,
      before and after. Fails with `ETIMEDOUT`.
      """,
      example: """
        local td = lwkt.create(function() return lwkt.tsleep("door", "a visitor") end)
        while td.state ~= "waiting" do lwkt.sleep(0.001) end
        print(td.wmesg, lwkt.wakeup("door"))    --> a visitor   1
        print(lwkt.tsleep("door", "nobody", 0)) --> nil   timed out   110
        """),
    HelpEntry(
      .function, "lwkt.wakeup", "(ident: string|integer|lwkt.Handle): integer",
      "Wake all threads that sleep on `ident`; how many they were.",
      example: """
        print(lwkt.wakeup("door"))              --> 0
        """),
    HelpEntry(
      .function, "lwkt.wakeup_one", "(ident: string|integer|lwkt.Handle): integer",
      "Wake the thread that has slept on `ident` for the longest time: 1, or 0 if there is none.",
      example: """
        print(lwkt.wakeup_one("door"))          --> 0
        """),
    HelpEntry(
      .function, "lwkt.crit_enter", "()",
      "Enter a critical section: this thread is not preempted.",
      """
      Sections nest: each `crit_enter` needs its `crit_exit`. A wait gives them up for as
      long as it lasts. Threads on other workers run on; against them hold a token.
      """,
      example: """
        lwkt.crit_enter()
        -- no other thread of this Lua heap runs here
        lwkt.crit_exit()
        """),
    HelpEntry(
      .function, "lwkt.crit_exit", "()",
      "Leave a critical section; a preemption that was due happens now.",
      "Raises an error outside one.",
      example: """
        print(pcall(lwkt.crit_exit))            --> false   crit_exit: not in a critical section
        """),
  ])

let scopeHelp = HelpSubject(
  title: "Scopes and time limits",
  entries: [
    HelpEntry(
      .function, "lwkt.scope", "(fn: fun(scope: lwkt.Scope): ...: any): any...",
      "Call `fn` with a scope; return when all threads created in it have ended.",
      """
      Waits for their ends. The first error in one of them, or in `fn`, aborts the others
      and ends the waits of `fn`; when all have ended it is raised again with its
      traceback. Else the results are those of `fn`.
      """,
      example: """
        local squares = lwkt.shared.array("i64", 3)
        lwkt.scope(function(scope)
          for i = 1, 3 do scope:create(function() squares[i] = i * i end) end
        end)
        print(table.unpack(squares:slice()))    --> 1   4   9
        print(pcall(lwkt.scope, function(scope)
          scope:create(function() lwkt.sleep(1000) end)
          scope:create(error, "it failed")
        end))                                   --> false   it failed
        --> ...
        """),
    HelpEntry(
      .object, "scope", "lwkt.Scope",
      "What `lwkt.scope` gives to its function."),
    HelpEntry(
      .method, "scope:create",
      """
      (fn: function, ...: any): lwkt.Thread
      (options: lwkt.CreateOptions, fn: function, ...: any): lwkt.Thread
      """,
      "Create a thread that belongs to the scope; otherwise as `lwkt.create`.",
      "Raises an error when the scope has ended.",
      example: """
        print(lwkt.scope(function(scope)
          local a = scope:create(function() return 1 end)
          local b = scope:create({ name = "two" }, function() return 2 end)
          return select(2, a:join()) + select(2, b:join())
        end))                                   --> 3
        """),
    HelpEntry(
      .function, "lwkt.timeout",
      "<T>(seconds: number, fn: (fun(...: any): T), ...: any): T | nil, message, errno",
      "Call `fn(...)`, but give it only so many seconds.",
      """
      Returns what `fn` returns. When the time is up the wait that `fn` is in, its next, or
      what it computes, ends with an error, `<close>` variables run, and the result is nil,
      `timed out`, `ETIMEDOUT`. In critical sections, `__close` and finalisers a computation is
      left alone until their end. Who catches the error has a second to tidy up without waiting.
      With 0 or less only waits fail at once, as when polling. Errors of `fn` are raised again.
      It cannot be left by `coroutine.yield`.
      """,
      example: """
        print(lwkt.timeout(10, math.max, 3, 4))         --> 4
        print(lwkt.timeout(0.01, lwkt.sleep, 1000))     --> nil   timed out   110
        """),
  ])
