// CopyState.swift: what copying keeps for each Lua heap.

import CLua
import Glibc
import LWKTCore

/// `LUA_REGISTRYINDEX`, whose macro Swift does not import (copy.c checks that they are the same).
@inline(__always) var registryIndex: Int32 { -LUAI_MAXSTACK - 1000 }

/// One Lua heap's caches and working memory. In plain memory, reached by pointer; only the worker
/// that runs the heap touches it.
///
/// Everything but the place of the standard globals is made at first use: a heap whose threads only
/// ever send scalars pays nothing.
struct CopyState {
  // Places in the heap's registry; 0 before the first use.
  /// The table of standard globals.
  let standard: Int32
  /// Where that table is.
  let standardAddress: UnsafeRawPointer?
  /// `package.loaded`.
  fileprivate(set) var loaded: Int32 = 0
  /// Lua function to code record, weak keys.
  fileprivate(set) var functions: Int32 = 0
  /// Prototype (its address) to one of the functions above that has it, weak values.
  fileprivate(set) var prototypes: Int32 = 0
  /// Code to code record, weak values.
  fileprivate(set) var records: Int32 = 0
  /// Values found, but not looked into yet.
  fileprivate(set) var pending: Int32 = 0
  /// What is part of a module to its number in `index`, weak keys.
  fileprivate(set) var indexed: Int32 = 0
  /// What is part of a standard module, so that it stays where it is.
  fileprivate(set) var anchors: Int32 = 0

  /// How many values `pending` holds now: an encoding under a finaliser under an encoding puts its
  /// own above those.
  var pendingCount = 0
  /// The most it has held since it was made.
  var pendingPeak = 0
  var factories = FactoryCache()
  /// The coroutine that factories run on, held by the registry. At the bottom of its stack are the
  /// factories by their place in `factories`.
  fileprivate var maker: LuaState?
  /// A factory runs, or a finaliser that it set off.
  var isMaking = false
  var dump = lwkt_bytes()
  var index = ModuleIndex()
  /// Where flat starts are written; made at first use.
  fileprivate var flatMemory: UnsafeMutableRawPointer?
  /// Nil while an encoding uses it.
  fileprivate var scratch: UnsafeMutablePointer<CopyScratch>?

  /// The state for the heap of `L`, whose standard globals are the table at `standard`.
  /// Needs 2 stack slots. Lua API that allocates: `luaL_ref`.
  static func open(_ L: LuaState, standard: Int32) -> UnsafeMutablePointer<CopyState> {
    let address = lua_topointer(L, standard)
    lua_pushvalue(L, standard)
    let state = UnsafeMutablePointer<CopyState>.allocate(capacity: 1)
    state.initialize(
      to: CopyState(standard: luaL_ref(L, registryIndex), standardAddress: address))
    return state
  }

  private init(standard: Int32, standardAddress: UnsafeRawPointer?) {
    self.standard = standard
    self.standardAddress = standardAddress
  }

  /// Free the state of a heap. Only after `lua_close`, whose finalisers may still copy values.
  static func close(_ state: UnsafeMutablePointer<CopyState>) {
    state.pointee.factories.free()
    state.pointee.index.free()
    freeBytes(&state.pointee.dump)
    Glibc.free(state.pointee.flatMemory)
    if let scratch = state.pointee.scratch { CopyScratch.destroy(scratch) }
    state.deinitialize(count: 1)
    state.deallocate()
  }
}

extension UnsafeMutablePointer<CopyState> {
  /// Push the table of pending values, with all other tables made. No traversal may be under way.
  /// Needs 4 stack slots. Lua API that allocates: `lua_createtable`, `luaL_ref`, `lua_pushstring`.
  func pushPending(_ L: LuaState) {
    if pointee.functions == 0 { makeTables(L) }
    if pointee.pendingPeak > 100_000, pointee.pendingCount == 0 {
      // It keeps the size of the largest message ever: make a small one again.
      lua_createtable(L, 64, 0)
      lua_rawseti(L, registryIndex, lua_Integer(pointee.pending))
      pointee.pendingPeak = 0
    }
    lua_rawgeti(L, registryIndex, lua_Integer(pointee.pending))
  }

  /// Put the value at `index` on the table of pending values at `pending`. Runs no collection, so a
  /// traversal may be under way. Lua API that allocates: `lua_rawseti`.
  @inline(__always)
  func pushToPending(_ L: LuaState, _ pending: Int32, _ index: Int32) {
    pointee.pendingCount += 1
    lua_pushvalue(L, index)
    lua_rawseti(L, pending, lua_Integer(pointee.pendingCount))
  }

  /// Push the value put there last, and take it out. Lua API that allocates: none.
  @inline(__always)
  func popFromPending(_ L: LuaState, _ pending: Int32) {
    let count = pointee.pendingCount
    lua_rawgeti(L, pending, lua_Integer(count))
    lua_pushnil(L)
    lua_rawseti(L, pending, lua_Integer(count))
    if count > pointee.pendingPeak { pointee.pendingPeak = count }
    pointee.pendingCount = count - 1
  }

  /// Push `package.loaded`, or nil if this heap has none yet.
  /// Needs 2 stack slots. Lua API that allocates: `lua_pushstring`, `luaL_ref`.
  func pushLoaded(_ L: LuaState) {
    if pointee.loaded == 0 {
      lua_pushstring(L, LUA_LOADED_TABLE)
      if lua_rawget(L, registryIndex) != LUA_TTABLE { return }
      pointee.loaded = luaL_ref(L, registryIndex)
    }
    lua_rawgeti(L, registryIndex, lua_Integer(pointee.loaded))
  }

  /// The coroutine that factories run on.
  /// Needs 1 stack slot. Lua API that allocates: at first `lua_newthread`, `lua_createtable`, `luaL_ref`.
  @inline(__always)
  func openMaker(_ L: LuaState) -> LuaState {
    if let maker = pointee.maker { return maker }
    return makeMaker(L)
  }

  @inline(never)
  private func makeMaker(_ L: LuaState) -> LuaState {
    let made = lwkt_newkept(L).unsafelyUnwrapped
    lua_createtable(L, 0, 0)
    lua_xmove(L, made, 1)
    if let maker = pointee.maker { return maker }  // a finaliser was first
    pointee.maker = made
    return made
  }

  @inline(never)
  private func makeTables(_ L: LuaState) {
    let records = makeTable(L, weak: "v")
    let prototypes = makeTable(L, weak: "v")
    let pending = makeTable(L, weak: nil)
    let indexed = makeTable(L, weak: "k")
    let anchors = makeTable(L, weak: nil)
    let functions = makeTable(L, weak: "k")
    if pointee.functions != 0 {
      // A finaliser that copies has made them meanwhile, and those are in use.
      for table in [records, prototypes, pending, indexed, anchors, functions] {
        luaL_unref(L, registryIndex, table)
      }
      return
    }
    pointee.records = records
    pointee.prototypes = prototypes
    pointee.pending = pending
    pointee.indexed = indexed
    pointee.anchors = anchors
    pointee.functions = functions
  }

  /// Push the table from functions to code records.
  @inline(__always)
  func pushFunctions(_ L: LuaState) {
    if pointee.functions == 0 { makeTables(L) }
    lua_rawgeti(L, registryIndex, lua_Integer(pointee.functions))
  }

  @inline(__always)
  func openFlatMemory() -> UnsafeMutableRawPointer {
    if let memory = pointee.flatMemory { return memory }
    let made = FlatWriter.makeMemory()
    pointee.flatMemory = made
    return made
  }

  /// Working memory that nobody else uses now.
  func takeScratch() -> UnsafeMutablePointer<CopyScratch> {
    guard let scratch = pointee.scratch else { return CopyScratch.make() }
    pointee.scratch = nil
    return scratch
  }

  func returnScratch(_ scratch: UnsafeMutablePointer<CopyScratch>) {
    if pointee.scratch != nil { return CopyScratch.destroy(scratch) }
    scratch.pointee.reset()
    pointee.scratch = scratch
  }
}

/// Make a table, with weak keys or values if asked, and keep it in the registry. Lua API that allocates:
/// `lua_createtable`, `lua_pushstring`, `luaL_ref`.
private func makeTable(_ L: LuaState, weak: String?) -> Int32 {
  lua_createtable(L, 0, 0)
  if let weak {
    lua_createtable(L, 0, 1)
    lua_pushstring(L, "__mode")
    lua_pushstring(L, weak)
    lua_rawset(L, -3)
    lua_setmetatable(L, -2)
  }
  return luaL_ref(L, registryIndex)
}

/// The working memory of one encoding.
struct CopyScratch {
  var out = ByteWriter()
  var nodes = Vector<EncodedNode>()
  /// Addresses of Lua objects to node numbers, of objects to their index + 1, of captured variables
  /// to function and upvalue, of names (address + 1) to 1.
  var seen = PointerMap()
  /// The nodes of the values in the heap's pending table.
  var pendingNodes = Vector<UInt32>()
  var objects = Vector<UInt>()
  var metatables = Vector<UInt64>()
  /// Keys put in `seen` since there is something to roll back to.
  var journal = Vector<UInt>()
  var guesses = Vector<GuessedName>()
  var strings = RecentStrings()

  static func make() -> UnsafeMutablePointer<CopyScratch> {
    let scratch = UnsafeMutablePointer<CopyScratch>.allocate(capacity: 1)
    scratch.initialize(to: CopyScratch())
    return scratch
  }

  /// Ready for the next encoding; large pieces are given back.
  mutating func reset() {
    if out.capacity > 1 << 16 { out.free() } else { out.truncate(0) }
    nodes.reset(keepingBytes: 1 << 16)
    seen.reset()
    pendingNodes.reset(keepingBytes: 1 << 16)
    objects.reset(keepingBytes: 1 << 16)
    metatables.reset(keepingBytes: 1 << 16)
    journal.reset(keepingBytes: 1 << 16)
    guesses.reset(keepingBytes: 1 << 16)
    strings.forget()
  }

  static func destroy(_ scratch: UnsafeMutablePointer<CopyScratch>) {
    scratch.pointee.out.free()
    scratch.pointee.nodes.free()
    scratch.pointee.seen.free()
    scratch.pointee.pendingNodes.free()
    scratch.pointee.objects.free()
    scratch.pointee.metatables.free()
    scratch.pointee.journal.free()
    scratch.pointee.guesses.free()
    scratch.pointee.strings.free()
    scratch.deinitialize(count: 1)
    scratch.deallocate()
  }
}

/// The short strings met lately in one encoding, by address. One that is met again becomes a node:
/// its bytes travel once, and the receiver makes it once. Records in a list share their keys so.
struct RecentStrings {
  private struct Entry: BitwiseCopyable {
    var address: UInt = 0
    var generation: UInt32 = 0
    var node: UInt32 = 0
  }

  private static let size = 64
  private var entries: UnsafeMutablePointer<Entry>?
  private var generation: UInt32 = 1

  @inline(__always)
  private func slot(_ address: UInt) -> Int { Int((address >> 4 ^ address >> 10) & 63) }

  /// The node of the string at `address`, 0 for a string met before that has none yet, or nil when
  /// it is new here.
  @inline(__always)
  mutating func meet(_ address: UInt) -> UInt32? {
    guard let entries else {
      allocate()
      return meet(address)
    }
    let entry = entries + slot(address)
    if entry.pointee.address == address, entry.pointee.generation == generation {
      return entry.pointee.node
    }
    entry.pointee = Entry(address: address, generation: generation, node: 0)
    return nil
  }

  /// Give the string that was just met a node.
  @inline(__always)
  func setNode(_ address: UInt, _ node: UInt32) {
    entries.unsafelyUnwrapped[slot(address)].node = node
  }

  /// None has been met.
  mutating func forget() {
    generation &+= 1
    if generation == 0 { free() }
  }

  private mutating func allocate() {
    let made = UnsafeMutablePointer<Entry>.allocate(capacity: Self.size)
    made.initialize(repeating: Entry(), count: Self.size)
    entries = made
  }

  mutating func free() {
    entries?.deallocate()
    self = RecentStrings()
  }
}

/// Push a string of these bytes. Lua API that allocates: `lua_pushlstring`.
@inline(__always)
func pushBytes(_ L: LuaState, _ bytes: UnsafeRawBufferPointer) {
  lua_pushlstring(L, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
}

func freeBytes(_ bytes: inout lwkt_bytes) {
  free(bytes.data)
  bytes = lwkt_bytes()
}
