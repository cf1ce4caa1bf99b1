// LayoutTests.swift: widths, rows, colours, completion contexts, surviving locals.

import Testing

@testable import lwkt_lua

@Suite("Layout") struct LayoutTests {
  private func frame(_ text: String, cursor: Int? = nil, columns: Int = 10, rows: Int = 100)
    -> Frame
  {
    let characters = Array(text)
    return LineLayout(columns: columns, mostRows: rows, hasColours: false).frame(
      first: "> ", rest: ">> ", text: characters,
      styles: [Style](repeating: .plain, count: characters.count),
      cursor: cursor ?? characters.count)
  }

  @Test("widths") func widths() {
    #expect(TextWidth.of("abc") == 3)
    #expect(TextWidth.of("日本") == 4)
    #expect(TextWidth.of("😀") == 2)
    #expect(TextWidth.of("🇩🇪") == 2)
    #expect(TextWidth.of("e\u{301}") == 1)
    #expect(TextWidth.of("\u{1}") == 2)
    #expect(LineLayout.width(ofPrompt: "\u{1b}[1;31mlua\u{1b}[m> ") == 5)
  }

  @Test("rows wrap, wide characters whole") func wrapping() {
    #expect(frame("12345678").rows == ["> 12345678", ""])
    #expect(frame("12345678").cursorRow == 1)
    #expect(frame("12345678", cursor: 0).rows == ["> 12345678"])
    #expect(frame("1234567日x").rows == ["> 1234567", "日x"])
    #expect(frame("1234567日x").cursorColumn == 3)
    #expect(frame("a\nb").rows == ["> a", ">> b"])
    #expect(frame("a\nb", cursor: 1).cursorRow == 0)
    #expect(frame("\tx\u{1}").rows == ["> \u{20}\u{20}x^A"])
    #expect(frame("\u{1b}\u{9b}x").rows == ["> ^[<9b>x"])
  }

  @Test("a block taller than the screen is shown around the cursor") func tall() {
    let text = (1...50).map(String.init).joined(separator: "\n")
    let bottom = frame(text, rows: 5)
    #expect(bottom.rows.count == 5 && bottom.rows.last == ">> 50" && bottom.cursorRow == 4)
    let top = frame(text, cursor: 0, rows: 5)
    #expect(top.rows.first == "> 1" && top.cursorRow == 0)
  }

  @Test("narrow screens do not trap") func narrow() {
    for columns in 0..<6 { _ = frame("日本語 text\n\n", columns: columns, rows: 0) }
  }

  @Test("words in columns") func columns() {
    #expect(inColumns(["a", "bb", "c"], width: 8) == "a   c\nbb")
    #expect(inColumns([], width: 8) == "")
    #expect(inColumns(["a long word"], width: 3) == "a long word")
  }
}

@Suite("Source") struct SourceTests {
  private func words(_ text: String) -> [String] {
    let characters = Array(text)
    return LuaLexer.tokens(characters).map { String(characters[$0.range]) }
  }

  @Test("tokens") func tokens() {
    #expect(words("x=1.5e-3 ..'a\\'b'") == ["x", "=", "1.5e-3", "..", "'a\\'b'"])
    #expect(words("[==[a]]b]==] --[[c]] d -- e") == ["[==[a]]b]==]", "--[[c]]", "d", "-- e"])
    #expect(words("a::b:c...") == ["a", "::", "b", ":", "c", "..."])
    #expect(LuaLexer.tokens(Array("'abc")).last?.isOpen == true)
    #expect(LuaLexer.tokens(Array("[[abc")).last?.isOpen == true)
    #expect(LuaLexer.tokens(Array("日 § \"")).count == 3)
  }

  private func styles(_ text: String, _ cursor: Int) -> [Style] {
    Highlight.styles(Array(text), cursor: cursor)
  }

  @Test("brackets that match") func brackets() {
    #expect(styles("f(a[1])", 7)[1] == .bracket)
    #expect(styles("f(a[1])", 7)[6] == .bracket)
    #expect(styles("f(')')", 6)[1] == .bracket)
    #expect(styles("f(a])", 5)[4] == .unmatched)
    #expect(styles(")", 1)[0] == .unmatched)
    #expect(styles("(", 1)[0] == .plain)
  }

  struct ContextCase: Sendable, CustomStringConvertible {
    var text: String
    var wanted: CompletionContext?
    var description: String { text }
  }

  static let contexts = [
    ContextCase(text: "pri", wanted: CompletionContext(kind: .name, start: 0, prefix: "pri")),
    ContextCase(
      text: "x = string.re",
      wanted: CompletionContext(kind: .field, start: 11, prefix: "re", path: ["string"])),
    ContextCase(
      text: "a.b.c:d",
      wanted: CompletionContext(kind: .method, start: 6, prefix: "d", path: ["a", "b", "c"])),
    ContextCase(text: "('x'):u", wanted: CompletionContext(kind: .method, start: 6, prefix: "u")),
    ContextCase(text: "f().x", wanted: nil),
    ContextCase(
      text: "require \"lw", wanted: CompletionContext(kind: .module, start: 9, prefix: "lw")),
    ContextCase(
      text: "require('lw", wanted: CompletionContext(kind: .module, start: 9, prefix: "lw")),
    ContextCase(
      text: "io.open('/et", wanted: CompletionContext(kind: .file, start: 9, prefix: "/et")),
    ContextCase(text: "-- pri", wanted: nil),
    ContextCase(text: ":thr", wanted: CompletionContext(kind: .meta, start: 0, prefix: ":thr")),
    ContextCase(
      text: ":load a/b", wanted: CompletionContext(kind: .file, start: 6, prefix: "a/b")),
    ContextCase(text: ":bt 1.", wanted: CompletionContext(kind: .thread, start: 4, prefix: "1.")),
    ContextCase(
      text: ":time os.cl",
      wanted: CompletionContext(kind: .field, start: 9, prefix: "cl", path: ["os"])),
    ContextCase(text: "1", wanted: nil),
    ContextCase(text: "", wanted: nil),
  ]

  @Test("completion contexts", arguments: contexts) func context(_ test: ContextCase) {
    let text = Array(test.text)
    #expect(completionContext(text, cursor: text.count) == test.wanted)
  }

  @Test("top-level locals are kept where the next statement begins") func locals() {
    let keep = ReplSource.keeper
    #expect(
      ReplSource("local x = 1").text == "local x = 1\n \(keep)(1, function() return x end) ")
    #expect(
      ReplSource("local x=1;print(x)").text
        == "local x=1 \(keep)(1, function() return x end) ;print(x)")
    #expect(
      ReplSource("local a, b <const> = f(1) g(a) return a").text
        == "local a, b <const> = f(1)  \(keep)(1, function() return a, b end) g(a) return a")
    let inner = "do local x end for i = 1, 2 do local y end while z do local q end"
    #expect(ReplSource(inner).text == inner)
    #expect(ReplSource("local function f() local x = 1 end f()").declarations.count == 1)
    #expect(ReplSource("f(function() local x = 1 end)").declarations == [])
    #expect(ReplSource("local f <close> = g()").declarations == [.init(closed: ["f"])])
    #expect(ReplSource("local _ENV = {}").declarations == [.init()])
    #expect(ReplSource("local x = a > b y = 1").text.contains("b  \(keep)"))
    #expect(ReplSource("x.y.z = 'no' .. name").names == ["x", "y", "z", "name"])
  }
}
