// CopyDecodeModule.swift: finding what a payload says is part of a module.

import CLua
import LWKTCore

extension Decoder {
  /// Push the table or function that the record at `record` names: `.values`, or what keeps it from
  /// being found. Raw access only.
  /// Lua API that allocates: `lua_pushlstring`, `luaL_ref`.
  mutating func pushModulePart(_ record: UnsafePointer<UInt8>) -> DecodeResult {
    let start = cursor
    defer { cursor = start }
    cursor = UnsafeRawPointer(record) + 5
    let type = Int32(read(UInt8.self))
    let name = rawString()
    if equal(name, StandardModules.globals) {
      lua_rawgeti(L, registryIndex, lua_Integer(state.pointee.standard))
    } else {
      state.pushLoaded(L)
      if lua_type(L, -1) == LUA_TTABLE {
        pushBytes(L, name)
        lua_rawget(L, -2)
        lua_copy(L, -1, -2)
        lwkt_pop(L, 1)
      }
      guard lua_type(L, -1) != LUA_TNIL else {
        lwkt_pop(L, 1)
        pushBytes(L, name)
        return .needsModule
      }
    }
    while pushStep() {
      lua_copy(L, -1, -2)
      lwkt_pop(L, 1)
    }
    guard lua_type(L, -1) == type else { return failToFind(record) }
    return .values(1)
  }

  /// Follow the next step of the way from the value at the top of the stack and push what is there,
  /// nil for nothing. False, with nothing pushed, at the end.
  private mutating func pushStep() -> Bool {
    let tag = read(UInt8.self)
    let isTable = lua_type(L, -1) == LUA_TTABLE
    switch tag {
    case CopyTag.nameStep:
      pushBytes(L, rawString())
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
  private mutating func failToFind(_ record: UnsafePointer<UInt8>) -> DecodeResult {
    cursor = UnsafeRawPointer(record) + 6
    let name = text(rawString())
    var way = ""
    loop: while true {
      switch read(UInt8.self) {
      case CopyTag.nameStep: way += (way.isEmpty ? "" : ".") + text(rawString())
      case CopyTag.indexStep: way += "[\(read(Int.self))]"
      case CopyTag.metatableStep: way += "(metatable)"
      case CopyTag.upvalueStep: way += "(upvalue \(read(UInt8.self)))"
      default: break loop
      }
    }
    return failDecode(
      L,
      way.isEmpty
        ? "module '\(name)' is of another type here than where it was sent"
        : "module '\(name)' has no '\(way)' here, as it has where it was sent")
  }

  /// Pass over the record at the cursor, behind its tag.
  mutating func skipModulePart() {
    cursor += 5
    _ = rawString()
    while true {
      switch read(UInt8.self) {
      case CopyTag.nameStep: _ = rawString()
      case CopyTag.indexStep: cursor += 8
      case CopyTag.metatableStep: break
      case CopyTag.upvalueStep: cursor += 1
      default: return
      }
    }
  }

  /// Bytes behind their number.
  private mutating func rawString() -> UnsafeRawBufferPointer {
    let count = Int(read(UInt32.self))
    let string = UnsafeRawBufferPointer(start: cursor, count: count)
    cursor += count
    return string
  }

  /// Push a raw string. Lua API that allocates: `lua_pushlstring`.
  mutating func pushRawString() { pushBytes(L, rawString()) }
}
