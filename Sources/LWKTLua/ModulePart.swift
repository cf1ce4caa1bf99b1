// ModulePart.swift: parts of modules by name.
//
// What is part of a module is named by its type, its module and the steps from there (CopyFormat.swift).
// In the start of a new thread such a name is one word: a counted object, one in the process for each
// name, as for code, among which it is kept; no code begins with the number of a type.

import CLua
import LWKTCore

extension UnsafeMutablePointer<CopyState> {
  /// The object that stands for the table or function at `index`, borrowed, if that is part of a module and
  /// the modules of this heap have been looked at. A traversal may be under way. Needs 3 stack slots.
  /// Lua API that allocates: none.
  func modulePart(_ L: LuaState, _ index: Int32) -> ObjectRef? {
    guard pointee.index.hasLoaded else { return nil }
    let place = pointee.index.place(of: UInt(bitPattern: lua_topointer(L, index)))
    guard place != 0, isCurrent(L, index, place) else { return nil }
    return pointee.index.part(place) ?? makePart(place, type: lua_type(L, index))
  }

  private func makePart(_ place: UInt32, type: Int32) -> ObjectRef {
    var out = ByteWriter()
    defer { out.free() }
    pointee.index.write(place, type: UInt8(truncatingIfNeeded: type), to: &out)
    let bytes = UnsafeRawBufferPointer(start: out.base, count: out.count)
    let hash = contentHash(bytes)
    let none = UnsafeRawBufferPointer(start: nil, count: 0)
    let part = CodeTable.find(bytes, hash: hash) ?? CodeTable.insert(bytes, hash: hash, notes: none)
    pointee.index.setPart(place, UnsafeMutableRawPointer(part))
    return UnsafeMutableRawPointer(part)
  }
}

/// Push what `part` stands for, as `ModulePartReader.push`.
func pushModulePart(
  _ L: LuaState, _ part: ObjectRef, _ state: UnsafeMutablePointer<CopyState>
) -> DecodeResult {
  let bytes = part.assumingMemoryBound(to: Code.self).pointee.bytes
  var reader = ModulePartReader(L, state, bytes)
  return reader.push()
}

/// Finds the part of a module that the bytes at `start` name.
struct ModulePartReader {
  private let L: LuaState
  private let state: UnsafeMutablePointer<CopyState>
  private let start: UnsafeRawPointer
  private var cursor: UnsafeRawPointer

  init(_ L: LuaState, _ state: UnsafeMutablePointer<CopyState>, _ start: UnsafeRawPointer) {
    self.L = L
    self.state = state
    self.start = start
    cursor = start
  }

  @inline(__always)
  private mutating func read<Value: BitwiseCopyable>(_ type: Value.Type) -> Value {
    let value = cursor.loadUnaligned(as: type)
    cursor += MemoryLayout<Value>.size
    return value
  }

  /// Bytes behind their number.
  private mutating func name() -> UnsafeRawBufferPointer {
    let count = Int(read(UInt32.self))
    let bytes = UnsafeRawBufferPointer(start: cursor, count: count)
    cursor += count
    return bytes
  }

  /// Push it: `.values`; or what keeps it from being found, with the module's name or a message pushed. Raw
  /// access only. Needs 3 stack slots. Lua API that allocates: `lua_pushlstring`, `luaL_ref`.
  mutating func push() -> DecodeResult {
    let type = Int32(read(UInt8.self))
    let module = name()
    if equal(module, StandardModules.globals) {
      lua_rawgeti(L, registryIndex, lua_Integer(state.pointee.standard))
    } else {
      state.pushLoaded(L)
      if lua_type(L, -1) == LUA_TTABLE {
        pushBytes(L, module)
        lua_rawget(L, -2)
        lua_copy(L, -1, -2)
        lwkt_pop(L, 1)
      }
      guard lua_type(L, -1) != LUA_TNIL else {
        lwkt_pop(L, 1)
        pushBytes(L, module)
        return .needsModule
      }
    }
    while pushStep() {
      lua_copy(L, -1, -2)
      lwkt_pop(L, 1)
    }
    guard lua_type(L, -1) == type else {
      lwkt_pop(L, 1)
      return failToFind()
    }
    return .values(1)
  }

  /// Follow the next step of the way from the value at the top of the stack and push what is there,
  /// nil for nothing. False, with nothing pushed, at the end.
  private mutating func pushStep() -> Bool {
    let tag = read(UInt8.self)
    let isTable = lua_type(L, -1) == LUA_TTABLE
    switch tag {
    case CopyTag.nameStep:
      pushBytes(L, name())
      if isTable { lua_rawget(L, -2) } else { nilAtTop() }
    case CopyTag.indexStep:
      let key = read(Int.self)
      if isTable { lua_rawgeti(L, -1, lua_Integer(key)) } else { lua_pushnil(L) }
    case CopyTag.metatableStep:
      if lua_getmetatable(L, -1) == 0 { lua_pushnil(L) }
    case CopyTag.upvalueStep:
      let upvalue = Int32(read(UInt8.self))
      let isLua = lua_type(L, -1) == LUA_TFUNCTION && lua_iscfunction(L, -1) == 0
      if !isLua || lua_getupvalue(L, -1, upvalue) == nil { lua_pushnil(L) }
    default:
      return false
    }
    return true
  }

  private func nilAtTop() {
    lwkt_pop(L, 1)
    lua_pushnil(L)
  }

  /// Say which part of which module is missing.
  private mutating func failToFind() -> DecodeResult {
    cursor = start + 1
    let module = text(name())
    var way = ""
    loop: while true {
      switch read(UInt8.self) {
      case CopyTag.nameStep: way += (way.isEmpty ? "" : ".") + text(name())
      case CopyTag.indexStep: way += "[\(read(Int.self))]"
      case CopyTag.metatableStep: way += "(metatable)"
      case CopyTag.upvalueStep: way += "(upvalue \(read(UInt8.self)))"
      default: break loop
      }
    }
    return failDecode(
      L,
      way.isEmpty
        ? "module '\(module)' is of another type here than where it was sent"
        : "module '\(module)' has no '\(way)' here, as it has where it was sent")
  }
}
