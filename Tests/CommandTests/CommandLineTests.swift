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
    CommandLineCase(arguments: ["-v"], output: #"Lua 5\.4.*\n"#),
    CommandLineCase(arguments: ["-v", "-e", "print(1)"], output: #"Lua 5\.4.*\n1\n"#),
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
    CommandLineCase(
      arguments: ["--stat=1"], status: 1,
      errors: refused + "'--stat' takes no value: '--stat=1'\nusage: .*"),
    CommandLineCase(arguments: ["--version", "-e", "print(1)"], output: #"lwkt-lua \d.*\n"#),
    CommandLineCase(
      arguments: ["--stat", "-e", "lwkt.create(print):join()"], output: "\n",
      errors: #"(?s)switches \d+\n(.*\n)?threads_created 2\n.*"#),
    CommandLineCase(
      arguments: ["--stat", "-e", "os.exit(3)"], status: 3, errors: #"(?s)switches \d+\n.*"#),
    CommandLineCase(
      arguments: ["--sysport", "auto", "-e", "print(lwkt.sys.getpid() > 0)"], output: "true\n"),
    CommandLineCase(arguments: ["--sysport=uring", "-e", "print(1)"], output: "1\n"),
    CommandLineCase(
      arguments: ["--sysport", "smoke"], status: 1,
      errors: refused + "'--sysport' needs .*'uring'.*, got 'smoke'\nusage: .*"),
    CommandLineCase(
      arguments: ["--sysport"], status: 1,
      errors: refused + "'--sysport' needs .*'uring'.*usage: .*"
    ),
    CommandLineCase(
      arguments: ["--no-bytecode", "-e", noBytecode],
      output: #"""
        (nil\tprecompiled chunks are refused \(--no-bytecode\)\n){3}\#
        nil\tattempt to load a text chunk \(mode is ''\)\n\#
        5\t6\n\#
        true\t42\n\#
        true\tnil\tprecompiled chunks are refused \(--no-bytecode\)\n
        """#),
  ]

  /// Loads a precompiled chunk in all modes, then what is allowed, then in a thread.
  static let noBytecode = """
    local code = string.dump(load("return 1"))
    print(load(code)) print(load(code, "=c", "b"))
    print(load(function() local piece = code code = nil return piece end))
    print(load("return 2", "=c", "b"))
    print(load("return 5")(), load("return x", "=c", "t", {x = 6})())
    print(lwkt.create(function(n) return n * 2 end, 21):join())
    print(lwkt.create(function() return load(string.dump(load("return 1"))) end):join())
    """

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

  @Test(arguments: [
    (["s.luac"], "cannot load s.luac: precompiled chunks are refused (--no-bytecode)"),
    (["-e", "dofile 's.luac'"], "cannot load s.luac: precompiled chunks are refused"),
    (["-e", "print(assert(loadfile('s.luac')))"], "cannot load s.luac: precompiled chunks"),
    (
      ["-e", "package.path = './?.luac'", "-l", "s"],
      "error loading module 's' from file './s.luac':\n\tprecompiled chunks are refused"
    ),
  ])
  func refusesPrecompiledFiles(arguments: [String], message: String) async throws {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("lwkt-lua-test-" + UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let compile = "io.open('s.luac', 'wb'):write(string.dump(load('print(1)'))):close()"
    let made = try await Child(arguments: ["-e", compile], directory: folder).run()
    #expect(made.status == 0, "\(made)")
    let allowed = try await Child(arguments: arguments, directory: folder).run()
    #expect(allowed.status == 0, "\(allowed)")
    let refused = try await Child(
      arguments: ["--no-bytecode"] + arguments, directory: folder
    ).run()
    #expect(refused.status == 1, "\(refused)")
    #expect(refused.errors.contains(message), "\(refused)")
    #expect(refused.output == "", "\(refused)")
  }

  /// A module in C finds Lua in the command.
  @Test func cModulesLoad() async throws {
    let path = Place.products.appendingPathComponent("lib?.so").path
    let ended = try await Child(
      arguments: ["-e", "package.cpath = '\(path)'", "-e", "print(require('cmodule').add(2, 3))"]
    ).run()
    #expect(ended.status == 0 && ended.output == "5\n", "\(ended)")
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
