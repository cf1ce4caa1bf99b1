// MessageLibrary.swift: ports and messages as scripts see them.

import CLWKT
import CLua
import LWKTCore

// MARK: arguments

@inline(__always)
func portArgument(_ L: LuaState, _ index: Int32) -> PortRef? {
  guard let object = handleObject(L, index), object.objectKind == .port else { return nil }
  return object.port
}

/// The message at `index`, with its role.
@inline(__always)
private func messageArgument(_ L: LuaState, _ index: Int32) -> ObjectRef? {
  guard let object = handleObject(L, index), object.objectKind == .message else { return nil }
  return object
}

/// The port that an operation on a port, its head queue, or a thread means.
private struct Target {
  var port: PortRef
  var isUrgent: Bool
}

private func target(_ L: LuaState, _ index: Int32) -> Target? {
  guard let object = handleObject(L, index) else { return nil }
  switch object.objectKind {
  case .port: return Target(port: object.port, isUrgent: object.isUrgentRole)
  case .thread: return Target(port: object.thread.messagePort, isUrgent: false)
  default: return nil
  }
}

// MARK: making and finding ports

@c(lwkt_s_port)
package func port(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  var name: Name?
  var limit = 0
  var kind = Port.Kind.spin
  switch lua_type(L, 1) {
  case LUA_TNONE, LUA_TNIL: break
  case LUA_TSTRING:
    name = nameArgument(L, 1)
    if name == nil { return badName(L, 1) }
  case LUA_TTABLE:
    _ = lua_checkstack(L, 6)
    lua_pushnil(L)
    while lwkt_next(L, 1) != 0 {
      guard lua_type(L, -2) == LUA_TSTRING else {
        return raise(L, "port: option names are strings, got a " + typeName(L, -2))
      }
      let key = string(L, -2)
      if let problem = readPortOption(L, key, &name, &limit, &kind) {
        return raise(L, "port: option '" + key + "' " + problem)
      }
      lwkt_pop(L, 1)
    }
  default: return badType(L, 1, "string or table")
  }
  let thread = currentThread
  let host = thread.pointee.host
  let port = PortRef.make(
    kind: kind, owner: kind == .thread ? thread : nil, limit: limit, name: name, host: host)
  if kind == .thread { thread.own(port) }
  if let name, !host.publish(port, as: name) {
    port.object.releaseObject()
    return pushFailure(L, "a port of that name is there already", 17)
  }
  pushHandle(L, port.object)
  port.object.releaseObject()
  return 1
}

private func readPortOption(
  _ L: LuaState, _ key: String, _ name: inout Name?, _ limit: inout Int, _ kind: inout Port.Kind
) -> String? {
  switch key {
  case "name":
    guard let given = nameArgument(L, -1) else { return "is " + misnamed(L, -1) }
    name = given
  case "limit":
    guard let number = integerArgument(L, -1), number > 0 else {
      return "is a number of messages, 1 or more, got " + shown(L, -1)
    }
    limit = Int(number)
  case "kind":
    switch stringArgument(L, -1) {
    case "spin": kind = .spin
    case "thread": kind = .thread
    default: return "is \"spin\" or \"thread\", got " + shown(L, -1)
    }
  default: return "is unknown (there are name, limit, kind)"
  }
  return nil
}

@c(lwkt_s_lookup)
package func lookup(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let name = nameArgument(L, 1) else { return badName(L, 1) }
  let host = currentThread.pointee.host
  if let port = host.lookup(name) { return pushPort(L, port) }
  switch deadlineArgument(L, 2) {
  case .bad(let code): return code
  case .deadline(let deadline):
    if deadline.isPoll { return pushTimedOut(L) }
    lua_settop_plain(L, 1)
    // The deadline is kept on the stack: the name may be taken away again before the thread runs.
    lua_pushinteger(L, Int64(bitPattern: deadline.nanoseconds ?? .max))
    return waitForName(L, name, deadline.nanoseconds)
  }
}

private func pushPort(_ L: LuaState, _ port: PortRef) -> Int32 {
  pushHandle(L, port.object)
  port.object.releaseObject()
  return 1
}

private func waitForName(_ L: LuaState, _ name: Name, _ deadline: UInt64?) -> Int32 {
  let host = currentThread.pointee.host
  let result = currentThread.tsleep(
    HostRef.lookupIdent(name), kind: .lookup, deadline: deadline
  ) {
    guard let port = host.lookup(name) else { return true }
    port.object.releaseObject()
    return false
  }
  if result == .ready { return lookedUpAgain(L) }
  return after(L, result, .lookup)
}

private func lookedUpAgain(_ L: LuaState) -> Int32 {
  guard let name = nameArgument(L, 1) else { return badName(L, 1) }
  if let port = currentThread.pointee.host.lookup(name) { return pushPort(L, port) }
  let deadline = UInt64(bitPattern: lua_tointegerx(L, 2, nil))
  return waitForName(L, name, deadline == .max ? nil : deadline)
}

func lookedUp(_ L: LuaState) -> Int32 {
  switch currentThread.finishWait() {
  case .aborted: return raiseCancellation(L)
  case .timedOut: return pushTimedOut(L)
  default: return lookedUpAgain(L)
  }
}

// MARK: sending

/// nil, why the port takes nothing any more, errno.
private func pushClosed(_ L: LuaState, _ port: PortRef) -> Int32 {
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
  _ L: LuaState, first: Int32, operation: StaticString, replyPort: PortRef?
) -> Int32 {
  guard let target = target(L, 1) else { return badType(L, 1, "port") }
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

@c(lwkt_s_port_send)
package func portSend(_ L: OpaquePointer?) -> Int32 { send(L.unsafelyUnwrapped) }
@c(lwkt_s_thread_send)
package func threadSend(_ L: OpaquePointer?) -> Int32 { send(L.unsafelyUnwrapped) }

@c(lwkt_s_port_sendmsg)
package func portSendmsg(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  if let target = target(L, 1), target.port.pointee.kind == .sysport {
    return sysportSend(L, .sendmsg)
  }
  return sendRequest(L, first: 2, operation: "sendmsg", replyPort: nil)
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
  if let target = target(L, 1), target.port.pointee.kind == .sysport {
    return sysportSend(L, .sendmsgTo)
  }
  guard replyPort.pointee.kind != .sysport else { return refuseSysport(L, 2) }
  return sendRequest(L, first: 3, operation: "sendmsg_to", replyPort: replyPort)
}

/// The sysport is no place for messages of other kinds.
func refuseSysport(_ L: LuaState, _ index: Int32) -> Int32 {
  badArgument(L, index, "the sysport takes system calls alone")
}

// MARK: receiving

/// Why the running thread may not receive from `port`, or nil.
private func refusal(_ port: PortRef) -> String? {
  switch port.pointee.kind {
  case .spin: nil
  case .sysport: "the sysport takes system calls and gives none back"
  case .thread:
    port.belongs(to: currentThread) || port.isClosed
      ? nil : port.displayName + " is a thread port: its owner alone receives from it"
  }
}

/// `isOwn`: it is the running thread's built-in port.
@inline(__always)
private func receive(
  _ L: LuaState, _ port: PortRef, timeoutAt: Int32, _ resumption: Resumption, isOwn: Bool = false
) -> Int32 {
  if !isOwn, port.pointee.kind != .spin, let why = refusal(port) { return raise(L, why) }
  switch deadlineArgument(L, timeoutAt) {
  case .bad(let code): return code
  case .deadline(let deadline):
    var message: MessageRef?
    let thread = currentThread
    switch port.receive(
      thread, deadline: deadline.nanoseconds, poll: deadline.isPoll,
      valuesOnly: resumption == .receiveValues, into: &message)
    {
    case .ready:
      return deliver(L, message.unsafelyUnwrapped, asMessage: resumption == .receiveMessage)
    case .wouldWait:
      return port.isClosed ? pushFailure(L, "port is closed", 107) : pushTimedOut(L)
    case .waiting: return after(L, .waiting, resumption)
    case .waitOver:
      return resumption == .receiveMessage ? receivedMessage(L) : receivedValues(L)
    }
  }
}

/// Give a message that has been taken from its queue to the script. Its reference is used up.
@inline(__always)
private func deliver(_ L: LuaState, _ message: MessageRef, asMessage: Bool) -> Int32 {
  let flags = message.pointee.flags
  if !asMessage, flags.contains(.oneWay), !flags.contains(.exitNotice) {
    let count = copyIn(L, addressOf(&message.pointee.payload), owner: message.object)
    message.object.releaseObject()
    return count
  }
  return deliverOther(L, message, asMessage: asMessage)
}

@inline(never)
private func deliverOther(_ L: LuaState, _ message: MessageRef, asMessage: Bool) -> Int32 {
  _ = lua_checkstack(L, 8)
  let flags = message.pointee.flags
  let isRequest = !flags.contains(.oneWay) && !flags.contains(.isReply)
  let role = isRequest ? message.receiverObject : message.object
  if isRequest { message.hold(by: currentThread) }
  if asMessage {
    pushHandle(L, role)
    role.releaseObject()
    return 1
  }
  let count = isRequest ? unpackRequest(L, message) : unpack(L, message)
  // The values of a request are all its receiver wants of it: it is answered with nothing.
  if isRequest { _ = message.reply(Payload()) }
  role.releaseObject()
  return count
}

func receivedValues(_ L: LuaState) -> Int32 { received(L, asMessage: false) }
func receivedMessage(_ L: LuaState) -> Int32 { received(L, asMessage: true) }

@inline(__always)
private func received(_ L: LuaState, asMessage: Bool) -> Int32 {
  let thread = currentThread
  switch thread.finishWait() {
  case .ready:
    guard let message = thread.takeHandedMessage() else {
      // The values alone, which all stand in slots; to be read they are moved out.
      var payload = thread.pointee.payload
      thread.pointee.payload = Payload()
      let count = copyIn(L, &payload, owner: thread.object)
      addressOf(&payload).dispose()
      return count
    }
    return deliver(L, message, asMessage: asMessage)
  case .timedOut: return pushTimedOut(L)
  case .gone: return pushFailure(L, "port is closed", 107)
  default: return raiseCancellation(L)
  }
}

private func getMessage(_ L: LuaState, _ port: PortRef) -> Int32 {
  if let why = refusal(port) { return raise(L, why) }
  var message: MessageRef?
  if port.receive(currentThread, deadline: nil, poll: true, into: &message) == .ready {
    return deliver(L, message.unsafelyUnwrapped, asMessage: true)
  }
  lua_pushnil(L)
  return 1
}

@c(lwkt_s_port_wait)
package func portWait(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let port = portArgument(L, 1) else { return badType(L, 1, "port") }
  return receive(L, port, timeoutAt: 2, .receiveMessage)
}

@c(lwkt_s_port_get)
package func portGet(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let port = portArgument(L, 1) else { return badType(L, 1, "port") }
  return getMessage(L, port)
}

@c(lwkt_s_port_recv)
package func portRecv(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let port = portArgument(L, 1) else { return badType(L, 1, "port") }
  return receive(L, port, timeoutAt: 2, .receiveValues)
}

@c(lwkt_s_wait)
package func wait(_ L: OpaquePointer?) -> Int32 {
  receive(
    L.unsafelyUnwrapped, currentThread.messagePort, timeoutAt: 1, .receiveMessage, isOwn: true)
}

@c(lwkt_s_get)
package func get(_ L: OpaquePointer?) -> Int32 {
  getMessage(L.unsafelyUnwrapped, currentThread.messagePort)
}

@c(lwkt_s_recv)
package func recv(_ L: OpaquePointer?) -> Int32 {
  receive(
    L.unsafelyUnwrapped, currentThread.messagePort, timeoutAt: 1, .receiveValues, isOwn: true)
}

@c(lwkt_s_port_close)
package func portClose(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let port = portArgument(L, 1) else { return badType(L, 1, "port") }
  if port.pointee.kind == .sysport { return raise(L, "close: the sysport cannot be closed") }
  port.close()
  if let name = port.pointee.name {
    port.pointee.host.withdraw(port, from: Name(name))
  }
  return 0
}

// MARK: messages

/// The values of a message that has been answered, or is a one-way one.
private func unpack(_ L: LuaState, _ message: MessageRef) -> Int32 {
  _ = lua_checkstack(L, 8)
  if message.pointee.flags.contains(.exitNotice) { return unpackExit(L, message) }
  if let call = message.pointee.systemCall { return pushSystemCallResult(L, call) }
  if message.pointee.errno != 0 { return pushReplyFailure(L, message) }
  return copyIn(L, message.answer, owner: message.object)
}

/// The values of a request, which stay where they are as long as a receiver, or the sender who asks for
/// them, may read them.
private func unpackRequest(_ L: LuaState, _ message: MessageRef) -> Int32 {
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
