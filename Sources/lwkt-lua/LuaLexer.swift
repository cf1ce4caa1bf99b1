// LuaLexer.swift: Lua source in pieces: for colours, brackets, completion and surviving locals.

/// One piece of Lua source.
struct LuaToken: Equatable {
  enum Kind { case keyword, name, number, string, comment, symbol }
  var kind: Kind
  /// Positions in the characters that were given.
  var range: Range<Int>
  /// A string or comment that the source ends in.
  var isOpen = false
}

/// Splits source into tokens. Takes anything: what is no Lua becomes symbols.
struct LuaLexer {
  private let text: [Character]
  private var at = 0

  static func tokens(_ text: [Character]) -> [LuaToken] {
    var lexer = LuaLexer(text: text)
    var tokens: [LuaToken] = []
    while let token = lexer.next() { tokens.append(token) }
    return tokens
  }

  static let keywords: Set<String> = [
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in",
    "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while",
  ]

  private init(text: [Character]) { self.text = text }

  private func peek(_ ahead: Int = 0) -> Character? {
    at + ahead < text.count ? text[at + ahead] : nil
  }

  private mutating func next() -> LuaToken? {
    while let character = peek(), character.isWhitespace { at += 1 }
    guard let character = peek() else { return nil }
    let start = at
    if character == "-", peek(1) == "-" { return comment(start) }
    if character == "_" || character.isASCII && character.isLetter { return word(start) }
    if Self.isDigit(character) || character == "." && peek(1).map(Self.isDigit) ?? false {
      return number(start)
    }
    if character == "\"" || character == "'" { return quoted(start, character) }
    if character == "[", let level = bracketLevel() { return long(start, level, .string) }
    at += symbolLength(character)
    return LuaToken(kind: .symbol, range: start..<at)
  }

  private static func isDigit(_ character: Character) -> Bool {
    character.isASCII && character.isNumber
  }

  private func symbolLength(_ character: Character) -> Int {
    for symbol in ["...", "..", "==", "~=", "<=", ">=", "//", "::", "<<", ">>"]
    where symbol.first == character {
      if text[at...].starts(with: symbol) { return symbol.count }
    }
    return 1
  }

  private mutating func word(_ start: Int) -> LuaToken {
    while let character = peek(),
      character == "_" || character.isASCII && (character.isLetter || character.isNumber)
    {
      at += 1
    }
    let isKeyword = Self.keywords.contains(String(text[start..<at]))
    return LuaToken(kind: isKeyword ? .keyword : .name, range: start..<at)
  }

  private mutating func number(_ start: Int) -> LuaToken {
    let isHexadecimal = peek() == "0" && (peek(1) == "x" || peek(1) == "X")
    let exponents: [Character] = isHexadecimal ? ["p", "P"] : ["e", "E"]
    while let character = peek() {
      if exponents.contains(character), peek(1) == "+" || peek(1) == "-" {
        at += 2
      } else if character == "." || character.isASCII && (character.isLetter || character.isNumber)
      {
        at += 1
      } else {
        break
      }
    }
    return LuaToken(kind: .number, range: start..<at)
  }

  private mutating func quoted(_ start: Int, _ quote: Character) -> LuaToken {
    at += 1
    while let character = peek() {
      at += 1
      if character == quote { return LuaToken(kind: .string, range: start..<at) }
      if character == "\n" {
        at -= 1
        break
      }
      if character == "\\" { skipEscape() }
    }
    return LuaToken(kind: .string, range: start..<at, isOpen: true)
  }

  /// After a backslash: `\z` takes the white space that follows.
  private mutating func skipEscape() {
    guard let character = peek() else { return }
    at += 1
    if character == "z" { while let next = peek(), next.isWhitespace { at += 1 } }
  }

  /// At a "[": the level of the long bracket that opens here, if one does.
  private func bracketLevel() -> Int? {
    var level = 0
    while peek(1 + level) == "=" { level += 1 }
    return peek(1 + level) == "[" ? level : nil
  }

  private mutating func long(_ start: Int, _ level: Int, _ kind: LuaToken.Kind) -> LuaToken {
    at += level + 2
    while at < text.count {
      if text[at] == "]", closes(level) {
        at += level + 2
        return LuaToken(kind: kind, range: start..<at)
      }
      at += 1
    }
    return LuaToken(kind: kind, range: start..<at, isOpen: true)
  }

  private func closes(_ level: Int) -> Bool {
    guard at + level + 1 < text.count, text[at + level + 1] == "]" else { return false }
    return text[(at + 1)..<(at + 1 + level)].allSatisfy { $0 == "=" }
  }

  private mutating func comment(_ start: Int) -> LuaToken {
    at += 2
    if peek() == "[", let level = bracketLevel() { return long(start, level, .comment) }
    while let character = peek(), character != "\n" { at += 1 }
    return LuaToken(kind: .comment, range: start..<at, isOpen: at == text.count)
  }
}
