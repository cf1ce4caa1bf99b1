// EditorTests.swift: the line editor key by key, without a terminal.

import Testing

@testable import lwkt_lua

/// An editor with the cursor shown as "|".
private struct Desk {
  var editor: LineEditor
  var last = EditorAction.redraw

  init(_ text: String = "", history: [String] = []) {
    var past = History(path: nil)
    for entry in history { past.add(entry) }
    editor = LineEditor(history: past)
    editor.begin()
    let parts = text.split(separator: "|", maxSplits: 1, omittingEmptySubsequences: false)
    type(parts.map(String.init).joined())
    for _ in 0..<(parts.count > 1 ? parts[1].count : 0) { press(.plain(.left)) }
  }

  mutating func type(_ text: String) {
    for character in text {
      press(character == "\n" ? Key(base: .enter, meta: true) : .plain(.character(character)))
    }
  }

  mutating func press(_ keys: Key...) { for key in keys { last = editor.handle(key) } }

  var shown: String {
    let text = editor.buffer.text
    return String(text[..<editor.buffer.cursor]) + "|" + String(text[editor.buffer.cursor...])
  }
}

@Suite("Line editor") struct EditorTests {
  struct Case: Sendable, CustomStringConvertible {
    var from: String
    var keys: [Key]
    var to: String
    init(_ from: String, _ keys: [Key], _ to: String) {
      self.from = from
      self.keys = keys
      self.to = to
    }
    var description: String { "\(from) -> \(to)" }
  }

  static let cases = [
    Case("ab|c", [.plain(.character("X"))], "abX|c"),
    Case("ab|c", [.ctrl("a")], "|abc"),
    Case("ab|c", [.ctrl("e")], "abc|"),
    Case("ab|c", [.ctrl("b"), .ctrl("b"), .ctrl("b")], "|abc"),
    Case("ab|c", [.ctrl("f"), .ctrl("f")], "abc|"),
    Case("ab|c", [.ctrl("d")], "ab|"),
    Case("ab|c", [.plain(.backspace)], "a|c"),
    Case("ab|c", [.plain(.delete)], "ab|"),
    Case("one two| three", [.meta("b")], "one |two three"),
    Case("one |two three", [.meta("f"), .meta("f")], "one two three|"),
    Case("one |two three", [.meta("d")], "one | three"),
    Case("x = a.b_c|", [Key(base: .backspace, meta: true)], "x = a.|"),
    Case("x = a.b_c|", [.ctrl("w")], "x = |"),
    Case("one |two", [.ctrl("k"), .ctrl("y"), .ctrl("y")], "one twotwo|"),
    Case("one |two", [.ctrl("u"), .ctrl("e"), .ctrl("y")], "twoone |"),
    Case("a b c|", [.ctrl("w"), .ctrl("w"), .ctrl("y")], "a b c|"),
    Case("a b|", [.ctrl("w"), .ctrl("a"), .ctrl("k"), .ctrl("y"), .meta("y")], "b|"),
    Case("ab|", [.ctrl("t")], "ba|"),
    Case("a|bc", [.ctrl("t")], "ba|c"),
    Case("|ab", [.ctrl("t")], "|ab"),
    Case("one two|", [.meta("t")], "two one|"),
    Case("one| + two", [.meta("t")], "two + one|"),
    Case("one|", [.meta("t")], "one|"),
    Case("|hello", [.meta("u")], "HELLO|"),
    Case("|HELLO", [.meta("l")], "hello|"),
    Case("|hELLO", [.meta("c")], "Hello|"),
    Case("a   |   b", [.meta("\\")], "a|b"),
    Case("a|", [.ctrl("_")], "|"),
    Case("ab |", [.ctrl("w"), .ctrl("_")], "ab |"),
    Case("日本|語", [.plain(.backspace), .ctrl("d")], "日|"),
    Case("e|", [.plain(.character("\u{301}")), .plain(.backspace)], "|"),
    Case("", [.plain(.paste("a\r\nb\rc"))], "a\nb\nc|"),
    Case("ab\ncd|", [.plain(.up)], "ab|\ncd"),
    Case("ab\ncd|", [.plain(.up), .plain(.left), .plain(.down)], "ab\nc|d"),
    Case("ab\nc|d", [.ctrl("a"), .ctrl("k")], "ab\n|"),
    Case("a|", [.ctrl("q"), .ctrl("a")], "a\u{1}|"),
    Case("a|", [.ctrl("v"), .plain(.tab)], "a\t|"),
    Case("    |", [.plain(.backspace)], "  |"),
    Case("|", [.plain(.tab)], "  |"),
    Case("abc|", [.ctrl("x"), .ctrl("u")], "|"),
    Case("abcdef|", [.meta("3"), .ctrl("b")], "abc|def"),
    Case("abcdef|", [.meta("9"), .ctrl("b")], "|abcdef"),
    Case("a|", [.meta("1"), .meta("2"), .plain(.character("x"))], "axxxxxxxxxxxx|"),
    Case("a|", [.meta("0"), .plain(.character("x"))], "a|"),
    Case("a|", [.meta("5"), .plain(.character("x")), .ctrl("_")], "a|"),
    Case("one two three|", [.meta("2"), .meta("b"), .ctrl("k")], "one |"),
    Case("one two three|", [.meta("2"), Key(base: .backspace, meta: true)], "one |"),
    Case("a|", [.meta("3"), .ctrl("g"), .plain(.character("x"))], "ax|"),
    Case("a|", [.meta("3"), .ctrl("q"), .ctrl("a"), .plain(.character("x"))], "a\u{1}x|"),
    Case("|hello WORLD", [.meta("2"), .meta("c")], "Hello World|"),
  ]

  @Test("keys", arguments: cases) func keys(_ test: Case) {
    var desk = Desk(test.from)
    for key in test.keys { desk.press(key) }
    let wanted = test.to.contains("|") ? test.to : test.to + "|"
    #expect(desk.shown == wanted)
  }

  @Test("each key anywhere leaves a cursor inside the text") func anyKey() {
    let letters = "abcdefghijklmnopqrstuvwxyz_.3"
    var keys: [Key] = letters.flatMap { [.ctrl($0), .meta($0), .plain(.character($0))] }
    keys += [
      .plain(.up), .plain(.down), .plain(.left), .plain(.right), .plain(.home), .plain(.end),
    ]
    keys += [.plain(.enter), .plain(.tab), .plain(.delete), .plain(.backspace), .plain(.escape)]
    keys += [.plain(.paste("x\ny")), .plain(.character("語")), .plain(.character("\u{301}"))]
    var seed: UInt64 = 42
    var desk = Desk("", history: ["one", "two\nlines", "one more"])
    for _ in 0..<20000 {
      seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      desk.press(keys[Int(seed >> 33) % keys.count])
      #expect((0...desk.editor.buffer.text.count).contains(desk.editor.buffer.cursor))
      if desk.editor.buffer.text.count > 200 { desk.editor.begin() }
    }
  }

  @Test("what asks for something") func actions() {
    var desk = Desk("x")
    desk.press(.plain(.enter))
    #expect(desk.last == .enter("x"))
    desk.press(.ctrl("d"))
    #expect(desk.last == .bell)
    desk.press(.ctrl("c"))
    #expect(desk.last == .interrupt)
    desk.press(.ctrl("u"), .ctrl("d"))
    #expect(desk.last == .end)
    desk.press(.ctrl("l"))
    #expect(desk.last == .clearScreen)
    desk.press(.ctrl("z"))
    #expect(desk.last == .suspend)
  }

  @Test("a new line is indented as deep as the code") func indentation() {
    var desk = Desk("for i = 1, 3 do")
    desk.editor.insertNewline()
    #expect(desk.shown == "for i = 1, 3 do\n  |")
    desk.type("f({")
    desk.editor.insertNewline()
    #expect(desk.shown.hasSuffix("\n    |"))
    desk.type("})")
    desk.editor.insertNewline()
    #expect(desk.shown.hasSuffix("\n  })\n  |"))
    desk.type("end")
    desk.editor.insertNewline()
    #expect(desk.shown.hasSuffix("\nend\n|"))
  }

  @Test("what begins in one line is indented once") func indentationOfArguments() {
    var desk = Desk()
    let typed = [
      "local td = lwkt.create({ name = 'a' }, function(n)", "if n then", "return", "else",
      "local t = {", "f(function()", "g()", "end)", "}", "end", "end, {", "1,", "}, (", "2))",
    ]
    for line in typed {
      desk.type(line)
      desk.editor.insertNewline()
    }
    let wanted = """
      local td = lwkt.create({ name = 'a' }, function(n)
        if n then
          return
        else
          local t = {
            f(function()
              g()
            end)
          }
        end
      end, {
        1,
      }, (
        2))
      |
      """
    #expect(desk.shown == wanted)
  }

  @Test("arrows walk the entries that begin like what was typed") func history() {
    var desk = Desk("pr", history: ["print(1)", "x = 1", "print(2)", "print(2)"])
    desk.press(.plain(.up))
    #expect(desk.shown == "print(2)|")
    desk.press(.plain(.up))
    #expect(desk.shown == "print(1)|")
    desk.press(.plain(.up))
    #expect(desk.last == .bell)
    desk.press(.plain(.down), .plain(.down))
    #expect(desk.shown == "pr|")
    desk.press(.plain(.down))
    #expect(desk.last == .bell)
  }

  @Test("Alt-. puts in the last word of what was entered before") func lastWords() {
    var desk = Desk("f(|)", history: ["x = alpha", "  ", "lwkt.join(beta, gamma)", "y = g(1)"])
    desk.press(.meta("."))
    #expect(desk.shown == "f(g(1)|)")
    desk.press(.meta("."))
    #expect(desk.shown == "f(gamma|)")
    desk.press(.meta("_"))
    #expect(desk.shown == "f(alpha|)")
    desk.press(.meta("."))
    #expect(desk.last == .bell)
    desk.press(.ctrl("_"), .ctrl("e"), .plain(.character(" ")), .meta("."))
    #expect(desk.shown == "f(gamma) g(1)|")
    let words = [("", ""), ("a b", "b"), ("f(a, b[1])", "b[1]"), ("{ x };", ""), ("f(x)", "f(x)")]
    for (entry, word) in words { #expect(LineEditor.lastWord(of: entry) == word) }
  }

  @Test("a number for the next key is shown") func argument() {
    var desk = Desk("a")
    desk.press(.meta("4"), .meta("2"))
    #expect(desk.editor.searchPrompt == "(arg: 42) ")
    desk.press(.plain(.enter))
    #expect(desk.last == .enter("a"))
    #expect(desk.editor.searchPrompt == nil)
  }

  @Test("Ctrl-R searches while one types") func search() {
    var desk = Desk("draft", history: ["alpha", "beta", "alphabet"])
    desk.press(.ctrl("r"))
    desk.type("alp")
    #expect(desk.shown == "|alphabet")
    #expect(desk.editor.searchPrompt == "(search) `alp': ")
    desk.press(.ctrl("r"))
    #expect(desk.shown == "|alpha")
    desk.press(.ctrl("r"))
    #expect(desk.editor.searchPrompt == "(no match) `alp': ")
    desk.press(.ctrl("s"))
    #expect(desk.shown == "|alphabet")
    desk.press(.ctrl("g"))
    #expect(desk.shown == "draft|")
    desk.press(.ctrl("r"))
    desk.type("bet")
    desk.press(.plain(.backspace), .plain(.right))
    #expect(desk.editor.search == nil)
    desk.press(.plain(.enter))
    #expect(desk.last == .enter("alphabet"))
  }

  @Test("completion puts in what candidates have in common") func completion() {
    var desk = Desk("str|")
    let outcomes = [[], ["strum", "stray"], ["string.rep", "string.len"]].map {
      desk.editor.complete(from: 0, $0)
    }
    #expect(outcomes == [false, false, true])
    #expect(desk.shown == "string.|")
  }

  @Test("history keeps lines and backslashes") func encoding() {
    for entry in [
      "a", "a\nb", #"a\nb"#, #"\"#, "\\\n\\", "日本\n", "a\r\nb", "\\\u{301}", "\n\u{301}",
    ] {
      #expect(!History.encode(entry).utf8.contains(0x0a))
      #expect(History.decode(History.encode(entry).utf8).utf8.elementsEqual(entry.utf8))
    }
  }
}

@Suite("Keys from bytes") struct KeyTests {
  private func keys(_ text: String) -> [Key] {
    var decoder = KeyDecoder()
    var keys = text.utf8.compactMap { decoder.feed($0) }
    if let key = decoder.expire() { keys.append(key) }
    return keys
  }

  @Test("sequences") func sequences() {
    #expect(keys("aé語😀") == "aé語😀".map { Key.plain(.character($0)) })
    #expect(
      keys("\u{1}\u{1f}\r\t\u{7f}") == [
        .ctrl("a"), .ctrl("_"), .plain(.enter), .plain(.tab), .plain(.backspace),
      ])
    #expect(
      keys("\u{1b}[A\u{1b}OB\u{1b}[3~\u{1b}[H") == [
        .plain(.up), .plain(.down), .plain(.delete), .plain(.home),
      ])
    #expect(
      keys("\u{1b}[1;5C\u{1b}[1;3D") == [
        Key(base: .right, control: true), Key(base: .left, meta: true),
      ])
    #expect(
      keys("\u{1b}f\u{1b}\u{7f}\u{1b}\r") == [
        .meta("f"), Key(base: .backspace, meta: true), Key(base: .enter, meta: true),
      ])
    #expect(keys("\u{1b}") == [.plain(.escape)])
    #expect(keys("\u{1b}[[Ax") == [.plain(.unknown), .plain(.character("x"))])
    #expect(
      keys("\u{1b}[200~a\n\u{1b}[A b\u{1b}[201~c") == [
        .plain(.paste("a\n\u{1b}[A b")), .plain(.character("c")),
      ])
  }

  @Test("bytes that are no UTF-8 are shown as such") func invalid() {
    var decoder = KeyDecoder()
    let keys = [0xff, 0xe2, 0x41, 0x42].map { decoder.feed($0) }
    let wanted: [Character?] = ["\u{fffd}", nil, "A", "B"]
    #expect(keys == wanted.map { $0.map { Key.plain(.character($0)) } })
  }

  @Test("any bytes end in some key") func anything() {
    var decoder = KeyDecoder()
    var seed: UInt64 = 7
    for _ in 0..<100_000 {
      seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let byte = UInt8(truncatingIfNeeded: seed >> 40)
      _ = decoder.feed(seed >> 60 < 4 ? [0x1b, 0x5b, 0x4f, 0x7e][Int(seed >> 60)] : byte)
      if decoder.isInPaste { for byte in "\u{1b}[201~".utf8 { _ = decoder.feed(byte) } }
    }
  }
}
