// PromptTests.swift: the prompt in a pseudo-terminal: keys in, screen compared.

import Glibc
import Testing

@testable import lwkt_lua

@Suite("Prompt", .serialized) struct PromptTests {
  /// Enter lines one after another, each when the prompt is back, and compare what stands below the
  /// last one.
  private func expect(_ terminal: PseudoTerminal, _ lines: [(String, String)]) {
    for (line, shown) in lines {
      terminal.clear()
      let wanted = (["> " + line] + (shown.isEmpty ? [] : [shown]) + [">"]).joined(separator: "\n")
      terminal.enter(line, until: wanted)
      terminal.wait(lastLine: "> ")
    }
  }

  @Test func expressions() throws {
    let terminal = try PseudoTerminal.ready()
    expect(
      terminal,
      [
        ("1 + 1", "2"),
        ("_ * 10, 'a'", "20      a"),
        ("_1, _2, _3", "20      a       nil"),
        ("x = 5", ""),
        ("x;", "5"),
        ("return x", "5"),
        ("nil", "nil"),
        ("'text'", "text"),
        ("{}", "{}"),
        ("{1, 2, {a = 'b\\n'}}", #"{ 1, 2, { a = "b\n" } }"#),
        ("t = {} t.t = t return t", "{ t = <cycle: _> }"),
        ("{{{{{{{{}}}}}}}}", "{ { { { { { {...} } } } } } }"),
        ("setmetatable({}, {__tostring = function() return 'me' end})", "me"),
        ("lwkt.curthread()", "thread 1"),
        ("-- nothing", ""),
        ("_PROMPT = nil", ""),
      ])
    terminal.leave()
  }

  @Test func errors() throws {
    let terminal = try PseudoTerminal.ready()
    expect(
      terminal,
      [
        (
          "foo.bar",
          "stdin:1: attempt to index a nil value (global 'foo')\n  1 | foo.bar"
        ),
        ("x = = 1", "stdin:2: unexpected symbol near '='\n  2 | x = = 1"),
        (
          "error({code = 1})",
          "(error object is a table value) { code = 1 }"
        ),
        ("'open", "stdin:4: unfinished string near <eof>\n  4 | 'open"),
      ])
    terminal.leave()
  }

  @Test("locals survive, as variables") func locals() throws {
    let terminal = try PseudoTerminal.ready()
    expect(
      terminal,
      [
        ("local x, c <const> = 1, 10", ""),
        ("local function bump() x = x + 1 return x end", ""),
        ("bump(), x", "2       2"),
        ("x = 7 return bump()", "8"),
        ("c", "10"),
        ("local y = 3 error('no', 0)", "no"),
        ("y", "3"),
        ("local x = x + 1", ""),
        ("x, bump()", "9       9"),
        (
          "local f <close> = setmetatable({}, {__close = function() print('closed') end})",
          "closed\n'f' was closed at the end of this block"
        ),
        ("f", "nil"),
        ("select(2, lwkt.create(function() return x, c end):join())", "9       10"),
      ])
    terminal.enter("c = 1", until: "attempt to assign to const variable 'c'")
    terminal.enter(
      "lwkt.create(function() x = 1 end)",
      until: "thread function assigns 'x', a local of its creator")
    terminal.leave()
  }

  @Test("incomplete input goes on, indented, and is edited as one block") func blocks() throws {
    let terminal = try PseudoTerminal.ready()
    terminal.type("for i = 1, 2 do\r")
    terminal.wait(lastLine: ">>   ")
    terminal.type("print(i)\r")
    terminal.wait(lastLine: ">>   ")
    // Up into the first line: 2 becomes 3.
    terminal.type("\u{1b}[A\u{1b}[A\u{5}\u{1b}b\u{1b}b\u{4}3\u{1b}[B\u{1b}[B\u{5}end\r")
    terminal.wait(for: ">> end\n1\n2\n3\n>")
    terminal.type("\u{1b}[A")
    terminal.wait { $0.lines.suffix(3) == ["> for i = 1, 3 do", ">>   print(i)", ">> end"] }
    leaveBlock(terminal)
    terminal.leave()
  }

  private func leaveBlock(_ terminal: PseudoTerminal) {
    terminal.type("\u{3}")
    terminal.wait { $0.text.contains("^C") && $0.lines.last == ">" }
  }

  @Test("a paste is one block") func paste() throws {
    let terminal = try PseudoTerminal.ready()
    terminal.type("\u{1b}[200~print(1)\nprint(\n2)\n\u{1b}[201~")
    terminal.wait(lastLine: ">> ")
    #expect(terminal.screen.lines.suffix(4) == ["> print(1)", ">> print(", ">> 2)", ">>"])
    terminal.type("\r")
    terminal.wait(for: "1\n2\n>")
    terminal.leave()
  }

  @Test("output of other threads appears above a half-typed line") func output() throws {
    let terminal = try PseudoTerminal.ready(columns: 40)
    terminal.enter(
      "p = lwkt.port('out') lwkt.create(function() local port = lwkt.lookup('out') "
        + "while true do io.write(port:recv()) io.flush() end end) return p", until: "\nport ")
    terminal.enter(
      "lwkt.create(function() lwkt.sleep(0.3) p:send('one\\n') end)", until: "thread 1.2")
    let typed = "local s = '日本語' -- half typed, more than a row"
    terminal.type(typed)
    terminal.wait { $0.text.contains("one\n> local s = '日本語' -- half typed, more\n than a row") }
    terminal.type("\u{1}")
    terminal.wait { $0.column == 2 && $0.text.contains("one\n> local s") }
    terminal.type("\u{3}")
    terminal.enter(
      "lwkt.create(function() for _, s in ipairs {'a', 'b\\n', 'c'} do lwkt.sleep(0.2) p:send(s) end end)",
      until: "thread 1.3")
    terminal.type("1 + 1")
    terminal.wait { $0.text.contains("\nab\nc\n> 1 + 1") }
    terminal.type("\r")
    terminal.wait(for: "> 1 + 1\n2\n>")
    terminal.leave()
  }

  @Test("errors of other threads are numbered, and shown whole when asked for") func background()
    throws
  {
    let terminal = try PseudoTerminal.ready()
    terminal.enter("lwkt.create({name = 'w'}, function() error('lost') end)", until: "thread 1.1")
    terminal.type("half")
    terminal.wait(for: "[1] thread 1.1 (w) died: stdin:1: lost\n> half")
    terminal.type("\u{15}")
    terminal.enter(":err", until: "1 background error:")
    terminal.enter(":err 1", until: "stack traceback:")
    terminal.leave()
  }

  @Test("Ctrl-C stops the evaluation and nothing else") func interrupt() throws {
    let terminal = try PseudoTerminal.ready()
    terminal.enter(
      "for i = 1, 1000 do lwkt.create(function() while true do end end) end", until: "\n>")
    terminal.wait(lastLine: "> ")
    for line in [
      "while true do end", "lwkt.sleep(1000)", "lwkt.recv()",
      "('a'):rep(20):gsub('a', function() lwkt.sleep(50) end)",
    ] {
      terminal.clear()
      terminal.type(line + "\r")
      // The terminal is given back for the evaluation: from then on Ctrl-C is a signal.
      terminal.wait { $0.lines.first == "> " + line && $0.row == 1 }
      terminal.wait("the terminal is given back") { _ in terminal.echoes }
      terminal.type("\u{3}")
      terminal.wait(for: "interrupted!")
      terminal.wait(lastLine: "> ")
    }
    terminal.enter("#lwkt.threads()", until: "1001")
    terminal.leave()
  }

  @Test("Ctrl-C that comes while the driver is at work on a block is told of") func interruptEarly()
    throws
  {
    let terminal = try PseudoTerminal.ready()
    let numbers = String(repeating: "1,", count: 3000)
    for _ in 1...3 {
      terminal.type("\u{1b}[200~local t = {" + numbers + "} while true do end\u{1b}[201~\r")
      // The terminal is given back before the block is compiled, which takes longer than what follows.
      terminal.wait { _ in terminal.echoes }
      terminal.type("\u{3}")
      terminal.wait(for: "interrupted!")
      terminal.wait(lastLine: "> ")
      terminal.clear()
    }
    terminal.leave()
  }

  @Test("history is kept across runs and searched") func history() throws {
    let first = try PseudoTerminal.ready()
    first.enter("remembered = 1 +", until: ">>")
    first.enter("1", until: ">")
    first.wait(lastLine: "> ")
    first.leave(keeping: true)
    let second = try PseudoTerminal.ready(folder: first.folder)
    second.type("\u{12}rememb")
    second.wait(for: "(search) `rememb': remembered = 1 +\n>> 1")
    second.type("\u{7}rem\u{1b}[A")
    second.wait { $0.lines.suffix(2) == ["> remembered = 1 +", ">> 1"] }
    leaveBlock(second)
    second.leave()
  }

  @Test("Tab completes and lists") func completion() throws {
    let terminal = try PseudoTerminal.ready()
    let cases: [(String, String)] = [
      ("string.rev\t", "> string.reverse"),
      ("lwkt.curthr\t", "> lwkt.curthread"),
      ("td = lwkt.curthread() td:joi\t", "> td = lwkt.curthread() td:joi"),
      ("coll\t", "> collectgarbage"),
      ("require 'lw\t", "> require 'lwkt"),
      (":thr\t", "> :threads"),
      ("('x'):upp\t", "> ('x'):upper"),
      ("io.open('/etc/host\t", "> io.open('/etc/host"),
    ]
    for (typed, shown) in cases {
      terminal.type("\u{15}" + typed)
      terminal.wait { $0.lines.last?.hasPrefix(shown) ?? false }
    }
    terminal.type("\u{15}td = lwkt.curthread()\r")
    terminal.wait(lastLine: "> ")
    terminal.type("td:setp\t")
    terminal.wait(lastLine: "> td:setpri")
    terminal.clear()
    terminal.type("string.re\t")
    terminal.wait { $0.lines == ["rep      reverse", "> string.re"] }
    terminal.type("\u{15}local longlocal = 1\r")
    terminal.wait(lastLine: "> ")
    terminal.type("longl\t")
    terminal.wait(lastLine: "> longlocal")
    leaveBlock(terminal)
    terminal.leave()
  }

  @Test("resizing draws the block anew") func resize() throws {
    let terminal = try PseudoTerminal.ready(columns: 60)
    terminal.type("print('a line of some length')")
    terminal.wait(lastLine: "> print('a line of some length')")
    terminal.resize(columns: 20, rows: 24)
    terminal.wait { $0.lines.suffix(2) == ["> print('a line of s", "ome length')"] }
    terminal.resize(columns: 60, rows: 24)
    terminal.wait(lastLine: "> print('a line of some length')")
    terminal.enter("", until: "a line of some length\n>")
    terminal.leave()
  }
}
