// LineBuffer.swift: the text being edited, and what editing does to it. No terminal here.

/// Text, cursor, kill ring and undo: what the Emacs keys of readline work on. The text may have
/// several lines; positions count characters.
struct LineBuffer {
  private(set) var text: [Character] = []
  private(set) var cursor = 0

  private struct Past {
    var text: [Character]
    var cursor: Int
  }

  /// What the last command was, where the next one depends on it.
  private enum Last {
    case other
    /// Typing: consecutive characters are undone together.
    case typing(count: Int)
    case killing
    /// A yank of this many characters, which Alt-Y replaces.
    case yanking(count: Int)
  }

  private var undoStack: [Past] = []
  private var last = Last.other
  private var ring: [[Character]] = []
  private var ringIndex = 0

  private static let mostUndos = 500
  private static let mostKills = 60

  var string: String { String(text) }
  var isEmpty: Bool { text.isEmpty }
  var isAtEnd: Bool { cursor == text.count }

  // MARK: the whole

  /// Another text, cursor at its end. Can be undone unless `forgetting`.
  mutating func set(_ string: String, forgetting: Bool = false) {
    if forgetting { undoStack = [] } else { remember() }
    last = .other
    text = Array(string)
    cursor = text.count
  }

  /// Positions outside of the text are brought to its ends.
  mutating func move(to position: Int) {
    last = .other
    cursor = min(max(position, 0), text.count)
  }

  // MARK: undo

  private mutating func remember() {
    undoStack.append(Past(text: text, cursor: cursor))
    if undoStack.count > Self.mostUndos { undoStack.removeFirst() }
  }

  /// False when there is nothing to undo.
  mutating func undo() -> Bool {
    last = .other
    guard let past = undoStack.popLast() else { return false }
    text = past.text
    cursor = past.cursor
    return true
  }

  // MARK: insert and delete

  /// Put `string` in at the cursor. One typed character after another is undone in runs of 20.
  mutating func insert(_ string: String, typed: Bool = false) {
    if typed, case .typing(let count) = last, count < 20 {
      last = .typing(count: count + 1)
    } else {
      remember()
      last = typed ? .typing(count: 1) : .other
    }
    insertOnly(string)
  }

  /// A combining mark joins the character before it, so that one is put in again.
  private mutating func insertOnly(_ string: String) {
    let start = max(0, cursor - 1)
    let new = Array(String(text[start..<cursor]) + string)
    text.replaceSubrange(start..<cursor, with: new)
    cursor = start + new.count
  }

  private mutating func replace(_ range: Range<Int>, with new: [Character], cursor at: Int) {
    remember()
    last = .other
    text.replaceSubrange(range, with: new)
    cursor = min(at, text.count)
  }

  mutating func deleteBackward() {
    guard cursor > 0 else { return }
    replace(cursor - 1..<cursor, with: [], cursor: cursor - 1)
  }

  mutating func deleteForward() {
    guard cursor < text.count else { return }
    replace(cursor..<cursor + 1, with: [], cursor: cursor)
  }

  /// Replace what stands before the cursor from `start` on: completion does.
  mutating func replaceBackward(from start: Int, with new: String) {
    let characters = Array(new)
    replace(start..<cursor, with: characters, cursor: start + characters.count)
  }

  // MARK: words and lines

  private static func isWord(_ character: Character) -> Bool {
    character.isLetter || character.isNumber || character == "_"
  }

  var wordStart: Int {
    var position = cursor
    while position > 0, !Self.isWord(text[position - 1]) { position -= 1 }
    while position > 0, Self.isWord(text[position - 1]) { position -= 1 }
    return position
  }

  var wordEnd: Int {
    var position = cursor
    while position < text.count, !Self.isWord(text[position]) { position += 1 }
    while position < text.count, Self.isWord(text[position]) { position += 1 }
    return position
  }

  /// Where the word before the cursor begins, as the shell sees words: between spaces.
  private var spacedStart: Int {
    var position = cursor
    while position > 0, text[position - 1].isWhitespace { position -= 1 }
    while position > 0, !text[position - 1].isWhitespace { position -= 1 }
    return position
  }

  var lineStart: Int {
    var position = cursor
    while position > 0, text[position - 1] != "\n" { position -= 1 }
    return position
  }

  var lineEnd: Int {
    var position = cursor
    while position < text.count, text[position] != "\n" { position += 1 }
    return position
  }

  var isOnFirstLine: Bool { lineStart == 0 }
  var isOnLastLine: Bool { lineEnd == text.count }

  /// The line above, at the same place or its end. False on the first line.
  mutating func moveUp() -> Bool {
    guard !isOnFirstLine else { return false }
    let column = cursor - lineStart
    move(to: lineStart - 1)
    move(to: min(lineStart + column, cursor))
    return true
  }

  mutating func moveDown() -> Bool {
    guard !isOnLastLine else { return false }
    let column = cursor - lineStart
    move(to: lineEnd + 1)
    move(to: min(cursor + column, lineEnd))
    return true
  }

  // MARK: kill and yank

  enum Kill { case toLineEnd, toLineStart, word, wordBackward, spacedBackward, all }

  /// Cut, to the kill ring; what is cut in a row is one entry.
  mutating func kill(_ what: Kill) {
    let range: Range<Int>
    switch what {
    case .toLineEnd: range = cursor..<(lineEnd == cursor ? min(cursor + 1, text.count) : lineEnd)
    case .toLineStart: range = (lineStart == cursor ? max(cursor - 1, 0) : lineStart)..<cursor
    case .word: range = cursor..<wordEnd
    case .wordBackward: range = wordStart..<cursor
    case .spacedBackward: range = spacedStart..<cursor
    case .all: range = 0..<text.count
    }
    guard !range.isEmpty else { return }
    let cut = Array(text[range])
    if case .killing = last, let top = ring.popLast() {
      ring.append(range.lowerBound < cursor ? cut + top : top + cut)
    } else {
      ring.append(cut)
      if ring.count > Self.mostKills { ring.removeFirst() }
    }
    replace(range, with: [], cursor: range.lowerBound)
    last = .killing
  }

  mutating func yank() {
    guard let top = ring.last else { return }
    ringIndex = ring.count - 1
    insert(String(top))
    last = .yanking(count: top.count)
  }

  /// After a yank: the kill before that one instead.
  mutating func yankPop() {
    guard case .yanking(let count) = last, !ring.isEmpty else { return }
    ringIndex = (ringIndex + ring.count - 1) % ring.count
    let other = ring[ringIndex]
    replace(cursor - count..<cursor, with: other, cursor: cursor - count + other.count)
    last = .yanking(count: other.count)
  }

  // MARK: transpose and change case

  /// The characters around the cursor change places; at the end of a line the two before it.
  mutating func transposeCharacters() {
    let at = cursor == lineEnd ? cursor - 1 : cursor
    guard at > lineStart, at < text.count else { return }
    replace(at - 1..<at + 1, with: [text[at], text[at - 1]], cursor: at + 1)
  }

  /// The word before the cursor and the one at it or after it change places.
  mutating func transposeWords() {
    let before = self
    move(to: wordEnd)
    let end = cursor
    let secondStart = wordStart
    move(to: secondStart)
    let firstStart = wordStart
    move(to: firstStart)
    let firstEnd = wordEnd
    guard firstEnd <= secondStart, firstStart < firstEnd, secondStart < end else {
      self = before
      return
    }
    let new = text[secondStart..<end] + text[firstEnd..<secondStart] + text[firstStart..<firstEnd]
    replace(firstStart..<end, with: Array(new), cursor: end)
  }

  enum Casing { case upper, lower, capital }

  /// Change the case of what is left of the word.
  mutating func changeCase(_ casing: Casing) {
    let end = wordEnd
    guard end > cursor else { return }
    var isFirst = true
    let changed = text[cursor..<end].map { character -> String in
      let isHead = isFirst && character.isLetter
      if character.isLetter { isFirst = false }
      switch casing {
      case .upper: return character.uppercased()
      case .lower: return character.lowercased()
      case .capital: return isHead ? character.uppercased() : character.lowercased()
      }
    }
    let new = Array(changed.joined())
    replace(cursor..<end, with: new, cursor: cursor + new.count)
  }

  /// No more spaces and tabs around the cursor.
  mutating func deleteSpaces() {
    var start = cursor
    var end = cursor
    while start > 0, text[start - 1] == " " || text[start - 1] == "\t" { start -= 1 }
    while end < text.count, text[end] == " " || text[end] == "\t" { end += 1 }
    if start < end { replace(start..<end, with: [], cursor: start) }
  }
}
