// ModuleIndex.swift: which tables and functions of a heap belong to a loaded module, and where.
//
// They do not travel: the receiver loads the module itself, and what is sent is "the table at this
// place in that module". So classes and metatables are the same on both sides, and C functions,
// which cannot travel, need not.
//
// Indexed is what can be reached when `require` has just loaded the module: by string and integer keys,
// through metatables, and through the variables that the module's Lua functions capture (functions,
// and tables that look like metatables: hidden classes). What a program puts into a module's tables
// later is data, and is copied.
//
// Addresses are looked up in a map outside the heap. Standard modules are held in place by a table;
// what belongs to others may be collected and its address used again, so a second, weak table in
// the heap has the last word there.

import CLua

/// A place in a module.
struct ModuleEntry: BitwiseCopyable {
  enum Kind: UInt8 {
    /// The module itself: the key is its name.
    case module
    case name
    case index
    case metatable
    case upvalue
  }

  /// The entry that this one is in, counted from 1; 0 for a module.
  var parent: UInt32
  var kind: Kind
  var depth: UInt8
  var isStandard: Bool
  /// Its fields are not looked into.
  var isClosed = false
  /// Its Lua functions belong to it too, even if it is standard.
  var ownsFunctions: Bool
  /// The integer key, the upvalue's number, or where in the store of names the name is.
  var key: Int
  var keyCount: UInt32 = 0
}

/// What lookups need. Filled by `ModuleWalker`.
struct ModuleIndex {
  /// Where from the module's own table nothing is indexed any more.
  static let depthLimit: UInt8 = 32

  private(set) var entries = Vector<ModuleEntry>()
  private var names = ByteWriter()
  private var places = PointerMap()
  /// The entries of the values in the heap's pending table.
  var found = Vector<UInt32>()
  var hasStandard = false
  /// What was in `package.loaded` at the first copy is indexed, whoever put it there.
  var hasLoaded = false
  var anchorCount: Int64 = 0

  @inline(__always)
  func place(of address: UInt) -> UInt32 { UInt32(truncatingIfNeeded: places.find(address)) }

  @inline(__always)
  func entry(_ place: UInt32) -> ModuleEntry { entries[Int(place) - 1] }

  func name(_ entry: ModuleEntry) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(
      start: names.base.map { $0 + entry.key }, count: Int(entry.keyCount))
  }

  mutating func set(_ address: UInt, _ place: UInt32) { places.set(address, UInt64(place)) }

  mutating func add(_ entry: ModuleEntry) -> UInt32 {
    entries.append(entry)
    return UInt32(entries.count)
  }

  mutating func add(_ entry: ModuleEntry, named bytes: UnsafeRawBufferPointer) -> UInt32 {
    var entry = entry
    entry.key = names.count
    entry.keyCount = UInt32(bytes.count)
    if let start = bytes.baseAddress { names.put(start, bytes.count) }
    return add(entry)
  }

  /// Make room for the standard modules at once.
  mutating func reserveStandard() {
    entries.reserve(256)
    names.reserve(2048)
    places.reserve(512)
  }

  mutating func free() {
    entries.free()
    names.free()
    places.free()
    found.free()
  }
}

/// Standard modules, by the names they are loaded under. The functions of the basic library have no
/// module but are globals: they go by the module name `_G`.
enum StandardModules {
  static let modules: [StaticString] = [
    "string", "table", "math", "io", "os", "coroutine", "utf8", "debug", "package", "lwkt",
  ]
  static let basic: [StaticString] = [
    "assert", "collectgarbage", "dofile", "error", "getmetatable", "ipairs", "load", "loadfile",
    "next", "pairs", "pcall", "print", "rawequal", "rawget", "rawlen", "rawset", "require",
    "select", "setmetatable", "tonumber", "tostring", "type", "warn", "xpcall",
  ]
  static let globals: StaticString = "_G"

  /// Lua functions in standard modules belong to them if their chunk name begins so: the host
  /// wrote them. Any other has been put there by a script.
  static let hostChunk: StaticString = "=[lwkt"

  static func contains(_ name: UnsafeRawBufferPointer) -> Bool {
    modules.contains { equal(name, $0) }
      || (name.count > 5 && equal(UnsafeRawBufferPointer(rebasing: name.prefix(5)), "lwkt."))
  }
}

/// Are these the bytes of `text`?
func equal(_ bytes: UnsafeRawBufferPointer, _ text: StaticString) -> Bool {
  bytes.count == text.utf8CodeUnitCount
    && bytes.elementsEqual(UnsafeRawBufferPointer(start: text.utf8Start, count: bytes.count))
}

extension UnsafeMutablePointer<CopyState> {
  /// The place in a module of the table or function at `index`, if it has one. No traversal may be
  /// under way. Needs 10 stack slots. Lua API that allocates: at the first use in a heap
  /// `lua_pushlstring`, `lua_rawset*`, `luaL_ref`.
  @inline(__always)
  func moduleEntry(_ L: LuaState, _ index: Int32) -> UInt32? {
    // Before that only Lua functions can be told to be none of a standard module's.
    if !pointee.index.hasLoaded, needsStandard(L, index) { noteModules(L) }
    let place = pointee.index.place(of: UInt(bitPattern: lua_topointer(L, index)))
    if place == 0 { return nil }
    return isCurrent(L, index, place) ? place : nil
  }

  private func needsStandard(_ L: LuaState, _ index: Int32) -> Bool {
    lua_type(L, index) == LUA_TTABLE || lua_iscfunction(L, index) != 0
  }

  /// Is the value at `index` still what was indexed at its address?
  func isCurrent(_ L: LuaState, _ index: Int32, _ place: UInt32) -> Bool {
    if pointee.index.entry(place).isStandard { return true }
    let index = lua_absindex(L, index)
    lua_rawgeti(L, registryIndex, lua_Integer(pointee.indexed))
    lua_pushvalue(L, index)
    lua_rawget(L, -2)
    let known = lua_tointegerx(L, -1, nil)
    lwkt_pop(L, 2)
    return known == lua_Integer(place)
  }

  /// Is the global whose name and value are the two topmost stack values a standard one?
  func isStandardGlobal(_ L: LuaState) -> Bool {
    guard let place = moduleEntry(L, -1) else { return false }
    let entry = pointee.index.entry(place)
    guard entry.isStandard else { return false }
    var count = 0
    guard let bytes = lua_tolstring(L, -2, &count) else { return false }
    let name = UnsafeRawBufferPointer(start: bytes, count: count)
    guard name.elementsEqual(pointee.index.name(entry)) else { return false }
    if entry.kind == .module { return true }
    guard entry.kind == .name, entry.depth == 1 else { return false }
    let module = pointee.index.entry(entry.parent)
    return equal(pointee.index.name(module), StandardModules.globals)
  }

  /// Index the standard modules of this heap. Done by the first copy that needs it; a host may do
  /// it before scripts can have changed them. No traversal may be under way.
  /// Lua API that allocates: `lua_pushlstring`, `lua_rawset*`, `luaL_ref`.
  func indexStandardModules(_ L: LuaState) {
    guard !pointee.index.hasStandard, lua_checkstack(L, ModuleWalker.stackNeed) != 0 else {
      return
    }
    pointee.index.reserveStandard()
    var walker = ModuleWalker(L, self)
    walker.walkStandard()
    walker.close()
    // Only now: a finaliser that copies meanwhile does all this itself, to no harm.
    pointee.index.hasStandard = true
  }

  /// Index the module whose name is the string at `name`: `require` has just loaded it, and the
  /// program cannot have changed it yet. No traversal may be under way, but one that set off the
  /// finaliser that this runs in.
  /// Lua API that allocates: `lua_pushlstring`, `lua_rawset*`, `luaL_ref`.
  func noteModule(_ L: LuaState, name: Int32) {
    let name = lua_absindex(L, name)
    indexStandardModules(L)
    guard lua_checkstack(L, ModuleWalker.stackNeed) != 0 else { return }
    var walker = ModuleWalker(L, self)
    walker.walkNew(name)
    walker.close()
  }

  /// Index the modules in `package.loaded` that `require` has not put there. No traversal may be under
  /// way.
  /// Lua API that allocates: `lua_pushlstring`, `lua_rawset*`, `luaL_ref`.
  func noteModules(_ L: LuaState) {
    indexStandardModules(L)
    guard lua_checkstack(L, ModuleWalker.stackNeed) != 0 else { return }
    var walker = ModuleWalker(L, self)
    walker.walkNew()
    walker.close()
    pointee.index.hasLoaded = true
  }

  /// Before a function is refused because no module has it: has one been loaded unnoticed?
  func refreshModules(_ L: LuaState) { noteModules(L) }
}

extension Encoder {
  /// The record of a table or function that is part of a module.
  mutating func writeModule(_ place: UInt32, _ index: Int32, _ node: UInt32) -> Bool {
    setEntry(node, .module, offset: offset, detail: 0)
    moduleCount += 1
    scratch.pointee.out.put(CopyTag.module, node)
    scratch.pointee.out.put(UInt8(truncatingIfNeeded: lua_type(L, index)))
    writeStep(place)
    scratch.pointee.out.put(CopyTag.end)
    return true
  }

  /// The way to a place, its module first. Recurses as deep as `ModuleIndex.depthLimit`.
  private mutating func writeStep(_ place: UInt32) {
    let entry = state.pointee.index.entry(place)
    if entry.kind == .module { return writeName(entry) }
    writeStep(entry.parent)
    switch entry.kind {
    case .name:
      scratch.pointee.out.put(CopyTag.nameStep)
      writeName(entry)
    case .index: scratch.pointee.out.put(CopyTag.indexStep, entry.key)
    case .upvalue:
      scratch.pointee.out.put(CopyTag.upvalueStep, UInt8(truncatingIfNeeded: entry.key))
    case .metatable, .module: scratch.pointee.out.put(CopyTag.metatableStep)
    }
  }

  private mutating func writeName(_ entry: ModuleEntry) {
    let name = state.pointee.index.name(entry)
    scratch.pointee.out.put(value: UInt32(name.count))
    if let start = name.baseAddress { scratch.pointee.out.put(start, name.count) }
  }
}

/// A module is loaded that was not: its name is the string at index 1. Lua API that allocates: what
/// `noteModule` uses.
@c(lwkt_s_note_module)
package func noteLoadedModule(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  _ = lua_checkstack(L, 8)
  LuaHeap.of(L).pointee.copyState.noteModule(L, name: 1)
  return 0
}
