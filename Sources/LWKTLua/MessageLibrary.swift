// MessageLibrary.swift: messages as scripts see them, and `lwkt.waitany`.

import CLWKT
import CLua
import LWKTCore

/// The message at `index`, with its role.
@inline(__always)
func messageArgument(_ L: LuaState, _ index: Int32) -> ObjectRef? {
  guard let object = handleObject(L, index), object.objectKind == .message else { return nil }
  return object
}

// MARK: what is in them

/// The values of a message that has been answered, or is a one-way one.
func unpack(_ L: LuaState, _ message: MessageRef) -> Int32 {
  _ = lua_checkstack(L, 8)
  if message.pointee.flags.contains(.exitNotice) { return unpackExit(L, message) }
  if let call = message.pointee.systemCall { return pushSystemCallResult(L, call) }
  if message.pointee.errno != 0 { return pushReplyFailure(L, message) }
  return copyIn(L, message.answer, owner: message.object)
}

/// The values of a request, which stay where they are as long as a receiver, or the sender who asks for
/// them, may read them.
func unpackRequest(_ L: LuaState, _ message: MessageRef) -> Int32 {
  let request = message.request
  return copyIn(L, addressOf(&request.pointee.payload), owner: request.object)
}

/// "exit", thread, ok, results or error.
private func unpackExit(_ L: LuaState, _ message: MessageRef) -> Int32 {
  guard let thread = message.pointee.sender else { return 0 }
  pushString(L, "exit")
  pushHandle(L, thread.object)
  return pushEnd(L, thread, prefix: 2)
}

private func pushReplyFailure(_ L: LuaState, _ message: MessageRef) -> Int32 {
  let errno = message.pointee.errno
  if message.answer.pointee.count > 0 {
    lua_pushnil(L)
    let count = copyIn(L, message.answer, owner: message.object, prefix: 1)
    if count < 0 { return count }
    lua_pushinteger(L, Int64(errno))
    return 3
  }
  if let failure = MessageFailure(rawValue: errno) { return pushFailure(L, failure.message, errno) }
  return pushFailure(L, "failed", errno)
}

@c(lwkt_s_message_unpack)
package func messageUnpack(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let object = messageArgument(L, 1) else { return badType(L, 1, "message") }
  let message = object.message
  if object.isReceiverRole {
    if message.request.isDone { return raise(L, "unpack: the message has been answered") }
    return unpackRequest(L, message)
  }
  if !message.pointee.flags.contains(.oneWay), message.pointee.systemCall == nil,
    message.keepRequest()
  {
    return unpackRequest(L, message)
  }
  return unpack(L, message)
}

// MARK: answering

/// The message that the running thread may answer.
private func requestArgument(_ L: LuaState, _ operation: String) -> (MessageRef?, Int32) {
  guard let object = messageArgument(L, 1) else { return (nil, badType(L, 1, "message")) }
  let message = object.message
  if message.pointee.flags.contains(.oneWay) {
    return (nil, raise(L, operation + ": the message was sent one way, nobody waits for an answer"))
  }
  guard object.isReceiverRole else {
    return (nil, badArgument(L, 1, operation + ": only the receiver of a message can answer it"))
  }
  if message.isPassedOn {
    return (
      nil, raise(L, operation + ": the message has been forwarded, it is its next receiver's")
    )
  }
  return (message, 0)
}

@c(lwkt_s_message_reply)
package func messageReply(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  let (message, problem) = requestArgument(L, "replymsg")
  guard let message else { return problem }
  var payload = Payload()
  guard copyOut(L, 2, lua_gettop(L) - 1, "reply", &payload) else { return resultError }
  if message.reply(payload) {
    lua_pushboolean(L, 1)
    return 1
  }
  addressOf(&payload).dispose()
  return raise(L, "replymsg: the message has been answered already")
}

@c(lwkt_s_message_fail)
package func messageFail(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  if messageArgument(L, 1) != nil, lua_gettop(L) < 2 {
    return badArgument(L, 2, "value expected")
  }
  let (message, problem) = requestArgument(L, "fail")
  guard let message else { return problem }
  var errno: Int32 = 5
  if lua_type(L, 3) > LUA_TNIL {
    guard let number = integerArgument(L, 3), number > 0, number < 4096 else {
      return badArgument(L, 3, "an errno is a positive number")
    }
    errno = Int32(number)
  }
  var payload = Payload()
  guard copyOut(L, 2, 1, "fail", &payload) else { return resultError }
  if message.reply(payload, errno: errno) {
    lua_pushboolean(L, 1)
    return 1
  }
  addressOf(&payload).dispose()
  return raise(L, "replymsg: the message has been answered already")
}

@c(lwkt_s_message_forward)
package func messageForward(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  let (message, problem) = requestArgument(L, "forwardmsg")
  guard let message else { return problem }
  guard let target = target(L, 2) else { return badType(L, 2, "port") }
  guard target.port.pointee.kind != .sysport else { return refuseSysport(L, 2) }
  switch message.forward(to: target.port, urgent: target.isUrgent) {
  case nil:
    lua_pushboolean(L, 1)
    return 1
  case .alreadyAnswered?: return raise(L, "forwardmsg: the message has been answered already")
  case _?:
    // As lwkt_forwardmsg does when the target answers at once, and a closed port's answer is no.
    message.fail(target.port.closure)
    return pushClosed(L, target.port)
  }
}

// MARK: waiting for the answer

@c(lwkt_s_message_wait)
package func messageWait(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let object = messageArgument(L, 1) else { return badType(L, 1, "message") }
  if object.isReceiverRole {
    return badArgument(L, 1, "only the sender of a message waits for its answer")
  }
  if object.message.pointee.flags.contains(.oneWay) {
    return raise(L, "waitmsg: the message was sent one way, no answer will come")
  }
  switch deadlineArgument(L, 2) {
  case .bad(let code): return code
  case .deadline(let deadline):
    lua_settop_plain(L, 1)
    return waitForReply(L, object.message, deadline: deadline)
  }
}

/// The message's handle is at the top of the stack.
private func waitForReply(_ L: LuaState, _ message: MessageRef, deadline: Deadline) -> Int32 {
  let result = message.waitForReply(
    currentThread, deadline: deadline.nanoseconds, poll: deadline.isPoll)
  switch result {
  case .ready: return unpack(L, message)
  case .wouldWait: return pushTimedOut(L)
  default: return after(L, result, .reply)
  }
}

func replied(_ L: LuaState) -> Int32 {
  guard let object = messageArgument(L, -1) else { return 0 }
  switch currentThread.finishWait() {
  case .ready: return unpack(L, object.message)
  case .timedOut: return pushTimedOut(L)
  default:
    // Told to stop: so is the target, and its answer is awaited before the error is raised.
    currentThread.oweInterrupt()
    object.message.abort()
    let result = object.message.waitForReply(currentThread, deadline: nil)
    if result == .ready { return raiseCancellation(L) }
    return after(L, result, .cancelledReply)
  }
}

func cancelledReplied(_ L: LuaState) -> Int32 {
  currentThread.finishWait()
  return raiseCancellation(L)
}

@c(lwkt_s_message_check)
package func messageCheck(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let object = messageArgument(L, 1) else { return badType(L, 1, "message") }
  lua_pushboolean(L, object.message.isDone ? 1 : 0)
  return 1
}

@c(lwkt_s_message_abort)
package func messageAbort(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let object = messageArgument(L, 1) else { return badType(L, 1, "message") }
  if object.isReceiverRole { return raise(L, "abortmsg: only the sender of a message aborts it") }
  object.message.abort()
  return 0
}

// MARK: waitany

@c(lwkt_s_waitany)
package func waitany(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard lua_type(L, 1) == LUA_TTABLE else { return badType(L, 1, "table") }
  let count = Int(lua_rawlen(L, 1))
  guard count > 0 else { return badArgument(L, 1, "nothing to wait for") }
  guard lua_checkstack(L, 8) != 0 else { return raise(L, "waitany: too many objects") }
  var objects: [ObjectRef] = []
  objects.reserveCapacity(count)
  for position in 1...count {
    lua_rawgeti(L, 1, Int64(position))
    guard let object = handleObject(L, -1), isWaitable(object) else {
      return badArgument(
        L, 1,
        "[" + String(position) + "] is a " + typeName(L, -1)
          + ", not a port, message or thread")
    }
    if object.objectKind == .port, let why = refusal(object.port) { return raise(L, why) }
    objects.append(object)
    lwkt_pop(L, 1)
  }
  switch deadlineArgument(L, 2) {
  case .bad(let code): return code
  case .deadline(let deadline):
    var index = -1
    let result = objects.withUnsafeBufferPointer {
      currentThread.waitAny(
        $0, deadline: deadline.nanoseconds, poll: deadline.isPoll, index: &index)
    }
    switch result {
    case .ready: return pushReady(L, index)
    case .wouldWait: return pushTimedOut(L)
    default: return after(L, result, .waitAny)
    }
  }
}

private func isWaitable(_ object: ObjectRef) -> Bool {
  switch object.objectKind {
  case .port, .thread: true
  case .message: !object.isReceiverRole
  default: false
  }
}

private func pushReady(_ L: LuaState, _ index: Int) -> Int32 {
  lua_rawgeti(L, 1, Int64(index + 1))
  lua_pushinteger(L, Int64(index + 1))
  return 2
}

func waitedAny(_ L: LuaState) -> Int32 {
  let thread = currentThread
  let reason = thread.finishWait()
  switch reason {
  case .ready, .gone: return pushReady(L, Int(thread.pointee.wakeIndex))
  case .timedOut: return pushTimedOut(L)
  default: return raiseCancellation(L)
  }
}
