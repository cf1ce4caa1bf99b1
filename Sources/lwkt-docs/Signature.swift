// Signature.swift: a signature of the help table taken apart.

/// `<T>(name?: type, ...: type): type, name: type | nil, message, errno`
struct Signature {
  struct Parameter {
    var name: String
    var type: String
    var isOptional: Bool
  }

  /// `T` or `T: bound`.
  var generic: String?
  var parameters: [Parameter] = []
  var results: [String] = []
  /// It may return nil, a message and an errno instead.
  var canFail = false

  private static let failure = " | nil, message, errno"

  init(_ text: Substring) {
    var rest = text
    if rest.hasSuffix(Signature.failure) {
      canFail = true
      rest = rest.dropLast(Signature.failure.count)
    }
    if rest.first == "<", let end = rest.firstIndex(of: ">") {
      generic = String(rest[rest.index(after: rest.startIndex)..<end])
      rest = rest[rest.index(after: end)...]
    }
    guard let end = Signature.closing(rest) else { return }
    let inside = rest[rest.index(after: rest.startIndex)..<end]
    parameters = Signature.split(inside).map(Signature.parameter)
    let after = rest[rest.index(after: end)...]
    if after.hasPrefix(": ") { results = Signature.split(after.dropFirst(2)) }
  }

  private static func parameter(_ text: String) -> Parameter {
    let colon = text.firstIndex(of: ":") ?? text.endIndex
    var name = text[..<colon]
    let isOptional = name.hasSuffix("?")
    if isOptional { name = name.dropLast() }
    let type = text[colon...].dropFirst(2)
    return Parameter(name: String(name), type: String(type), isOptional: isOptional)
  }

  /// The place of the parenthesis that closes the first character.
  private static func closing(_ text: Substring) -> Substring.Index? {
    var depth = 0
    for index in text.indices {
      if text[index] == "(" { depth += 1 }
      if text[index] == ")" { depth -= 1 }
      if depth == 0 { return index }
    }
    return nil
  }

  /// At the commas that stand in no brackets.
  private static func split(_ text: Substring) -> [String] {
    var parts: [String] = []
    var part = ""
    var depth = 0
    for character in text {
      if "(<{[".contains(character) { depth += 1 }
      if ")>}]".contains(character) { depth -= 1 }
      if character == ",", depth == 0 {
        parts.append(part)
        part = ""
      } else if !(part.isEmpty && character == " ") {
        part.append(character)
      }
    }
    return part.isEmpty ? parts : parts + [part]
  }
}
