// Snippet.swift: the programs in documents, and whether they print what the document says.
//
// A block of Lua in a document is a program. What it prints stands in its comments, a line after each
// `-->`, or in a block of text that follows it at once. In both, blanks from two on stand for a tab,
// and `...` for anything. A block whose first line is a comment with a file's name is that file for
// the blocks after it, which may load it. The text may begin with the command, `$ lwkt-lua ...`: its
// options and arguments are used.

import Foundation

/// A block of code in a document.
struct Block {
  var language: String
  var line: Int
  var text: String
  /// The language and text of the block that follows with nothing but an empty line between.
  var next: (language: String, text: String)?
}

/// All blocks between fences, in order.
func blocks(of document: String) -> [Block] {
  var blocks: [Block] = []
  var open: Block?
  var end = -10
  for (number, line) in document.components(separatedBy: "\n").enumerated() {
    if var block = open {
      if line == "```" {
        if !blocks.isEmpty, end + 2 >= block.line - 1 {
          blocks[blocks.count - 1].next = (block.language, block.text)
        }
        end = number
        blocks.append(block)
        open = nil
      } else {
        block.text += line + "\n"
        open = block
      }
    } else if line.hasPrefix("```") {
      open = Block(language: String(line.dropFirst(3)), line: number + 1, text: "")
    }
  }
  return blocks
}

/// A program and what it prints.
struct Snippet: Sendable, CustomStringConvertible {
  var description: String
  var code: String
  /// Options before and arguments after the name of the file.
  var options: [String] = []
  var arguments: [String] = []
  /// The standard output; with `hasErrors` the standard error after it.
  var output: String
  var hasErrors = false

  /// A program whose output stands in its comments.
  init(_ name: String, _ code: String) {
    description = name
    self.code = code
    output = lines(code).compactMap { line in
      line.range(of: "-->").map { line[$0.upperBound...].trimmingCharacters(in: .whitespaces) }
    }.joined(separator: "\n")
  }

  /// A block of a document.
  init(_ name: String, _ block: Block) {
    self.init(name + ":" + String(block.line), block.text)
    guard let next = block.next, next.language == "text" else { return }
    var rest = lines(next.text)
    if let command = rest.first, command.hasPrefix("$ lwkt-lua ") {
      let words = command.split(separator: " ").dropFirst(2).map(String.init)
      let place = words.firstIndex { $0.hasSuffix(".lua") } ?? words.endIndex
      options = Array(words[..<place])
      arguments = Array(words[place...].dropFirst())
      rest.removeFirst()
    }
    output = rest.joined(separator: "\n")
    hasErrors = true
  }

  /// The file that the first line names.
  var file: String {
    code.firstMatch(of: /\A-- ([\w\/]+\.lua)\b/).map { String($0.1) } ?? "example.lua"
  }

  /// Run it in `folder`; nil, or what is wrong.
  func problem(in folder: URL) async throws -> String? {
    let place = folder.appendingPathComponent(file)
    try FileManager.default.createDirectory(
      at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
    try code.write(to: place, atomically: true, encoding: .utf8)
    let ended = try await Child(arguments: options + [file] + arguments, directory: folder).run()
    let program = Place.products.appendingPathComponent("lwkt-lua").path
    let printed =
      hasErrors
      ? ended.output + ended.errors.replacingOccurrences(of: program, with: "lwkt-lua")
      : ended.output
    if Snippet.fits(printed, output), hasErrors || (ended.status == 0 && ended.errors == "") {
      return nil
    }
    return "\(description)\n\(code)--- wanted\n\(output)\n\(ended)"
  }

  /// Does `text` look like `pattern`?
  static func fits(_ text: String, _ pattern: String) -> Bool {
    var rest = even(text)[...]
    let parts = even(pattern).components(separatedBy: "...").map {
      $0.trimmingCharacters(in: .whitespacesAndNewlines)
    }
    for (place, part) in parts.enumerated() {
      if place == parts.count - 1, place > 0 { return part.isEmpty || rest.hasSuffix(part) }
      if parts.count == 1 { return rest == part }
      guard let found = part.isEmpty ? rest.startIndex..<rest.startIndex : rest.range(of: part),
        place > 0 || found.lowerBound == rest.startIndex
      else { return false }
      rest = rest[found.upperBound...]
    }
    return true
  }

  /// White space of two and more is a tab; none at the ends.
  private static func even(_ text: String) -> String {
    lines(text).map {
      $0.replacing(/\t| {2,}/, with: "\t").trimmingCharacters(in: .whitespaces)
    }.joined(separator: "\n").trimmingCharacters(in: .newlines)
  }
}

/// A new folder that is removed afterwards.
func withTemporaryFolder<Result>(
  isolation: isolated (any Actor)? = #isolation, _ body: (URL) async throws -> Result
) async throws -> Result {
  let folder = FileManager.default.temporaryDirectory
    .appendingPathComponent("lwkt-lua-test-" + UUID().uuidString)
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  return try await body(folder)
}
