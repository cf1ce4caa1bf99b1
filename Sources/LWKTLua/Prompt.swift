// Prompt.swift: what the command's prompt needs of Lua and of the threads.

import CLWKT
import CLua
import LWKTCore

/// The main thread as a prompt: a driver in Lua that reads, evaluates and prints, step by step (see
/// prompt.c), and the Swift functions it is given in a table.
package struct LuaPrompt: Sendable {
  package var driver: String
  package var functions: [(name: String, body: LuaFunction)]
  /// A thread died of an error that nobody took notice of. Any worker.
  package var reportDeath:
    @Sendable (_ thread: String, _ message: String, _ traceback: String) -> Void
  /// The evaluation waits for what can never come, and is about to be interrupted. Any worker.
  package var reportDeadlock: @Sendable (_ report: String) -> Void

  package init(
    driver: String, functions: [(name: String, body: LuaFunction)],
    reportDeath:
      @escaping @Sendable (_ thread: String, _ message: String, _ traceback: String) -> Void,
    reportDeadlock: @escaping @Sendable (_ report: String) -> Void
  ) {
    self.driver = driver
    self.functions = functions
    self.reportDeath = reportDeath
    self.reportDeadlock = reportDeadlock
  }
}

/// Push the driver and the table of its functions. Lua API that allocates: `lua_createtable`,
/// `lua_pushcclosure`, `lua_rawset`, and loading.
@c(lwkt_s_prompt_open)
package func promptOpen(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let host = LuaHost.current, let prompt = host.prompt else { return raise(L, "no prompt") }
  _ = lua_checkstack(L, 8)
  let driver = prompt.driver
  guard lwkt_loadbuffer(L, driver, driver.utf8.count, "=[prompt]") == LUA_OK else {
    return resultThrow
  }
  lua_createtable(L, 0, Int32(prompt.functions.count) + 2)
  for (index, function) in prompt.functions.enumerated() {
    pushString(L, function.name)
    lwkt_pushregistered(L, Int32(host.functions.count + index))
    lua_rawset(L, -3)
  }
  return 2
}

extension LuaProgram {
  /// The running thread, the prompt, evaluates something. It goes first for a while: then, if it computes
  /// still, at `priority`.
  package static func beginEvaluation(thenAt priority: Int) {
    let calm = UInt8(clamping: min(max(priority, 0), Int(Thread.highestPriority)))
    currentThread.beUrgent(nanoseconds: 100_000_000, then: calm)
    currentThread.beginEvaluation()
  }

  /// It has.
  package static func endEvaluation() { currentThread.endEvaluation() }

  /// Stop all threads but the prompt, or let them go on. Any worker.
  package static func setFrozen(_ frozen: Bool) {
    LuaHost.current?.host.state.setFrozen(frozen)
  }

  /// Keep account of how long each thread runs. Any worker.
  package static func keepAccount() { LuaHost.current?.host.state.keepAccount() }
}

// MARK: locals of earlier lines

/// The variable that is the upvalue `number` of the function at `index` is a local of an earlier line.
func isPromptLocal(_ L: LuaState, _ index: Int32, _ number: Int32) -> Bool {
  // A heap that is no domain's, as tests of copying make them, has only the allocator's part.
  guard lwkt_heap_of(L).pointee.swift != nil else { return false }
  let locals = LuaHeap.of(L).pointee.promptLocals
  guard !locals.isEmpty else { return false }
  return locals.contains(UInt(bitPattern: lua_upvalueid(L, index, number)))
}

/// `hold(f, n, held)`: upvalue n of f is, or is no longer, a local of an earlier line: threads that
/// would assign it are refused. The prompt keeps the variables alive. Lua API that allocates: none.
@c(lwkt_s_prompt_hold)
package func promptHold(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard lua_type(L, 1) == LUA_TFUNCTION, let number = integerArgument(L, 2),
    let id = lua_upvalueid(L, 1, Int32(clamping: number))
  else { return badArgument(L, 2, "no such upvalue") }
  let heap = LuaHeap.of(L)
  if lua_toboolean(L, 3) != 0 {
    heap.pointee.promptLocals.insert(UInt(bitPattern: id))
  } else {
    heap.pointee.promptLocals.remove(UInt(bitPattern: id))
  }
  return 0
}

// MARK: one thread

/// `inspect("traceback" | "abort", id)`: do it to the thread of that id on its own worker. The
/// traceback, or "" once it has been told to end; nothing if there is no such thread.
@c(lwkt_s_prompt_inspect)
package func promptInspect(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let action = stringArgument(L, 1) else { return badType(L, 1, "string") }
  guard let path = stringArgument(L, 2) else { return badType(L, 2, "string") }
  let asker = currentThread
  nonisolated(unsafe) let own = asker
  let snapshot = asker.pointee.host.beginSnapshot { thread in
    guard thread.pathName == path else { return nil }
    if action == "abort" {
      thread.abort(Payload())
      return ""
    }
    return thread == own ? "it is this prompt" : traceback(of: thread)
  }
  asker.keep(snapshot)
  let result = asker.wait(for: snapshot)
  return result == .ready ? pushInspection(L) : after(L, result, .inspection)
}

func inspected(_ L: LuaState) -> Int32 {
  if currentThread.finishWait() == .aborted {
    _ = currentThread.takeSnapshot()
    return raiseCancellation(L)
  }
  return pushInspection(L)
}

private func pushInspection(_ L: LuaState) -> Int32 {
  let threads = currentThread.takeSnapshot()?.threads ?? []
  guard let info = threads.first(where: { $0.detail != nil }), let detail = info.detail else {
    return 0
  }
  _ = lua_checkstack(L, 4)
  pushString(L, detail)
  return 1
}

/// Where a thread that is not running now stands. Its worker, between two turns.
private func traceback(of thread: ThreadRef) -> String {
  guard let machine = thread.pointee.machine else { return "it has not run yet" }
  let L = OpaquePointer(machine)
  let main = LuaHeap.of(L).pointee.state
  guard lua_checkstack(main, 8) != 0 else { return "no stack space" }
  lwkt_pushwaitingtraceback(main, L)
  defer { lwkt_pop(main, 1) }
  return string(main, -1)
}
