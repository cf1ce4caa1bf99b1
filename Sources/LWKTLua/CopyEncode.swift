// CopyEncode.swift: values of a Lua heap into neutral memory.
//
// A table or function that is met gets a node number and is put on the heap's table of pending
// values; the loop takes one at a time and writes its record, in which others are mentioned by
// number. Depth costs nothing therefore, and what was met before is recognised by its address.
//
// A table is traversed without anything in between that runs the collector: a finaliser might
// assign to it. What does run it (the cache of code, new working tables) is done between.

import CLua
import LWKTCore

/// Who copies: needed by every encoding and decoding.
struct CopyContext {
  /// The heap's caches.
  let state: UnsafeMutablePointer<CopyState>
  /// Where on the stack (or which upvalue) the globals table of the current thread is.
  let environment: Int32

  /// In place of that: the standard globals of the heap will do.
  static var standardGlobals: Int32 { 0 }

  @inline(__always)
  func pushEnvironment(_ L: LuaState) {
    if environment == Self.standardGlobals {
      lwkt_pushstandard(L)
    } else {
      lua_pushvalue(L, environment)
    }
  }
}

/// How a node was found, for the path in a refusal.
struct EncodedLink: BitwiseCopyable {
  enum Kind: UInt8 {
    /// `data` is its number among the arguments, from 1.
    case argument
    /// The function given to `create`.
    case threadFunction
    /// `data` is the key, an integer.
    case index
    /// `data` is the offset of the key in the output.
    case key
    /// It is itself the key of an entry.
    case asKey
    case metatable
    /// `data` is the upvalue's number, from 1.
    case upvalue
    /// `data` is the offset of the name in the output.
    case global
  }

  /// The node that mentions it.
  var parent: UInt32
  var kind: Kind
  var data: Int
}

/// A node while it is encoded.
struct EncodedNode: BitwiseCopyable {
  var entry = NodeEntry(.table, offset: 0, detail: 0)
  var link: EncodedLink
}

/// Why a value cannot be copied.
struct CopyRefusal {
  let what: StaticString
  let link: EncodedLink
  /// More about it, for the end of the message.
  var reason: String?
}

/// Copy the values at [first, first + count) of the stack to an empty payload. On failure false,
/// with a message on the stack, and the payload still empty.
///
/// In the current thread. Needs 1 stack slot. Lua API that allocates: none for light messages, else
/// `lua_pushlstring`, `lua_createtable`, `lua_newuserdatauv`, `lua_rawset*`, `luaL_ref`.
@inline(__always)
func encodeValues(
  _ L: LuaState, first: Int32, count: Int32, operation: StaticString, context: CopyContext,
  into payload: UnsafeMutablePointer<Payload>
) -> Bool {
  if encodeLight(L, first, count, payload) { return true }
  return encodeGraph(L, first, count, operation, context, payload)
}

@inline(never)
private func encodeGraph(
  _ L: LuaState, _ first: Int32, _ count: Int32, _ operation: StaticString,
  _ context: CopyContext, _ payload: UnsafeMutablePointer<Payload>
) -> Bool {
  guard lua_checkstack(L, Encoder.stackNeed) != 0 else {
    return failOnStackSpace(L, operation)
  }
  let first = lua_absindex(L, first)
  var encoder = Encoder(L, context, isThread: false)
  for number in 0..<count {
    let link = EncodedLink(parent: 0, kind: .argument, data: Int(number) + 1)
    guard encoder.writeValue(first + number, link) else { return encoder.fail(operation) }
  }
  guard encoder.drain() else { return encoder.fail(operation) }
  encoder.finish(payload, count: Int(count))
  return true
}

func failOnStackSpace(_ L: LuaState, _ operation: StaticString) -> Bool {
  pushMessage(L, "\(operation): too many values")
  return false
}

struct Encoder: ~Copyable {
  /// Besides the values to copy.
  static let stackNeed: Int32 = 40

  let L: LuaState
  let state: UnsafeMutablePointer<CopyState>
  let scratch: UnsafeMutablePointer<CopyScratch>
  let environment: Int32
  let environmentAddress: UInt
  let standardAddress: UInt
  /// Do the globals that code names travel along?
  let isThread: Bool
  /// The stack before this encoding.
  let base: Int32
  /// The heap's table of pending values, on the stack, and how many were in it before.
  let pending: Int32
  let pendingBase: Int
  var moduleCount: UInt32 = 0
  /// Whether to remember what is put in the map of nodes seen.
  var isJournaling = false
  var refusal: CopyRefusal?

  init(_ L: LuaState, _ context: CopyContext, isThread: Bool) {
    self.L = L
    self.isThread = isThread
    state = context.state
    base = lua_gettop(L)
    environment = lua_absindex(L, context.environment)
    environmentAddress = UInt(bitPattern: lua_topointer(L, environment))
    state.pushPending(L)
    pending = base + 1
    pendingBase = state.pointee.pendingCount
    lua_rawgeti(L, registryIndex, lua_Integer(state.pointee.standard))
    standardAddress = UInt(bitPattern: lua_topointer(L, -1))
    lwkt_pop(L, 1)
    scratch = state.takeScratch()
    scratch.pointee.out.skip(Payload.headCount)
  }

  // MARK: Values

  /// Write the value at `index` of the stack; one that needs a record of its own is put aside. May
  /// be called in a traversal. False when it cannot be copied.
  @inline(__always)
  mutating func writeValue(_ index: Int32, _ link: EncodedLink) -> Bool {
    let type = lua_type(L, index)
    switch type {
    case LUA_TSTRING:
      writeString(index)
    case LUA_TNUMBER:
      if lua_isinteger(L, index) != 0 {
        scratch.pointee.out.put(CopyTag.integer, lua_tointegerx(L, index, nil))
      } else {
        scratch.pointee.out.put(CopyTag.float, lua_tonumberx(L, index, nil))
      }
    case LUA_TBOOLEAN:
      scratch.pointee.out.put(lua_toboolean(L, index) != 0 ? CopyTag.true : CopyTag.false)
    case LUA_TNIL:
      scratch.pointee.out.put(CopyTag.nil)
    default:
      return writeObject(index, type, link)
    }
    return true
  }

  @inline(__always)
  private mutating func writeString(_ index: Int32) {
    var count = 0
    guard let bytes = lua_tolstring(L, index, &count) else { return }
    if count > CopyTag.shortLimit { return writeLongString(bytes, count) }
    if count >= 4, let node = scratch.pointee.strings.meet(UInt(bitPattern: bytes)) {
      return writeKnownString(bytes, count, node)
    }
    scratch.pointee.out.put(CopyTag.shortString + UInt8(truncatingIfNeeded: count))
    scratch.pointee.out.put(bytes, count)
  }

  @inline(never)
  private mutating func writeKnownString(
    _ bytes: UnsafePointer<CChar>, _ count: Int, _ known: UInt32
  ) {
    if known != 0 { return scratch.pointee.out.put(CopyTag.node, known) }
    let address = UInt(bitPattern: bytes)
    scratch.pointee.strings.setNode(address, writeStringNode(bytes, count))
  }

  @inline(never)
  private mutating func writeLongString(_ bytes: UnsafePointer<CChar>, _ count: Int) {
    let address = UInt(bitPattern: bytes)
    let known = scratch.pointee.seen.find(address)
    if known != 0 {
      scratch.pointee.out.put(CopyTag.node, UInt32(truncatingIfNeeded: known))
    } else {
      remember(address, UInt64(writeStringNode(bytes, count)))
    }
  }

  private mutating func writeStringNode(_ bytes: UnsafePointer<CChar>, _ count: Int) -> UInt32 {
    let node = addNode(EncodedLink(parent: 0, kind: .argument, data: 0))
    scratch.pointee.out.put(CopyTag.stringNode, node)
    scratch.pointee.out.put(value: UInt64(count))
    setEntry(node, .string, offset: offset, detail: UInt64(count))
    scratch.pointee.out.put(bytes, count)
    return node
  }

  /// A value that is no scalar.
  @inline(never)
  mutating func writeObject(_ index: Int32, _ type: Int32, _ link: EncodedLink) -> Bool {
    guard type == LUA_TTABLE || type == LUA_TFUNCTION else {
      if type == LUA_TLIGHTUSERDATA, lua_touserdata(L, index) == nil {
        scratch.pointee.out.put(CopyTag.null)
        return true
      }
      guard type == LUA_TUSERDATA, let object = handleObject(L, index) else {
        return refuse(nameOfType(type), link)
      }
      scratch.pointee.out.put(CopyTag.handle, addObject(object))
      return true
    }
    let address = UInt(bitPattern: lua_topointer(L, index))
    if address == environmentAddress || address == standardAddress {
      scratch.pointee.out.put(CopyTag.environment)
      return true
    }
    let known = scratch.pointee.seen.find(address)
    if known != 0 {
      scratch.pointee.out.put(CopyTag.node, UInt32(truncatingIfNeeded: known))
      return true
    }
    let node = addNode(link)
    remember(address, UInt64(node))
    scratch.pointee.pendingNodes.append(node)
    state.pushToPending(L, pending, index)
    scratch.pointee.out.put(CopyTag.node, node)
    return true
  }

  private func nameOfType(_ type: Int32) -> StaticString {
    switch type {
    case LUA_TTHREAD: "coroutine"
    case LUA_TLIGHTUSERDATA: "light userdata"
    default: "userdata"
    }
  }

  mutating func refuse(_ what: StaticString, _ link: EncodedLink) -> Bool {
    refusal = CopyRefusal(what: what, link: link)
    return false
  }

  // MARK: Nodes

  /// Where the next byte goes, as the payload counts.
  var offset: Int { scratch.pointee.out.count - Payload.bytesStart }

  mutating func addNode(_ link: EncodedLink) -> UInt32 {
    scratch.pointee.nodes.append(EncodedNode(link: link))
    return UInt32(truncatingIfNeeded: scratch.pointee.nodes.count)
  }

  func setEntry(_ node: UInt32, _ kind: NodeKind, offset: Int, detail: UInt64) {
    let nodes = scratch.pointee.nodes
    let link = nodes[Int(node) - 1].link
    nodes[Int(node) - 1] = EncodedNode(
      entry: NodeEntry(kind, offset: offset, detail: detail), link: link)
  }

  mutating func remember(_ address: UInt, _ word: UInt64) {
    scratch.pointee.seen.set(address, word)
    if isJournaling { scratch.pointee.journal.append(address) }
  }

  /// The index of an object in the payload, which then holds a reference to it.
  mutating func addObject(_ object: ObjectRef) -> UInt32 {
    let address = UInt(bitPattern: object)
    let known = scratch.pointee.seen.find(address)
    if known != 0 { return UInt32(truncatingIfNeeded: known - 1) }
    object.retainObject()
    if object.isReceiverRole { object.message.noteShared() }
    scratch.pointee.objects.append(address)
    remember(address, UInt64(scratch.pointee.objects.count))
    return UInt32(truncatingIfNeeded: scratch.pointee.objects.count - 1)
  }

  /// Write the records of all pending values, and of those that they bring up.
  mutating func drain() -> Bool {
    while state.pointee.pendingCount > pendingBase {
      let node = scratch.pointee.pendingNodes.popLast()
      state.popFromPending(L, pending)
      guard writeNode(lua_gettop(L), node) else { return false }
      lwkt_pop(L, 1)
    }
    return true
  }

  /// The record of the table or function at `index`.
  private mutating func writeNode(_ index: Int32, _ node: UInt32) -> Bool {
    if lua_type(L, index) == LUA_TTABLE {
      if let entry = state.moduleEntry(L, index) { return writeModule(entry, index, node) }
      if lua_rawequal(L, index, pending) != 0 {
        // Only `debug` can have got at it. A traversal must not meet assignments.
        return refuse("internal table", scratch.pointee.nodes[Int(node) - 1].link)
      }
      return writeTable(index, node)
    }
    if let entry = state.moduleEntry(L, index) { return writeModule(entry, index, node) }
    if lua_iscfunction(L, index) == 0 { return writeFunction(index, node) }
    state.refreshModules(L)
    if let entry = state.moduleEntry(L, index) { return writeModule(entry, index, node) }
    return refuse("C function", scratch.pointee.nodes[Int(node) - 1].link)
  }

  /// The record of a table. Its metatable comes in a list of its own, at the end.
  private mutating func writeTable(_ table: Int32, _ node: UInt32) -> Bool {
    let start = offset
    scratch.pointee.out.put(CopyTag.table, node)
    var next: Int64 = 1
    var filled: Int64 = 0
    var hashed: UInt64 = 0
    lua_pushnil(L)
    while lwkt_next(L, table) != 0 {
      if hashed == 0, let index = arrayIndex(next, filled) {
        while next < index {
          scratch.pointee.out.put(CopyTag.nil)
          next += 1
        }
        let link = EncodedLink(parent: node, kind: .index, data: Int(index))
        guard writeValue(-1, link) else { return false }
        next += 1
        filled += 1
      } else {
        if hashed == 0 { scratch.pointee.out.put(CopyTag.pairs) }
        hashed += 1
        let key = scratch.pointee.out.count
        guard writeValue(-2, EncodedLink(parent: node, kind: .asKey, data: 0)),
          writeValue(-1, EncodedLink(parent: node, kind: .key, data: key))
        else { return false }
      }
      lwkt_pop(L, 1)
    }
    if hashed == 0 { scratch.pointee.out.put(CopyTag.pairs) }
    scratch.pointee.out.put(CopyTag.end)
    let array = UInt64(Swift.min(next - 1, Int64(Int32.max)))
    setEntry(
      node, .table, offset: start, detail: array | Swift.min(hashed, UInt64(Int32.max)) << 32)
    return writeMetatable(table, node)
  }

  /// The key at the top but one, if the entry belongs to the part that is written as an array: its
  /// keys go up, and at most half of it is empty.
  @inline(__always)
  private func arrayIndex(_ next: Int64, _ filled: Int64) -> Int64? {
    guard lua_isinteger(L, -2) != 0 else { return nil }
    let key = lua_tointegerx(L, -2, nil)
    return key == next || (key > next && key <= (filled + 1) * 2) ? key : nil
  }

  private mutating func writeMetatable(_ table: Int32, _ node: UInt32) -> Bool {
    guard lua_getmetatable(L, table) != 0 else { return true }
    // Written like any value, and read back: its number goes to the list.
    let at = scratch.pointee.out.count
    guard writeObject(-1, LUA_TTABLE, EncodedLink(parent: node, kind: .metatable, data: 0))
    else { return false }
    lwkt_pop(L, 1)
    let written = scratch.pointee.out.base.unsafelyUnwrapped + at
    let isNode = written.load(as: UInt8.self) == CopyTag.node
    let metatable = isNode ? (written + 1).loadUnaligned(as: UInt32.self) : 0
    scratch.pointee.out.truncate(at)
    scratch.pointee.metatables.append(UInt64(node) | UInt64(metatable) << 32)
    return true
  }

  // MARK: The end

  /// Make the payload of what has been written.
  consuming func finish(_ payload: UnsafeMutablePointer<Payload>, count: Int) {
    scratch.pointee.out.put(CopyTag.end)
    scratch.pointee.out.align()
    var head = CopyHead()
    head.nodeCount = UInt32(scratch.pointee.nodes.count)
    head.metatableCount = UInt32(scratch.pointee.metatables.count)
    head.moduleCount = moduleCount
    head.directory = offset
    for node in 0..<scratch.pointee.nodes.count {
      scratch.pointee.out.putPadded(scratch.pointee.nodes[node].entry)
    }
    head.metatables = offset
    for index in 0..<scratch.pointee.metatables.count {
      scratch.pointee.out.putPadded(scratch.pointee.metatables[index])
    }
    let objects = scratch.pointee.out.count
    for index in 0..<scratch.pointee.objects.count {
      scratch.pointee.out.putPadded(scratch.pointee.objects[index])
    }
    payload.pointee = Payload()
    payload.pointee.count = UInt32(count)
    payload.pointee.buffer = makeBuffer(head, objects)
    close()
  }

  /// The finished bytes in memory of their own: what is small is copied, so that the working memory
  /// serves the next message too. The objects stand at `objects` in it.
  private func makeBuffer(_ head: CopyHead, _ objects: Int) -> UnsafeMutablePointer<PayloadBuffer> {
    let count = scratch.pointee.out.count
    let memory: UnsafeMutableRawPointer
    if count <= 1 << 14 {
      memory = reallocate(nil, count)
      memory.copyMemory(from: scratch.pointee.out.base.unsafelyUnwrapped, byteCount: count)
    } else {
      memory = scratch.pointee.out.take()
    }
    (memory + Payload.bytesStart).storeBytes(of: head, as: CopyHead.self)
    let buffer = memory.bindMemory(to: PayloadBuffer.self, capacity: 1)
    buffer.initialize(
      to: PayloadBuffer(
        byteCount: count - Payload.bytesStart,
        objects: (memory + objects).assumingMemoryBound(to: ObjectRef.self),
        objectCount: scratch.pointee.objects.count))
    return buffer
  }

  /// Give everything back and push the message. Returns false.
  consuming func fail(_ operation: StaticString) -> Bool {
    let message = refusal.map { describe($0, operation) } ?? "\(operation): cannot send"
    releaseObjects(from: 0)
    while state.pointee.pendingCount > pendingBase {
      state.popFromPending(L, pending)
      lwkt_pop(L, 1)
    }
    let L = L
    close()
    pushMessage(L, message)
    return false
  }

  func releaseObjects(from first: Int) {
    for index in first..<scratch.pointee.objects.count {
      ObjectRef(bitPattern: scratch.pointee.objects[index])?.releaseObject()
    }
    scratch.pointee.objects.truncate(first)
  }

  private func close() {
    lwkt_pop(L, lua_gettop(L) - base)
    state.returnScratch(scratch)
  }
}

extension Payload {
  /// Where a buffer's bytes start.
  static let bytesStart = MemoryLayout<PayloadBuffer>.stride
  /// Both heads.
  static let headCount = bytesStart + MemoryLayout<CopyHead>.stride
}

/// Push a message. Lua API that allocates: `lua_pushlstring`.
func pushMessage(_ L: LuaState, _ message: String) {
  var message = message
  message.withUTF8 { pushBytes(L, UnsafeRawBufferPointer($0)) }
}
