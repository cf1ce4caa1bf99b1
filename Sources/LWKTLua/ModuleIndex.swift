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
import Glibc
import LWKTCore

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
  /// By place: the object that stands for it in flat starts (ModulePart.swift), one reference, or 0.
  private var parts = Vector<UInt>()
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

  /// Write the type of what is at a place, and the way there.
  func write(_ place: UInt32, type: UInt8, to out: inout ByteWriter) {
    out.put(type)
    writeStep(place, &out)
    out.put(CopyTag.end)
  }

  /// The module first. Recurses as deep as `depthLimit`.
  private func writeStep(_ place: UInt32, _ out: inout ByteWriter) {
    let entry = entry(place)
    if entry.kind == .module { return writeName(entry, &out) }
    writeStep(entry.parent, &out)
    switch entry.kind {
    case .name:
      out.put(CopyTag.nameStep)
      writeName(entry, &out)
    case .index: out.put(CopyTag.indexStep, entry.key)
    case .upvalue: out.put(CopyTag.upvalueStep, UInt8(truncatingIfNeeded: entry.key))
    case .metatable, .module: out.put(CopyTag.metatableStep)
    }
  }

  private func writeName(_ entry: ModuleEntry, _ out: inout ByteWriter) {
    let name = name(entry)
    out.put(value: UInt32(name.count))
    if let start = name.baseAddress { out.put(start, name.count) }
  }

  /// The object that stands for a place, if it has been made.
  @inline(__always)
  func part(_ place: UInt32) -> ObjectRef? {
    place <= parts.count ? ObjectRef(bitPattern: parts[Int(place) - 1]) : nil
  }

  /// Keep the object that stands for a place: takes over a reference.
  mutating func setPart(_ place: UInt32, _ object: ObjectRef) {
    while parts.count < entries.count { parts.append(0) }
    parts[Int(place) - 1] = UInt(bitPattern: object)
  }

  mutating func free() {
    for index in 0..<parts.count { ObjectRef(bitPattern: parts[index])?.releaseObject() }
    parts.free()
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
  guard let start = bytes.baseAddress, bytes.count == text.utf8CodeUnitCount else { return false }
  return memcmp(start, text.utf8Start, bytes.count) == 0
}

private func equal(_ bytes: UnsafeRawBufferPointer, _ other: UnsafeRawBufferPointer) -> Bool {
  guard let start = bytes.baseAddress, let second = other.baseAddress else { return false }
  return bytes.count == other.count && memcmp(start, second, bytes.count) == 0
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
    guard equal(name, pointee.index.name(entry)) else { return false }
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
    state.pointee.index.write(
      place, type: UInt8(truncatingIfNeeded: lua_type(L, index)), to: &scratch.pointee.out)
    return true
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
