// StockCommandTests.swift: the command does what stock `lua5.4` does, to the byte: the tables in Tests/cli.

import Foundation
import Testing

@Suite("Tests/cli") struct StockCommandTests {
  static let cases = (try? StockCase.readAll()) ?? []

  @Test func tablesCanBeRead() throws {
    let cases = try StockCase.readAll()
    #expect(cases.count > 400)
    let names = Dictionary(grouping: cases) { $0.place.prefix { $0 != ":" } + $0.name }
    #expect(names.filter { $1.count > 1 }.isEmpty, "names that come twice")
  }

  @Test(arguments: cases)
  func isTheSame(what: StockCase) async throws {
    let theirs = Outcome(try await run(what, Place.stockLua))
    let ours = Outcome(try await run(what, Place.products.appendingPathComponent("lwkt-lua").path))
    for stream in [StockCase.Stream.stdout, .stderr, .status] {
      let (wanted, got) = (theirs.bytes(of: stream), ours.bytes(of: stream))
      let isAsWanted =
        if let meant = what.differing[stream] {
          got == meant && got != wanted
        } else if what.longer == stream {
          got.starts(with: wanted) && got.count > wanted.count
        } else {
          got == wanted
        }
      #expect(
        isAsWanted,
        "\(what), \(stream)\nstock: \(Outcome.shown(wanted))\nours:  \(Outcome.shown(got))")
    }
  }

  /// In a folder of its own, by way of a shell that sets `argv[0]` and whatever else is wanted.
  private func run(_ what: StockCase, _ program: String) async throws -> Ended {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("lwkt-lua-test-" + UUID().uuidString)
    let work = folder.appendingPathComponent("work")
    try FileManager.default.createDirectory(at: work, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    var script = "set -e\n"
    for item in what.items { script += try make(item, in: work) }
    script += try make(what.input, in: folder)
    script += "exec -a lua '\(program)'"
    for argument in what.arguments {
      let hexadecimal = argument.map { "\\x" + String(UInt16($0) + 0x100, radix: 16).suffix(2) }
      script += " $'" + hexadecimal.joined() + "'"
    }
    script += " <../in\n"
    try Data(script.utf8).write(to: folder.appendingPathComponent("command"))
    var environment = [
      "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TERM": "xterm", "PROGRAM": program,
    ]
    environment.merge(what.environment) { $1 }
    return try await Child(
      program: "/bin/bash", arguments: ["../command"], directory: work, environment: environment,
      mergesErrors: what.mergesErrors
    ).run()
  }

  /// Make a file or folder; returns what the shell has yet to do.
  private func make(_ item: StockCase.Item, in folder: URL) throws -> String {
    switch item {
    case .folder(let name):
      try FileManager.default.createDirectory(
        at: folder.appendingPathComponent(name), withIntermediateDirectories: true)
      return ""
    case .file(let name, let content, let compiler):
      let file = folder.appendingPathComponent(name)
      try Data(content).write(to: file)
      guard let compiler else { return "" }
      return """
        (cd '\(folder.path)' && \(compiler) -o .compiled '\(name)' && mv .compiled '\(name)')

        """
    }
  }
}

/// What a run came to, less what may differ.
private struct Outcome {
  private var streams: [StockCase.Stream: Bytes]

  init(_ ended: Ended) {
    streams = [
      .stdout: Outcome.cleaned(ended.outputBytes), .stderr: Outcome.cleaned(ended.errorBytes),
      .status: Bytes("\(ended.tookTooLong ? "too long" : String(ended.status))\n".utf8),
    ]
  }

  func bytes(of stream: StockCase.Stream) -> Bytes { streams[stream] ?? [] }

  /// One character stands for one byte meanwhile, so that nothing is lost.
  private static func cleaned(_ data: Data) -> Bytes {
    var text = String(decoding: data.map { UInt16($0) }, as: UTF16.self)
    text.replace(/0x[0-9a-f]{6,}/, with: "0xADDRESS")
    return text.utf16.map { UInt8(truncatingIfNeeded: $0) }
  }

  static func shown(_ bytes: Bytes) -> String {
    String(decoding: bytes.suffix(2000), as: UTF8.self).debugDescription
  }
}
