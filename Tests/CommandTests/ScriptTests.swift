// ScriptTests.swift: the tests that are Lua scripts, and the examples.

import Foundation
import Testing

private let workerCounts = [1, 2, 8]

/// Expect a script of checks to come to its end.
private func expectOK(_ script: String, workers: Int, seconds: Double) async throws {
  let ended = try await Child(
    arguments: ["--workers", String(workers), script], seconds: seconds
  ).run()
  #expect(ended.status == 0 && ended.outputLines.last == "ok", "\(ended)")
}

@Suite("Tests/lua") struct LuaTests {
  static let scripts = Place.luaFiles(in: Place.luaTests).filter { $0 != "check.lua" }

  @Test(arguments: scripts, workerCounts)
  func passes(script: String, workers: Int) async throws {
    try await expectOK(script, workers: workers, seconds: 120)
  }
}

@Suite("Tests/lua/stress") struct StressTests {
  static let scripts = Place.luaFiles(in: Place.luaTests.appendingPathComponent("stress"))

  @Test(arguments: scripts, workerCounts)
  func passes(script: String, workers: Int) async throws {
    try await expectOK("stress/" + script, workers: workers, seconds: 300)
  }
}

/// What the comment at the head of a script in Tests/lua/ends says about its run.
private struct Expectation {
  var arguments: [String] = []
  var input = ""
  var status: Int32 = 0
  /// All lines of the standard output.
  var output: [String] = []
  /// Patterns that the standard error has, in this order; without any it is empty.
  var errors: [String] = []

  init(script: URL) throws {
    for line in lines(try String(contentsOf: script, encoding: .utf8)) {
      guard let match = line.wholeMatch(of: /-- (args|stdin|status|stdout|stderr): ?(.*)/) else {
        break
      }
      let value = String(match.2)
      switch match.1 {
      case "args": arguments += value.split(separator: " ").map(String.init)
      case "stdin": input += value + "\n"
      case "status": status = try #require(Int32(value))
      case "stdout": output.append(value)
      default: errors.append(value)
      }
    }
  }

  /// The first pattern that does not come where it should.
  func missing(in text: String) throws -> String? {
    var place = text.startIndex
    for pattern in errors {
      let rest = text[place...]
      guard let found = rest.firstRange(of: try Regex(pattern)) else { return pattern }
      place = found.upperBound
    }
    return nil
  }
}

@Suite("Tests/lua/ends") struct EndTests {
  static let folder = Place.luaTests.appendingPathComponent("ends")
  static let scripts = Place.luaFiles(in: folder)

  @Test(arguments: scripts, [1, 2])
  func endsAsItSays(script: String, workers: Int) async throws {
    let wanted = try Expectation(script: EndTests.folder.appendingPathComponent(script))
    let ended = try await Child(
      arguments: ["--workers", String(workers), "ends/" + script] + wanted.arguments,
      input: wanted.input
    ).run()
    #expect(ended.status == wanted.status, "\(ended)")
    #expect(ended.outputLines == wanted.output, "\(ended)")
    if wanted.errors.isEmpty {
      #expect(ended.errors == "", "\(ended)")
    } else {
      #expect(try wanted.missing(in: ended.errors) == nil, "\(ended)")
    }
  }
}

/// A short run of a script in scripts/, and what its standard output is to look like.
struct Example: Sendable, CustomStringConvertible {
  var script: String
  var arguments: String
  var output: String

  var description: String { script }
}

@Suite("scripts") struct ExampleTests {
  static let examples = [
    Example(
      script: "bank.lua", arguments: "20 50",
      output: #"1000 transfers, \d+ of them refused.*\n\d+ audits found 12000 each time\n"#
        + #"balances: [\d ]+\n"#),
    Example(
      script: "cachesrv.lua", arguments: "10 20",
      output: #"200 requests by 10 clients: \d+ hits, \d+ misses\n"#),
    Example(
      script: "hello.lua", arguments: "3",
      output: #"(hello from thread 1\.\d \(greeter \d\) on worker \d, number \d\n){3}"#),
    Example(
      script: "philosophers.lua", arguments: "5 20",
      output: #"5 philosophers have had 100 meals\n"#),
    Example(
      script: "pingpong.lua", arguments: "2000",
      output: #"2000 round trips on 2 workers\n(.*: +\d+ ns each\n){2}"#),
    Example(script: "ring.lua", arguments: "2010 50", output: #"11\n"#),
    Example(
      script: "sieve.lua", arguments: "100",
      output: #"(?s) +2 +3 +5 +7 .*25 primes up to 100, .*"#),
    Example(script: "sleepsort.lua", arguments: "5 1 3", output: #"1\n3\n5\n"#),
    Example(
      script: "tree.lua", arguments: "3 10",
      output: #"the numbers of 1000 leaves add up to 500500\n1111 threads on 2 workers, .*\n"#),
    Example(
      script: "wordcount.lua", arguments: "../Tests/lua/modules ../Tests/lua/missing",
      output: #"\d{2,3} words in \d+ files, 1 not readable\n.*\n"#),
    Example(
      script: "workqueue.lua", arguments: "10 3",
      output: #"2262 primes up to 20000\n(thread .*: \d+ jobs\n){3}"#),
  ]

  @Test(arguments: examples)
  func works(example: Example) async throws {
    let ended = try await Child(
      arguments: ["--workers", "2", example.script]
        + example.arguments.split(separator: " ").map(String.init),
      directory: Place.scripts
    ).run()
    #expect(ended.status == 0, "\(ended)")
    #expect(try Regex(example.output).wholeMatch(in: ended.output) != nil, "\(ended)")
  }

  /// No example goes without a test.
  @Test func areAllTested() {
    #expect(
      Place.luaFiles(in: Place.scripts) == ExampleTests.examples.map(\.script).sorted())
  }
}
