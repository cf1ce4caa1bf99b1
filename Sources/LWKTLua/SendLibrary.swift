// SendLibrary.swift: sending to a port, its head queue or a thread: one way, requests with a handle
// (`sendmsg`), plain ones (`domsg`). Each may wait for room in the port first.

import CLWKT
import CLua
import LWKTCore

/// The port that an operation on a port, its head queue, or a thread means.
struct Target {
  var port: PortRef
  var isUrgent: Bool
}

func target(_ L: LuaState, _ index: Int32) -> Target? {
  guard let object = handleObject(L, index) else { return nil }
  switch object.objectKind {
  case .port: return Target(port: object.port, isUrgent: object.isUrgentRole)
  case .thread: return Target(port: object.thread.messagePort, isUrgent: false)
  default: return nil
  }
}

// MARK: one way

/// nil, why the port takes nothing any more, errno.
func pushClosed(_ L: LuaState, _ port: PortRef) -> Int32 {
  pushFailure(L, port.closure.message, port.closure.rawValue)
}

/// `target:send(...)`: one way.
@inline(never)
private func send(_ L: LuaState) -> Int32 {
  guard let target = target(L, 1) else { return badType(L, 1, "port") }
  if target.port.pointee.kind == .sysport { return sysportSend(L, .send) }
  let thread = currentThread
  let flags: Message.Flags = target.isUrgent ? [.oneWay, .urgent] : .oneWay
  let count = lua_gettop(L) - 1
  var payload = Payload()
  var message: MessageRef?
  let result: PortRef.SendResult
  if encodeLight(L, 2, count, &payload) {
    result = target.port.sendLight(&payload, from: thread, flags: flags, message: &message)
  } else {
    guard copyOutGraph(L, 2, count, "send", &payload) else { return resultError }
    let made = MessageRef.make(sender: thread, payload: payload, flags: flags)
    message = made
    result = target.port.send(made, from: thread)
  }
  switch result {
  case .sent:
    lua_pushboolean(L, 1)
    return 1
  case .closed:
    message?.object.releaseObject()
    return pushClosed(L, target.port)
  case .waiting: return after(L, .waiting, .send)
  case .waitOver: return sent(L)
  }
}

/// A one-way send that had to wait for room.
func sent(_ L: LuaState) -> Int32 {
  let thread = currentThread
  guard let target = target(L, 1) else { return 0 }
  let message = thread.pointee.sendingMessage
  switch target.port.finishSend(thread) {
  case .sent:
    lua_pushboolean(L, 1)
    return 1
  case .closed:
    message?.object.releaseObject()
    return pushClosed(L, target.port)
  default:
    message?.object.releaseObject()
    return raiseCancellation(L)
  }
}

// MARK: requests

/// Make a request of the values from `first` on. Nil with a message pushed.
private func makeRequest(
  _ L: LuaState, _ first: Int32, _ operation: StaticString, _ target: Target
) -> MessageRef? {
  var payload = Payload()
  guard copyOut(L, first, lua_gettop(L) - first + 1, operation, &payload) else { return nil }
  return MessageRef.make(
    sender: currentThread, payload: payload, flags: target.isUrgent ? .urgent : [])
}

/// `target:sendmsg(...)`, `target:sendmsg_to(port, ...)`: the message's handle.
private func sendRequest(
  _ L: LuaState, _ target: Target, first: Int32, operation: StaticString, replyPort: PortRef?
) -> Int32 {
  guard let message = makeRequest(L, first, operation, target) else { return resultError }
  if let replyPort { message.setReplyPort(replyPort) }
  _ = lua_checkstack(L, 6)
  pushHandle(L, message.object)
  message.object.releaseObject()
  return requestStarted(L, start(message, target, currentThread))
}

/// Send a request: the queue gets a receiver's reference.
private func start(
  _ message: MessageRef, _ target: Target, _ thread: ThreadRef
) -> PortRef.SendResult {
  message.setTarget(target.port)
  message.receiverObject.retainObject()
  return settled(message, target, target.port.send(message, from: thread))
}

/// A request that had to wait for room in its port.
private func finishStart(
  _ message: MessageRef, _ target: Target, _ thread: ThreadRef
) -> PortRef.SendResult {
  settled(message, target, target.port.finishSend(thread))
}

/// A request that was not queued is answered at once.
private func settled(
  _ message: MessageRef, _ target: Target, _ result: PortRef.SendResult
) -> PortRef.SendResult {
  switch result {
  case .sent, .waiting: break
  case .closed:
    message.fail(target.port.closure)
    message.receiverObject.releaseObject()
  case .waitOver:
    message.fail(.interrupted)
    message.receiverObject.releaseObject()
  }
  return result
}

/// The message's handle is at the top of the stack.
private func requestStarted(_ L: LuaState, _ result: PortRef.SendResult) -> Int32 {
  switch result {
  case .sent, .closed: 1
  case .waiting: after(L, .waiting, .request)
  case .waitOver: raiseCancellation(L)
  }
}

func requestSent(_ L: LuaState) -> Int32 {
  guard let target = target(L, 1), let object = messageArgument(L, -1) else { return 0 }
  return requestStarted(L, finishStart(object.message, target, currentThread))
}

// MARK: plain requests

// A plain request has no handle, since no script ever sees it: the thread holds it.

/// `target:domsg(...)`: the answer's values.
private func request(_ L: LuaState) -> Int32 {
  guard let target = target(L, 1) else { return badType(L, 1, "port") }
  if target.port.pointee.kind == .sysport { return sysportSend(L, .domsg) }
  guard let message = makeRequest(L, 2, "domsg", target) else { return resultError }
  let thread = currentThread
  thread.pointee.request = message
  return plainRequestStarted(L, thread, start(message, target, thread))
}

/// Its first wait, for room, is over.
func plainRequestSent(_ L: LuaState) -> Int32 {
  let thread = currentThread
  guard let message = thread.pointee.request, let target = target(L, 1) else { return 0 }
  return plainRequestStarted(L, thread, finishStart(message, target, thread))
}

private func plainRequestStarted(
  _ L: LuaState, _ thread: ThreadRef, _ result: PortRef.SendResult
) -> Int32 {
  switch result {
  case .sent, .closed: break
  case .waiting: return after(L, .waiting, .plainRequest)
  case .waitOver:
    dropRequest(thread)
    return raiseCancellation(L)
  }
  guard let message = thread.pointee.request else { return 0 }
  let result = message.waitForReply(thread, deadline: nil)
  return result == .ready ? pushAnswer(L, thread) : after(L, result, .answer)
}

/// Its second wait, for the answer, is over.
func answered(_ L: LuaState) -> Int32 {
  let thread = currentThread
  if thread.finishWait() == .ready { return pushAnswer(L, thread) }
  // Told to stop: so is the target, and its answer is awaited before the error is raised.
  guard let message = thread.pointee.request else { return 0 }
  thread.oweInterrupt()
  message.abort()
  let result = message.waitForReply(thread, deadline: nil)
  if result == .ready {
    dropRequest(thread)
    return raiseCancellation(L)
  }
  return after(L, result, .cancelledAnswer)
}

func cancelledAnswered(_ L: LuaState) -> Int32 {
  let thread = currentThread
  thread.finishWait()
  dropRequest(thread)
  return raiseCancellation(L)
}

/// To read the answer a module may have to be loaded, which may make requests: so this one is over.
private func pushAnswer(_ L: LuaState, _ thread: ThreadRef) -> Int32 {
  guard let message = thread.pointee.request else { return 0 }
  thread.pointee.request = nil
  let count = unpack(L, message)
  message.object.releaseObject()
  return count
}

func dropRequest(_ thread: ThreadRef) {
  thread.pointee.request?.object.releaseObject()
  thread.pointee.request = nil
}

// MARK: functions of the module

@c(lwkt_s_port_send)
package func portSend(_ L: OpaquePointer?) -> Int32 { send(L.unsafelyUnwrapped) }
@c(lwkt_s_thread_send)
package func threadSend(_ L: OpaquePointer?) -> Int32 { send(L.unsafelyUnwrapped) }

@c(lwkt_s_port_sendmsg)
package func portSendmsg(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let target = target(L, 1) else { return badType(L, 1, "port") }
  if target.port.pointee.kind == .sysport { return sysportSend(L, .sendmsg) }
  return sendRequest(L, target, first: 2, operation: "sendmsg", replyPort: nil)
}

@c(lwkt_s_thread_sendmsg)
package func threadSendmsg(_ L: OpaquePointer?) -> Int32 { portSendmsg(L) }
@c(lwkt_s_port_domsg)
package func portDomsg(_ L: OpaquePointer?) -> Int32 { request(L.unsafelyUnwrapped) }
@c(lwkt_s_thread_domsg)
package func threadDomsg(_ L: OpaquePointer?) -> Int32 { request(L.unsafelyUnwrapped) }

@c(lwkt_s_port_sendmsg_to)
package func portSendmsgTo(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let replyPort = portArgument(L, 2) else { return badType(L, 2, "port") }
  guard let target = target(L, 1) else { return badType(L, 1, "port") }
  if target.port.pointee.kind == .sysport { return sysportSend(L, .sendmsgTo) }
  guard replyPort.pointee.kind != .sysport else { return refuseSysport(L, 2) }
  return sendRequest(L, target, first: 3, operation: "sendmsg_to", replyPort: replyPort)
}

/// The sysport is no place for messages of other kinds.
func refuseSysport(_ L: LuaState, _ index: Int32) -> Int32 {
  badArgument(L, index, "the sysport takes system calls alone")
}
