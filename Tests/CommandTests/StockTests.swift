// StockTests.swift: what stock Lua does, lwkt-lua does too.

import Foundation
import Testing

/// A script in Tests/lua/stock, with what the comments at its head say.
private struct StockScript {
  var path: String
  var input = ""
  /// Not to be run in a created thread, where it would see a difference that is meant.
  var isMainOnly = false

  init(_ name: String) throws {
    path = "stock/" + name
    let text = try String(contentsOf: Place.luaTests.appendingPathComponent(path), encoding: .utf8)
    for line in lines(text) {
      guard let match = line.wholeMatch(of: /--(?: (main only|stdin):)? ?(.*)/) else { break }
      switch match.1 {
      case "main only"?: isMainOnly = true
      case "stdin"?: input += match.2 + "\n"
      default: break
      }
    }
  }

  func runStock() async throws -> Ended {
    try await Child(program: Place.stockLua, arguments: [path], input: input).run()
  }

  /// As a main program.
  func run(workers: Int) async throws -> Ended {
    try await Child(arguments: ["--workers", String(workers), path], input: input).run()
  }

  /// As the body of a thread.
  func runInThread() async throws -> Ended {
    let run =
      "local ok, err = lwkt.create(assert(loadfile '\(path)')):join() if not ok then error(err) end"
    return try await Child(arguments: ["--workers", "2", "-e", run], input: input).run()
  }
}

@Suite("Tests/lua/stock") struct StockTests {
  static let scripts = Place.luaFiles(in: Place.luaTests.appendingPathComponent("stock"))

  @Test(arguments: scripts)
  func behavesLikeStock(name: String) async throws {
    let script = try StockScript(name)
    let stock = try await script.runStock()
    #expect(stock.status == 0, "\(stock)")
    for workers in [1, 2] { expectSame(try await script.run(workers: workers), stock) }
    if !script.isMainOnly { expectSame(try await script.runInThread(), stock) }
  }

  private func expectSame(_ ended: Ended, _ stock: Ended) {
    #expect(ended.status == stock.status, "\(ended)")
    #expect(ended.errors == stock.errors, "\(ended)")
    let pairs = zip(ended.outputLines + ["(end)"], stock.outputLines + ["(end)"])
    if let (ours, theirs) = pairs.first(where: { $0 != $1 }) {
      Issue.record("\(ended.command): expected\n\(theirs)\ngot\n\(ours)\n\(ended)")
    }
  }
}
