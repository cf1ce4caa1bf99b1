// Screen.swift: a terminal in memory: what a program's output looks like.

@testable import lwkt_lua

/// As much of a terminal as the prompt and its tests use. Wide characters take two cells.
struct Screen {
  private(set) var columns: Int
  private(set) var rows: Int
  private var cells: [[String]]
  private(set) var row = 0
  private(set) var column = 0
  /// The cursor stands behind the last column: the next character begins a new row.
  private var isBeyond = false
  private var other: [[String]]?
  private var pending: [UInt8] = []
  /// The rows that have left at the top.
  private(set) var gone: [String] = []

  init(columns: Int, rows: Int) {
    self.columns = columns
    self.rows = rows
    cells = Array(repeating: Array(repeating: " ", count: columns), count: rows)
  }

  /// The rows without spaces at their ends, without empty ones at the end.
  var lines: [String] {
    var lines = cells.map { $0.joined().trimmingEnd() }
    while lines.last == "" { lines.removeLast() }
    return lines
  }

  var text: String { lines.joined(separator: "\n") }

  /// Those that have left at the top, and those that are there.
  var allLines: [String] { gone + lines }

  /// Where in `allLines` the text begins that stands last, in as many rows as it takes, if it is this.
  func rowOfEcho(of text: String) -> Int? {
    let wanted = text.filter { !$0.isWhitespace }
    let all = allLines
    var last = ""
    for row in all.indices.reversed() {
      last = all[row].filter { !$0.isWhitespace } + last
      if last.hasSuffix(wanted) { return row }
      if last.count > wanted.count + columns { return nil }
    }
    return nil
  }

  mutating func resize(columns: Int, rows: Int) {
    // Without wrapping what is there: tests look at what is drawn afterwards.
    self.columns = columns
    self.rows = rows
    cells = (0..<rows).map { row in
      let old = row < cells.count ? cells[row] : []
      return Array((old + Array(repeating: " ", count: columns)).prefix(columns))
    }
    row = min(row, rows - 1)
    column = min(column, columns - 1)
  }

  mutating func feed(_ bytes: [UInt8]) {
    pending += bytes
    while let used = step() { pending.removeFirst(used) }
  }

  /// One character or sequence; nil if it is not all there.
  private mutating func step() -> Int? {
    guard let first = pending.first else { return nil }
    switch first {
    case 0x1b: return sequence()
    case 0x0d: (column, isBeyond) = (0, false)
    case 0x0a: lineFeed()
    case 0x08: column = max(0, column - 1)
    case 0x09: column = min((column / 8 + 1) * 8, columns - 1)
    case 0..<0x20: break
    default:
      let length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
      guard pending.count >= length else { return nil }
      put(String(decoding: pending[..<length], as: UTF8.self))
      return length
    }
    return 1
  }

  private mutating func lineFeed() {
    isBeyond = false
    if row < rows - 1 {
      row += 1
    } else {
      gone.append(cells.removeFirst().joined().trimmingEnd())
      cells.append(Array(repeating: " ", count: columns))
    }
  }

  private mutating func put(_ text: String) {
    let width = TextWidth.of(text)
    if width == 0 {
      cells[row][max(0, column - 1)] += text
      return
    }
    if isBeyond || column + width > columns {
      column = 0
      lineFeed()
    }
    cells[row][column] = text
    if width == 2 { cells[row][column + 1] = "" }
    column += width
    if column >= columns {
      column = columns - 1
      isBeyond = true
    }
  }

  private mutating func sequence() -> Int? {
    guard pending.count > 1 else { return nil }
    guard pending[1] == 0x5b else { return 2 }
    guard let end = pending[2...].firstIndex(where: { (0x40...0x7e).contains($0) }) else {
      return nil
    }
    let parameters = String(decoding: pending[2..<end], as: UTF8.self)
    control(pending[end], parameters)
    return end + 1
  }

  private mutating func control(_ final: UInt8, _ parameters: String) {
    let number = Int(parameters) ?? 1
    isBeyond = false
    switch Character(Unicode.Scalar(final)) {
    case "A": row = max(0, row - number)
    case "B": row = min(rows - 1, row + number)
    case "C": column = min(columns - 1, column + number)
    case "D": column = max(0, column - number)
    case "H": (row, column) = (0, 0)
    case "J": erase(all: parameters == "2")
    case "K": for at in column..<columns { cells[row][at] = " " }
    case "h" where parameters == "?1049":
      other = cells
      erase(all: true)
    case "l" where parameters == "?1049":
      cells = other ?? cells
      other = nil
    default: break
    }
  }

  private mutating func erase(all: Bool) {
    for at in (all ? 0 : column)..<columns { cells[row][at] = " " }
    for line in (all ? 0 : row + 1)..<max(rows, row + 1) {
      cells[line] = Array(repeating: " ", count: columns)
    }
  }
}
