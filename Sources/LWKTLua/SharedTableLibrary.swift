// SharedTableLibrary.swift: shared tables as scripts see them.
//
// Keys are compared by tag and bytes, values copied. `update` and `pairs` have their frames in C
// (shared.c), where Lua code may run between the steps that are here.

import CLua
import LWKTCore

private func tableArgument(_ L: LuaState) -> TableRef? {
  guard let object = handleObject(L, 1), object.objectKind == .table else { return nil }
  return object.table
}

// MARK: Keys

/// A key as it is taken from the stack.
private struct KeyArgument {
  /// What the bytes are; those of all but strings are one word.
  static let boolean: UInt8 = 1
  static let integer: UInt8 = 2
  static let float: UInt8 = 3
  static let string: UInt8 = 4
  static let handle: UInt8 = 5

  private let tag: UInt8
  private var word: UInt64 = 0
  /// The string, which the Lua stack keeps alive.
  private var text: UnsafeRawBufferPointer?
  private var object: ObjectRef?

  /// The key at `index`; nil if the value cannot be one. Lua API that allocates: none.
  init?(_ L: LuaState, _ index: Int32) {
    switch lua_type(L, index) {
    case LUA_TBOOLEAN:
      tag = KeyArgument.boolean
      word = lua_toboolean(L, index) != 0 ? 1 : 0
    case LUA_TNUMBER:
      // A float that is an integer is the same key as that integer, as in Lua's own tables.
      if let value = integerArgument(L, index) {
        tag = KeyArgument.integer
        word = UInt64(bitPattern: value)
        return
      }
      let value = lua_tonumberx(L, index, nil)
      guard !value.isNaN else { return nil }
      tag = KeyArgument.float
      word = value.bitPattern
    case LUA_TSTRING:
      tag = KeyArgument.string
      var count = 0
      guard let bytes = lua_tolstring(L, index, &count) else { return nil }
      text = UnsafeRawBufferPointer(start: bytes, count: count)
    case LUA_TUSERDATA:
      guard let handle = handleObject(L, index) else { return nil }
      tag = KeyArgument.handle
      word = UInt64(UInt(bitPattern: handle))
      object = handle
    default: return nil
    }
  }

  /// Call `body` with the key in its shared form.
  @inline(__always)
  func with<Result>(_ body: (SharedKey) -> Result) -> Result {
    if let text { return body(SharedKey(tag: tag, text)) }
    return withUnsafeBytes(of: word) { body(SharedKey(tag: tag, $0, object: object)) }
  }
}

/// Raise why the argument at `index` is no key.
private func badKey(_ L: LuaState, _ index: Int32) -> Int32 {
  switch lua_type(L, index) {
  case LUA_TNONE: badArgument(L, index, "key expected, got no value")
  case LUA_TNIL: badArgument(L, index, "key is nil")
  case LUA_TNUMBER: badArgument(L, index, "key is NaN")
  default:
    badArgument(L, index, "a key is a boolean, number, string or handle, not " + typeName(L, index))
  }
}

/// Push the key of a box. Lua API that allocates: `lua_pushlstring`, and what `pushHandle` uses.
private func pushKey(_ L: LuaState, _ box: BoxRef) {
  let bytes = box.key
  if box.pointee.keyTag == KeyArgument.string { return pushBytes(L, bytes) }
  let word = bytes.loadUnaligned(as: UInt64.self)
  switch box.pointee.keyTag {
  case KeyArgument.boolean: lua_pushboolean(L, word != 0 ? 1 : 0)
  case KeyArgument.integer: lua_pushinteger(L, Int64(bitPattern: word))
  case KeyArgument.float: lua_pushnumber(L, Double(bitPattern: word))
  default:
    if let object = ObjectRef(bitPattern: UInt(word)) {
      pushHandle(L, object)
    } else {
      lua_pushnil(L)
    }
  }
}

// MARK: get, set, len

@c(lwkt_s_table_get)
package func tableGet(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let table = tableArgument(L) else { return badType(L, 1, "shared table") }
  guard let key = KeyArgument(L, 2) else { return badKey(L, 2) }
  if let refused = refuseAccess(L, table.object, .read) { return refused }
  guard let box = key.with({ table.find($0) }) else {
    lua_pushnil(L)
    return 1
  }
  defer { box.object.releaseObject() }
  return copyIn(L, box.payload, owner: box.object)
}

@c(lwkt_s_table_set)
package func tableSet(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let table = tableArgument(L) else { return badType(L, 1, "shared table") }
  guard let key = KeyArgument(L, 2) else { return badKey(L, 2) }
  if lua_type(L, 3) == LUA_TNONE { return badArgument(L, 3, "value expected") }
  if let refused = refuseAccess(L, table.object, .write) { return refused }
  var payload = Payload()
  if lua_type(L, 3) != LUA_TNIL {
    guard copyOut(L, 3, 1, "set", &payload) else { return resultError }
  }
  _ = key.with { table.exchange($0, .anything, new: makeBox($0, payload)) }
  return 0
}

/// A box for the value that was copied; for nil none.
private func makeBox(_ key: SharedKey, _ payload: Payload) -> BoxRef? {
  payload.count == 0 ? nil : BoxRef.make(key, payload, writer: currentThread)
}

@c(lwkt_s_table_len)
package func tableLength(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let table = tableArgument(L) else { return badType(L, 1, "shared table") }
  if let refused = refuseAccess(L, table.object, .read) { return refused }
  lua_pushinteger(L, Int64(table.count))
  return 1
}

// MARK: update

/// Are the first arguments of `update` right?
@c(lwkt_s_table_check)
package func tableCheck(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let table = tableArgument(L) else { return badType(L, 1, "shared table") }
  guard KeyArgument(L, 2) != nil else { return badKey(L, 2) }
  return refuseAccess(L, table.object, .write) ?? 0
}

/// What there is for a key: a holder of the box (or nil) and the value.
/// Lua API that allocates: `lua_newuserdatauv`, and what `copyIn` uses.
@c(lwkt_s_table_old)
package func tableOld(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let table = tableArgument(L), let key = KeyArgument(L, 2) else { return badKey(L, 2) }
  if let refused = refuseAccess(L, table.object, .write) { return refused }
  _ = lua_checkstack(L, 6)
  guard let box = key.with({ table.find($0) }) else {
    lua_pushnil(L)
    lua_pushnil(L)
    return 2
  }
  // The holder has the reference from here on, and stays on the stack meanwhile.
  lwkt_pushholder(L, box.object, Int32(box.object.objectKind.rawValue))
  return copyIn(L, box.payload, owner: box.object, prefix: 1)
}

/// Do those that change the table at index 1 take turns now? Lua API that allocates: none.
@c(lwkt_s_table_crowded)
package func tableCrowded(_ L: OpaquePointer?) -> Bool {
  tableArgument(L.unsafelyUnwrapped)?.isCrowded ?? false
}

/// Push the token of those turns. An update has been late as often in its turn as the integer at the top
/// says: they go on for some time yet.
@c(lwkt_s_table_turns)
package func tableTurns(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let table = tableArgument(L) else { return badType(L, 1, "shared table") }
  _ = lua_checkstack(L, 4)
  table.noteCrowd(late: Int(truncatingIfNeeded: lua_tointegerx(L, -1, nil)))
  pushHandle(L, table.turns.object)
  return 1
}

/// Store what the function made of the old value: table, key, function, holder, new value. Returns 1,
/// the new value, or 0 if somebody else has stored another meanwhile.
@c(lwkt_s_table_replace)
package func tableReplace(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let table = tableArgument(L), let key = KeyArgument(L, 2) else { return badKey(L, 2) }
  if let refused = refuseAccess(L, table.object, .write) { return refused }
  var payload = Payload()
  if lua_type(L, 5) != LUA_TNIL {
    guard copyOut(L, 5, 1, "update", &payload) else { return resultError }
  }
  let old = lwkt_takeholder(L, 4)
  let result = key.with {
    table.exchange($0, .box(old?.box), new: makeBox($0, payload))
  }
  old?.releaseObject()
  switch result {
  case .stored: return 1
  case .late(let writer):
    if writer == currentThread.pointee.id {
      return raise(
        L,
        "update: the function has itself set the key " + shownKey(L, 2)
          + ", so its result is out of date: let it return the new value")
    }
    return 0
  }
}

/// A key as a message shows it.
private func shownKey(_ L: LuaState, _ index: Int32) -> String {
  lua_type(L, index) == LUA_TBOOLEAN
    ? (lua_toboolean(L, index) != 0 ? "true" : "false") : shown(L, index)
}

// MARK: pairs

/// Push a holder of all that is in the table now. Lua API that allocates: `lua_newuserdatauv`.
@c(lwkt_s_table_snapshot)
package func tableSnapshot(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let table = tableArgument(L) else { return badType(L, 1, "shared table") }
  if let refused = refuseAccess(L, table.object, .read) { return refused }
  _ = lua_checkstack(L, 4)
  let snapshot = table.snapshot().object
  lwkt_pushholder(L, snapshot, Int32(snapshot.objectKind.rawValue))
  return 1
}

/// The next key and value of the snapshot whose holder is the argument; nothing at its end.
@c(lwkt_s_table_next)
package func tableNext(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let object = handleObject(L, 1) else { return 0 }
  _ = lua_checkstack(L, 8)
  guard let box = object.tableSnapshot.next() else {
    lwkt_takeholder(L, 1)?.releaseObject()
    return 0
  }
  defer { box.object.releaseObject() }
  pushKey(L, box)
  return copyIn(L, box.payload, owner: box.object, prefix: 1)
}
