// Command.swift: what the command line asks for, and doing it.

import CLWKT
import Glibc
import LWKTLua

extension CommandLine {
  /// Run the command and return its exit status.
  static func run() -> Int32 {
    // As the kernel has handed them over: bytes, not necessarily UTF-8.
    let arguments = (0..<Int(argc)).compactMap { unsafeArgv[$0].map { LuaProgram.Text($0) } }
    let program = arguments.first.flatMap { $0[0] == 0 ? nil : $0 } ?? ownName
    do throws(BadUsage) {
      return run(try Request(arguments), program)
    } catch {
      let name = String(cString: program)
      lwkt_print_error(name + ": " + error.text + "\n" + usage(name))
      return 1
    }
  }

  /// For want of an `argv[0]`.
  private static var ownName: LuaProgram.Text {
    let name: StaticString = "lwkt-lua"
    return UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)
  }

  private static func run(_ request: Request, _ program: LuaProgram.Text) -> Int32 {
    if request.showsHelp {
      print(usage(String(cString: program)) + "\n" + help)
      return 0
    }
    if request.showsVersion {
      print(version)
      return 0
    }
    let parts = parts(of: request)
    let prompt = endsInteractively(parts) ? Repl.makePrompt() : nil
    // A prompt on a terminal has a greeting of its own.
    if request.showsLuaVersion || (prompt == nil && endsInteractively(parts)) {
      print(LuaProgram.luaCopyright)
      fflush(nil)
    }
    var listener: TraceFile?
    if let path = request.trace {
      listener = TraceFile(path)
      if listener == nil {
        let reason = String(cString: strerror(errno))
        lwkt_print_error(
          String(cString: program) + ": cannot open trace '" + String(cString: path) + "': "
            + reason)
        return 1
      }
    }
    let lua = LuaProgram(
      workers: request.workers ?? LuaHost.usableCPUs, settings: request.settings,
      sysport: request.sysport, prompt: prompt,
      listener: listener)
    if request.showsStatistics { lua.printStatisticsAtExit() }
    return lua.run(parts, program: program, arguments: request.arguments, zero: request.zero)
  }

  /// What is to be run, in order.
  private static func parts(of request: Request) -> [LuaProgram.Part] {
    var parts: [LuaProgram.Part] = []
    if !request.settings.ignoresEnvironment, let part = initialPart { parts.append(part) }
    parts += request.parts
    let isInteractive = request.isInteractive || (request.isEmpty && isatty(STDIN_FILENO) != 0)
    if request.isEmpty, !isInteractive { parts.append(.file(nil)) }
    if isInteractive { parts.append(.interactive) }
    return parts
  }

  private static func endsInteractively(_ parts: [LuaProgram.Part]) -> Bool {
    if case .interactive? = parts.last { true } else { false }
  }

  /// What LUA_INIT says.
  private static var initialPart: LuaProgram.Part? {
    for name: StaticString in ["=LUA_INIT_5_4", "=LUA_INIT"] {
      let name = UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)
      guard let text = getenv(name + 1) else { continue }
      return text[0] == Request.at ? .file(text + 1) : .chunk(text, name: name)
    }
    return nil
  }
}
