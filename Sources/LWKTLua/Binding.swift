// Binding.swift: what every function that Lua calls is made of.
//
// A Swift function called from Lua returns how many results it has pushed, or a code that tells its C
// trampoline what to do: wait, raise. It never raises itself (see docs/internals.md, the longjmp
// rule). While it runs, the heap's allocator does not fail.

import CLWKT
import CLua
import LWKTCore
import Synchronization

// The codes of clua_binding.h.
let resultWait = Int32(LWKT_WAIT.rawValue)
let resultYield = Int32(LWKT_YIELD.rawValue)
let resultError = Int32(LWKT_ERROR.rawValue)
let resultThrow = Int32(LWKT_THROW.rawValue)
let resultRequire = Int32(LWKT_REQUIRE.rawValue)
let resultMoved = Int32(LWKT_MOVED.rawValue)
let resultExit = Int32(LWKT_EXIT.rawValue)
let resultReserve = Int32(LWKT_RESERVE.rawValue)
let resultArgument = Int32(LWKT_ARGUMENT.rawValue)

/// The running thread. Only below a function that Lua called in one.
@inline(__always)
var currentThread: ThreadRef { lwktCurrentThread().unsafelyUnwrapped }

// MARK: Errors

/// Push a string. Lua API that allocates: `lua_pushlstring`.
func pushString(_ L: LuaState, _ text: String) {
  var text = text
  text.withUTF8 { bytes in _ = lua_pushlstring(L, cText(bytes), bytes.count) }
}

/// The bytes as C sees them; for none, any address does.
func cText(_ bytes: UnsafeBufferPointer<UInt8>) -> UnsafePointer<CChar> {
  let none: StaticString = ""
  return UnsafeRawPointer(bytes.baseAddress ?? none.utf8Start)
    .assumingMemoryBound(to: CChar.self)
}

/// A line on the standard error, in one piece.
func printError(_ text: String) { lwkt_print_error(text) }

/// Push a string. Lua API that allocates: `lua_pushlstring`.
func pushString(_ L: LuaState, _ text: StaticString) {
  _ = lua_pushlstring(
    L, UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self), text.utf8CodeUnitCount)
}

/// Raise `text` with the position of the caller before it.
func raise(_ L: LuaState, _ text: String) -> Int32 {
  _ = lua_checkstack(L, 4)
  pushString(L, text)
  return resultError
}

/// Raise "bad argument #n to 'f' (text)".
func badArgument(_ L: LuaState, _ number: Int32, _ text: String) -> Int32 {
  _ = lua_checkstack(L, 4)
  pushString(L, text)
  return resultArgument - number
}

/// Raise "bad argument #n to 'f' (wanted expected, got type)".
func badType(_ L: LuaState, _ number: Int32, _ wanted: String) -> Int32 {
  badArgument(L, number, wanted + " expected, got " + typeName(L, number))
}

/// The type as messages name it: `__name` of a metatable first.
func typeName(_ L: LuaState, _ index: Int32) -> String {
  if let object = handleObject(L, index) {
    switch object.objectKind {
    case .thread: return "thread handle"
    case .port: return "port"
    case .message: return "message"
    case .token: return "token"
    case .counter: return "shared counter"
    case .table, .box, .tableSnapshot: return "shared table"
    case .array: return "shared array"
    case .code: return "code"
    case .systemCall: return "system call"
    }
  }
  let type = lua_type(L, index)
  return type == LUA_TNONE ? "no value" : String(cString: lua_typename(L, type))
}

/// The results of a failed operation: nil, message, errno.
func pushFailure(_ L: LuaState, _ message: StaticString, _ errno: Int32) -> Int32 {
  _ = lua_checkstack(L, 4)
  lua_pushnil(L)
  pushString(L, message)
  lua_pushinteger(L, Int64(errno))
  return 3
}

func pushTimedOut(_ L: LuaState) -> Int32 { pushFailure(L, "timed out", 110) }

// MARK: Arguments

func stringArgument(_ L: LuaState, _ index: Int32) -> String? {
  guard lua_type(L, index) == LUA_TSTRING else { return nil }
  var length = 0
  guard let bytes = lua_tolstring(L, index, &length) else { return nil }
  return String(
    decoding: UnsafeRawBufferPointer(start: bytes, count: length), as: UTF8.self)
}

/// The name of a thread, port or token. Nil, and `misnamed` says why, if the value cannot be one.
func nameArgument(_ L: LuaState, _ index: Int32) -> Name? {
  guard lua_type(L, index) == LUA_TSTRING else { return nil }
  var length = 0
  let bytes = lua_tolstring(L, index, &length)
  return Name(UnsafeRawBufferPointer(start: bytes, count: length))
}

/// What a name is and what has been given instead.
func misnamed(_ L: LuaState, _ index: Int32) -> String {
  lua_type(L, index) == LUA_TSTRING
    ? "a string without NUL bytes" : "a string, got " + typeName(L, index)
}

func badName(_ L: LuaState, _ index: Int32) -> Int32 {
  guard lua_type(L, index) == LUA_TSTRING else { return badType(L, index, "string") }
  return badArgument(L, index, "a name is " + misnamed(L, index))
}

func integerArgument(_ L: LuaState, _ index: Int32) -> Int64? {
  guard lua_type(L, index) == LUA_TNUMBER else { return nil }
  var isInteger: Int32 = 0
  let value = lua_tointegerx(L, index, &isInteger)
  return isInteger != 0 ? value : nil
}

/// A time to wait until.
struct Deadline {
  /// On the policy's clock; nil: for ever.
  var nanoseconds: UInt64?
  /// Do not wait at all.
  var isPoll: Bool

  static let never = Deadline(nanoseconds: nil, isPoll: false)
}

enum DeadlineArgument {
  case deadline(Deadline)
  case bad(Int32)
}

/// The optional `timeout` argument at `index`: seconds; nil for ever, 0 (or less) polls.
@inline(__always)
func deadlineArgument(_ L: LuaState, _ index: Int32) -> DeadlineArgument {
  if lua_type(L, index) <= LUA_TNIL { return .deadline(.never) }
  return givenDeadline(L, index)
}

@inline(never)
private func givenDeadline(_ L: LuaState, _ index: Int32) -> DeadlineArgument {
  guard lua_type(L, index) == LUA_TNUMBER else { return .bad(badType(L, index, "number")) }
  let seconds = lua_tonumberx(L, index, nil)
  guard seconds == seconds else { return .bad(badArgument(L, index, "timeout is not a number")) }
  guard seconds > 0 else { return .deadline(Deadline(nanoseconds: nil, isPoll: true)) }
  guard seconds < 1e9 else { return .deadline(.never) }
  return .deadline(
    Deadline(nanoseconds: mycpu.readClock() &+ UInt64(seconds * 1e9), isPoll: false))
}

// MARK: Copying

/// Copy stack values into `payload`; false with a message pushed.
@inline(__always)
func copyOut(
  _ L: LuaState, _ first: Int32, _ count: Int32, _ operation: StaticString,
  _ payload: UnsafeMutablePointer<Payload>
) -> Bool {
  encodeLight(L, first, count, payload) || copyOutGraph(L, first, count, operation, payload)
}

@inline(never)
func copyOutGraph(
  _ L: LuaState, _ first: Int32, _ count: Int32, _ operation: StaticString,
  _ payload: UnsafeMutablePointer<Payload>
) -> Bool {
  _ = lua_checkstack(L, 4)
  let first = lua_absindex(L, first)
  lwkt_pushownenvironment(L)
  let context = CopyContext(state: LuaHeap.of(L).pointee.copyState, environment: lua_gettop(L))
  let isCopied = encodeValues(
    L, first: first, count: count, operation: operation, context: context, into: payload)
  if isCopied {
    lwkt_pop(L, 1)
  } else {
    // The message stays, the environment goes.
    lua_rotate(L, -2, 1)
    lwkt_pop(L, 1)
  }
  return isCopied
}

/// Push the values of `payload`, which `owner` keeps alive. Returns their number and `prefix`, how many
/// results are on the stack already; or a code: a module that the values need may have to be loaded
/// first.
@inline(__always)
func copyIn(
  _ L: LuaState, _ payload: UnsafeMutablePointer<Payload>, owner: ObjectRef, prefix: Int32 = 0
) -> Int32 {
  if payload.pointee.buffer == nil {
    // Four values at most. Lua has made room for 20, as for every C function.
    var reader = SlotReader(payload)
    while reader.hasNext { reader.push(L, 0) }
    return prefix + Int32(truncatingIfNeeded: payload.pointee.count)
  }
  if hasNoRoom(L, payload) { return reserveFirst(L, payload, owner, prefix) }
  return copyInGraph(L, payload, owner, prefix)
}

/// Would the values, which take at least as many bytes as on their way, go beyond the limit of the heap?
/// Decoding itself keeps to no limit.
private func hasNoRoom(_ L: LuaState, _ payload: UnsafeMutablePointer<Payload>) -> Bool {
  let heap = LuaHeap.of(L)
  let limit = heap.pointee.allocator.limit
  guard limit > 0, let buffer = payload.pointee.buffer else { return false }
  return heap.pointee.allocator.used + buffer.pointee.byteCount > limit
}

/// As `requireFirst`, but it is memory that is to be had first.
private func reserveFirst(
  _ L: LuaState, _ payload: UnsafeMutablePointer<Payload>, _ owner: ObjectRef, _ prefix: Int32
) -> Int32 {
  _ = lua_checkstack(L, 8)
  lua_pushinteger(L, Int64(payload.pointee.buffer?.pointee.byteCount ?? 0))
  _ = requireFirst(L, payload, owner, prefix)
  return resultReserve
}

@inline(never)
private func copyInGraph(
  _ L: LuaState, _ payload: UnsafeMutablePointer<Payload>, _ owner: ObjectRef, _ prefix: Int32
) -> Int32 {
  _ = lua_checkstack(L, 8)
  lwkt_pushownenvironment(L)
  let context = CopyContext(state: LuaHeap.of(L).pointee.copyState, environment: lua_gettop(L))
  switch decodeValues(L, payload, context: context) {
  case .values(let count):
    lua_rotate(L, -(count + 1), -1)
    lwkt_pop(L, 1)
    return prefix + count
  case .failed: return resultError
  case .needsModule:
    lua_rotate(L, -2, 1)
    lwkt_pop(L, 1)
    return requireFirst(L, payload, owner, prefix)
  }
}

/// The name of a module is on the top: note below it what is to be decoded when it is loaded: a payload,
/// or what the thread is to run, for which it stands itself.
func requireFirst(
  _ L: LuaState, _ what: UnsafeMutableRawPointer, _ owner: ObjectRef, _ prefix: Int32
) -> Int32 {
  pushHandle(L, owner)
  lua_pushlightuserdata(L, what)
  lua_pushinteger(L, Int64(prefix))
  lua_rotate(L, -4, 3)
  return resultRequire
}

/// The module is loaded: decode again what `requireFirst` noted.
@c(lwkt_s_retry)
package func retryDecode(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  LuaHeap.of(L).pointee.copyState.noteModules(L)
  return decodeAgain(L)
}

/// There is room: decode what `reserveFirst` noted.
@c(lwkt_s_retry_reserved)
package func retryReserved(_ L: OpaquePointer?) -> Int32 { decodeAgain(L.unsafelyUnwrapped) }

private func decodeAgain(_ L: LuaState) -> Int32 {
  guard let raw = lua_touserdata(L, -2), let owner = handleObject(L, -3) else {
    return raise(L, "a message could not be received")
  }
  let prefix = Int32(truncatingIfNeeded: lua_tointegerx(L, -1, nil))
  owner.retainObject()
  defer { owner.releaseObject() }
  lwkt_pop(L, 3)
  if raw == UnsafeMutableRawPointer(currentThread) { return startInside(L) }
  return copyInGraph(L, raw.assumingMemoryBound(to: Payload.self), owner, prefix)
}

@c(lwkt_s_release)
package func releaseHandle(_ object: UnsafeMutableRawPointer?) { object?.releaseObject() }

@c(lwkt_s_current_slot)
package func currentSlot() -> Int32 { lwktCurrentThread()?.pointee.slot ?? -1 }

@c(lwkt_s_park)
package func parkThread(_ kind: Int32) -> Bool {
  guard lwktCurrentThread() != nil else { return false }
  // The switch is decided: the loop begins without one.
  lwkt_percpu().pointee.switch_kind = Int32(bitPattern: LWKT_SWITCH_NONE.rawValue)
  return lwktPark(outcome: outcome(of: kind))
}

/// The outcome for an `lwkt_switch_kind`.
@inline(__always)
func outcome(of kind: Int32) -> RunOutcome {
  switch UInt32(bitPattern: kind) {
  case LWKT_SWITCH_WAIT.rawValue: .waiting
  case LWKT_SWITCH_PREEMPT.rawValue: .preempted
  default: .yielded
  }
}

@c(lwkt_s_may_preempt)
package func mayPreempt() -> Bool { lwktCurrentThread()?.mayBePreempted() ?? false }

@c(lwkt_s_must_end)
package func mustEnd() -> Bool {
  guard let thread = lwktCurrentThread() else { return false }
  return thread.isAborted && thread.pointee.host.isDraining
}

@c(lwkt_s_must_unwind)
package func mustUnwind() -> Bool { lwktCurrentThread()?.mustUnwind ?? false }

/// In the hook, where `mustUnwind`: what to raise.
@c(lwkt_s_exit_closes)
package func exitCloses() { currentThread.stopUnwinding() }

@c(lwkt_s_exit_goes_on)
package func exitGoesOn() { currentThread.noteExiting() }

@c(lwkt_s_unwind)
package func unwind(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  let thread = currentThread
  if thread.isExiting { return resultExit }
  if thread.hasSwallowedAbort || thread.isInterruptedForGood {
    lwkt_preempt_self()
    return raiseCancellation(L)
  }
  if thread.takeTimeout() { lwkt_preempt_self() }
  _ = lua_checkstack(L, 4)
  pushString(L, "timed out")
  return resultThrow
}

@c(lwkt_s_take_interrupt)
package func takeInterrupt() -> Bool {
  lwktCurrentThread()?.takeInterrupt() ?? false
}

/// The same thread, which has just taken it.
@c(lwkt_s_return_interrupt)
package func returnInterrupt() {
  lwktCurrentThread()?.pointee.interrupted.store(true, ordering: .sequentiallyConsistent)
}

/// The prompt's driver has its evaluation behind it, if there was one.
@c(lwkt_s_evaluation_over)
package func evaluationOver() { currentThread.endEvaluation() }

// MARK: Waiting

/// How a thread goes on after a wait: `Thread.resumption`.
enum Resumption: Int32 {
  case none, receiveValues, receiveMessage, reply, join, sleep, tsleep, send, request
  case plainRequest, answer, cancelledAnswer
  case lookup, waitAny, token, snapshot, inspection, cancelledReply, await, pending, systemCall
  case cancelledCall
}

/// Turn what an operation answered into a result: go on at once, or wait and go on later.
@inline(__always)
func after(_ L: LuaState, _ result: WaitResult, _ resumption: Resumption) -> Int32 {
  currentThread.pointee.resumption = resumption.rawValue
  if result == .waiting {
    if !isPlainlyYieldable(L), isInFinaliser(L) { return refuseWait(L) }
    return resultWait
  }
  return resume(L, resumption)
}

/// Not so in a coroutine, which may have been resumed in a finaliser.
@inline(__always)
private func isPlainlyYieldable(_ L: LuaState) -> Bool {
  lua_isyieldable(L) != 0 && lwkt_percpu().pointee.base_L == UnsafeMutableRawPointer(L)
}

/// `lua_gc` answers nothing while a finaliser runs.
func isInFinaliser(_ L: LuaState) -> Bool { lwkt_in_finaliser(L) }

/// A finaliser tried to wait: undo it, as if nothing had been registered.
private func refuseWait(_ L: LuaState) -> Int32 {
  undoWait()
  return raise(L, "cannot wait in a finaliser (__gc)")
}

@c(lwkt_s_undo_wait)
package func undoWait() {
  let thread = currentThread
  thread.cancelBegunWait()
  if let message = thread.takeHandedMessage() { message.object.releaseObject() }
  addressOf(&thread.pointee.payload).dispose()
  dropRequest(thread)
}

@c(lwkt_s_resumed)
package func resumed(_ L: OpaquePointer?) -> Int32 {
  resume(
    L.unsafelyUnwrapped,
    Resumption(rawValue: currentThread.pointee.resumption).unsafelyUnwrapped)
}

/// The wait is over one way or another: what comes of it.
private func resume(_ L: LuaState, _ resumption: Resumption) -> Int32 {
  switch resumption {
  case .receiveValues: receivedValues(L)
  case .receiveMessage: receivedMessage(L)
  case .reply: replied(L)
  case .plainRequest: plainRequestSent(L)
  case .answer: answered(L)
  case .cancelledAnswer: cancelledAnswered(L)
  case .cancelledReply: cancelledReplied(L)
  case .join: joined(L)
  case .sleep: slept(L)
  case .tsleep: tslept(L)
  case .send: sent(L)
  case .request: requestSent(L)
  case .lookup: lookedUp(L)
  case .waitAny: waitedAny(L)
  case .token: tokenGot(L)
  case .snapshot: snapshotTaken(L)
  case .inspection: inspected(L)
  case .await: awaited(L)
  case .pending: pendingAnswered(L)
  case .systemCall: systemCallEnded(L)
  case .cancelledCall: cancelledCallEnded(L)
  case .none: 0
  }
}

/// The error of a thread that has been told to stop, pushed to be raised: the reason given to
/// `abort`, or "timed out" inside a `timeout` whose time is up, or Ctrl-C's.
func raiseCancellation(_ L: LuaState) -> Int32 {
  let thread = currentThread
  _ = lua_checkstack(L, 8)
  if takeInterrupt() || thread.isInterruptedForGood {
    if thread.isInterruptedForGood { lwkt_preempt_self() }
    pushString(L, "interrupted!")
    return resultError
  }
  if thread.isAborted {
    noteAbortRaised(thread)
    if let reason = thread.abortReason, reason.pointee.count > 0 {
      let count = copyIn(L, reason, owner: thread.object)
      if count < 0 { return count == resultError ? count : plainAbort(L) }
      if lua_type(L, -1) != LUA_TNIL { return resultThrow }
    }
    return plainAbort(L)
  }
  thread.noteTimeoutRaised()
  pushString(L, "timed out")
  return resultThrow
}

/// A thread that catches the error and waits again has a second to tidy up. After that it gets the error
/// at every instruction too, so that a loop around a protected call that waits comes to its end.
private func noteAbortRaised(_ thread: ThreadRef) {
  let now = mycpu.readClock()
  let extras = thread.extras
  if extras.abortRaisedAt == 0 {
    extras.abortRaisedAt = now
  } else if now &- extras.abortRaisedAt > TimeoutScope.timeToTidyUp, !thread.hasSwallowedAbort {
    thread.noteSwallowedAbort()
    lwkt_preempt_self()
  }
}

private func plainAbort(_ L: LuaState) -> Int32 {
  pushString(L, "aborted")
  return resultThrow
}
