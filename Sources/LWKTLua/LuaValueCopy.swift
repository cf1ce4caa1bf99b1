// LuaValueCopy.swift: values from a Lua stack to Swift and back.

import CLua
import LWKTCore

/// How deep tables may be nested on their way.
private let deepest = 100

/// Why a value has no form on the other side.
struct LuaValueProblem: Error {
  var text: String

  static let cycle = LuaValueProblem(text: "a table that contains itself has no Swift form")
  static let tooDeep = LuaValueProblem(
    text: "tables are nested more than " + String(deepest) + " levels deep")
  static let badKey = LuaValueProblem(text: "a key of a table is nil or NaN")
  static let noMemory = LuaValueProblem(text: "not enough memory")
}

// MARK: Lua to Swift

/// Reads values from a stack. A table that is met again is read once, so that what a script has
/// woven together does not grow on its way.
struct LuaValueReader {
  private let L: LuaState
  private var tables: [UnsafeRawPointer: LuaValue] = [:]
  private var open: Set<UnsafeRawPointer> = []

  init(_ L: LuaState) { self.L = L }

  /// Lua API that allocates: none but the stack.
  mutating func read(_ index: Int32) throws(LuaValueProblem) -> LuaValue {
    let index = lua_absindex(L, index)
    switch lua_type(L, index) {
    case LUA_TNIL, LUA_TNONE: return .nil
    case LUA_TBOOLEAN: return .boolean(lua_toboolean(L, index) != 0)
    case LUA_TNUMBER:
      if lua_isinteger(L, index) != 0 { return .integer(lua_tointegerx(L, index, nil)) }
      return .number(lua_tonumberx(L, index, nil))
    case LUA_TSTRING: return readString(index)
    case LUA_TTABLE: return try readTable(index)
    default:
      if let object = handleObject(L, index) { return .string(describeHandle(object)) }
      let address = UInt(bitPattern: lua_topointer(L, index))
      return .string(typeName(L, index) + ": 0x" + String(address, radix: 16))
    }
  }

  private func readString(_ index: Int32) -> LuaValue {
    var count = 0
    let bytes = UnsafeRawBufferPointer(start: lua_tolstring(L, index, &count), count: count)
    if let text = String(validating: bytes, as: UTF8.self) { return .string(text) }
    return .bytes([UInt8](bytes))
  }

  private mutating func readTable(_ index: Int32) throws(LuaValueProblem) -> LuaValue {
    guard let address = lua_topointer(L, index) else { return .nil }
    if let table = tables[address] { return table }
    guard !open.contains(address) else { throw .cycle }
    guard open.count < deepest else { throw .tooDeep }
    guard lua_checkstack(L, 6) != 0 else { throw .noMemory }
    open.insert(address)
    var pairs: [(key: LuaValue, value: LuaValue)] = []
    lua_pushnil(L)
    while lwkt_next(L, index) != 0 {
      pairs.append((try read(-2), try read(-1)))
      lwkt_pop(L, 1)
    }
    open.remove(address)
    tables[address] = .table(pairs)
    return .table(pairs)
  }
}

/// The `count` values from `first` on, or which cannot be read and why. The stack is left as it was.
func readValues(
  _ L: LuaState, first: Int32, count: Int32
) -> Result<[LuaValue], LuaValueProblem> {
  let top = lua_gettop(L)
  defer { lua_settop_plain(L, top) }
  var reader = LuaValueReader(L)
  var values: [LuaValue] = []
  values.reserveCapacity(Int(count))
  for position in 0..<count {
    do {
      values.append(try reader.read(first + position))
    } catch {
      return .failure(LuaValueProblem(text: "#" + String(position + 1) + ": " + error.text))
    }
  }
  return .success(values)
}

// MARK: Swift to Lua

/// Push the values, or nothing and throw. Lua API that allocates: `lua_pushlstring`,
/// `lua_createtable`, `lua_rawset`.
func pushValues(_ L: LuaState, _ values: [LuaValue]) throws(LuaValueProblem) {
  let top = lua_gettop(L)
  guard lua_checkstack(L, Int32(clamping: values.count + 8)) != 0 else { throw .noMemory }
  for (position, value) in values.enumerated() {
    do throws(LuaValueProblem) {
      try pushValue(L, value, depth: 0)
    } catch {
      lua_settop_plain(L, top)
      throw LuaValueProblem(text: "#" + String(position + 1) + ": " + error.text)
    }
  }
}

private func pushValue(_ L: LuaState, _ value: LuaValue, depth: Int) throws(LuaValueProblem) {
  guard lua_checkstack(L, 4) != 0 else { throw .noMemory }
  switch value {
  case .nil: lua_pushnil(L)
  case .boolean(let flag): lua_pushboolean(L, flag ? 1 : 0)
  case .integer(let number): lua_pushinteger(L, number)
  case .number(let number): lua_pushnumber(L, number)
  case .string(let text): pushString(L, text)
  case .bytes(let bytes): bytes.withUnsafeBytes { pushBytes(L, $0) }
  case .table(let pairs):
    guard depth < deepest else { throw .tooDeep }
    lua_createtable(L, 0, Int32(clamping: pairs.count))
    for pair in pairs {
      if case .number(let number) = pair.key, number.isNaN { throw .badKey }
      if case .nil = pair.key { throw .badKey }
      try pushValue(L, pair.key, depth: depth + 1)
      try pushValue(L, pair.value, depth: depth + 1)
      lua_rawset(L, -3)
    }
  }
}
