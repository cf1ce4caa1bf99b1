// Highlight.swift: colours for Lua source, and the bracket that belongs to the one at the cursor.

/// What a character of the prompt's block is, and so how it looks.
enum Style: UInt8 {
  case plain, keyword, number, string, comment, bracket, unmatched, meta, prompt, error, faint

  /// The parameters of "select graphic rendition".
  var parameters: String {
    switch self {
    case .plain: ""
    case .keyword: "34"
    case .number: "35"
    case .string: "32"
    case .comment, .faint: "90"
    case .bracket: "1;36"
    case .unmatched: "1;31"
    case .meta: "36"
    case .prompt: "1"
    case .error: "31"
    }
  }
}

/// `text` in a style, if there are colours.
func styled(_ text: String, _ style: Style, _ hasColours: Bool) -> String {
  guard hasColours, style != .plain, !text.isEmpty else { return text }
  return "\u{1b}[" + style.parameters + "m" + text + "\u{1b}[m"
}

enum Highlight {
  /// A style for each character. `cursor` is where brackets are matched; nil for nowhere.
  static func styles(_ text: [Character], cursor: Int?) -> [Style] {
    var styles = [Style](repeating: .plain, count: text.count)
    if text.first == ":" {
      let end = text.firstIndex { $0.isWhitespace } ?? text.count
      for index in 0..<end { styles[index] = .meta }
      return styles
    }
    let tokens = LuaLexer.tokens(text)
    for token in tokens {
      let style: Style
      switch token.kind {
      case .keyword: style = .keyword
      case .number: style = .number
      case .string: style = .string
      case .comment: style = .comment
      case .name, .symbol: continue
      }
      for index in token.range { styles[index] = style }
    }
    if let cursor { matchBrackets(text, tokens, cursor, &styles) }
    return styles
  }

  private static let closers: [Character: Character] = ["(": ")", "[": "]", "{": "}"]

  /// The bracket before the cursor, or else the one under it.
  private static func matchBrackets(
    _ text: [Character], _ tokens: [LuaToken], _ cursor: Int, _ styles: inout [Style]
  ) {
    let brackets = tokens.filter { token in
      token.kind == .symbol && token.range.count == 1
        && "()[]{}".contains(text[token.range.lowerBound])
    }.map { $0.range.lowerBound }
    guard
      let mine = brackets.firstIndex(of: cursor - 1) ?? brackets.firstIndex(of: cursor)
    else { return }
    let position = brackets[mine]
    let step = closers[text[position]] != nil ? 1 : -1
    var open: [Character] = []
    var index = mine
    while brackets.indices.contains(index) {
      let bracket = text[brackets[index]]
      let isBeginning = (closers[bracket] != nil) == (step == 1)
      if isBeginning {
        open.append(bracket)
      } else {
        let pair = open.popLast() ?? " "
        guard closers[pair] == bracket || closers[bracket] == pair else { break }
        if open.isEmpty {
          styles[position] = .bracket
          styles[brackets[index]] = .bracket
          return
        }
      }
      index += step
    }
    // An opening one may still get its partner.
    if step == -1 { styles[position] = .unmatched }
  }
}
