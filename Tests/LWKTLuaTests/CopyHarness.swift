// CopyHarness.swift: bare Lua heaps to copy between, without workers and threads.

import CLua
import Synchronization
import XCTest

@testable import LWKTCore
@testable import LWKTLua

/// A Lua heap with the standard libraries, fake handles, and what copying keeps for it.
final class Heap {
  let L: LuaState
  let state: UnsafeMutablePointer<CopyState>
  /// The allocator's part.
  private let memory = UnsafeMutablePointer<lwkt_heap>.allocate(capacity: 1)
  /// The globals table of the thread that this stands for, at stack index 1.
  let environment: Int32 = 1

  /// - Parameter isThread: the globals table is one of a thread's own, empty and behind it the
  ///   standard ones; else it is the standard one itself.
  init(isThread: Bool = false) {
    memory.initialize(to: lwkt_heap())
    L = lua_newstate(lwkt_allocate, memory)
    luaL_openlibs(L)
    lwkt_handle_open(L)
    lua_createtable(L, 0, 0)
    lwkt_handle_setmetatable(L, Int32(ObjectKind.counter.rawValue))
    lua_rawgeti(L, registryIndex, lua_Integer(LUA_RIDX_GLOBALS))
    state = CopyState.open(L, standard: -1)
    if isThread {
      lua_createtable(L, 0, 0)
      lua_createtable(L, 0, 1)
      lua_pushstring(L, "__index")
      lua_pushvalue(L, 1)
      lua_rawset(L, -3)
      lua_setmetatable(L, -2)
      lua_copy(L, -1, 1)
      lwkt_pop(L, 1)
    }
  }

  deinit {
    lua_close(L)
    CopyState.close(state)
    lwkt_heap_dispose(memory)
    memory.deallocate()
  }

  var context: CopyContext { CopyContext(state: state, environment: environment) }

  /// What the top of the stack says, popped.
  func popMessage() -> String {
    var count = 0
    guard let bytes = luaL_tolstring(L, -1, &count) else { return "" }
    let message = String(
      decoding: UnsafeRawBufferPointer(start: bytes, count: count), as: UTF8.self)
    lwkt_pop(L, 2)
    return message
  }

  /// Push the function that `chunk` is.
  func load(_ chunk: String, name: String = "@test.lua") {
    guard luaL_loadbufferx(L, chunk, chunk.utf8.count, name, nil) == LUA_OK else {
      return XCTFail("load: \(popMessage())")
    }
    lua_pushvalue(L, environment)
    lua_setupvalue(L, -2, 1)
  }

  /// Call the function below the `arguments` topmost values; its results are pushed and counted.
  @discardableResult
  func call(_ arguments: Int32, _ file: StaticString = #filePath, _ line: UInt = #line) -> Int32 {
    let base = lua_gettop(L) - arguments - 1
    guard lua_pcallk(L, arguments, -1, 0, 0, nil) == LUA_OK else {
      XCTFail(popMessage(), file: file, line: line)
      return 0
    }
    return lua_gettop(L) - base
  }

  /// Run a chunk; its results are pushed and counted.
  @discardableResult
  func run(_ chunk: String, _ file: StaticString = #filePath, _ line: UInt = #line) -> Int32 {
    load(chunk)
    return call(0, file, line)
  }

  func clear() { lwkt_pop(L, lua_gettop(L) - 1) }

  func collect() { collectTwice(L) }

  /// Make the global `name` a handle of `object`.
  func setHandle(_ name: String, _ object: ObjectRef) {
    lua_pushvalue(L, environment)
    lua_pushstring(L, name)
    pushHandle(L, object)
    lua_rawset(L, -3)
    lwkt_pop(L, 1)
  }

  /// Do what `require` does for a module of this source.
  func addModule(_ name: String, _ source: String) {
    run("package.preload['\(name)'] = load([==[\(source)]==], '@\(name).lua')")
    clear()
  }

  func require(_ name: String) {
    run("require '\(name)'")
    clear()
    lua_pushstring(L, name)
    state.noteModule(L, name: -1)
    clear()
  }
}

/// `collectgarbage()`, twice, so that what finalisers let go of is gone too.
func collectTwice(_ L: LuaState) {
  for _ in 0..<2 {
    lua_pushstring(L, "collectgarbage")
    lua_rawgeti(L, registryIndex, lua_Integer(LUA_RIDX_GLOBALS))
    lua_rotate(L, -2, 1)
    lua_rawget(L, -2)
    lua_pcallk(L, 0, 0, 0, 0, nil)
    lwkt_pop(L, 1)
  }
}

/// An object to refer to, whose references can be counted. It is never destroyed by a release: this
/// holds one itself. Its memory stays: a heap that is closed later still has handles.
final class FakeObject {
  let ref: ObjectRef

  init() {
    ref = .allocate(byteCount: 64, alignment: 16)
    ref.bindMemory(to: ObjectHeader.self, capacity: 1).initialize(to: ObjectHeader(.counter))
  }

  /// Without its own.
  var references: Int {
    Int(ref.objectHeader.pointee.references.load(ordering: .relaxed)) - 1
  }
}

func references(_ code: CodeRef) -> Int {
  Int(UnsafeMutableRawPointer(code).objectHeader.pointee.references.load(ordering: .relaxed))
}

/// A payload and its disposal.
final class Parcel {
  let payload: UnsafeMutablePointer<Payload>

  init() {
    payload = .allocate(capacity: 1)
    payload.initialize(to: Payload())
  }

  deinit {
    payload.dispose()
    payload.deallocate()
  }

  var isLight: Bool { payload.pointee.buffer == nil }
}

/// Decode a parcel in `heap`, loading modules as asked.
func decode(
  _ parcel: Parcel, _ heap: Heap, isThread: Bool = false, _ file: StaticString = #filePath,
  _ line: UInt = #line
) -> Int32 {
  while true {
    let top = lua_gettop(heap.L)
    let result =
      isThread
      ? decodeThread(heap.L, parcel.payload, context: heap.context)
      : decodeValues(heap.L, parcel.payload, context: heap.context)
    switch result {
    case .values(let count):
      XCTAssertEqual(lua_gettop(heap.L), top + count, "stack", file: file, line: line)
      return count
    case .needsModule:
      XCTAssertEqual(lua_gettop(heap.L), top + 1, "stack", file: file, line: line)
      let name = heap.popMessage()
      heap.load("require '\(name)'")
      if lua_pcallk(heap.L, 0, 0, 0, 0, nil) != LUA_OK {
        XCTFail(heap.popMessage(), file: file, line: line)
        return 0
      }
      heap.state.noteModules(heap.L)
    case .failed:
      XCTAssertEqual(lua_gettop(heap.L), top + 1, "stack", file: file, line: line)
      XCTFail(heap.popMessage(), file: file, line: line)
      return 0
    }
  }
}

/// Copy what `make` returns in one heap as the arguments of `check` in another.
func transfer(
  _ make: String, _ check: String, from sender: Heap = Heap(), to receiver: Heap = Heap(),
  isLight: Bool? = nil, _ file: StaticString = #filePath, _ line: UInt = #line
) {
  let count = sender.run(make, file, line)
  let parcel = Parcel()
  let top = lua_gettop(sender.L)
  guard
    encodeValues(
      sender.L, first: top - count + 1, count: count, operation: "send", context: sender.context,
      into: parcel.payload)
  else {
    XCTFail(sender.popMessage(), file: file, line: line)
    return
  }
  XCTAssertEqual(lua_gettop(sender.L), top, "stack", file: file, line: line)
  sender.clear()
  if let isLight { XCTAssertEqual(parcel.isLight, isLight, file: file, line: line) }
  // A payload is read twice: it must stay as it is.
  for _ in 0..<2 {
    receiver.load(check)
    receiver.call(decode(parcel, receiver, isThread: false, file, line), file, line)
    receiver.clear()
  }
}

/// The message with which copying what `make` returns is refused.
func refusal(
  _ make: String, from sender: Heap = Heap(), _ file: StaticString = #filePath,
  _ line: UInt = #line
) -> String {
  let count = sender.run(make, file, line)
  let top = lua_gettop(sender.L)
  let parcel = Parcel()
  let isDone = encodeValues(
    sender.L, first: top - count + 1, count: count, operation: "send", context: sender.context,
    into: parcel.payload)
  XCTAssertFalse(isDone, file: file, line: line)
  guard !isDone else { return "" }
  XCTAssertTrue(parcel.isLight, file: file, line: line)
  XCTAssertEqual(parcel.payload.pointee.count, 0, file: file, line: line)
  XCTAssertEqual(lua_gettop(sender.L), top + 1, "stack", file: file, line: line)
  XCTAssertEqual(sender.state.pointee.pendingCount, 0, file: file, line: line)
  let message = sender.popMessage()
  sender.clear()
  return message
}

/// Copy the thread function and arguments that `make` returns, run the function over there, and
/// hand its results to `check`.
func thread(
  _ make: String, _ check: String = "", from sender: Heap = Heap(),
  to receiver: Heap = Heap(isThread: true), isLight: Bool? = nil,
  _ file: StaticString = #filePath, _ line: UInt = #line
) {
  let count = sender.run(make, file, line)
  let first = lua_gettop(sender.L) - count + 1
  let parcel = Parcel()
  guard
    encodeThread(
      sender.L, function: first, first: first + 1, count: count - 1, context: sender.context,
      into: parcel.payload)
  else {
    XCTFail(sender.popMessage(), file: file, line: line)
    return
  }
  XCTAssertEqual(lua_gettop(sender.L), first + count - 1, "stack", file: file, line: line)
  sender.clear()
  if let isLight { XCTAssertEqual(parcel.isLight, isLight, file: file, line: line) }
  receiver.load(check)
  let values = decode(parcel, receiver, isThread: true, file, line)
  receiver.call(receiver.call(values - 1, file, line), file, line)
  receiver.clear()
}

/// The message with which a thread is refused.
func threadRefusal(
  _ make: String, from sender: Heap = Heap(), _ file: StaticString = #filePath,
  _ line: UInt = #line
) -> String {
  let count = sender.run(make, file, line)
  let first = lua_gettop(sender.L) - count + 1
  let parcel = Parcel()
  let isDone = encodeThread(
    sender.L, function: first, first: first + 1, count: count - 1, context: sender.context,
    into: parcel.payload)
  XCTAssertFalse(isDone, file: file, line: line)
  XCTAssertEqual(lua_gettop(sender.L), first + count, "stack", file: file, line: line)
  guard !isDone else { return "" }
  XCTAssertTrue(parcel.isLight, file: file, line: line)
  let message = sender.popMessage()
  sender.clear()
  return message
}
