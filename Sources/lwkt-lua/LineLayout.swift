// LineLayout.swift: where the characters of the prompt's block stand on the screen.

/// The block as it is drawn: prompt and text in rows, and where the cursor is in them.
struct Frame: Equatable, Sendable {
  /// Rows with their colours, none longer than the screen is wide.
  var rows: [String] = [""]
  /// How many columns each takes.
  var widths: [Int] = [0]
  var cursorRow = 0
  var cursorColumn = 0
}

struct LineLayout {
  var columns: Int
  /// How many rows may be shown; the rest is scrolled out of sight.
  var mostRows: Int
  var hasColours: Bool

  /// What a prompt takes on the screen: its colours take nothing.
  static func width(ofPrompt prompt: String) -> Int {
    var width = 0
    var isEscape = false
    for character in prompt {
      if isEscape {
        if character.isLetter { isEscape = false }
      } else if character == "\u{1b}" {
        isEscape = true
      } else {
        width += visibleForm(character, column: width).width
      }
    }
    return width
  }

  /// `first` stands before the first line of `text`, `rest` before the others. A negative cursor is
  /// nowhere.
  func frame(
    first: String, rest: String, text: [Character], styles: [Style], cursor: Int
  ) -> Frame {
    var writer = RowWriter(columns: max(columns, 4), hasColours: hasColours)
    writer.prompt(first)
    for (index, character) in text.enumerated() {
      if index == cursor { writer.markCursor() }
      if character == "\n" {
        writer.endRow()
        writer.prompt(rest)
      } else {
        writer.put(character, styles[index])
      }
    }
    if cursor >= text.count { writer.markCursor() }
    writer.endRow()
    return cut(writer.frame)
  }

  /// The rows around the cursor, if there are too many.
  private func cut(_ frame: Frame) -> Frame {
    let most = max(mostRows, 1)
    guard frame.rows.count > most else { return frame }
    let start = min(max(0, frame.cursorRow - most / 2), frame.rows.count - most)
    return Frame(
      rows: Array(frame.rows[start..<start + most]),
      widths: Array(frame.widths[start..<start + most]),
      cursorRow: frame.cursorRow - start, cursorColumn: frame.cursorColumn)
  }
}

/// Fills row after row.
private struct RowWriter {
  let columns: Int
  let hasColours: Bool
  var frame = Frame(rows: [], widths: [])
  private var row = ""
  private var width = 0
  private var style = Style.plain

  init(columns: Int, hasColours: Bool) {
    self.columns = columns
    self.hasColours = hasColours
  }

  private mutating func change(to new: Style) {
    guard hasColours, new != style else { return }
    row += new == .plain ? "\u{1b}[m" : "\u{1b}[0;" + new.parameters + "m"
    style = new
  }

  mutating func prompt(_ text: String) {
    let taken = LineLayout.width(ofPrompt: text)
    // One that leaves no room is not worth its place.
    guard taken < columns - 1 else { return }
    if hasColours, !text.contains("\u{1b}") {
      row += styled(text, .prompt, true)
    } else {
      row += text
    }
    width = taken
  }

  mutating func put(_ character: Character, _ new: Style) {
    var form = visibleForm(character, column: width)
    if width + form.width > columns {
      endRow()
      form = visibleForm(character, column: 0)
    }
    change(to: new)
    row += form.text
    width += form.width
  }

  mutating func markCursor() {
    if width >= columns { endRow() }
    frame.cursorRow = frame.rows.count
    frame.cursorColumn = width
  }

  mutating func endRow() {
    change(to: .plain)
    frame.rows.append(row)
    frame.widths.append(width)
    row = ""
    width = 0
  }
}

/// Words in columns, down and then across, as `ls` does.
func inColumns(_ words: [String], width: Int, indent: String = "") -> String {
  guard let widest = words.map({ TextWidth.of($0) }).max() else { return "" }
  let cell = widest + 2
  let across = max(1, (width - indent.count) / cell)
  let down = (words.count + across - 1) / across
  return (0..<down).map { row in
    let line = stride(from: row, to: words.count, by: down).map { index in
      words[index] + String(repeating: " ", count: cell - TextWidth.of(words[index]))
    }.joined()
    return indent + line.trimmingEnd()
  }.joined(separator: "\n")
}

extension String {
  /// Without spaces at its end.
  func trimmingEnd() -> String {
    var text = self[...]
    while text.last == " " { text.removeLast() }
    return String(text)
  }
}
