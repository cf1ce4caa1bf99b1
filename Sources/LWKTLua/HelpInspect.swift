// HelpInspect.swift: help for looking inside.

let inspectHelp = HelpSubject(
  title: "Looking inside",
  entries: [
    HelpEntry(
      .function, "lwkt.threads", "(): lwkt.ThreadInfo[]",
      "A table for each thread there is.",
      "Waits for all workers to answer.",
      example: """
        print(lwkt.threads()[1].id)             --> 1
        """),
    HelpEntry(.field, "lwkt.threads[].id", "string", "Its name by descent: `td.id`."),
    HelpEntry(.field, "lwkt.threads[].name", "string?", "The name it was created with."),
    HelpEntry(.field, "lwkt.threads[].state", "string", "As `td.state`."),
    HelpEntry(.field, "lwkt.threads[].cpu", "integer", "The worker it is on."),
    HelpEntry(.field, "lwkt.threads[].pri", "integer", "Its priority."),
    HelpEntry(.field, "lwkt.threads[].wmesg", "string?", "What it waits for, in a word or two."),
    HelpEntry(
      .field, "lwkt.threads[].waits_for", "string?",
      "The object it waits for, as it prints."),
    HelpEntry(.field, "lwkt.threads[].waited_s", "number?", "For how many seconds it has waited."),
    HelpEntry(
      .field, "lwkt.threads[].created_at", "string?",
      "The file and line of the call that created it."),
    HelpEntry(.field, "lwkt.threads[].daemon", "boolean", "Was it created with `daemon=true`?"),
    HelpEntry(
      .field, "lwkt.threads[].run_s", "number?",
      "For how many seconds it has run; at the prompt, where account is kept of that."),
    HelpEntry(
      .field, "lwkt.threads[].accounted_s", "number?",
      "As of when, by `lwkt.sys.clock_gettime()`; at the prompt."),
    HelpEntry(
      .function, "lwkt.ports", "(): lwkt.PortInfo[]",
      "A table for each open port.",
      example: """
        local port = lwkt.port("jobs")
        port:send(1)
        for _, info in ipairs(lwkt.ports()) do
          if info.name == "jobs" then print(info.queued) end      --> 1
        end
        """),
    HelpEntry(.field, "lwkt.ports[].id", "integer", "Its number."),
    HelpEntry(.field, "lwkt.ports[].name", "string?", "The name it was made with."),
    HelpEntry(.field, "lwkt.ports[].kind", "string", "`spin`, `thread` or `sysport`."),
    HelpEntry(.field, "lwkt.ports[].queued", "integer", "How many messages are queued."),
    HelpEntry(.field, "lwkt.ports[].receivers", "integer", "How many threads wait to receive."),
    HelpEntry(.field, "lwkt.ports[].senders", "integer", "How many threads wait for room."),
    HelpEntry(.field, "lwkt.ports[].limit", "integer?", "How many messages may be queued."),
    HelpEntry(.field, "lwkt.ports[].closed", "boolean", "Has it been closed just now?"),
    HelpEntry(
      .function, "lwkt.tokens", "(): lwkt.TokenInfo[]",
      "A table for each token.",
      example: """
        local ref <close> = lwkt.token("accounts"):get()
        print(lwkt.tokens()[1].owner)           --> 1
        """),
    HelpEntry(.field, "lwkt.tokens[].name", "string", "Its name."),
    HelpEntry(
      .field, "lwkt.tokens[].owner", "string?",
      "The `id` of the thread that holds it exclusively."),
    HelpEntry(.field, "lwkt.tokens[].sharers", "integer", "How many threads hold it shared."),
    HelpEntry(.field, "lwkt.tokens[].waiters", "integer", "How many threads wait for it."),
    HelpEntry(
      .field, "lwkt.tokens[].collisions", "integer",
      "How often somebody had to wait for it."),
    HelpEntry(
      .function, "lwkt.stat", "(): lwkt.Stat[]",
      "A table of counters for each worker; but for the first three fields they only grow.",
      example: """
        print(#lwkt.stat() == lwkt.ncpus())     --> true
        """),
    HelpEntry(.field, "lwkt.stat[].cpu", "integer", "The number of the worker."),
    HelpEntry(
      .field, "lwkt.stat[].running", "boolean",
      "Has it been started? Workers start when there is work for them."),
    HelpEntry(.field, "lwkt.stat[].runnable", "integer", "How many threads it has to run."),
    HelpEntry(.field, "lwkt.stat[].switches", "integer", "Threads switched to."),
    HelpEntry(
      .field, "lwkt.stat[].preemptions", "integer",
      "Threads that had to give way because their time was over."),
    HelpEntry(
      .field, "lwkt.stat[].idle_sleeps", "integer",
      "Times it had nothing to do and slept."),
    HelpEntry(
      .field, "lwkt.stat[].threads_created", "integer",
      "Threads created by threads on it."),
    HelpEntry(.field, "lwkt.stat[].threads_ended", "integer", "Threads that ended on it."),
    HelpEntry(
      .field, "lwkt.stat[].threads_joined", "integer",
      "Times a thread that it was woken for went to its waker's worker instead."),
    HelpEntry(
      .field, "lwkt.stat[].threads_given", "integer",
      "Runnable threads given to workers that had none."),
    HelpEntry(
      .field, "lwkt.stat[].threads_taken", "integer",
      "Runnable threads got from other workers."),
    HelpEntry(
      .field, "lwkt.stat[].work_requests", "integer",
      "Times it asked another worker for threads."),
    HelpEntry(.field, "lwkt.stat[].ipis_sent", "integer", "Messages sent to other workers (IPIs)."),
    HelpEntry(
      .field, "lwkt.stat[].ipis_avoided", "integer",
      "Those that were not needed, since the thread was on the same worker."),
    HelpEntry(
      .field, "lwkt.stat[].ipi_queue_full", "integer",
      "Times such a message had to wait for room."),
    HelpEntry(
      .field, "lwkt.stat[].ipis_chased", "integer",
      "Those sent on because the thread had moved meanwhile."),
    HelpEntry(.field, "lwkt.stat[].sysport_messages", "integer", "System calls made."),
    HelpEntry(
      .field, "lwkt.stat[].token_collisions", "integer",
      "Times a thread had to wait for a token."),
    HelpEntry(
      .field, "lwkt.stat[].stacks_parked", "integer",
      "Waits inside C functions, which keep a native stack."),
  ])
