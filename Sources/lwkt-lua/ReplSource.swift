// ReplSource.swift: what the prompt does to a block so that its locals are there in the next one.

/// A block made ready for a session in which locals survive.
///
/// The block runs as a function inside a wrapper that declares the locals of earlier blocks, whose
/// variables are then joined to the ones that earlier functions use (`debug.upvaluejoin`). To get
/// at the block's own top-level locals, a call is put in after each statement that declares some:
///
///     local x = 1  keep(1, function() return x end)  print(x)
///
/// at the beginning of the statement that follows, on the same line, so that lines keep their numbers
/// and an error later in the block does not lose what was declared before it.
struct ReplSource: Equatable {
  struct Declaration: Equatable {
    var names: [String] = []
    /// Attributed `const`: kept by value.
    var constants: [String] = []
    /// Attributed `close`: closed at the end of the block, and not kept.
    var closed: [String] = []
  }

  /// The block with the calls in it.
  private(set) var text = ""
  private(set) var declarations: [Declaration] = []
  /// Every name in it: those that may be locals of earlier blocks.
  private(set) var names: Set<String> = []

  /// What is called to keep a declaration: its number, and a function that returns its names.
  static let keeper = "__lwkt_keep"

  init(_ source: String) {
    let characters = Array(source)
    let tokens = LuaLexer.tokens(characters).filter { $0.kind != .comment }
    var scanner = Scanner(text: characters, tokens: tokens)
    scanner.scan()
    names = Set(tokens.filter { $0.kind == .name }.map { String(characters[$0.range]) })
    declarations = scanner.declarations
    var at = 0
    for insertion in scanner.insertions {
      text += String(characters[at..<insertion.position]) + insertion.text
      at = insertion.position
    }
    text += String(characters[at...])
  }
}

/// Walks over the tokens and finds the top-level declarations and where a statement begins after
/// each.
private struct Scanner {
  let text: [Character]
  let tokens: [LuaToken]
  var declarations: [ReplSource.Declaration] = []
  var insertions: [(position: Int, text: String)] = []

  private var index = 0
  /// How many blocks and brackets are open.
  private var depth = 0
  /// A `while` or `for` whose `do` is to come.
  private var awaitsDo = false
  private var isPending = false

  init(text: [Character], tokens: [LuaToken]) {
    self.text = text
    self.tokens = tokens
  }

  private func word(_ index: Int) -> String {
    tokens.indices.contains(index) ? String(text[tokens[index].range]) : ""
  }

  mutating func scan() {
    while index < tokens.count {
      if depth == 0, isPending, beginsStatement(index) {
        insert(at: tokens[index].range.lowerBound, "")
      }
      if depth == 0, tokens[index].kind == .keyword, word(index) == "local" {
        declare()
      } else {
        follow(index)
        index += 1
      }
    }
    if isPending { insert(at: text.count, "\n") }
  }

  /// Follow what opens and closes.
  private mutating func follow(_ index: Int) {
    guard tokens[index].kind == .keyword || tokens[index].kind == .symbol else { return }
    switch word(index) {
    case "while", "for": if depth == 0 { awaitsDo = true }
    case "do":
      if depth == 0 { awaitsDo = false }
      depth += 1
    case "function", "if", "repeat", "(", "[", "{": depth += 1
    case "end", "until", ")", "]", "}": depth -= 1
    default: break
    }
  }

  /// Does a statement begin with this token? Where that cannot be told (a parenthesis) the answer is
  /// no, as it is for Lua.
  private func beginsStatement(_ index: Int) -> Bool {
    let word = word(index)
    switch tokens[index].kind {
    case .keyword:
      switch word {
      case "local", "if", "while", "for", "repeat", "return", "goto", "break": return true
      case "do": return !awaitsDo
      case "function": return tokens.indices.contains(index + 1) && tokens[index + 1].kind == .name
      default: return false
      }
    case .symbol: return word == ";" || word == "::"
    case .name:
      guard index > 0 else { return true }
      let before = self.word(index - 1)
      switch tokens[index - 1].kind {
      case .name, .number, .string: return true
      case .keyword: return ["end", "nil", "true", "false"].contains(before)
      case .symbol: return [")", "]", "}", "...", ">"].contains(before) && !isOperator(index - 1)
      case .comment: return false
      }
    default: return false
    }
  }

  /// Is the ">" at `index` a comparison, and not the end of an attribute?
  private func isOperator(_ index: Int) -> Bool {
    word(index) == ">" && !(word(index - 2) == "<" && ["const", "close"].contains(word(index - 1)))
  }

  /// At `local`: note its names, and go on behind them.
  private mutating func declare() {
    var declaration = ReplSource.Declaration()
    index += 1
    if word(index) == "function" {
      declaration.names = [word(index + 1)]
      depth += 1
      index += 2
    } else {
      while index < tokens.count, tokens[index].kind == .name {
        let name = word(index)
        index += 1
        var attribute = ""
        if word(index) == "<", word(index + 2) == ">" {
          attribute = word(index + 1)
          index += 3
        }
        note(name, attribute, &declaration)
        guard word(index) == "," else { break }
        index += 1
      }
    }
    declarations.append(declaration)
    isPending = !(declaration.names.isEmpty && declaration.constants.isEmpty)
  }

  /// A local `_ENV` stays in its block: in the next one it would be where all globals are.
  private func note(_ name: String, _ attribute: String, _ to: inout ReplSource.Declaration) {
    to.names.removeAll { $0 == name }
    to.constants.removeAll { $0 == name }
    if name == "_ENV" { return }
    switch attribute {
    case "const": to.constants.append(name)
    case "close": to.closed.append(name)
    default: to.names.append(name)
    }
  }

  private mutating func insert(at position: Int, _ before: String) {
    guard let declaration = declarations.last else { return }
    let names = (declaration.names + declaration.constants).joined(separator: ", ")
    let call =
      " \(ReplSource.keeper)(\(declarations.count), function() return \(names) end) "
    insertions.append((position, before + call))
    isPending = false
  }
}
