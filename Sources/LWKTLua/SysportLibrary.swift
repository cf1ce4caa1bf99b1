// SysportLibrary.swift: system calls as scripts see them: `lwkt.sys` and `lwkt.sysport`.
//
// Both forms make the same call of the same arguments. `lwkt.sys.read(fd, n)` and `domsg` wait for
// it plainly; `sendmsg`, `sendmsg_to` and `send` make it the answer of a message.

import CLWKT
import CLua
import LWKTCore

/// How a system call was asked for.
enum SysportForm {
  case send, sendmsg, domsg, sendmsgTo
}

@c(lwkt_s_open_sysport)
package func openSysport(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  let operations = SystemCall.Operation.allCases
  _ = lua_checkstack(L, 8)
  pushString(L, "sys")
  lua_createtable(L, 0, Int32(operations.count))
  for operation in operations {
    pushString(L, operation.entry.pointee.name)
    lwkt_push_system_call(L, Int32(operation.rawValue))
    lua_rawset(L, -3)
  }
  lua_rawset(L, -3)
  guard let gd = mycpuIfWorker else { return 0 }
  pushString(L, "sysport")
  pushHandle(L, gd.pointee.host.sysportPort.object)
  lwkt_set_awaited(L, false)
  lua_rawset(L, -3)
  return 0
}

// MARK: plain calls

/// A function of `lwkt.sys`.
@c(lwkt_s_system_call)
package func systemCall(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  let number = UInt8(truncatingIfNeeded: lwkt_registered_number(L))
  return makeCall(L, SystemCall.Operation(rawValue: number).unsafelyUnwrapped, first: 1)
}

/// Make the call with the arguments from `first` on and wait for it.
private func makeCall(
  _ L: LuaState, _ operation: SystemCall.Operation, first: Int32
) -> Int32 {
  // Programs look at the clock all the time.
  if operation == .clock_gettime, lua_isyieldable(L) != 0, let clock = clockArgument(L, first),
    let seconds = mycpu.seconds(of: clock)
  {
    lua_pushnumber(L, seconds)
    return 1
  }
  var reader = SystemCallReader(L, operation, first: first)
  guard let call = reader.read() else { return reader.problem }
  guard lua_isyieldable(L) != 0 || !lwkt_in_finaliser(L) else {
    call.release()
    return raise(L, "cannot wait in a finaliser (__gc)")
  }
  let thread = currentThread
  if operation == .nanosleep {
    let deadline = call.deadline
    call.release()
    return after(L, thread.sleep(until: deadline), .sleep)
  }
  thread.pointee.systemCall = call
  let result = thread.submitAndWait(call)
  return result == .ready ? pushEnded(L) : after(L, result, .systemCall)
}

/// The wait for a plain call is over.
func systemCallEnded(_ L: LuaState) -> Int32 {
  let thread = currentThread
  if thread.finishWait() == .ready { return pushEnded(L) }
  // Told to stop: the call is given up, and its end awaited, since the kernel may be using it.
  let call = thread.pointee.systemCall.unsafelyUnwrapped
  call.cancel()
  let result = thread.wait(for: call, interruptible: false)
  return result == .ready ? cancelledEnded(L) : after(L, result, .cancelledCall)
}

func cancelledCallEnded(_ L: LuaState) -> Int32 {
  currentThread.finishWait()
  return cancelledEnded(L)
}

/// A call that was done all the same has its results seen: bytes, descriptors must not be lost. The
/// thread is told to stop in its next wait.
private func cancelledEnded(_ L: LuaState) -> Int32 {
  let thread = currentThread
  if let call = thread.pointee.systemCall, call.errno == 0, thread.isCancelled {
    return pushEnded(L)
  }
  thread.takeSystemCall().release()
  return raiseCancellation(L)
}

private func pushEnded(_ L: LuaState) -> Int32 {
  let call = currentThread.takeSystemCall()
  let count = pushSystemCallResult(L, call)
  call.release()
  return count
}

// MARK: messages

/// The operation at `index`, or what is wrong.
private func operationArgument(
  _ L: LuaState, _ index: Int32, _ problem: inout Int32
) -> SystemCall.Operation? {
  guard let name = stringArgument(L, index) else {
    problem = badType(L, index, "string")
    return nil
  }
  if let operation = operationsByName[name] { return operation }
  problem = raise(L, "sysport: no system call '" + name + "'")
  return nil
}

private let operationsByName: [String: SystemCall.Operation] = {
  var table: [String: SystemCall.Operation] = [:]
  for operation in SystemCall.Operation.allCases { table[operation.name] = operation }
  return table
}()

/// `lwkt.sysport:sendmsg(name, ...)` and its kin.
func sysportSend(_ L: LuaState, _ form: SysportForm) -> Int32 {
  let first: Int32 = form == .sendmsgTo ? 3 : 2
  var problem: Int32 = 0
  guard let operation = operationArgument(L, first, &problem) else { return problem }
  if form == .domsg { return makeCall(L, operation, first: first + 1) }
  var replyPort: PortRef?
  if form == .sendmsgTo {
    replyPort = portArgument(L, 2)
    if replyPort?.pointee.kind == .sysport { return refuseSysport(L, 2) }
  }
  var reader = SystemCallReader(L, operation, first: first + 1)
  guard let call = reader.read() else { return reader.problem }
  let message = MessageRef.make(
    sender: currentThread, payload: Payload(), flags: form == .send ? .oneWay : [])
  if let replyPort { message.setReplyPort(replyPort) }
  _ = lua_checkstack(L, 6)
  if form == .send { lua_pushboolean(L, 1) } else { pushHandle(L, message.object) }
  call.send(as: message)
  message.object.releaseObject()
  return 1
}

// MARK: results

/// Push what a call came to: its results, or nil, what is wrong, errno. Nothing if it is not over.
/// Lua API that allocates: `lua_createtable`, `lua_pushlstring`, `lua_rawset*`.
func pushSystemCallResult(_ L: LuaState, _ call: SystemCallRef) -> Int32 {
  guard call.isDone else { return 0 }
  _ = lua_checkstack(L, 8)
  guard call.errno == 0 else { return pushSystemCallFailure(L, call) }
  let result = call.pointee.result
  switch call.pointee.entry.pointee.result {
  case .nothing: lua_pushboolean(L, 1)
  case .count, .written: lua_pushinteger(L, Int64(result))
  case .bytes: return pushBytesRead(L, call)
  case .stat: lwkt_push_stat(L, call.stored.baseAddress)
  case .entries:
    lwkt_push_entries(
      L, call.stored.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(clamping: result))
  case .events: pushEvents(L, UInt32(truncatingIfNeeded: result))
  case .pair:
    let ends = call.stored.assumingMemoryBound(to: Int32.self)
    lua_pushinteger(L, Int64(ends[0]))
    lua_pushinteger(L, Int64(ends[1]))
    return 2
  case .boolean: lua_pushboolean(L, result != 0 ? 1 : 0)
  case .seconds: lua_pushnumber(L, call.seconds)
  }
  return 1
}

private func pushBytesRead(_ L: LuaState, _ call: SystemCallRef) -> Int32 {
  guard let bytes = call.bytesRead else {
    lua_pushinteger(L, Int64(call.pointee.result))
    return 1
  }
  let start = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
  if bytes.count > 1 << 16 { return lwkt_pushbig(L, start, bytes.count) ? 1 : resultThrow }
  _ = lua_pushlstring(L, start, bytes.count)
  return 1
}

private func pushEvents(_ L: LuaState, _ events: UInt32) {
  var text = ""
  if events & PollEvents.input != 0 { text += "r" }
  if events & PollEvents.output != 0 { text += "w" }
  if events & PollEvents.error != 0 { text += "e" }
  if events & PollEvents.hangUp != 0 { text += "h" }
  pushString(L, text)
}

/// As `io.open` words it.
private func pushSystemCallFailure(_ L: LuaState, _ call: SystemCallRef) -> Int32 {
  let errno = call.errno
  var words = errno == 110 ? "timed out" : errorWords(errno)
  if let path = call.path { words = String(cString: path) + ": " + words }
  lua_pushnil(L)
  pushString(L, words)
  lua_pushinteger(L, Int64(errno))
  return 3
}

/// What `strerror` says.
func errorWords(_ errno: Int32) -> String {
  withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { buffer in
    String(cString: lwkt_strerror(errno, buffer.baseAddress, buffer.count))
  }
}
