// Completion.swift: what could stand at the cursor, as far as the text says.

/// What is to be completed. Who knows the values (the driver, in Lua) finds the candidates.
struct CompletionContext: Equatable {
  enum Kind: String { case meta, help, thread, file, module, name, field, method }
  var kind: Kind
  /// Where the word begins that is to be completed.
  var start: Int
  var prefix: String
  /// For fields and methods: the names that lead to the value, such as `a`, `b` for `a.b.pre`; of a
  /// string literal, none.
  var path: [String] = []
}

func completionContext(_ text: [Character], cursor: Int) -> CompletionContext? {
  let head = Array(text[..<cursor])
  if head.first == ":" { return metaContext(head) }
  return luaContext(head)
}

private func metaContext(_ head: [Character]) -> CompletionContext? {
  guard let space = head.firstIndex(where: { $0.isWhitespace }) else {
    return CompletionContext(kind: .meta, start: 0, prefix: String(head))
  }
  let argument = head[space...].drop { $0.isWhitespace }
  let kind: CompletionContext.Kind
  switch String(head[..<space]) {
  case ":load", ":save": kind = .file
  case ":help": kind = .help
  case ":bt", ":kill": kind = .thread
  case ":time":
    // Lua code; what stands before it is blanked out so that positions stay.
    let blank = [Character](repeating: " ", count: argument.startIndex)
    return luaContext(blank + argument)
  default: return nil
  }
  return CompletionContext(kind: kind, start: argument.startIndex, prefix: String(argument))
}

private func luaContext(_ head: [Character]) -> CompletionContext? {
  var tokens = LuaLexer.tokens(head)
  var prefix = ""
  var start = head.count
  if let last = tokens.last, last.range.upperBound == head.count {
    switch last.kind {
    case .comment: return nil
    case .string: return last.isOpen ? stringContext(head, tokens) : nil
    case .number: return nil
    case .name, .keyword:
      prefix = String(head[last.range])
      start = last.range.lowerBound
      tokens.removeLast()
    case .symbol: break
    }
  }
  guard let before = tokens.last, before.kind == .symbol else {
    return prefix.isEmpty ? nil : CompletionContext(kind: .name, start: start, prefix: prefix)
  }
  let symbol = String(head[before.range])
  guard symbol == "." || symbol == ":" else {
    return prefix.isEmpty ? nil : CompletionContext(kind: .name, start: start, prefix: prefix)
  }
  tokens.removeLast()
  guard let path = path(head, tokens) else { return nil }
  return CompletionContext(
    kind: symbol == "." ? .field : .method, start: start, prefix: prefix, path: path)
}

/// In a string: a module's name after `require`, else a file's.
private func stringContext(_ head: [Character], _ tokens: [LuaToken]) -> CompletionContext? {
  guard let string = tokens.last, head[string.range.lowerBound] != "[" else { return nil }
  let start = string.range.lowerBound + 1
  var before = tokens.dropLast()
  if let last = before.last, String(head[last.range]) == "(" { before.removeLast() }
  let isRequire = before.last.map { String(head[$0.range]) == "require" } ?? false
  return CompletionContext(
    kind: isRequire ? .module : .file, start: start, prefix: String(head[start...]))
}

/// The names that lead to the value before a "." or ":", or nil if it is no such chain.
private func path(_ head: [Character], _ tokens: [LuaToken]) -> [String]? {
  var path: [String] = []
  var left = tokens[...]
  while let last = left.popLast() {
    switch last.kind {
    case .name:
      path.append(String(head[last.range]))
      guard let symbol = left.last, symbol.kind == .symbol, String(head[symbol.range]) == "." else {
        return path.reversed()
      }
      left.removeLast()
    case .string: return path.isEmpty ? [] : nil
    case .symbol where head[last.range] == [")"]:
      // A string literal in parentheses.
      guard path.isEmpty, let literal = left.popLast(), literal.kind == .string else { return nil }
      return []
    default: return nil
    }
  }
  return nil
}
