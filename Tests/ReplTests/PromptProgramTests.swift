// PromptProgramTests.swift: what programs do at a prompt, and to it.

import Glibc
import Testing

@testable import lwkt_lua

@Suite("Programs at the prompt", .serialized) struct PromptProgramTests {
  private func start(workers: Int = 2) throws -> PseudoTerminal {
    try .ready(["--workers", String(workers)], columns: 80, rows: 30)
  }

  @Test("what waits for what can never come is told so", arguments: [1, 2])
  func deadlock(workers: Int) throws {
    let terminal = try start(workers: workers)
    for line in ["lwkt.recv()", "lwkt.create({name = 'stuck'}, function() lwkt.recv() end):join()"]
    {
      terminal.clear()
      terminal.type(line + "\r")
      terminal.wait(for: "deadlock: every thread waits for something that can never come")
      terminal.wait(for: "thread 1 waits for")
      terminal.wait(lastLine: "> ")
    }
    terminal.wait(for: "(stuck) waits")
    // The receiver of a request that is asked to give up, and does not.
    terminal.clear()
    terminal.type(
      "lwkt.create(function() local m = lwkt.wait() lwkt.recv() return m end):domsg(1)\r")
    terminal.wait(for: "deadlock:")
    terminal.wait(lastLine: "> ")
    // Whatever can still come is waited for.
    terminal.clear()
    terminal.enter("lwkt.sleep(0.3)", until: "sleep(0.3)\ntrue\n>")
    terminal.enter("me = lwkt.curthread()", until: "\n>")
    terminal.enter(
      "lwkt.create(function() lwkt.sleep(0.3) me:send('woken') end) return lwkt.recv()",
      until: "\nwoken\n>")
    terminal.enter("lwkt.tsleep('nobody', 'test', 0.3)", until: "timed out")
    #expect(!terminal.screen.text.contains("deadlock"))
    terminal.leave()
  }

  @Test(
    "an evaluation that catches Ctrl-C ends when told again",
    arguments: [
      "while true do pcall(function() while true do end end) end",
      "while true do pcall(lwkt.sleep, 1000) end",
      "while true do pcall(coroutine.wrap(function() while true do end end)) end",
      "local function f() pcall(f) end while true do f() end",
      "while true do xpcall(error, function() while true do end end) end",
      "local x <close> = setmetatable({}, {__close = function() while true do end end})"
        + " while true do pcall(lwkt.yield) end",
      "while true do pcall(table.sort, {3, 1, 2}, function() while true do end end) end",
      "while true do pcall(lwkt.timeout, 1000, function() while true do end end) end",
    ])
  func interruptsForGood(evaluation: String) throws {
    let terminal = try start()
    terminal.enter("lwkt.create({daemon = true}, lwkt.sleep, 1000)", until: "thread 1.1")
    terminal.clear()
    terminal.type("print('be' .. 'gun') " + evaluation + "\r")
    terminal.wait(for: "\nbegun")
    terminal.type("\u{3}")
    // Until more than a second has gone by since the first was taken.
    for _ in 1...200 where !terminal.screen.text.contains("interrupted!") {
      usleep(100_000)
      terminal.type("\u{3}")
      terminal.takeIn()
    }
    terminal.wait(for: "interrupted!")
    terminal.wait(lastLine: "> ")
    // The next one is its own.
    terminal.enter("(pcall(function() for i = 1, 1e6 do end end))", until: "\ntrue\n>")
    terminal.enter("lwkt.sleep(0)", until: "sleep(0)\ntrue\n>")
    terminal.leave()
  }

  @Test("an evaluation that cannot be ended is left with the process")
  func leavesEvaluation() throws {
    let terminal = try start()
    terminal.type(
      "debug.sethook(function() print('be' .. 'gun') while true do end end, '', 1)\r")
    terminal.wait(for: "\nbegun")
    terminal.type("\u{3}")
    terminal.wait(for: "Ctrl-C is not heard")
    terminal.type("\u{3}")
    #expect(terminal.end() == 128 + SIGINT)
    #expect(terminal.echoes)
    terminal.remove()
  }

  @Test("a thread that never gives the prompt's worker back is left with the process")
  func leavesThread() throws {
    let terminal = try start(workers: 1)
    terminal.enter(
      "lwkt.create(function() lwkt.sleep(0.1) "
        + "debug.sethook(function() while true do end end, '', 1) end)", until: "thread 1.1")
    terminal.type("half")
    terminal.wait("Ctrl-C makes a signal again") { _ in !terminal.echoes && terminal.signals }
    terminal.type("\u{3}")
    terminal.wait(for: "Ctrl-C is not heard")
    terminal.type("\u{3}")
    #expect(terminal.end() == 128 + SIGINT)
    #expect(terminal.echoes)
    terminal.remove()
  }

  @Test("what cannot be ended and ends by itself leaves the prompt as it was")
  func endsByItself() throws {
    let terminal = try start()
    terminal.type(
      "setmetatable({}, {__gc = function() print('be' .. 'gun') "
        + "local s = os.clock() while os.clock() - s < 3 do end end}) collectgarbage()\r")
    terminal.wait(for: "\nbegun")
    terminal.type("\u{3}")
    terminal.wait(for: "Ctrl-C is not heard")
    terminal.wait(for: "interrupted!")
    terminal.wait(lastLine: "> ")
    // In a line it is a key.
    terminal.type("half")
    terminal.wait(lastLine: "> half")
    #expect(!terminal.signals)
    terminal.type("\u{3}")
    terminal.wait(lastLine: "> ")
    terminal.leave()
  }

  @Test("a second Ctrl-C does not wait for an answer that does not come") func secondInterrupt()
    throws
  {
    let terminal = try start()
    // Somebody sleeps, so that it is no deadlock.
    terminal.enter("lwkt.create({daemon = true}, lwkt.sleep, 1000)", until: "thread 1.1")
    terminal.enter(
      "function serve() local m = lwkt.wait() print('asked') "
        + "while not m.aborted do lwkt.sleep(0.001) end print('asked to give up') lwkt.recv() end",
      until: "\n>")
    for ask in ["domsg(1)", "sendmsg(1):wait()"] {
      terminal.clear()
      terminal.type("lwkt.create(serve):" + ask + "\r")
      terminal.wait { $0.lines.first?.hasSuffix(ask) ?? false && $0.lines.last == "asked" }
      terminal.wait("the terminal is given back") { _ in terminal.echoes }
      terminal.type("\u{3}")
      terminal.wait(for: "asked to give up")
      terminal.type("\u{3}")
      terminal.wait(for: "interrupted!")
      terminal.wait(lastLine: "> ")
      // Both have been told: nothing is left for what is evaluated next, however often it is preempted.
      terminal.enter(
        "local start = os.clock() while os.clock() - start < 0.2 do end return 'to its end'",
        until: "\nto its end")
    }
    terminal.leave()
  }

  @Test("tracebacks show nothing of the prompt") func traceback() throws {
    let terminal = try start()
    let cases = [
      (
        "debug.traceback()",
        "stack traceback:\n        stdin:1: in main chunk\n        [C]: in ?\n>"
      ),
      (
        "local function f() return debug.traceback('text') .. '!' end f = f() return f",
        "text\nstack traceback:\n        stdin:2: in local 'f'\n        stdin:2: in main chunk\n"
          + "        [C]: in ?!\n>"
      ),
      (
        "select(2, xpcall(function() error('no', 0) end, debug.traceback))",
        "no\nstack traceback:\n        [C]: in function 'error'\n"
          + "        stdin:3: in function <stdin:3>\n"
          + "        [C]: in function 'xpcall'\n        stdin:3: in main chunk\n        [C]: in ?\n>"
      ),
      ("debug.traceback({}) ~= nil, debug.traceback(12)", "true\n12\nstack traceback:\n"),
    ]
    terminal.show(cases)
    terminal.leave()
  }

  @Test("nothing that a program shows steers the terminal") func controlBytes() throws {
    let terminal = try start()
    let cases = [
      ("'a\\27[2Jb\\r\\7'", #"a\x1B[2Jb\r\x07"#), ("{'\\27'}", #"{ "\x1B" }"#),
      ("'\\xc2\\x9b'", #"\u{9B}"#), ("'\\xff'", #"\xFF"#), ("'two\\nlines'", "two\nlines"),
      ("setmetatable({}, {__tostring = function() return '\\27c' end})", #"\x1Bc"#),
      ("error('\\27[5m', 0)", #"\x1B[5m"#),
      ("{['\\27'] = ('é'):rep(300)}", "é\"... 100 more bytes"),
      ("lwkt.create({name = 'a\\27b'}, error, 'c\\27d')", "died: c^[d"),
    ]
    terminal.show(cases)
    terminal.leave()
  }

  @Test("the prompt does not need what a program takes away") func takenAway() throws {
    let terminal = try start()
    for line in [
      "for _, t in ipairs {table, math, utf8, debug, lwkt.sys, io, os} do for k in pairs(t) do "
        + "t[k] = nil end end",
      "for k in pairs(string) do string[k] = nil end", "for k in pairs(lwkt) do lwkt[k] = nil end",
      "local g = _G for k in next, g do g[k] = nil end",
    ] { terminal.enter(line, until: "\n>") }
    terminal.clear()
    terminal.enter("local a <const> = {1, x = {'two'}} x = nil + a", until: "attempt to perform")
    terminal.enter("a, 'é'", until: #"{ 1, x = { "two" } }    é"#)
    terminal.enter(":threads", until: "WAITS FOR")
    terminal.enter(":time 1", until: "took")
    terminal.type("a\t\t")
    terminal.wait(for: "and")
    terminal.type("\u{15}")
    terminal.leave()
  }

  @Test("a broken pipe and a history without end do no harm") func pipes() throws {
    let terminal = try start()
    terminal.enter(
      "do local pipe <close> = io.popen('true', 'w') lwkt.sleep(0.3) "
        + "print(pipe:write(('x'):rep(100000))) end",
      until: "Broken pipe     32\n>")
    // Children have the signal as usual.
    terminal.enter(
      "os.execute('yes | head -n 1; kill -PIPE $$')", until: "y\nnil     signal  13\n>")
    terminal.leave(keeping: true)
    let history = terminal.folder + "/lwkt-lua/history"
    unlink(history)
    symlink("/dev/full", history)
    let again = try PseudoTerminal(["--workers", "2"], folder: terminal.folder)
    again.wait(lastLine: "> ")
    again.enter("1 + 1", until: "\n2\n>")
    again.leave()
  }

  @Test("what system calls write leaves a line that is typed alone") func writes() throws {
    let terminal = try start()
    terminal.enter(
      "later = function(fd, ...) lwkt.create(function(...) lwkt.sleep(0.3) lwkt.sys.write(fd, ...) "
        + "lwkt.sysport:domsg('write', fd, 'and raw\\n') end, ...) end",
      until: "\n>")
    for descriptor in [1, 2] {
      terminal.clear()
      terminal.type("later(\(descriptor), 'past the C library\\n')\r")
      terminal.wait { $0.lines.last == ">" && $0.lines.count == 2 }
      terminal.type("half typed")
      terminal.wait {
        $0.lines == [
          "> later(\(descriptor), 'past the C library\\n')", "past the C library", "and raw",
          "> half typed",
        ]
      }
      terminal.type("\u{15}")
    }
    terminal.enter("lwkt.sys.write(1, '12345\\n')", until: "12345\n6\n>")
    terminal.leave()
  }

  @Test("what children write does not stay in a line that is typed") func children() throws {
    let terminal = try start()
    terminal.enter(
      "p = lwkt.port('go') lwkt.create({daemon = true}, function() local p = lwkt.lookup('go') "
        + "while true do local how, what = p:recv() if how == 'execute' then os.execute(what) else "
        + "io.popen(what, 'w'):close() end end end)", until: "\n>")
    terminal.enter(
      "later = function(how, what) lwkt.create(function() lwkt.sleep(0.3) p:send(how, what) end) "
        + "end",
      until: "\n>")
    for (how, what, shown) in [
      ("execute", "echo by a child", "by a child\n> half typed"),
      ("execute", "printf unfinished", "unfinished\n> half typed"),
      ("popen", "echo through a pipe", "through a pipe\n> half typed"),
    ] {
      terminal.clear()
      terminal.type("later('\(how)', '\(what)')\r")
      terminal.wait { $0.lines == ["> later('\(how)', '\(what)')", ">"] }
      terminal.type("half typed")
      terminal.wait(for: shown)
      terminal.wait(lastLine: "> half typed")
      terminal.type("\u{15}")
    }
    terminal.leave()
  }
}
