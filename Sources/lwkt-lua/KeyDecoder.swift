// KeyDecoder.swift: from the bytes that a terminal sends to keys.

/// One key as it was pressed, or one paste.
struct Key: Equatable, Sendable {
  enum Base: Equatable, Sendable {
    case character(Character)
    case enter, tab, backTab, backspace, delete, escape
    case up, down, left, right, home, end, pageUp, pageDown
    /// What came between the marks of a bracketed paste.
    case paste(String)
    /// A sequence that means nothing here.
    case unknown
  }

  var base: Base
  var control = false
  var meta = false

  static func plain(_ base: Base) -> Key { Key(base: base) }
  static func ctrl(_ letter: Character) -> Key { Key(base: .character(letter), control: true) }
  static func meta(_ letter: Character) -> Key { Key(base: .character(letter), meta: true) }
}

/// Bytes in, keys out, a byte at a time. What may be the beginning of more is held back: a lone ESC
/// is told from a sequence by nothing but time, so whoever reads calls `expire` after a pause.
struct KeyDecoder {
  private enum State {
    case ground
    case escape
    /// ESC [, with the parameters so far.
    case control(String)
    /// ESC O.
    case application
    /// The first bytes of a character, and how many are to come.
    case character([UInt8], missing: Int)
    case paste
  }

  private var state = State.ground
  /// The next key is pressed with Alt: an ESC has come before it.
  private var meta = false
  private var pasted: [UInt8] = []

  private static let pasteEnd = Array("\u{1b}[201~".utf8)

  /// Is something held back that a pause would decide?
  var isUndecided: Bool {
    switch state {
    case .escape, .control, .application: true
    default: false
    }
  }

  var isInPaste: Bool { if case .paste = state { true } else { false } }

  /// The pause is over: what is held back is all there is.
  mutating func expire() -> Key? {
    defer { (state, meta) = (.ground, false) }
    switch state {
    case .escape: return .plain(.escape)
    case .control(""): return .meta("[")
    case .application: return .meta("O")
    case .control: return .plain(.unknown)
    default: return nil
    }
  }

  mutating func feed(_ byte: UInt8) -> Key? {
    switch state {
    case .ground: return ground(byte)
    case .escape: return afterEscape(byte)
    case .control(let parameters): return control(byte, parameters)
    case .application:
      state = .ground
      return finish(Self.letters[byte] ?? .unknown)
    case .character(let bytes, let missing): return character(byte, bytes, missing)
    case .paste: return paste(byte)
    }
  }

  private mutating func finish(_ base: Key.Base, control: Bool = false, alt: Bool = false) -> Key {
    defer { meta = false }
    state = .ground
    return Key(base: base, control: control, meta: meta || alt)
  }

  private mutating func ground(_ byte: UInt8) -> Key? {
    switch byte {
    case 0x1b:
      state = .escape
      return nil
    case 0x0d, 0x0a: return finish(.enter)
    case 0x09: return finish(.tab)
    case 0x7f, 0x08: return finish(.backspace)
    case 0x00: return finish(.character("@"), control: true)
    case 0x01..<0x20:
      // Ctrl-A is 1; Ctrl-_ is 0x1f.
      let letter = byte < 0x1b ? byte | 0x60 : byte | 0x40
      return finish(.character(Character(Unicode.Scalar(letter))), control: true)
    case 0x20..<0x7f: return finish(.character(Character(Unicode.Scalar(byte))))
    default: return beginCharacter(byte)
    }
  }

  private mutating func beginCharacter(_ byte: UInt8) -> Key? {
    let missing =
      switch byte {
      case 0xc2...0xdf: 1
      case 0xe0...0xef: 2
      case 0xf0...0xf4: 3
      default: 0
      }
    if missing == 0 { return finish(.character("\u{fffd}")) }
    state = .character([byte], missing: missing)
    return nil
  }

  private mutating func character(_ byte: UInt8, _ bytes: [UInt8], _ missing: Int) -> Key? {
    guard byte & 0xc0 == 0x80 else {
      // Not UTF-8: what is here is one bad character, and the byte begins anew.
      state = .ground
      return ground(byte) ?? .plain(.unknown)
    }
    let all = bytes + [byte]
    if missing > 1 {
      state = .character(all, missing: missing - 1)
      return nil
    }
    return finish(.character(String(decoding: all, as: UTF8.self).first ?? "\u{fffd}"))
  }

  private mutating func afterEscape(_ byte: UInt8) -> Key? {
    switch byte {
    case 0x5b: state = .control("")
    case 0x4f: state = .application
    case 0x1b: meta = true
    default:
      meta = true
      state = .ground
      return ground(byte)
    }
    return nil
  }

  private mutating func control(_ byte: UInt8, _ parameters: String) -> Key? {
    // The Linux console's function keys: ESC [ [ A.
    if parameters == "[" { return finish(.unknown) }
    if byte == 0x5b, parameters.isEmpty {
      state = .control("[")
      return nil
    }
    guard (0x40...0x7e).contains(byte) else {
      guard parameters.utf8.count < 32, (0x20..<0x40).contains(byte) else {
        return finish(.unknown)
      }
      state = .control(parameters + String(Unicode.Scalar(byte)))
      return nil
    }
    let numbers = parameters.split(separator: ";").map { Int($0) ?? 0 }
    if byte == 0x7e, numbers.first == 200 {
      state = .paste
      pasted = []
      return nil
    }
    let modifiers = numbers.count > 1 ? max(0, numbers[1] - 1) : 0
    let base = byte == 0x7e ? Self.tildes[numbers.first ?? 0] : Self.letters[byte]
    return finish(base ?? .unknown, control: modifiers & 4 != 0, alt: modifiers & 2 != 0)
  }

  private mutating func paste(_ byte: UInt8) -> Key? {
    pasted.append(byte)
    guard byte == 0x7e, pasted.suffix(Self.pasteEnd.count).elementsEqual(Self.pasteEnd) else {
      return nil
    }
    let text = String(decoding: pasted.dropLast(Self.pasteEnd.count), as: UTF8.self)
    pasted = []
    return finish(.paste(text))
  }

  private static let letters: [UInt8: Key.Base] = [
    0x41: .up, 0x42: .down, 0x43: .right, 0x44: .left, 0x46: .end, 0x48: .home, 0x5a: .backTab,
    0x4d: .enter,
  ]

  private static let tildes: [Int: Key.Base] = [
    1: .home, 3: .delete, 4: .end, 5: .pageUp, 6: .pageDown, 7: .home, 8: .end,
  ]
}
