// LineEditor.swift: what each key does. Keys in, actions out; no terminal here.

/// What a key asks of whoever runs the editor.
enum EditorAction: Equatable {
  /// The text may have changed: draw it.
  case redraw
  /// Enter: evaluate this, or go on with another line if it is incomplete.
  case enter(String)
  /// Ctrl-C: this line is given up.
  case interrupt
  /// Ctrl-D on an empty line.
  case end
  case suspend
  case clearScreen
  /// Tab: see `completionContext`.
  case complete
  /// Nothing could be done.
  case bell
}

/// One block of lines being edited, with history.
struct LineEditor {
  private(set) var buffer = LineBuffer()
  var history: History

  /// Where in the history the text is from, while arrows walk it.
  private struct Walk {
    var index: Int
    /// What was typed before the walk; also what entries must begin with.
    var draft: String
  }
  private var walk: Walk?

  /// Ctrl-R: an incremental search.
  struct Search: Equatable {
    var query = ""
    var index: Int
    var draft: String
    var hasFailed = false
  }
  private(set) var search: Search?

  /// Alt and digits: how often the next key is meant.
  private(set) var argument: Int?
  private static let mostRepeats = 10_000

  /// Alt-.: which entry's last word stands before the cursor, and how long it is.
  private struct LastWord {
    var index: Int
    var count: Int
  }
  private var lastWord: LastWord?

  /// The next key goes in as it is.
  private var isQuoting = false
  /// Ctrl-X has come.
  private var isAfterX = false

  static let indent = "  "

  init(history: History) { self.history = history }

  /// A new, empty block.
  mutating func begin() {
    buffer.set("", forgetting: true)
    walk = nil
    search = nil
    argument = nil
    lastWord = nil
    isQuoting = false
    isAfterX = false
  }

  /// The prompt that stands for the first one meanwhile.
  var searchPrompt: String? {
    guard let search else { return argument.map { "(arg: \($0)) " } }
    return (search.hasFailed ? "(no match) `" : "(search) `") + search.query + "': "
  }

  mutating func handle(_ key: Key) -> EditorAction {
    if search == nil, key.meta, !isQuoting, case .character(let character) = key.base,
      let digit = character.wholeNumberValue, character.isASCII
    {
      argument = min((argument ?? 0) * 10 + digit, Self.mostRepeats)
      return .redraw
    }
    guard let times = argument else { return handleOnce(key) }
    argument = nil
    return repeated(key, times)
  }

  /// As often as it is asked for, or as it can be done. What is no editing is done once.
  private mutating func repeated(_ key: Key, _ times: Int) -> EditorAction {
    if case .character(let character) = key.base, !key.control, !key.meta {
      if times > 0 { buffer.insert(String(repeating: character, count: times)) }
      return .redraw
    }
    if key == .ctrl("g") { return .redraw }
    var action = EditorAction.redraw
    var done = 0
    while done < times, action == .redraw {
      action = handleOnce(key)
      done += 1
      if search != nil || isQuoting || isAfterX { break }
    }
    return done > 1 && action == .bell ? .redraw : action
  }

  private mutating func handleOnce(_ key: Key) -> EditorAction {
    if key != .meta("."), key != .meta("_") { lastWord = nil }
    if isQuoting {
      isQuoting = false
      return quote(key)
    }
    if isAfterX {
      isAfterX = false
      return key == .ctrl("u") && buffer.undo() ? .redraw : .bell
    }
    if search != nil, let action = handleSearch(key) { return action }
    if key.control { return control(key) }
    if key.meta { return meta(key) }
    return plain(key)
  }

  // MARK: keys

  private mutating func plain(_ key: Key) -> EditorAction {
    switch key.base {
    case .character(let character): buffer.insert(String(character), typed: true)
    case .paste(let text): buffer.insert(Self.normalised(text))
    case .enter: return .enter(buffer.string)
    case .tab:
      if buffer.text[buffer.lineStart..<buffer.cursor].allSatisfy({ $0 == " " }) {
        buffer.insert(Self.indent)
      } else {
        return .complete
      }
    case .backspace: return backspace()
    case .delete: buffer.deleteForward()
    case .left: return move(by: -1)
    case .right: return move(by: 1)
    case .up: return upOrHistory()
    case .down: return downOrHistory()
    case .home: buffer.move(to: buffer.lineStart)
    case .end: buffer.move(to: buffer.lineEnd)
    case .pageUp: return walkHistory(forward: false)
    case .pageDown: return walkHistory(forward: true)
    case .backTab, .escape, .unknown: return .bell
    }
    return .redraw
  }

  private mutating func control(_ key: Key) -> EditorAction {
    switch key.base {
    case .left: buffer.move(to: buffer.wordStart)
    case .right: buffer.move(to: buffer.wordEnd)
    case .home: buffer.move(to: 0)
    case .end: buffer.move(to: buffer.text.count)
    case .delete: buffer.kill(.word)
    case .up: return walkHistory(forward: false)
    case .down: return walkHistory(forward: true)
    case .character(let letter): return control(letter)
    default: return .bell
    }
    return .redraw
  }

  private mutating func control(_ letter: Character) -> EditorAction {
    switch letter {
    case "a": buffer.move(to: buffer.lineStart)
    case "b": return move(by: -1)
    case "c": return .interrupt
    case "d":
      if buffer.isEmpty { return .end }
      if buffer.isAtEnd { return .bell }
      buffer.deleteForward()
    case "e": buffer.move(to: buffer.lineEnd)
    case "f": return move(by: 1)
    case "g": return .bell
    case "k": buffer.kill(.toLineEnd)
    case "l": return .clearScreen
    case "n": return downOrHistory()
    case "p": return upOrHistory()
    case "q", "v": isQuoting = true
    case "r", "s":
      search = Search(index: history.entries.count, draft: buffer.string)
    case "t": buffer.transposeCharacters()
    case "u": buffer.kill(.toLineStart)
    case "w": buffer.kill(.spacedBackward)
    case "x": isAfterX = true
    case "y": buffer.yank()
    case "z": return .suspend
    case "_": return buffer.undo() ? .redraw : .bell
    default: return .bell
    }
    return .redraw
  }

  private mutating func meta(_ key: Key) -> EditorAction {
    switch key.base {
    case .enter: buffer.insert("\n")
    case .backspace: buffer.kill(.wordBackward)
    case .delete: buffer.kill(.word)
    case .left: buffer.move(to: buffer.wordStart)
    case .right: buffer.move(to: buffer.wordEnd)
    case .up: return walkHistory(forward: false)
    case .down: return walkHistory(forward: true)
    case .character(let letter): return meta(letter)
    default: return .bell
    }
    return .redraw
  }

  private mutating func meta(_ letter: Character) -> EditorAction {
    switch letter {
    case "b", "B": buffer.move(to: buffer.wordStart)
    case "f", "F": buffer.move(to: buffer.wordEnd)
    case "d", "D": buffer.kill(.word)
    case "t", "T": buffer.transposeWords()
    case "u", "U": buffer.changeCase(.upper)
    case "l", "L": buffer.changeCase(.lower)
    case "c", "C": buffer.changeCase(.capital)
    case "y", "Y": buffer.yankPop()
    case "p", "P": return walkHistory(forward: false)
    case "n", "N": return walkHistory(forward: true)
    case ".", "_": return insertLastWord()
    case "<": return goToEntry(history.entries.isEmpty ? nil : 0)
    case ">": return goToEntry(nil)
    case "\\": buffer.deleteSpaces()
    default: return .bell
    }
    return .redraw
  }

  private mutating func quote(_ key: Key) -> EditorAction {
    switch key.base {
    case .tab: buffer.insert("\t")
    case .enter: buffer.insert("\n")
    case .escape: buffer.insert("\u{1b}")
    case .character(let character) where key.control:
      let value = character.unicodeScalars.first.map { UInt8(truncatingIfNeeded: $0.value) } ?? 0
      buffer.insert(String(Unicode.Scalar(value & 0x1f)))
    case .character(let character): buffer.insert(String(character))
    default: return .bell
    }
    return .redraw
  }

  private mutating func move(by distance: Int) -> EditorAction {
    let target = buffer.cursor + distance
    guard (0...buffer.text.count).contains(target) else { return .bell }
    buffer.move(to: target)
    return .redraw
  }

  /// In the spaces that a line begins with, one step of indentation at a time.
  private mutating func backspace() -> EditorAction {
    guard buffer.cursor > 0 else { return .bell }
    let before = buffer.text[buffer.lineStart..<buffer.cursor]
    buffer.deleteBackward()
    if before.count % 2 == 0, before.count > 1, before.allSatisfy({ $0 == " " }) {
      buffer.deleteBackward()
    }
    return .redraw
  }

  static func normalised(_ text: String) -> String {
    var result = ""
    for character in text {
      result.append(character == "\r\n" || character == "\r" ? "\n" : character)
    }
    return result
  }

  // MARK: lines

  /// Go on with another line, indented as deep as the code is.
  mutating func insertNewline() {
    alignLine()
    let depth = Self.depth(of: Self.open(Array(buffer.text[..<buffer.cursor]))[...])
    buffer.insert("\n" + String(repeating: Self.indent, count: depth))
  }

  /// A line that closes a block stands where the line stands that began it. The cursor is at its end.
  mutating func alignLine() {
    let line = buffer.lineStart
    let head = Array(buffer.text[line..<buffer.cursor])
    let spaces = head.prefix { $0 == " " }.count
    if Self.closesBlock(Array(head[spaces...])) {
      let open = Self.open(Array(buffer.text[..<line]))
      let depth = Self.depth(of: open.prefix { $0 != open.last })
      let wanted = String(repeating: Self.indent, count: depth)
      if spaces > wanted.count {
        buffer.replaceBackward(from: line, with: wanted + String(head[spaces...]))
      }
    }
  }

  private static func closesBlock(_ line: [Character]) -> Bool {
    guard let first = LuaLexer.tokens(line).first else { return false }
    return ["end", "else", "elseif", "until", "}", ")", "]"].contains(String(line[first.range]))
  }

  /// For each block and bracket that is open at the end of `text`, the outermost first, the line that
  /// began it. One that goes on where another ends, as in `end, {`, counts as begun where that was.
  private static func open(_ text: [Character]) -> [Int] {
    var open: [Int] = []
    var (line, begunAt) = (0, 0)
    var end = 0
    for token in LuaLexer.tokens(text) {
      let newlines = text[end..<token.range.lowerBound].count { $0 == "\n" }
      let isFirst = newlines > 0
      if isFirst {
        line += newlines
        begunAt = line
      }
      line += text[token.range].count { $0 == "\n" }
      end = token.range.upperBound
      guard token.kind == .keyword || token.kind == .symbol else { continue }
      switch String(text[token.range]) {
      case "function", "do", "if", "repeat", "{", "(", "[": open.append(begunAt)
      case "end", "until", "}", ")", "]":
        if let closed = open.popLast(), isFirst { begunAt = closed }
      default: break
      }
    }
    return open
  }

  /// What several blocks and brackets begin in one line is indented once.
  private static func depth(of open: ArraySlice<Int>) -> Int { Set(open).count }

  // MARK: history

  private mutating func upOrHistory() -> EditorAction {
    // On the way through the history its blocks are passed as wholes.
    if walk == nil, buffer.moveUp() { return .redraw }
    return walkHistory(forward: false)
  }

  private mutating func downOrHistory() -> EditorAction {
    if walk == nil, buffer.moveDown() { return .redraw }
    return walkHistory(forward: true)
  }

  /// To the nearest entry that begins like what was typed.
  private mutating func walkHistory(forward: Bool) -> EditorAction {
    var current = walk ?? Walk(index: history.entries.count, draft: buffer.string)
    // Text that was changed on the way begins a new walk.
    if walk != nil, current.index < history.entries.count,
      history.entries[current.index] != buffer.string
    {
      current = Walk(index: history.entries.count, draft: buffer.string)
    }
    let shown = buffer.string
    let found = history.search(from: current.index, forward: forward) {
      $0.hasPrefix(current.draft) && $0 != shown
    }
    guard found != nil || forward && walk != nil else { return .bell }
    return show(found, of: current)
  }

  private mutating func goToEntry(_ index: Int?) -> EditorAction {
    show(index, of: walk ?? Walk(index: history.entries.count, draft: buffer.string))
  }

  /// Nil: back to what was typed.
  private mutating func show(_ index: Int?, of current: Walk) -> EditorAction {
    if let index {
      walk = Walk(index: index, draft: current.draft)
      buffer.set(history.entries[index])
    } else {
      walk = nil
      buffer.set(current.draft)
    }
    return .redraw
  }

  /// The last word of the entry before, or, again and again, of the one before that.
  private mutating func insertLastWord() -> EditorAction {
    let before = lastWord?.index ?? history.entries.count
    guard
      let index = history.search(
        from: before, forward: false, { !Self.lastWord(of: $0).isEmpty })
    else { return .bell }
    let word = Self.lastWord(of: history.entries[index])
    buffer.replaceBackward(from: buffer.cursor - (lastWord?.count ?? 0), with: word)
    lastWord = LastWord(index: index, count: word.count)
    return .redraw
  }

  /// What stands behind the last space, without what closes brackets that were opened before it.
  static func lastWord(of entry: String) -> String {
    guard var word = entry.split(whereSeparator: \.isWhitespace).last else { return "" }
    while let last = word.last, ")]},;".contains(last) {
      let opening: Character? = last == ")" ? "(" : last == "]" ? "[" : last == "}" ? "{" : nil
      let opened = word.count { $0 == opening }
      if opened > 0, opened >= word.count(where: { $0 == last }) { break }
      word.removeLast()
    }
    return String(word)
  }

  // MARK: search

  /// A key during a search. Nil: the search is over and the key is an ordinary one.
  private mutating func handleSearch(_ key: Key) -> EditorAction? {
    guard var state = search else { return nil }
    if key == .ctrl("g") || key == .ctrl("c") {
      search = nil
      buffer.set(state.draft)
      return .redraw
    }
    if key == .ctrl("r") || key == .ctrl("s") {
      find(&state, from: state.index, forward: key == .ctrl("s"))
    } else if key == .plain(.backspace) {
      if state.query.isEmpty { return .bell }
      state.query.removeLast()
      find(&state, from: history.entries.count, forward: false)
    } else if case .character(let character) = key.base, !key.control, !key.meta {
      state.query.append(character)
      find(&state, from: state.index + 1, forward: false)
    } else {
      search = nil
      return key == .plain(.escape) ? .redraw : nil
    }
    search = state
    return .redraw
  }

  private mutating func find(_ state: inout Search, from index: Int, forward: Bool) {
    let query = Array(state.query)
    guard !query.isEmpty else {
      state.hasFailed = false
      return buffer.set(state.draft)
    }
    let shown = state.index
    guard
      let found = history.search(
        from: index, forward: forward,
        { entry in
          Self.position(of: query, in: Array(entry)) != nil
        })
    else {
      state.hasFailed = true
      return
    }
    state.hasFailed = false
    state.index = found
    if shown != found || buffer.string != history.entries[found] {
      buffer.set(history.entries[found])
    }
    buffer.move(to: Self.position(of: query, in: buffer.text) ?? 0)
  }

  private static func position(of query: [Character], in text: [Character]) -> Int? {
    guard query.count <= text.count else { return nil }
    return (0...(text.count - query.count)).first { text[$0...].starts(with: query) }
  }

  // MARK: completion

  /// Put in what all `candidates` for the text from `start` on have in common. Returns whether that
  /// was anything new.
  mutating func complete(from start: Int, _ candidates: [String]) -> Bool {
    guard let first = candidates.first, start <= buffer.cursor else { return false }
    var common = Array(first)
    for candidate in candidates.dropFirst() {
      common = Array(zip(common, candidate).prefix { $0 == $1 }.map { $0.0 })
    }
    let typed = buffer.text[start..<buffer.cursor]
    guard common.count > typed.count || candidates.count == 1 && !common.elementsEqual(typed)
    else { return false }
    buffer.replaceBackward(from: start, with: String(common))
    return true
  }
}
