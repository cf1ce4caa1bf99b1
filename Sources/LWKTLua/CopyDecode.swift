// CopyDecode.swift: values from neutral memory into a Lua heap.
//
// Three passes over a payload's nodes: modules are found (if one is not loaded, nothing has been
// made yet and the caller may load it and begin again), the other nodes are made empty, then the
// records fill them. Metatables come last, so that finalisers are those of complete objects.
//
// The payload is only read: several workers may decode it at the same time.

import CLua
import LWKTCore

enum DecodeResult: Equatable {
  /// So many values have been pushed.
  case values(Int32)
  /// The name of a module has been pushed that must be loaded first; then decode again.
  case needsModule
  /// An error message has been pushed.
  case failed
}

/// Push the values of a payload, which stays as it is.
///
/// In the current thread. Needs 1 stack slot. Lua API that allocates: `lua_pushlstring`,
/// `lua_newuserdatauv`; for payloads with a buffer also `lua_createtable`, `lua_rawset*`,
/// `lua_load`, `luaL_ref`, and code written by `BytecodeFactory` is called, protected.
@inline(__always)
func decodeValues(
  _ L: LuaState, _ payload: UnsafeMutablePointer<Payload>, context: CopyContext
) -> DecodeResult {
  if payload.pointee.buffer == nil, lua_checkstack(L, 8) != 0 {
    var reader = SlotReader(payload)
    while reader.hasNext { reader.push(L, context.environment) }
    return .values(Int32(truncatingIfNeeded: payload.pointee.count))
  }
  return decodeGraph(L, payload, context, globals: nil)
}

/// The same for a payload with a buffer. `globals` is the table that named globals go to, if any.
@inline(never)
func decodeGraph(
  _ L: LuaState, _ payload: UnsafeMutablePointer<Payload>, _ context: CopyContext,
  globals: Int32?
) -> DecodeResult {
  guard let buffer = payload.pointee.buffer else { return failDecode(L, "no stack space") }
  var decoder = Decoder(L, context, buffer)
  let count = Int32(truncatingIfNeeded: payload.pointee.count)
  return decoder.decode(count, globals)
}

func failDecode(_ L: LuaState, _ message: String) -> DecodeResult {
  pushMessage(L, message)
  return .failed
}

struct Decoder: ~Copyable {
  /// Up to so many nodes are kept on the stack, more in a table.
  private static let stackNodes = 100

  let L: LuaState
  let state: UnsafeMutablePointer<CopyState>
  let environment: Int32
  /// Where offsets count from.
  private let bytes: UnsafePointer<UInt8>
  private let head: UnsafePointer<CopyHead>
  private let objects: UnsafeMutablePointer<ObjectRef>?
  /// The stack before.
  private let base: Int32
  private let isOnStack: Bool
  /// The next byte to read.
  var cursor: UnsafeRawPointer
  /// Code that was received can see the globals as a table.
  private var takesEnvironment = false

  init(_ L: LuaState, _ context: CopyContext, _ buffer: UnsafeMutablePointer<PayloadBuffer>) {
    self.L = L
    state = context.state
    environment = lua_absindex(L, context.environment)
    let start = UnsafeRawPointer(buffer) + Payload.bytesStart
    bytes = start.assumingMemoryBound(to: UInt8.self)
    head = start.assumingMemoryBound(to: CopyHead.self)
    objects = buffer.pointee.objects
    base = lua_gettop(L)
    isOnStack = head.pointee.nodeCount <= Self.stackNodes
    cursor = start + MemoryLayout<CopyHead>.stride
  }

  private var nodes: UnsafePointer<NodeEntry> {
    UnsafeRawPointer(bytes + head.pointee.directory).assumingMemoryBound(to: NodeEntry.self)
  }

  private var nodeCount: Int { Int(head.pointee.nodeCount) }

  mutating func decode(_ count: Int32, _ globals: Int32?) -> DecodeResult {
    let globals = globals.map { lua_absindex(L, $0) }
    guard lua_checkstack(L, (isOnStack ? Int32(nodeCount) : 1) + count + 24) != 0 else {
      return failDecode(L, "too many values")
    }
    if isOnStack {
      for _ in 0..<nodeCount { lua_pushnil(L) }
    } else {
      lua_createtable(L, Int32(truncatingIfNeeded: Swift.min(nodeCount, Int(Int32.max))), 0)
    }
    if head.pointee.moduleCount > 0 {
      let result = findModules()
      guard case .values = result else { return giveUp(result) }
    }
    guard makeNodes() else { return giveUp(.failed) }
    for _ in 0..<count { pushValue() }
    fill(globals)
    setMetatables()
    if takesEnvironment { lwkt_complete_globals(L, environment) }
    return keepTop(count)
  }

  /// Leave only the message at the top.
  private func giveUp(_ result: DecodeResult) -> DecodeResult {
    lua_rotate(L, base + 1, 1)
    lwkt_pop(L, lua_gettop(L) - base - 1)
    return result
  }

  /// Leave only the `count` values at the top.
  private func keepTop(_ count: Int32) -> DecodeResult {
    let surplus = lua_gettop(L) - base - count
    if surplus > 0 {
      lua_rotate(L, base + 1, count)
      lwkt_pop(L, surplus)
    }
    return .values(count)
  }

  // MARK: Nodes

  @inline(__always)
  private func pushNode(_ node: UInt32) {
    if isOnStack {
      lua_pushvalue(L, base + Int32(truncatingIfNeeded: node))
    } else {
      lua_rawgeti(L, base + 1, lua_Integer(node))
    }
  }

  /// Pop the value of a node.
  @inline(__always)
  private func popNode(_ node: Int) {
    if isOnStack {
      lua_copy(L, -1, base + Int32(truncatingIfNeeded: node))
      lwkt_pop(L, 1)
    } else {
      lua_rawseti(L, base + 1, lua_Integer(node))
    }
  }

  private mutating func findModules() -> DecodeResult {
    var missing = head.pointee.moduleCount
    for node in 1...nodeCount where nodes[node - 1].kind == .module {
      let result = pushModulePart(bytes + nodes[node - 1].offset)
      guard case .values = result else { return result }
      popNode(node)
      missing -= 1
      if missing == 0 { break }
    }
    return .values(0)
  }

  /// Make all other nodes. False with a message on the stack if code cannot be loaded.
  private mutating func makeNodes() -> Bool {
    let start = cursor
    for index in 0..<nodeCount {
      let entry = nodes[index]
      switch entry.kind {
      case .table:
        lua_createtable(
          L, Int32(truncatingIfNeeded: entry.detail), Int32(truncatingIfNeeded: entry.detail >> 32))
      case .string:
        pushBytes(
          L,
          UnsafeRawBufferPointer(start: bytes + entry.offset, count: Int(entry.detail)))
      case .function:
        guard makeFunction(entry, UInt32(index + 1)) else { return false }
      case .module, nil:
        continue
      }
      popNode(index + 1)
    }
    cursor = start
    return true
  }

  /// Push a function with those of its variables that are known by now.
  private mutating func makeFunction(_ entry: NodeEntry, _ node: UInt32) -> Bool {
    cursor = UnsafeRawPointer(bytes + entry.offset) + 5
    let count = Int32(read(UInt8.self))
    let object = objects.unsafelyUnwrapped[Int(entry.detail)]
    let code = object.assumingMemoryBound(to: Code.self)
    guard lua_checkstack(L, count + 24) != 0 else {
      pushMessage(L, "too many upvalues")
      return false
    }
    let usesFactory = canUseFactory(L, code, state)
    guard usesFactory || pushFunction(L, code) else { return false }
    let function = lua_gettop(L)
    var upvalue: Int32 = 1
    while upvalue <= count {
      if code.upvalues[Int(upvalue) - 1].isTaken, isAtEnvironment { takesEnvironment = true }
      pushEarlyUpvalue(node)
      if !usesFactory { lua_setupvalue(L, function, upvalue) }
      upvalue += 1
    }
    return usesFactory ? makeClosure(L, code, count, state) : true
  }

  // MARK: Reading

  @inline(__always)
  mutating func read<Value: BitwiseCopyable>(_: Value.Type) -> Value {
    let value = cursor.loadUnaligned(as: Value.self)
    cursor += MemoryLayout<Value>.size
    return value
  }

  /// Push the next value. Needs 4 stack slots.
  @inline(__always)
  mutating func pushValue() { pushValue(read(UInt8.self)) }

  @inline(__always)
  private mutating func pushValue(_ tag: UInt8) {
    switch tag {
    case CopyTag.integer: lua_pushinteger(L, read(Int64.self))
    case CopyTag.node: pushNode(read(UInt32.self))
    case CopyTag.float: lua_pushnumber(L, read(Double.self))
    default: pushOther(tag)
    }
  }

  private mutating func pushOther(_ tag: UInt8) {
    switch tag {
    case CopyTag.nil: lua_pushnil(L)
    case CopyTag.false: lua_pushboolean(L, 0)
    case CopyTag.true: lua_pushboolean(L, 1)
    case CopyTag.null: lua_pushlightuserdata(L, nil)
    case CopyTag.environment:
      takesEnvironment = true
      lua_pushvalue(L, environment)
    case CopyTag.handle:
      pushHandle(L, objects.unsafelyUnwrapped[Int(read(UInt32.self))])
    case CopyTag.stringNode:
      pushNode(read(UInt32.self))
      let count = Int(read(UInt64.self))
      cursor += count
    default:
      let count = Int(tag - CopyTag.shortString)
      pushBytes(L, UnsafeRawBufferPointer(start: cursor, count: count))
      cursor += count
    }
  }

  /// Is the value at the cursor, behind `tag`, a node that is not made before `node`?
  @inline(__always)
  private func isLate(_ tag: UInt8, _ node: UInt32) -> Bool {
    guard tag == CopyTag.node || tag == CopyTag.stringNode else { return false }
    let other = cursor.loadUnaligned(as: UInt32.self)
    return other >= node && nodes[Int(other) - 1].kind != .module
  }

  private var isAtEnvironment: Bool { cursor.load(as: UInt8.self) == CopyTag.environment }

  /// Push an upvalue, or nil if it can only be set later.
  private mutating func pushEarlyUpvalue(_ node: UInt32) {
    let tag = read(UInt8.self)
    if tag == CopyTag.environment {
      lua_pushvalue(L, environment)
    } else if tag == CopyTag.join || isLate(tag, node) {
      skipValue(tag)
      lua_pushnil(L)
    } else {
      pushValue(tag)
    }
  }

  /// Pass over a value.
  private mutating func skipValue(_ tag: UInt8) {
    switch tag {
    case CopyTag.nil, CopyTag.false, CopyTag.true, CopyTag.null, CopyTag.environment: break
    case CopyTag.integer, CopyTag.float: cursor += 8
    case CopyTag.node, CopyTag.handle: cursor += 4
    case CopyTag.join: cursor += 5
    case CopyTag.stringNode:
      cursor += 4
      let count = Int(read(UInt64.self))
      cursor += count
    default: cursor += Int(tag - CopyTag.shortString)
    }
  }

  // MARK: Filling

  /// Read all records.
  private mutating func fill(_ globals: Int32?) {
    while true {
      let tag = read(UInt8.self)
      switch tag {
      case CopyTag.table: fillTable(read(UInt32.self))
      case CopyTag.function: fillFunction(read(UInt32.self))
      case CopyTag.module: skipModulePart()
      case CopyTag.global:
        pushRawString()
        pushValue()
        if let globals { lua_rawset(L, globals) } else { lwkt_pop(L, 2) }
      default: return
      }
    }
  }

  private mutating func fillTable(_ node: UInt32) {
    if !isOnStack { pushNode(node) }
    let table = isOnStack ? base + Int32(truncatingIfNeeded: node) : lua_gettop(L)
    var index: lua_Integer = 1
    while true {
      let tag = read(UInt8.self)
      if tag == CopyTag.pairs { break }
      if tag != CopyTag.nil {
        pushValue(tag)
        lua_rawseti(L, table, index)
      }
      index += 1
    }
    while true {
      let tag = read(UInt8.self)
      if tag == CopyTag.end { break }
      pushValue(tag)
      pushValue()
      lua_rawset(L, table)
    }
    if !isOnStack { lwkt_pop(L, 1) }
  }

  /// Give a function the variables that it shares and those whose values were not made in time.
  private mutating func fillFunction(_ node: UInt32) {
    let count = Int32(read(UInt8.self))
    pushNode(node)
    let function = lua_gettop(L)
    var upvalue: Int32 = 1
    while upvalue <= count {
      let tag = read(UInt8.self)
      if tag == CopyTag.join {
        pushNode(read(UInt32.self))
        lua_upvaluejoin(L, function, upvalue, -1, Int32(read(UInt8.self)))
        lwkt_pop(L, 1)
      } else if isLate(tag, node) {
        pushValue(tag)
        lua_setupvalue(L, function, upvalue)
      } else {
        skipValue(tag)
      }
      upvalue += 1
    }
    lwkt_pop(L, 1)
  }

  private func setMetatables() {
    let pairs = UnsafeRawPointer(bytes + head.pointee.metatables)
      .assumingMemoryBound(to: UInt32.self)
    for index in 0..<Int(head.pointee.metatableCount) {
      let metatable = pairs[index * 2 + 1]
      if isOnStack {
        if metatable == 0 { lua_pushvalue(L, environment) } else { pushNode(metatable) }
        lua_setmetatable(L, base + Int32(truncatingIfNeeded: pairs[index * 2]))
      } else {
        pushNode(pairs[index * 2])
        if metatable == 0 { lua_pushvalue(L, environment) } else { pushNode(metatable) }
        lua_setmetatable(L, -2)
        lwkt_pop(L, 1)
      }
    }
  }
}
