// Program.swift: running a script as a whole program, for the command.

import CLua
import Glibc
import LWKTCore
import Synchronization

/// One run of a script with the calling kernel thread as worker 0.
public final class LuaProgram: Sendable {
  /// What the program consists of, in order.
  public enum Part: Sendable {
    /// `-e`: a chunk given on the command line.
    case statement(String)
    /// A file; nil for the standard input.
    case file(String?)
  }

  private let lua: LuaHost
  private let status = Atomic<Int32>(0)

  /// - Parameter workers: 1 to 256.
  public init(workers: Int) { lua = LuaHost(workers: workers, background: false) }

  /// The main thread becomes a prompt after the program's parts, and the program ends with it.
  package init(workers: Int, prompt: LuaPrompt?) {
    lua = LuaHost(workers: workers, functions: [], background: false, prompt: prompt)
  }

  /// Run the parts one after another in the main thread, then wait until the last thread that is no
  /// daemon has ended. `program` names it in messages, `arguments` become `arg` and `...`, where
  /// index 0 is at `zero`. Returns the exit status: 0, 1 for errors, 2 for a deadlock.
  public func run(_ parts: [Part], program: String, arguments: [String], zero: Int) -> Int32 {
    lua.host.runOnCallingThread {
      self.lua.startMain(
        load: { loadParts($0, parts, self.lua) },
        prepare: { L in setArguments(L, arguments, zero: zero) },
        arguments: arguments.dropFirst(zero + 1).map { LuaValue.string($0) },
        catchesInterrupts: true
      ) { result in
        switch result {
        // Who leaves a prompt does not wait for what still runs.
        case .success: if self.lua.prompt != nil { self.lua.host.state.drain() }
        case .failure(let error):
          self.status.store(1, ordering: .relaxed)
          // Aborted because of a deadlock: the report has said it all.
          if self.lua.deadlockReport.withLock({ $0 }) == nil { report(error, program) }
          self.lua.host.state.drain()
        }
      }
    }
    fflush(nil)
    if lua.deadlockReport.withLock({ $0 }) != nil { return 2 }
    if lua.prompt != nil { return status.load(ordering: .relaxed) }
    if lua.host.state.pointee.hadUnnoticedErrors.load(ordering: .acquiring) { return 1 }
    return status.load(ordering: .relaxed)
  }
}

private func report(_ error: LuaHostError, _ program: String) {
  switch error {
  case .load(let message): printError(program + ": " + message)
  case .runtime(let message, let traceback):
    printError(program + ": " + message + "\n" + traceback)
  }
}

/// The global `arg`: index 0 is the script.
private func setArguments(_ L: LuaState, _ arguments: [String], zero: Int) {
  lua_createtable(L, Int32(max(0, arguments.count - zero)), Int32(zero + 1))
  for (index, argument) in arguments.enumerated() {
    pushString(L, argument)
    lua_rawseti(L, -2, Int64(index - zero))
  }
  lwkt_setglobal(L, "arg")
}

/// Push one function that runs all parts. Status; the message is pushed if it is not LUA_OK.
private func loadParts(
  _ L: LuaState, _ parts: [LuaProgram.Part], _ lua: LuaHost
) -> Int32 {
  for part in parts {
    let status: Int32
    switch part {
    case .statement(let text): status = lwkt_loadbuffer(L, text, text.utf8.count, "=(command line)")
    case .file(let path?): status = lwkt_loadfile(L, path)
    case .file(nil): status = lwkt_loadfile(L, nil)
    }
    if status != LUA_OK { return status }
  }
  var count = parts.count
  if let prompt = lua.prompt {
    let status = prompt.push(L, firstFunction: lua.functions.count)
    if status != LUA_OK { return status }
    count += 1
  }
  if count == 1 { return LUA_OK }
  lwkt_pushsequence(L, Int32(count))
  return LUA_OK
}
