// PortLibrary.swift: ports as scripts see them: made, found, received from, closed.

import CLWKT
import CLua
import LWKTCore

@inline(__always)
func portArgument(_ L: LuaState, _ index: Int32) -> PortRef? {
  guard let object = handleObject(L, index), object.objectKind == .port else { return nil }
  return object.port
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

// MARK: receiving

/// Why the running thread may not receive from `port`, or nil.
func refusal(_ port: PortRef) -> String? {
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

private func receiveFromPort(_ L: LuaState, _ resumption: Resumption) -> Int32 {
  guard let port = portArgument(L, 1) else { return badType(L, 1, "port") }
  return receive(L, port, timeoutAt: 2, resumption)
}

@c(lwkt_s_port_wait)
package func portWait(_ L: OpaquePointer?) -> Int32 {
  receiveFromPort(L.unsafelyUnwrapped, .receiveMessage)
}

@c(lwkt_s_port_get)
package func portGet(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let port = portArgument(L, 1) else { return badType(L, 1, "port") }
  return getMessage(L, port)
}

@c(lwkt_s_port_recv)
package func portRecv(_ L: OpaquePointer?) -> Int32 {
  receiveFromPort(L.unsafelyUnwrapped, .receiveValues)
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

// MARK: closing

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
