// Help.swift: what there is to say about each name that a script can use, and how it is found.
//
// One table has three readers: the REPL's `:help`, the reference in docs/manual.md, and the
// annotations for editors in library/lwkt.lua (both written by lwkt-docs). The entries are constants
// that nobody touches before somebody asks, so they cost a program that does not ask nothing.

/// What there is to say about one name.
package struct HelpEntry: Sendable {
  package enum Kind: Sendable {
    /// A table of functions: `lwkt`, `string`.
    case module
    /// What a script holds and calls methods of, under the name it has in signatures: `td`.
    case object
    case function, method
    /// What a table or handle has by that name: `td.id`, `math.pi`.
    case field
    /// What a table of options may have: `lwkt.create{pri=}`.
    case option
  }

  package let kind: Kind
  /// As it is written in a script: `lwkt.create`, `td:join`; an option with its braces.
  package let name: StaticString
  /// Of a function what follows its name, one line for each way to call it, in the notation of
  /// LuaLS: `(fn: function, ...: any): lwkt.Thread`. `| nil, message, errno` at the end: it can fail.
  /// Of a field, an option, an object its type.
  package let signature: StaticString
  /// One sentence.
  package let summary: StaticString
  /// Whatever else there is to know: does it wait, what are its results, its errors.
  package let text: StaticString
  /// A program. Each `-->` names a line of its output, in order.
  package let example: StaticString

  init(
    _ kind: Kind, _ name: StaticString, _ signature: StaticString, _ summary: StaticString,
    _ text: StaticString = "", example: StaticString = ""
  ) {
    self.kind = kind
    self.name = name
    self.signature = signature
    self.summary = summary
    self.text = text
    self.example = example
  }

  /// The parts of the name: `lwkt.create{pri=}` is lwkt, create, pri.
  var path: [Substring] { Help.path("\(name)") }

  /// The name with each way to call it: what stands at the head of an entry.
  package var headings: [String] {
    let lines = "\(signature)".split(separator: "\n")
    switch kind {
    case .function, .method: return lines.map { "\(name)" + $0 }
    case .module: return ["\(name)"]
    case .object, .field, .option: return ["\(name): " + "\(signature)"]
    }
  }
}

/// The entries of one subject, in the order in which they are best read.
package struct HelpSubject: Sendable {
  package let title: StaticString
  package let entries: [HelpEntry]
}

/// The table, and looking into it.
package enum Help {
  /// The `lwkt` module.
  package static let moduleSubjects: [HelpSubject] = [
    threadHelp, threadHandleHelp, scopeHelp, portHelp, messageHelp, tokenHelp, sharedHelp,
    sysportHelp, inspectHelp,
  ]
  /// Lua's own libraries.
  package static let standardSubjects: [HelpSubject] = [
    basicHelp, coroutineHelp, packageHelp, stringHelp, utf8Help, tableHelp, mathHelp, ioHelp,
    osHelp, debugHelp,
  ]

  package static var subjects: [HelpSubject] { moduleSubjects + standardSubjects }
  package static var entries: [HelpEntry] { subjects.flatMap(\.entries) }

  /// What a name that somebody asks about stands for.
  package enum Answer {
    /// One entry, and those below it: the functions of a module, the options of a function.
    case entry(HelpEntry, below: [HelpEntry])
    /// Several entries that end in this name.
    case several([HelpEntry])
    /// No such name; some that are like it.
    case unknown(like: [HelpEntry])
  }

  /// Look `name` up: `lwkt.create`, or its end, `create`. Separators are all alike, and arguments are
  /// ignored: `td.join`, `td:join()`.
  package static func find(_ name: String) -> Answer {
    let wanted = path(name)
    guard !wanted.isEmpty else { return .unknown(like: []) }
    let entries = Help.entries
    if let exact = entries.first(where: { $0.path == wanted }) {
      return .entry(exact, below: below(exact, in: entries))
    }
    let found = entries.filter { $0.path.suffix(wanted.count) == wanted[...] }
    if found.count == 1 { return .entry(found[0], below: below(found[0], in: entries)) }
    if !found.isEmpty { return .several(found) }
    let inside = entries.filter { $0.path.count > wanted.count && $0.path.starts(with: wanted) }
    if !inside.isEmpty { return .several(inside) }
    return .unknown(like: similar(wanted, in: entries))
  }

  /// The answer as text for a terminal, with a line end at its end. Nil asks for an overview.
  package static func text(for name: String?) -> String {
    guard let name, !path(name).isEmpty else { return overview }
    switch find(name) {
    case .entry(let entry, let below):
      return page(entry) + (below.isEmpty ? "" : "\n" + list(below))
    case .several(let entries): return list(entries)
    case .unknown(let like):
      let nothing = "there is no help for '" + name + "'"
      if like.isEmpty { return nothing + "; ask without a name for all there is\n" }
      return nothing + "; did you mean\n" + list(like)
    }
  }

  // MARK: names

  static func path(_ name: String) -> [Substring] {
    let name = name.prefix { $0 != "(" }
    return name.split { ".:{}[]= \t\n".contains($0) }
  }

  /// Modules and objects have what begins with their names, functions their options.
  private static func below(_ entry: HelpEntry, in entries: [HelpEntry]) -> [HelpEntry] {
    let path = entry.path
    return entries.filter { $0.path.count == path.count + 1 && $0.path.starts(with: path) }
  }

  /// Names that are nearly `wanted`, or have its last part in them.
  private static func similar(_ wanted: [Substring], in entries: [HelpEntry]) -> [HelpEntry] {
    guard let last = wanted.last?.lowercased() else { return [] }
    let near = entries.compactMap { entry -> (distance: Int, entry: HelpEntry)? in
      guard let name = entry.path.last?.lowercased() else { return nil }
      let distance = editDistance(Array(last), Array(name))
      if distance <= max(1, last.count / 3) { return (distance, entry) }
      return last.count > 2 && holds(name, last) ? (last.count, entry) : nil
    }
    return near.sorted { $0.distance < $1.distance }.prefix(6).map(\.entry)
  }

  /// `String.contains` would have the regular expressions of Swift's library linked in, with a sixth of
  /// the pages that are touched before the program begins.
  private static func holds(_ text: String, _ part: String) -> Bool {
    text.indices.contains { text[$0...].hasPrefix(part) }
  }

  /// How many letters to insert, remove, replace, or swap with their neighbours make `b` of `a`.
  private static func editDistance(_ a: [Character], _ b: [Character]) -> Int {
    var before: [Int] = []
    var row = Array(0...b.count)
    for i in a.indices {
      var next = [i + 1]
      for j in b.indices {
        var least = min(row[j] + (a[i] == b[j] ? 0 : 1), row[j + 1] + 1, next[j] + 1)
        if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
          least = min(least, before[j - 1] + 1)
        }
        next.append(least)
      }
      (before, row) = (row, next)
    }
    return row[b.count]
  }

  // MARK: text

  private static func page(_ entry: HelpEntry) -> String {
    var text = entry.headings.joined(separator: "\n") + "\n\n  \(entry.summary)\n"
    if entry.text.utf8CodeUnitCount > 0 { text += "\n" + indented("\(entry.text)") }
    if entry.example.utf8CodeUnitCount > 0 {
      text += "\n" + indented("\(entry.example)", by: "      ")
    }
    return text
  }

  private static func indented(_ text: String, by indent: String = "  ") -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false)
      .map { $0.isEmpty ? "\n" : indent + $0 + "\n" }.joined()
  }

  /// A line for each entry: its name, its sentence.
  private static func list(_ entries: [HelpEntry]) -> String {
    let width = min(24, entries.map { $0.name.utf8CodeUnitCount }.max() ?? 0)
    return entries.map { entry in
      let room = max(0, width - entry.name.utf8CodeUnitCount)
      return "  \(entry.name)" + String(repeating: " ", count: room) + "  \(entry.summary)\n"
    }.joined()
  }

  private static var overview: String {
    var text = ""
    for subject in subjects {
      text += "\(subject.title)\n"
      var line = " "
      for entry in subject.entries where entry.kind != .option {
        if line.utf8.count + entry.name.utf8CodeUnitCount > 78 {
          text += line + "\n"
          line = " "
        }
        line += " \(entry.name)"
      }
      text += line + "\n"
    }
    return text + "\nAsk for one by its name, or the end of it: td:join, join, string.rep, lwkt.\n"
  }
}
