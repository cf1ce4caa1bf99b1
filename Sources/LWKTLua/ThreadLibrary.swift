// ThreadLibrary.swift: threads as scripts see them.

import CLWKT
import CLua
import LWKTCore

/// A value as a message shows it.
func shown(_ L: LuaState, _ index: Int32) -> String {
  switch lua_type(L, index) {
  case LUA_TNUMBER:
    var isInteger: Int32 = 0
    let integer = lua_tointegerx(L, index, &isInteger)
    return isInteger != 0 ? String(integer) : "\(lua_tonumberx(L, index, nil))"
  case LUA_TSTRING: return "'" + string(L, index) + "'"
  default: return typeName(L, index)
  }
}

// MARK: who and where

@c(lwkt_s_curthread)
package func curthread(_ L: OpaquePointer?) -> Int32 {
  pushHandle(L.unsafelyUnwrapped, currentThread.object)
  return 1
}

@c(lwkt_s_mycpu)
package func mycpuNumber(_ L: OpaquePointer?) -> Int32 {
  lua_pushinteger(L.unsafelyUnwrapped, Int64(mycpu.pointee.cpu))
  return 1
}

@c(lwkt_s_ncpus)
package func ncpus(_ L: OpaquePointer?) -> Int32 {
  lua_pushinteger(L.unsafelyUnwrapped, Int64(mycpu.pointee.host.pointee.workerCount))
  return 1
}

@c(lwkt_s_exit)
package func exitThread(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  if isInFinaliser(L) { return raise(L, "exit: cannot exit in a finaliser (__gc)") }
  var payload = Payload()
  guard copyOut(L, 1, lua_gettop(L), "exit", &payload) else { return resultError }
  currentThread.setExitResults(payload)
  currentThread.noteExiting()
  return resultExit
}

@c(lwkt_s_setcpu_self)
package func setcpuSelf(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let cpu = integerArgument(L, 1) else { return badType(L, 1, "number") }
  let workers = mycpu.pointee.host.pointee.workerCount
  guard cpu >= 0, cpu < Int64(workers) else {
    return badArgument(L, 1, "workers are 0 to " + String(workers - 1) + ", got " + String(cpu))
  }
  if Int(cpu) == mycpu.pointee.cpu {
    lua_pushboolean(L, 1)
    return 1
  }
  guard lwkt_can_yield(L), !isInFinaliser(L), currentThread.moveSelf(to: Int(cpu)) else {
    return pushFailure(L, "a thread in the same heap is held on this worker", 16)
  }
  currentThread.pointee.resumption = Resumption.none.rawValue
  return resultMoved
}

@c(lwkt_s_setpri_self)
package func setpriSelf(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  let (priority, problem) = priorityArgument(L, 1)
  if problem < 0 { return problem }
  currentThread.setPriority(priority)
  return 0
}

func priorityArgument(_ L: LuaState, _ index: Int32) -> (UInt8, Int32) {
  guard let value = integerArgument(L, index) else { return (0, badType(L, index, "number")) }
  guard (0...31).contains(value) else {
    return (0, badArgument(L, index, "priorities are 0 to 31, got " + String(value)))
  }
  return (UInt8(value), 0)
}

@c(lwkt_s_crit_enter)
package func critEnter(_ L: OpaquePointer?) -> Int32 {
  currentThread.critEnter()
  return 0
}

@c(lwkt_s_crit_exit)
package func critExit(_ L: OpaquePointer?) -> Int32 {
  switch currentThread.critExit() {
  case nil: return raise(L.unsafelyUnwrapped, "crit_exit: not in a critical section")
  case true?: return resultYield
  case false?: return 0
  }
}

// MARK: sleeping

@c(lwkt_s_sleep)
package func sleepSeconds(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard lua_type(L, 1) == LUA_TNUMBER else { return badType(L, 1, "number") }
  let seconds = lua_tonumberx(L, 1, nil)
  guard seconds == seconds, seconds >= 0 else {
    return badArgument(L, 1, "a time to sleep is not negative")
  }
  let deadline = mycpu.readClock() &+ UInt64(min(seconds, 1e9) * 1e9)
  return after(L, currentThread.sleep(until: deadline), .sleep)
}

func slept(_ L: LuaState) -> Int32 {
  if currentThread.finishWait() == .aborted { return raiseCancellation(L) }
  lua_pushboolean(L, 1)
  return 1
}

/// A `tsleep` identity: a string, an integer or an object.
func identArgument(_ L: LuaState, _ index: Int32) -> SleepIdent? {
  if let object = handleObject(L, index) {
    return SleepIdent(high: UInt64(UInt(bitPattern: object)), low: 1)
  }
  if let integer = integerArgument(L, index) {
    return SleepIdent(high: UInt64(bitPattern: integer), low: 2)
  }
  guard lua_type(L, index) == LUA_TSTRING else { return nil }
  var length = 0
  let bytes = lua_tolstring(L, index, &length)
  return .bytes(UnsafeRawBufferPointer(start: bytes, count: length), seed: 3)
}

@c(lwkt_s_tsleep)
package func tsleep(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let ident = identArgument(L, 1) else {
    return badType(L, 1, "string, integer or lwkt object")
  }
  if lua_type(L, 2) > LUA_TNIL, lua_type(L, 2) != LUA_TSTRING { return badType(L, 2, "string") }
  switch deadlineArgument(L, 3) {
  case .bad(let code): return code
  case .deadline(let deadline):
    if deadline.isPoll { return pushTimedOut(L) }
    currentThread.setWaitText(lua_type(L, 2) == LUA_TSTRING ? string(L, 2) : nil)
    return after(L, currentThread.tsleep(ident, deadline: deadline.nanoseconds), .tsleep)
  }
}

func tslept(_ L: LuaState) -> Int32 {
  currentThread.setWaitText(nil)
  switch currentThread.finishWait() {
  case .aborted: return raiseCancellation(L)
  case .timedOut: return pushTimedOut(L)
  default:
    lua_pushboolean(L, 1)
    return 1
  }
}

@c(lwkt_s_wakeup)
package func wakeup(_ L: OpaquePointer?) -> Int32 { wakeSleepers(L.unsafelyUnwrapped, one: false) }

@c(lwkt_s_wakeup_one)
package func wakeupOne(_ L: OpaquePointer?) -> Int32 {
  wakeSleepers(L.unsafelyUnwrapped, one: true)
}

private func wakeSleepers(_ L: LuaState, one: Bool) -> Int32 {
  guard let ident = identArgument(L, 1) else {
    return badType(L, 1, "string, integer or lwkt object")
  }
  lua_pushinteger(L, Int64(mycpu.pointee.host.wakeup(ident, one: one)))
  return 1
}

// MARK: methods

func threadArgument(_ L: LuaState, _ index: Int32) -> ThreadRef? {
  guard let object = handleObject(L, index), object.objectKind == .thread else { return nil }
  return object.thread
}

@c(lwkt_s_thread_join)
package func threadJoin(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let thread = threadArgument(L, 1) else { return badType(L, 1, "thread handle") }
  if thread == currentThread { return raise(L, "join: a thread cannot wait for its own end") }
  switch deadlineArgument(L, 2) {
  case .bad(let code): return code
  case .deadline(let deadline):
    let result = thread.waitForEnd(
      currentThread, deadline: deadline.nanoseconds, poll: deadline.isPoll)
    if result == .wouldWait { return pushTimedOut(L) }
    if result == .ready { return pushEnd(L, thread) }
    return after(L, result, .join)
  }
}

func joined(_ L: LuaState) -> Int32 {
  switch currentThread.finishWait() {
  case .aborted: return raiseCancellation(L)
  case .timedOut: return pushTimedOut(L)
  default:
    guard let thread = threadArgument(L, 1) else { return 0 }
    return pushEnd(L, thread)
  }
}

/// How it ended: true and its results, or false and its error, after `prefix` results.
func pushEnd(_ L: LuaState, _ thread: ThreadRef, prefix: Int32 = 0) -> Int32 {
  thread.markNoticed()
  // Lua has made room for 20 values, as for every C function.
  lua_pushboolean(L, thread.pointee.succeeded ? 1 : 0)
  if !thread.pointee.succeeded, thread.pointee.payload.count == 0 {
    pushString(L, thread.death?.message ?? "aborted")
    return prefix + 2
  }
  return copyIn(
    L, addressOf(&thread.pointee.payload), owner: thread.object, prefix: prefix + 1)
}

@c(lwkt_s_thread_abort)
package func threadAbort(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let thread = threadArgument(L, 1) else { return badType(L, 1, "thread handle") }
  var reason = Payload()
  if lua_type(L, 2) > LUA_TNIL {
    guard copyOut(L, 2, 1, "abort", &reason) else { return resultError }
  }
  thread.abort(reason)
  // One that has not begun ends without beginning.
  if thread.lifecycle == .unborn { thread.begin() }
  return 0
}

@c(lwkt_s_thread_schedule)
package func threadSchedule(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let thread = threadArgument(L, 1) else { return badType(L, 1, "thread handle") }
  thread.begin()
  return 0
}

@c(lwkt_s_thread_setpri)
package func threadSetpri(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let thread = threadArgument(L, 1) else { return badType(L, 1, "thread handle") }
  let (priority, problem) = priorityArgument(L, 2)
  if problem < 0 { return problem }
  if thread.lifecycle == .unborn {
    thread.setInitialPriority(priority)
  } else {
    thread.setPriority(priority)
  }
  return 0
}

@c(lwkt_s_thread_notify)
package func threadNotify(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let thread = threadArgument(L, 1) else { return badType(L, 1, "thread handle") }
  guard let object = handleObject(L, 2), object.objectKind == .port else {
    return badType(L, 2, "port")
  }
  guard object.port.pointee.kind != .sysport else { return refuseSysport(L, 2) }
  thread.addNotify(object.port, urgent: object.isUrgentRole)
  return 0
}

/// For `scope`: wait until the thread at 1 has ended, whatever happens, or with true at 2 until this
/// thread is told to stop. The result: did it end well?
@c(lwkt_s_thread_await)
package func threadAwait(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let thread = threadArgument(L, 1) else { return badType(L, 1, "thread handle") }
  let result = thread.waitForEnd(
    currentThread, deadline: nil, poll: false, interruptible: lua_toboolean(L, 2) != 0)
  if result == .ready { return noticed(L, thread) }
  return after(L, result, .await)
}

/// What became of it is its scope's to say.
private func noticed(_ L: LuaState, _ thread: ThreadRef) -> Int32 {
  thread.markNoticed()
  lua_pushboolean(L, thread.pointee.succeeded ? 1 : 0)
  return 1
}

func awaited(_ L: LuaState) -> Int32 {
  if currentThread.finishWait() == .aborted { return raiseCancellation(L) }
  return threadArgument(L, 1).map { noticed(L, $0) } ?? 0
}

/// For `scope`: the traceback of a dead thread, or nil.
@c(lwkt_s_thread_traceback)
package func threadTraceback(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let thread = threadArgument(L, 1), let death = thread.death else { return 0 }
  pushString(L, "in thread " + thread.displayName + ":\n" + death.traceback)
  return 1
}

/// A cancel scope of the running thread: with a time, or until `scope_expire`. The reference is a
/// light userdata.
@c(lwkt_s_scope_enter)
package func scopeEnter(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  var deadline = UInt64.max
  if lua_type(L, 1) > LUA_TNIL {
    guard lua_type(L, 1) == LUA_TNUMBER else { return badType(L, 1, "number") }
    let seconds = lua_tonumberx(L, 1, nil)
    guard seconds == seconds else { return badArgument(L, 1, "timeout is not a number") }
    if seconds < 1e9 { deadline = mycpu.readClock() &+ UInt64(max(0, seconds) * 1e9) }
  }
  lua_pushlightuserdata(
    L,
    UnsafeMutableRawPointer(
      currentThread.enterScope(deadline: deadline, machine: UnsafeMutableRawPointer(L))))
  return 1
}

/// Leave the innermost scope.
@c(lwkt_s_scope_leave)
package func scopeLeave(_ L: OpaquePointer?) -> Int32 {
  currentThread.leaveScope()
  return 0
}

/// Has the time of the innermost scope come?
@c(lwkt_s_scope_expired)
package func scopeExpired(_ L: OpaquePointer?) -> Int32 {
  lua_pushboolean(L.unsafelyUnwrapped, currentThread.isInExpiredScope ? 1 : 0)
  return 1
}

@c(lwkt_s_is_scoped)
package func isScoped(_ L: OpaquePointer?) -> Bool {
  lwktCurrentThread()?.isScoped(by: UnsafeMutableRawPointer(L.unsafelyUnwrapped)) ?? false
}

/// Let a scope's time come now. By a thread that shares the heap of the one inside it.
@c(lwkt_s_scope_expire)
package func scopeExpire(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let raw = lua_touserdata(L, 1) else { return 0 }
  raw.assumingMemoryBound(to: TimeoutScope.self).expireNow()
  return 0
}
