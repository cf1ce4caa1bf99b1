// CommandLineTests.swift: options, and what cannot be run.

import Foundation
import Testing

/// A command line and what comes of it. Patterns must fit the whole of what was written.
struct CommandLineCase: Sendable, CustomStringConvertible {
  var arguments: [String]
  var input = ""
  var status: Int32 = 0
  var output = ""
  var errors = ""

  var description: String { arguments.joined(separator: " ") }
}

private let usage = #"(?s)usage: .*--workers.*"#
private let refused = #"(?s)[^\n]*lwkt-lua: "#

@Suite("Command line") struct CommandLineTests {
  static let cases = [
    CommandLineCase(arguments: ["-e", "print(1 + 1)"], output: "2\n"),
    CommandLineCase(arguments: ["-eprint(1 + 1)"], output: "2\n"),
    CommandLineCase(arguments: ["-e", "x = 1", "-e", "print(x + 1)"], output: "2\n"),
    CommandLineCase(
      arguments: ["-e", "x = 1", "ends/arguments.lua", "one", "two"],
      output: "one\ttwo\n2\tone\tnil\ntrue\ntwo\n"),
    CommandLineCase(arguments: ["-e", ""]),
    CommandLineCase(
      arguments: ["-e", "print(select('#', ...), arg[0], #arg)"], output: #"0\t.*lwkt-lua\t2\n"#),
    CommandLineCase(
      arguments: ["-", "a"], input: "print('stdin', arg[0], ...)", output: "stdin\t-\ta\n"),
    CommandLineCase(arguments: [], input: "print('stdin', ...)", output: "stdin\n"),
    CommandLineCase(arguments: [], input: ""),
    CommandLineCase(arguments: ["-"], input: "#!/usr/bin/lwkt-lua\nprint(1)", output: "1\n"),
    CommandLineCase(arguments: ["-v"], output: #"lwkt-lua \d.*\n"#),
    CommandLineCase(arguments: ["-v", "-e", "print(1)"], output: #"lwkt-lua \d.*\n1\n"#),
    CommandLineCase(arguments: ["--help"], output: usage),
    CommandLineCase(arguments: ["--workers", "3", "-e", "print(lwkt.ncpus())"], output: "3\n"),
    CommandLineCase(arguments: ["--workers=256", "-e", "print(lwkt.ncpus())"], output: "256\n"),
    CommandLineCase(arguments: ["-e", "os.exit(9)"], status: 9),
    CommandLineCase(
      arguments: ["-e", "error('boom')"], status: 1,
      errors: refused + #"\(command line\):1: boom\nstack traceback:\n.*"#),
    CommandLineCase(
      arguments: ["-e", "x ="], status: 1, errors: refused + #"\(command line\):1: .* near <eof>\n"#
    ),
    CommandLineCase(
      arguments: ["-e", "print(1)", "-e", "x ="], status: 1, output: "1\n",
      errors: refused + #"\(command line\):1: .* near <eof>\n"#),
    CommandLineCase(
      arguments: ["-"], input: "x = = 1\n", status: 1, errors: refused + #"stdin:1: .* near '='\n"#),
    CommandLineCase(
      arguments: ["no such script.lua"], status: 1,
      errors: refused + #"cannot open no such script.lua.*\n"#),
    CommandLineCase(
      arguments: ["/"], status: 1, errors: refused + #"cannot (open|read) /.*\n"#),
    CommandLineCase(
      arguments: ["/proc/self/mem"], status: 1, errors: refused + #"cannot read /proc/self/mem.*\n"#
    ),
    CommandLineCase(arguments: ["-e"], status: 1, errors: refused + "'-e' needs arg.*usage: .*"),
    CommandLineCase(
      arguments: ["-z"], status: 1, errors: refused + "unrecognized option '-z'\nusage: .*"),
    CommandLineCase(
      arguments: ["--nonsense"], status: 1,
      errors: refused + "unrecognized option '--nonsense'\nusage: .*"),
  ]

  @Test(arguments: cases)
  func does(what: CommandLineCase) async throws {
    let ended = try await Child(arguments: what.arguments, input: what.input).run()
    #expect(ended.status == what.status, "\(ended)")
    #expect(try Regex(what.output).wholeMatch(in: ended.output) != nil, "\(ended)")
    #expect(try Regex(what.errors).wholeMatch(in: ended.errors) != nil, "\(ended)")
  }

  @Test(arguments: ["0", "257", "-1", "two", "1.5", "", "99999999999999999999"])
  func refusesWorkers(number: String) async throws {
    for arguments in [["--workers", number], ["--workers=" + number]] {
      let ended = try await Child(arguments: arguments + ["-e", "print(1)"]).run()
      #expect(ended.status == 1, "\(ended)")
      #expect(ended.output == "", "\(ended)")
      #expect(ended.errors.contains("'--workers' needs a number, 1 to 256"), "\(ended)")
    }
  }

  @Test func needsTheNumberOfWorkers() async throws {
    let ended = try await Child(arguments: ["--workers"]).run()
    #expect(ended.status == 1, "\(ended)")
    #expect(ended.errors.contains("'--workers' needs a number"), "\(ended)")
  }

  @Test func optionsEndAtTheScript() async throws {
    let ended = try await Child(arguments: ["ends/arguments.lua", "--workers", "-e"]).run()
    #expect(ended.status == 0, "\(ended)")
    #expect(ended.outputLines.first == "--workers\t-e", "\(ended)")
  }

  @Test func optionsEndAtTwoDashes() async throws {
    let ended = try await Child(arguments: ["--", "ends/arguments.lua", "x", "y"]).run()
    #expect(ended.status == 0, "\(ended)")
    #expect(ended.outputLines.first == "x\ty", "\(ended)")
  }
}
