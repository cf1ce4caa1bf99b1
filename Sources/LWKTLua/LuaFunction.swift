// LuaFunction.swift: Swift functions that scripts call.

import CLua
import LWKTCore
import Synchronization

/// A Swift function that scripts call by a global name.
///
/// It is called on a worker and holds it up until it returns: it should neither block nor compute
/// for long. What takes time answers `LuaAnswer.wait(_:)`. Several Lua threads may call it at the same
/// time, on different workers.
public typealias LuaFunction = @Sendable ([LuaValue]) -> LuaAnswer

/// What a registered function answers.
public enum LuaAnswer: Sendable {
  /// The results of the call.
  case values([LuaValue])
  /// The call raises this message, with the position of the caller before it.
  case error(String)
  /// The results come later. The Lua thread that called waits for them; its worker and all other
  /// threads go on.
  case wait(LuaPending)
}

/// Results that come later: made in a registered function, which answers `.wait` with it, and
/// completed by whoever has the results, on any kernel thread or in a task.
///
/// ```swift
/// "fetch": { arguments in
///   let pending = LuaPending()
///   Task { pending.complete([.string(await fetch(arguments))]) }
///   return .wait(pending)
/// }
/// ```
///
/// The first of `complete(_:)` and `fail(_:)` counts, later ones do nothing. If the last reference goes
/// before either was called, the call raises an error: the script does not wait in vain. A Lua
/// thread that is aborted does not wait any more; whatever comes then is dropped.
public final class LuaPending: Sendable {
  let answer = PendingAnswer()

  /// Results that are not there yet. Any kernel thread.
  public init() {}

  deinit { fail("the answer was dropped") }

  /// The waiting thread's call returns `values`. Any kernel thread.
  public func complete(_ values: [LuaValue]) { answer.finish(.values(values)) }

  /// The waiting thread's call raises `message`, with the position of the caller before it. Any
  /// kernel thread.
  public func fail(_ message: String) { answer.finish(.error(message)) }
}

/// The part of a pending answer that the waiting thread holds too.
///
/// It may be finished before the thread waits (at once, even), and after the thread has gone.
final class PendingAnswer: Sendable {
  private struct State {
    var result: LuaAnswer?
    /// The address of the message that the thread waits on, one reference; 0 before.
    var message: UInt = 0
    /// Lives as long as the message, whose memory is the host's.
    var host: LuaHost?
  }

  private let state = Mutex(State())

  deinit {
    let message = state.withLock { $0.message }
    MessageRef(bitPattern: message)?.object.releaseObject()
  }

  /// The message that `thread` waits on, or nil if the result is there already. Its worker.
  func expect(_ thread: ThreadRef, _ host: LuaHost) -> MessageRef? {
    let message = MessageRef.make(sender: thread, payload: Payload())
    // Before anybody can complete it.
    message.expectOutside()
    let address = UInt(bitPattern: message)
    let expected = state.withLock { state -> UInt in
      if state.result != nil { return 0 }
      if state.message == 0 { (state.message, state.host) = (address, host) }
      return state.message
    }
    if expected != address {
      message.completeOutside()
      message.object.releaseObject()
    }
    return MessageRef(bitPattern: expected)
  }

  /// Any kernel thread; the first call counts.
  func finish(_ result: LuaAnswer) {
    let message = state.withLock { state -> UInt in
      if state.result != nil { return 0 }
      state.result = result
      return state.message
    }
    MessageRef(bitPattern: message)?.completeOutside()
  }

  var result: LuaAnswer? { state.withLock { $0.result } }
}

@c(lwkt_s_registered)
package func callRegistered(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let host = LuaHost.current else { return raise(L, "the host has ended") }
  switch readValues(L, first: 1, count: lua_gettop(L)) {
  case .failure(let problem): return raise(L, "argument " + problem.text)
  case .success(let arguments):
    return give(L, host.call(Int(lwkt_registered_number(L)), arguments), host)
  }
}

/// Return, raise or wait as the function has answered.
private func give(_ L: LuaState, _ answer: LuaAnswer, _ host: LuaHost) -> Int32 {
  switch answer {
  case .values(let values):
    do throws(LuaValueProblem) {
      try pushValues(L, values)
      return Int32(values.count)
    } catch {
      return raise(L, "result " + error.text)
    }
  case .error(let message): return raise(L, message)
  case .wait(let pending):
    let thread = currentThread
    guard let message = pending.answer.expect(thread, host) else {
      return give(L, pending.answer.result ?? .values([]), host)
    }
    thread.extras.pending = pending.answer
    let result = message.waitForReply(thread, deadline: nil)
    return result == .ready ? pendingAnswered(L) : after(L, result, .pending)
  }
}

func pendingAnswered(_ L: LuaState) -> Int32 {
  let thread = currentThread
  let isAborted = thread.pointee.waitKind != .none && thread.finishWait() == .aborted
  let pending = thread.extras.pending
  thread.extras.pending = nil
  if isAborted { return raiseCancellation(L) }
  guard let host = LuaHost.current, let result = pending?.result else { return 0 }
  return give(L, result, host)
}
