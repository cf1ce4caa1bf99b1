// Program.swift: running a script as a whole program, for the command.

import CLWKT
import CLua
import Glibc
import LWKTCore
import Synchronization

/// One run of a script with the calling kernel thread as worker 0.
package final class LuaProgram: Sendable {
  /// Text as the command line and the environment have it: bytes, a zero at their end.
  package typealias Text = UnsafePointer<CChar>

  /// What the program consists of. The texts stay until it has ended.
  package enum Part {
    /// A chunk given as text, called `name`.
    case chunk(Text, name: Text)
    /// A file; nil for the standard input.
    case file(Text?)
    /// The same, with the elements of the global `arg` as its arguments.
    case script(Text?)
    /// `-l`: a library to be required, or 'global=library'.
    case library(Text)
    /// `-W`: turn warnings on.
    case warnings
    /// The last part: read, evaluate and print.
    case interactive
  }

  /// How Lua heaps are made.
  package struct Settings: Sendable {
    /// `-E`: heed no environment variable.
    public var ignoresEnvironment = false
    /// `--no-bytecode`: refuse precompiled chunks.
    public var refusesBytecode = false
    public init() {}
  }

  /// What stock Lua says of itself.
  package static var luaCopyright: String { String(cString: lwkt_lua_copyright()) }

  private let lua: LuaHost
  private let status = Atomic<Int32>(0)

  /// - Parameters:
  ///   - workers: 1 to 256.
  ///   - listener: who is told of each visible step.
  package convenience init(
    workers: Int, settings: Settings, sysport: SysportOptions, listener: (any EventListener)? = nil
  ) {
    self.init(
      workers: workers, settings: settings, sysport: sysport, prompt: nil, listener: listener)
  }

  /// With a prompt that is what `Part.interactive` becomes, and when it ends so does the program.
  package init(
    workers: Int, settings: Settings, sysport: SysportOptions, prompt: LuaPrompt?,
    listener: (any EventListener)? = nil
  ) {
    if settings.ignoresEnvironment { lwkt_ignore_environment() }
    if settings.refusesBytecode { lwkt_refuse_bytecode() }
    if prompt != nil { lwkt_have_prompt() }
    lua = LuaHost(
      workers: workers, functions: [], sysport: sysport, background: false, prompt: prompt,
      policy: Policy(), listener: listener)
  }

  /// Run the parts one after another in the main thread until one fails, then wait until the last
  /// thread that is no daemon has ended. `program` names it in messages; `arguments` become `arg`,
  /// where index 0 is at `zero`. Returns the exit status: 0, 1 for errors, 2 for a deadlock.
  package func run(_ parts: [Part], program: Text, arguments: [Text], zero: Int) -> Int32 {
    let steps = UnsafeMutableBufferPointer<lwkt_step>.allocate(capacity: parts.count)
    defer { steps.deallocate() }
    for (index, part) in parts.enumerated() {
      steps.initializeElement(at: index, to: step(part, hasPrompt: lua.prompt != nil))
    }
    var whole = lwkt_program(
      name: program, steps: UnsafePointer(steps.baseAddress), count: Int32(parts.count))
    return withUnsafePointer(to: &whole) { run($0, arguments, zero) }
  }

  private func run(
    _ program: UnsafePointer<lwkt_program>, _ arguments: [Text], _ zero: Int
  ) -> Int32 {
    nonisolated(unsafe) let program = program
    nonisolated(unsafe) let arguments = arguments
    lua.host.state.pointee.leaveWithout = { self.leave(without: $0, $1, program.pointee.name) }
    lua.host.runOnCallingThread {
      self.lua.startMain(
        load: { L in
          lwkt_push_program(L, program)
          return LUA_OK
        },
        prepare: { L in setArguments(L, arguments, zero: zero) },
        arguments: [], catchesInterrupts: true
      ) { self.mainEnded($0, program.pointee.name) }
    }
    fflush(nil)
    return finalStatus
  }

  /// Once nothing runs, or what still does is left behind.
  private var finalStatus: Int32 {
    if lua.isDeadlocked { return 2 }
    // Its user has been shown the errors of threads.
    if lua.prompt != nil { return status.load(ordering: .relaxed) }
    if lua.host.state.pointee.hadUnnoticedErrors.load(ordering: .acquiring) { return 1 }
    return status.load(ordering: .relaxed)
  }

  /// Worker `cpu` does not come back from a turn. What it runs stays there while it is looked at, and
  /// nothing of what it may have locked is asked for meanwhile. The monitor.
  private func leave(without cpu: Int, _ kernelThread: pthread_t, _ program: Text) {
    var culprit = "worker \(cpu)"
    if let raw = lwkt_hold_still(UInt(kernelThread)) {
      let thread = raw.assumingMemoryBound(to: Thread.self)
      culprit = "thread " + thread.displayName
      if let source = thread.pointee.createdAt {
        culprit += ", created at " + String(cString: source.pointee.text)
        culprit += ":" + String(thread.pointee.createdLine)
      }
    }
    lwkt_let_go()
    var text =
      String(cString: program) + ": " + culprit
      + " did not end (in a hook, a finaliser or C code?): the process ends without it\n"
    text.withUTF8 { bytes in
      bytes.withMemoryRebound(to: CChar.self) {
        lwkt_leave(finalStatus, $0.baseAddress.unsafelyUnwrapped, $0.count)
      }
    }
  }

  /// The main thread is at its end. Its worker.
  private func mainEnded(_ result: Result<[LuaValue], LuaHostError>, _ program: Text) {
    switch result {
    case .success(let values) where values.first != .boolean(false):
      // Who leaves a prompt does not wait for what still runs.
      if lua.prompt != nil { lua.host.state.drain() }
      return
    // What failed has been reported.
    case .success: break
    // What no message handler has seen: its message is all there is to say.
    case .failure(.load(let message)), .failure(.runtime(let message, _)):
      if !lua.isDeadlocked { printError(String(cString: program) + ": " + message) }
    case .failure(let error): printError(String(cString: program) + ": " + error.description)
    }
    status.store(1, ordering: .relaxed)
    lua.host.state.drain()
  }

  // MARK: Statistics

  /// Whose totals are printed when the process ends. Written before it runs.
  private nonisolated(unsafe) static var counted: LuaProgram?

  /// When the process ends, however that comes, print the totals of `lwkt.stat` on stderr.
  package func printStatisticsAtExit() {
    LuaProgram.counted = self
    atexit { printError(LuaProgram.counted?.statistics ?? "") }
  }

  private var statistics: String {
    Counters.Name.allCases.map { name in
      let total = (0..<lua.host.state.pointee.workerCount).reduce(UInt64(0)) {
        $0 &+ lua.host.state.counter(name, cpu: $1)
      }
      return "\(name.label) \(total)"
    }.joined(separator: "\n")
  }
}

extension LuaHost {
  var isDeadlocked: Bool { deadlockReport.withLock { $0 != nil } }
}

@c(lwkt_s_is_deadlocked)
package func isDeadlocked() -> Bool { LuaHost.current?.isDeadlocked ?? false }

private func step(_ part: LuaProgram.Part, hasPrompt: Bool) -> lwkt_step {
  var step = lwkt_step()
  switch part {
  case .chunk(let text, let name):
    step.kind = LWKT_STEP_CHUNK
    step.text = text
    step.name = name
  case .file(let path):
    step.kind = LWKT_STEP_FILE
    step.text = path
  case .script(let path):
    step.kind = LWKT_STEP_SCRIPT
    step.text = path
  case .library(let text):
    step.kind = LWKT_STEP_LIBRARY
    step.text = text
  case .warnings: step.kind = LWKT_STEP_WARNINGS
  case .interactive:
    step.kind = LWKT_STEP_BODY
    if hasPrompt { step.body = lwkt_prompt } else { step.body = lwkt_interactive }
  }
  return step
}

/// The global `arg`: index 0 is the script.
private func setArguments(_ L: LuaState, _ arguments: [LuaProgram.Text], zero: Int) {
  lua_createtable(L, Int32(max(0, arguments.count - zero - 1)), Int32(zero + 1))
  for (index, argument) in arguments.enumerated() {
    lua_pushstring(L, argument)
    lua_rawseti(L, -2, Int64(index - zero))
  }
  lwkt_setglobal(L, "arg")
}
