// StockCase.swift: a command line in the tables of Tests/cli; the README there describes them.

import Foundation

/// Bytes: what a command line, a file or an output consists of.
typealias Bytes = [UInt8]

struct StockCase: Sendable, CustomStringConvertible {
  enum Stream: String { case stdout, stderr, status }

  enum Item: Sendable {
    case folder(String)
    /// `compiler` is the command that makes the file of `content`.
    case file(String, content: Bytes, compiler: String?)
  }

  let name: String
  /// File and line.
  let place: String
  var arguments: [Bytes] = []
  var environment: [String: String] = [:]
  var items: [Item] = []
  var input: Item = .file("in", content: [], compiler: nil)
  var mergesErrors = false
  /// Ours, where it is meant to differ from stock's.
  var differing: [Stream: Bytes] = [:]
  /// Where ours goes on.
  var longer: Stream?

  var description: String { place + " " + name }

  struct Mistake: Error, CustomStringConvertible {
    let description: String
  }

  /// All cases of all tables.
  static func readAll() throws -> [StockCase] {
    let folder = Place.package.appendingPathComponent("Tests/cli")
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    return try names.filter { $0.hasSuffix(".cases") }.sorted().flatMap { name in
      var reader = Reader(file: name)
      let text = try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
      for line in lines(text) { try reader.take(line) }
      return reader.cases
    }
  }
}

/// Takes a table line by line.
private struct Reader {
  let file: String
  private var number = 0
  private(set) var cases: [StockCase] = []
  /// Where the lines of the block that is open go to.
  private var block: ((inout StockCase, Bytes) -> Void)?

  init(file: String) { self.file = file }

  private var place: String { file + ":" + String(number) }

  mutating func take(_ line: String) throws {
    number += 1
    if line.hasPrefix("== ") {
      block = nil
      cases.append(StockCase(name: String(line.dropFirst(3)), place: place))
    } else if line.hasPrefix("  |") || line.hasPrefix("  +"), let block, !cases.isEmpty {
      let text = line.dropFirst(line.dropFirst(3).hasPrefix(" ") ? 4 : 3)
      block(
        &cases[cases.count - 1], line.hasPrefix("  |") ? Bytes((text + "\n").utf8) : bytes(text))
    } else if !line.isEmpty, !line.hasPrefix("#") {
      try takeDirective(line)
    }
  }

  private mutating func takeDirective(_ line: String) throws {
    guard let match = line.firstMatch(of: /^([a-z+]+)((?: -s)?(?: [^: ]+)?):(?: (.*))?$/),
      !cases.isEmpty
    else { throw StockCase.Mistake(description: "\(place): not understood: \(line)") }
    let value = String(match.3 ?? "")
    var name = match.2.split(separator: " ").map(String.init)
    let last = cases.count - 1
    block = nil
    switch match.1 {
    case "args": cases[last].arguments += words(value).map { Bytes($0.utf8) }
    case "arg": cases[last].arguments.append(Bytes(value.utf8))
    case "arg+": cases[last].arguments.append(bytes(Substring(value)))
    case "env":
      let halves = value.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      cases[last].environment[String(halves[0])] = String(halves[1])
    case "dir": cases[last].items.append(.folder(value))
    case "file": openFile(name.joined(), nil)
    case "luac":
      let compiler = name.first == "-s" ? "luac5.4 -s" : "luac5.4"
      if name.first == "-s" { name.removeFirst() }
      openFile(name.joined(), compiler)
    case "stdin":
      let compiler = name.isEmpty ? nil : "luac5.4"
      cases[last].input = .file("in", content: [], compiler: compiler)
      block = { $0.input = $0.input.adding($1) }
    case "merge": cases[last].mergesErrors = true
    case "longer": cases[last].longer = try stream(value)
    case "differs":
      let stream = try stream(value)
      cases[last].differing[stream] = []
      block = { $0.differing[stream]? += $1 }
    default: throw StockCase.Mistake(description: "\(place): unknown: \(match.1)")
    }
  }

  private mutating func openFile(_ name: String, _ compiler: String?) {
    cases[cases.count - 1].items.append(.file(name, content: [], compiler: compiler))
    block = { $0.items[$0.items.count - 1] = $0.items[$0.items.count - 1].adding($1) }
  }

  private func stream(_ value: String) throws -> StockCase.Stream {
    guard let colon = value.firstIndex(of: ":"),
      let stream = StockCase.Stream(rawValue: String(value[..<colon])),
      value[colon...].count > 2
    else { throw StockCase.Mistake(description: "\(place): a stream and a reason are needed") }
    return stream
  }

  /// Words at spaces; what stands in '...' is kept as it is.
  private func words(_ line: String) -> [String] {
    var words: [String] = []
    var word: String?
    var isQuoted = false
    for character in line {
      if character == "'" {
        isQuoted.toggle()
        word = word ?? ""
      } else if character == " ", !isQuoted {
        if let word { words.append(word) }
        word = nil
      } else {
        word = (word ?? "") + String(character)
      }
    }
    return word.map { words + [$0] } ?? words
  }

  /// `text` with its escapes replaced.
  private func bytes(_ text: Substring) -> Bytes {
    var result: Bytes = []
    var rest = Bytes(text.utf8)[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "\\"), let letter = rest.popFirst() else {
        result.append(byte)
        continue
      }
      switch letter {
      case UInt8(ascii: "n"): result.append(10)
      case UInt8(ascii: "r"): result.append(13)
      case UInt8(ascii: "t"): result.append(9)
      case UInt8(ascii: "0"): result.append(0)
      case UInt8(ascii: "x"):
        result.append(UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) ?? 0)
        rest = rest.dropFirst(2)
      default: result.append(letter)
      }
    }
    return result
  }
}

extension StockCase.Item {
  fileprivate func adding(_ bytes: Bytes) -> StockCase.Item {
    guard case .file(let name, let content, let compiler) = self else { return self }
    return .file(name, content: content + bytes, compiler: compiler)
  }
}
