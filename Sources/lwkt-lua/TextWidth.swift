// TextWidth.swift: how many columns a character takes on a terminal.

/// Columns as terminals count them: two for East Asian wide characters and emoji, none for what
/// combines with the character before it.
enum TextWidth {
  /// Columns of one character. A control character is shown as `^A`, so it takes two.
  static func of(_ character: Character) -> Int {
    let scalars = character.unicodeScalars
    guard let first = scalars.first else { return 0 }
    if scalars.count == 1 { return of(first) }
    // A flag is two letters; a variation selector asks for the emoji's form.
    if isRegional(first) || scalars.contains(where: { $0.value == 0xfe0f }) { return 2 }
    return max(1, of(first))
  }

  static func of(_ text: some Sequence<Character>) -> Int { text.reduce(0) { $0 + of($1) } }

  private static func of(_ scalar: Unicode.Scalar) -> Int {
    let value = scalar.value
    if value < 0x20 || value == 0x7f { return 2 }
    if value < 0x300 { return value >= 0x80 && value < 0xa0 ? 0 : 1 }
    if isWide(value) || scalar.properties.isEmojiPresentation { return 2 }
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .enclosingMark, .format, .control: return 0
    default: return 1
    }
  }

  private static func isRegional(_ scalar: Unicode.Scalar) -> Bool {
    (0x1f1e6...0x1f1ff).contains(scalar.value)
  }

  private static func isWide(_ value: UInt32) -> Bool {
    guard value >= 0x1100 else { return false }
    return wide.contains { $0.contains(value) }
  }

  /// East Asian width W and F, without the emoji that their own property tells.
  private static let wide: [ClosedRange<UInt32>] = [
    0x1100...0x115f, 0x2329...0x232a, 0x2e80...0x303e, 0x3041...0x33ff, 0x3400...0x4dbf,
    0x4e00...0xa4cf, 0xa960...0xa97f, 0xac00...0xd7a3, 0xf900...0xfaff, 0xfe10...0xfe19,
    0xfe30...0xfe6f, 0xff01...0xff60, 0xffe0...0xffe6, 0x16fe0...0x18d08, 0x1aff0...0x1b2fb,
    0x1f200...0x1f265, 0x20000...0x3fffd,
  ]
}

/// A character as it is shown: tabs and control characters need another form, also those with eight
/// bits, which terminals obey too.
func visibleForm(_ character: Character, column: Int) -> (text: String, width: Int) {
  guard let value = character.unicodeScalars.first?.value,
    value < 0x20 || (0x7f..<0xa0).contains(value)
  else { return (String(character), TextWidth.of(character)) }
  if value >= 0x80 { return ("<" + String(value, radix: 16) + ">", 4) }
  if value == 9 {
    let width = 4 - column % 4
    return (String(repeating: " ", count: width), width)
  }
  let letter = Character(Unicode.Scalar(UInt8(truncatingIfNeeded: value ^ 0x40)))
  return ("^" + String(letter), 2)
}

/// Text that comes from elsewhere, as it may go to the terminal: with its lines, but nothing that would
/// steer the terminal.
func visibleText(_ text: String) -> String {
  text.map { $0 == "\n" ? "\n" : visibleForm($0, column: 0).text }.joined()
}
