// CreateLibrary.swift: `lwkt.create`.

import CLWKT
import CLua
import Glibc
import LWKTCore

@c(lwkt_s_create)
package func create(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  var options = ThreadOptions()
  var functionAt: Int32 = 1
  if lua_type(L, 1) == LUA_TTABLE {
    let bad = readOptions(L, &options)
    if bad < 0 { return bad }
    functionAt = 2
  }
  guard lua_type(L, functionAt) == LUA_TFUNCTION else {
    return badType(L, functionAt, "function")
  }
  let creator = currentThread
  lwkt_note_threads()
  guard ThreadRef.canBeMade else {
    return raise(L, "create: not enough memory for another thread")
  }
  // What may be refused comes first: a refused create takes no number.
  var start = Payload()
  if options.sharing {
    guard lua_checkstack(L, lua_gettop(L) + 16) != 0 else {
      return raise(L, "create: too many arguments")
    }
  } else if !packStart(L, functionAt, &start) {
    return resultError
  }
  let thread = ThreadRef.make(host: creator.pointee.host, parent: creator, options: options)
  if options.memoryLimit > 0 { thread.extras.memoryLimit = options.memoryLimit }
  noteOrigin(L, thread)
  if options.sharing {
    shareStart(L, thread, creator, functionAt)
  } else {
    thread.pointee.payload = start
    passSettings(L, to: thread)
  }
  lwkt_pushfirst(L, thread.object, Int32(ObjectKind.thread.rawValue))
  // The handle at the top has the reference now, and keeps the thread alive.
  if options.noStart { lwkt_set_awaited(L, true) } else { thread.begin() }
  return 1
}

/// Remember where it was created.
private func noteOrigin(_ L: LuaState, _ thread: ThreadRef) {
  var source: UnsafePointer<CChar>?
  var line: Int32 = 0
  guard lwkt_where(L, &source, &line) else { return }
  let name = LuaHeap.of(L).pointee.sourceNames.name(of: source.unsafelyUnwrapped)
  name.retain()
  thread.pointee.createdAt = name
  thread.pointee.createdLine = line
}

/// Function and arguments by value. False with a message pushed.
private func packStart(
  _ L: LuaState, _ functionAt: Int32, _ start: UnsafeMutablePointer<Payload>
) -> Bool {
  let count = lua_gettop(L) - functionAt
  // Lua has made room for 20 values, as for every C function.
  lwkt_pushenvironment(L, currentThread.pointee.slot)
  let context = CopyContext(state: LuaHeap.of(L).pointee.copyState, environment: lua_gettop(L))
  guard
    encodeThread(
      L, function: functionAt, first: functionAt + 1, count: count, context: context,
      enclosing: lwkt_enclosing, into: start)
  else { return false }
  lwkt_pop(L, 1)
  return true
}

/// A thread in its creator's heap: function and arguments move to a coroutine there.
private func shareStart(
  _ L: LuaState, _ thread: ThreadRef, _ creator: ThreadRef, _ functionAt: Int32
) {
  let heap = LuaHeap.of(L)
  let slot = heap.pointee.takeSlot()
  let count = lua_gettop(L) - functionAt + 1
  let coroutine = lwkt_newthread(L, slot, creator.pointee.slot).unsafelyUnwrapped
  // The allocator does not fail here, and the creator's stack has room for as many.
  _ = lua_checkstack(coroutine, count + 8)
  for index in 0..<count { lua_pushvalue(L, functionAt + index) }
  lwkt_move(L, coroutine, count)
  thread.pointee.slot = slot
  thread.setSharedStart(coroutine)
  creator.domain?.add(thread)
}

private func readOptions(_ L: LuaState, _ options: inout ThreadOptions) -> Int32 {
  _ = lua_checkstack(L, 6)
  lua_pushnil(L)
  while lwkt_next(L, 1) != 0 {
    guard lua_type(L, -2) == LUA_TSTRING else {
      return raise(L, "create: option names are strings, got a " + typeName(L, -2))
    }
    guard readOption(L, &options) else {
      let name = string(L, -2)
      return raise(L, "create: option '" + name + "' " + problem(L, name))
    }
    lwkt_pop(L, 1)
  }
  if options.sharing, options.memoryLimit > 0 {
    return raise(L, "create: options 'sharing' and 'maxmem' exclude each other")
  }
  if options.sharing, let cpu = options.cpu, cpu != mycpu.pointee.cpu {
    return raise(
      L,
      "create: a sharing thread lives where its creator does: option 'cpu' must not name another worker"
    )
  }
  return 0
}

/// One option, whose name and value are at the top: false if something is wrong with it. No Swift
/// strings here: threads are created in streams.
@inline(__always)
private func readOption(_ L: LuaState, _ options: inout ThreadOptions) -> Bool {
  var count = 0
  guard let start = lua_tolstring(L, -2, &count) else { return false }
  let name = UnsafeRawBufferPointer(start: start, count: count)
  if same(name, "sharing") { return readFlag(L, &options.sharing) }
  if same(name, "daemon") { return readFlag(L, &options.daemon) }
  if same(name, "nostart") { return readFlag(L, &options.noStart) }
  if same(name, "name") {
    // The table of options keeps it.
    guard lua_type(L, -1) == LUA_TSTRING else { return false }
    var length = 0
    let name = lua_tolstring(L, -1, &length).unsafelyUnwrapped
    options.name = UnsafePointer(name)
    return strlen(name) == length
  }
  guard let value = integerArgument(L, -1) else { return false }
  if same(name, "pri") {
    options.priority = UInt8(truncatingIfNeeded: value)
    return (0...31).contains(value)
  }
  if same(name, "cpu") {
    options.cpu = Int(value)
    return value >= 0 && value < Int64(currentThread.pointee.host.pointee.workerCount)
  }
  if same(name, "maxmem") {
    options.memoryLimit = Int(value)
    return value > 0
  }
  return false
}

@inline(__always)
private func same(_ name: UnsafeRawBufferPointer, _ wanted: StaticString) -> Bool {
  guard let start = name.baseAddress, name.count == wanted.utf8CodeUnitCount else { return false }
  return memcmp(start, wanted.utf8Start, name.count) == 0
}

@inline(__always)
private func readFlag(_ L: LuaState, _ flag: inout Bool) -> Bool {
  flag = lua_toboolean(L, -1) != 0
  return lua_type(L, -1) == LUA_TBOOLEAN
}

/// What is wrong with the option `name`, whose value is at the top.
private func problem(_ L: LuaState, _ name: String) -> String {
  let got = ", got " + typeName(L, -1)
  switch name {
  case "name": return "is " + misnamed(L, -1)
  case "cpu":
    guard let cpu = integerArgument(L, -1) else { return "is a worker's number" + got }
    let workers = currentThread.pointee.host.pointee.workerCount
    return "is a worker's number, 0 to " + String(workers - 1) + ", got " + String(cpu)
  case "pri": return "is a priority, 0 to 31, got " + shown(L, -1)
  case "maxmem": return "is a number of bytes, got " + shown(L, -1)
  case "nostart", "daemon", "sharing": return "is true or false" + got
  default: return "is unknown (there are name, cpu, pri, nostart, daemon, sharing, maxmem)"
  }
}
