// Command.swift: options, and what to run.

import CLWKT
import LWKTLua

/// What the command line asks for.
private struct Request {
  var parts: [LuaProgram.Part] = []
  var workers = LuaHost.usableCPUs
  var arguments: [String] = []
  /// Where the script's name stands in `arguments`.
  var zero = 0
  /// There is nothing else to run.
  var wantsPrompt = false
  var showsVersion = false
  var showsHelp = false
}

private struct BadUsage: Error {
  var text: String
}

extension CommandLine {
  /// Run the command and return its exit status.
  static func run() -> Int32 {
    let program = CommandLine.arguments.first ?? "lwkt-lua"
    do throws(BadUsage) {
      let request = try parse(CommandLine.arguments)
      if request.showsHelp {
        print(usage(program), terminator: "")
        return 0
      }
      if request.showsVersion { print(version) }
      let prompt = request.wantsPrompt ? Repl.makePrompt() : nil
      var parts = request.parts
      if request.wantsPrompt, prompt == nil { parts.append(.file(nil)) }
      if parts.isEmpty, prompt == nil { return 0 }
      return LuaProgram(workers: request.workers, prompt: prompt).run(
        parts, program: program, arguments: request.arguments, zero: request.zero)
    } catch {
      lwkt_print_error(program + ": " + error.text + "\n" + usage(program))
      return 1
    }
  }
}

private let version = "lwkt-lua 0.1.0, Lua 5.4"

private func usage(_ program: String) -> String {
  """
  usage: \(program) [options] [script [args]]
    -e stat        execute string 'stat'
    -v             show version information
    --workers M    run on M workers, 1 to 256 (default: the cpus this process may use)
    --help         show this and end
    --             stop handling options
    -              execute the standard input

  """
}

private func parse(_ arguments: [String]) throws(BadUsage) -> Request {
  var request = Request()
  request.arguments = arguments
  var index = 1
  loop: while index < arguments.count {
    let argument = arguments[index]
    switch argument {
    case "--":
      index += 1
      break loop
    case "-": break loop
    case "--help": request.showsHelp = true
    case "-v", "--version": request.showsVersion = true
    case "--workers":
      index += 1
      guard index < arguments.count else {
        throw BadUsage(text: "'--workers' needs a number, 1 to 256")
      }
      request.workers = try workers(arguments[index])
    case let option where option.hasPrefix("--workers="):
      request.workers = try workers(String(option.dropFirst("--workers=".count)))
    case "-e":
      index += 1
      guard index < arguments.count else { throw BadUsage(text: "'-e' needs argument") }
      request.parts.append(.statement(arguments[index]))
    case let option where option.hasPrefix("-e"):
      request.parts.append(.statement(String(option.dropFirst(2))))
    case let option where option.hasPrefix("-"):
      throw BadUsage(text: "unrecognized option '" + option + "'")
    default: break loop
    }
    index += 1
  }
  if index < arguments.count {
    request.zero = index
    request.parts.append(.file(arguments[index] == "-" ? nil : arguments[index]))
  } else if request.parts.isEmpty, !request.showsHelp, !request.showsVersion {
    request.wantsPrompt = true
    request.zero = 0
  } else {
    request.zero = 0
    request.arguments = Array(arguments.prefix(1))
  }
  return request
}

private func workers(_ text: String) throws(BadUsage) -> Int {
  guard let number = Int(text), (1...256).contains(number) else {
    throw BadUsage(text: "'--workers' needs a number, 1 to 256, got '" + text + "'")
  }
  return number
}
