// InspectLibrary.swift: fields and names of handles, and looking inside.

import CLWKT
import CLua
import Glibc
import LWKTCore

// MARK: handles

@c(lwkt_s_handle_tostring)
package func handleToString(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let object = handleObject(L, 1) else { return raise(L, "not a handle") }
  pushString(L, describeHandle(object))
  return 1
}

func describeHandle(_ object: ObjectRef) -> String {
  switch object.objectKind {
  case .port where object.isUrgentRole: describeObject(object) + " urgent"
  case .message:
    "message " + String(UInt(bitPattern: object) & ~15, radix: 16)
      + (object.isReceiverRole ? " (received)" : "")
  default: describeObject(object)
  }
}

@c(lwkt_s_handle_length)
package func handleLength(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let port = portArgument(L, 1) else { return badType(L, 1, "port") }
  lua_pushinteger(L, Int64(port.count))
  return 1
}

/// A field of the handle at 1; the top of the stack is its number.
@c(lwkt_s_handle_field)
package func handleField(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let object = handleObject(L, 1) else { return badType(L, 1, "handle") }
  let field = lwkt_field(UInt32(truncatingIfNeeded: lua_tointegerx(L, -1, nil)))
  _ = lua_checkstack(L, 6)
  switch object.objectKind {
  case .thread: pushThreadField(L, object.thread, field)
  case .port: pushPortField(L, object.port, field)
  case .message: pushMessageField(L, object.message, field)
  default: lua_pushnil(L)
  }
  return 1
}

private func pushThreadField(_ L: LuaState, _ thread: ThreadRef, _ field: lwkt_field) {
  switch field {
  case LWKT_FIELD_id: pushString(L, thread.pathName)
  case LWKT_FIELD_name: pushName(L, thread.pointee.name)
  case LWKT_FIELD_state: pushString(L, thread.stateName)
  case LWKT_FIELD_cpu: lua_pushinteger(L, Int64(thread.cpu))
  case LWKT_FIELD_pri: lua_pushinteger(L, Int64(thread.priority))
  case LWKT_FIELD_wmesg:
    if let text = thread.waitMessage { pushString(L, text) } else { lua_pushnil(L) }
  case LWKT_FIELD_msgport: pushHandle(L, thread.messagePort.object)
  default: lua_pushnil(L)
  }
}

private func pushPortField(_ L: LuaState, _ port: PortRef, _ field: lwkt_field) {
  switch field {
  case LWKT_FIELD_urgent: pushHandle(L, port.urgentObject)
  case LWKT_FIELD_id: lua_pushinteger(L, Int64(port.pointee.id))
  case LWKT_FIELD_name: pushName(L, port.pointee.name)
  case LWKT_FIELD_limit:
    if port.pointee.limit > 0 {
      lua_pushinteger(L, Int64(port.pointee.limit))
    } else {
      lua_pushnil(L)
    }
  case LWKT_FIELD_kind:
    switch port.pointee.kind {
    case .spin: pushString(L, "spin")
    case .thread: pushString(L, "thread")
    case .sysport: pushString(L, "sysport")
    }
  default: lua_pushnil(L)
  }
}

private func pushMessageField(_ L: LuaState, _ message: MessageRef, _ field: lwkt_field) {
  switch field {
  case LWKT_FIELD_sender:
    if let sender = message.pointee.sender { pushHandle(L, sender.object) } else { lua_pushnil(L) }
  case LWKT_FIELD_isreply: lua_pushboolean(L, message.pointee.flags.contains(.isReply) ? 1 : 0)
  case LWKT_FIELD_aborted: lua_pushboolean(L, message.isAborted ? 1 : 0)
  default: lua_pushnil(L)
  }
}

/// Push a string, or nil for none. Lua API that allocates: `lua_pushlstring`.
private func pushName(_ L: LuaState, _ name: UnsafePointer<CChar>?) {
  if let name { _ = lua_pushlstring(L, name, strlen(name)) } else { lua_pushnil(L) }
}

private func setName(_ L: LuaState, _ name: UnsafePointer<CChar>?) {
  guard name != nil else { return }
  pushString(L, "name")
  pushName(L, name)
  lua_rawset(L, -3)
}

// MARK: threads, ports, tokens, stat

private func setField(_ L: LuaState, _ name: StaticString, _ text: String) {
  pushString(L, name)
  pushString(L, text)
  lua_rawset(L, -3)
}

private func setField(_ L: LuaState, _ name: StaticString, _ number: Int64) {
  pushString(L, name)
  lua_pushinteger(L, number)
  lua_rawset(L, -3)
}

private func setField(_ L: LuaState, _ name: StaticString, _ number: Double) {
  pushString(L, name)
  lua_pushnumber(L, number)
  lua_rawset(L, -3)
}

private func setField(_ L: LuaState, _ name: StaticString, _ flag: Bool) {
  pushString(L, name)
  lua_pushboolean(L, flag ? 1 : 0)
  lua_rawset(L, -3)
}

@c(lwkt_s_threads)
package func threads(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  let thread = currentThread
  let snapshot = thread.pointee.host.beginSnapshot()
  thread.keep(snapshot)
  let result = thread.wait(for: snapshot)
  if result == .ready { return pushSnapshot(L) }
  return after(L, result, .snapshot)
}

func snapshotTaken(_ L: LuaState) -> Int32 {
  if currentThread.finishWait() == .aborted {
    _ = currentThread.takeSnapshot()
    return raiseCancellation(L)
  }
  return pushSnapshot(L)
}

private func pushSnapshot(_ L: LuaState) -> Int32 {
  let infos = currentThread.takeSnapshot()?.threads ?? []
  _ = lua_checkstack(L, 8)
  lua_createtable(L, Int32(infos.count), 0)
  for (position, info) in infos.enumerated() {
    lua_createtable(L, 0, 10)
    setField(L, "id", info.path)
    if let name = info.name { setField(L, "name", name) }
    setField(L, "state", info.state)
    setField(L, "cpu", Int64(info.cpu))
    setField(L, "pri", Int64(info.priority))
    if !info.wmesg.isEmpty { setField(L, "wmesg", info.wmesg) }
    if let object = info.waitsFor { setField(L, "waits_for", object) }
    if let waited = info.waitedNanoseconds { setField(L, "waited_s", Double(waited) / 1e9) }
    if !info.createdAt.isEmpty { setField(L, "created_at", info.createdAt) }
    if info.runNanoseconds > 0 { setField(L, "run_s", Double(info.runNanoseconds) / 1e9) }
    if info.accountedNanoseconds > 0 {
      setField(L, "accounted_s", Double(info.accountedNanoseconds) / 1e9)
    }
    setField(L, "daemon", info.isDaemon)
    lua_rawseti(L, -2, Int64(position + 1))
  }
  return 1
}

@c(lwkt_s_ports)
package func ports(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  let ports = currentThread.pointee.host.allPorts().filter { port in
    if !port.isClosed { return true }
    port.object.releaseObject()
    return false
  }
  _ = lua_checkstack(L, 8)
  lua_createtable(L, Int32(ports.count), 0)
  for (position, port) in ports.enumerated() {
    lua_createtable(L, 0, 8)
    let info = port.glimpse
    setField(L, "id", Int64(port.pointee.id))
    setName(L, port.pointee.name)
    pushString(L, "kind")
    pushPortField(L, port, LWKT_FIELD_kind)
    lua_rawset(L, -3)
    setField(L, "queued", Int64(info.queued))
    setField(L, "receivers", Int64(info.receivers))
    setField(L, "senders", Int64(info.senders))
    if port.pointee.limit > 0 { setField(L, "limit", Int64(port.pointee.limit)) }
    setField(L, "closed", info.isClosed)
    lua_rawseti(L, -2, Int64(position + 1))
    port.object.releaseObject()
  }
  return 1
}

@c(lwkt_s_tokens)
package func tokens(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  let tokens = currentThread.pointee.host.allTokens()
  _ = lua_checkstack(L, 8)
  lua_createtable(L, Int32(tokens.count), 0)
  for (position, token) in tokens.enumerated() {
    lua_createtable(L, 0, 6)
    let info = token.glimpse
    setName(L, token.pointee.name)
    if let holder = info.holder { setField(L, "owner", holder) }
    setField(L, "sharers", Int64(info.sharers))
    setField(L, "waiters", Int64(info.waiters))
    setField(L, "collisions", Int64(bitPattern: info.collisions))
    lua_rawseti(L, -2, Int64(position + 1))
    token.object.releaseObject()
  }
  return 1
}

@c(lwkt_s_stat)
package func stat(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  let host = currentThread.pointee.host
  _ = lua_checkstack(L, 8)
  let workers = host.pointee.workerCount
  lua_createtable(L, Int32(workers), 0)
  for cpu in 0..<workers {
    lua_createtable(L, 0, 20)
    setField(L, "cpu", Int64(cpu))
    setField(L, "running", cpu < host.startedWorkerCount)
    setField(L, "runnable", Int64(host.loadOf(cpu: cpu)))
    for name in Counters.Name.allCases {
      setField(L, name.label, Int64(bitPattern: host.counter(name, cpu: cpu)))
    }
    lua_rawseti(L, -2, Int64(cpu + 1))
  }
  return 1
}
