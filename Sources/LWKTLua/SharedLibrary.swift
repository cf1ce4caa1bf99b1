// SharedLibrary.swift: shared counters and arrays as scripts see them, and what all shared objects
// have in common. Shared tables are in SharedTableLibrary.swift.
//
// Lua API that allocates: for messages `lua_pushlstring`; what returns a handle uses `pushHandle`.

import CLua
import LWKTCore

// MARK: The guard

enum SharedAccess { case read, write }

/// Every access comes through here: the error of one without the token that guards `object`, pushed; nil:
/// all is well.
@inline(__always)
func refuseAccess(_ L: LuaState, _ object: ObjectRef, _ access: SharedAccess) -> Int32? {
  mycpu.note(access == .read ? .read : .write, object)
  guard let token = object.sharedHead.pointee.guardToken else { return nil }
  return refuseWithout(L, token, object, access)
}

@inline(never)
private func refuseWithout(
  _ L: LuaState, _ token: TokenRef, _ object: ObjectRef, _ access: SharedAccess
) -> Int32? {
  let hold = currentThread.holds(token)
  if hold == .exclusive || (hold == .shared && access == .read) { return nil }
  let name = describeObject(object) + ": token \"" + String(cString: token.pointee.name) + "\""
  if hold == .shared { return raise(L, name + " is held shared, but this changes the object") }
  return raise(L, name + " is not held")
}

// MARK: Constructors

/// What the options of a constructor came to.
private enum SharedOptions {
  case guardToken(TokenRef?)
  case bad(Int32)
}

/// The optional table of options at `index`.
private func sharedOptions(_ L: LuaState, _ index: Int32) -> SharedOptions {
  if lua_type(L, index) <= LUA_TNIL { return .guardToken(nil) }
  guard lua_type(L, index) == LUA_TTABLE else { return .bad(badType(L, index, "table")) }
  _ = lua_checkstack(L, 6)
  var guardToken: TokenRef?
  lua_pushnil(L)
  while lwkt_next(L, index) != 0 {
    guard stringArgument(L, -2) == "token" else {
      let name = stringArgument(L, -2) ?? typeName(L, -2)
      return .bad(badArgument(L, index, "unknown option '" + name + "'"))
    }
    guard let token = tokenArgument(L, -1) else {
      return .bad(badArgument(L, index, "option 'token': token expected, got " + typeName(L, -1)))
    }
    guardToken = token
    lwkt_pop(L, 1)
  }
  return .guardToken(guardToken)
}

/// Push the handle of a new object; uses up the caller's reference.
private func pushNew(_ L: LuaState, _ object: ObjectRef) -> Int32 {
  _ = lua_checkstack(L, 4)
  pushHandle(L, object)
  object.releaseObject()
  return 1
}

@c(lwkt_s_shared_counter)
package func sharedCounter(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  var value: Int64 = 0
  if lua_type(L, 1) > LUA_TNIL {
    guard let given = integerArgument(L, 1) else { return badInteger(L, 1) }
    value = given
  }
  switch sharedOptions(L, 2) {
  case .bad(let result): return result
  case .guardToken(let token): return pushNew(L, CounterRef.make(value, guardToken: token).object)
  }
}

@c(lwkt_s_shared_table)
package func sharedTable(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  switch sharedOptions(L, 1) {
  case .bad(let result): return result
  case .guardToken(let token):
    return pushNew(
      L, TableRef.make(guardToken: token, host: currentThread.pointee.host).object)
  }
}

@c(lwkt_s_shared_array)
package func sharedArray(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let name = stringArgument(L, 1) else { return badType(L, 1, "string") }
  guard let type = SharedArray.ElementType.allCases.first(where: { $0.name == name }) else {
    return badArgument(L, 1, "unknown element type '" + name + "' (\"i64\", \"f64\" or \"u8\")")
  }
  guard let count = integerArgument(L, 2) else { return badInteger(L, 2) }
  guard count >= 0 else { return badArgument(L, 2, "a length is not negative") }
  switch sharedOptions(L, 3) {
  case .bad(let result): return result
  case .guardToken(let token):
    guard let array = ArrayRef.make(type, count: Int(count), guardToken: token) else {
      return raise(L, "not enough memory for an array of " + String(count))
    }
    return pushNew(L, array.object)
  }
}

/// Raise that the argument at `index` is no integer.
private func badInteger(_ L: LuaState, _ index: Int32) -> Int32 {
  if lua_type(L, index) == LUA_TNUMBER {
    return badArgument(L, index, "number has no integer representation")
  }
  return badType(L, index, "integer")
}

// MARK: Counters

private func counterArgument(_ L: LuaState) -> CounterRef? {
  guard let object = handleObject(L, 1), object.objectKind == .counter else { return nil }
  return object.counter
}

@c(lwkt_s_counter_add)
package func counterAdd(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let counter = counterArgument(L) else { return badType(L, 1, "shared counter") }
  var amount: Int64 = 1
  if lua_type(L, 2) > LUA_TNIL {
    guard let given = integerArgument(L, 2) else { return badInteger(L, 2) }
    amount = given
  }
  if let refused = refuseAccess(L, counter.object, .write) { return refused }
  lua_pushinteger(L, counter.add(amount))
  return 1
}

@c(lwkt_s_counter_get)
package func counterGet(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let counter = counterArgument(L) else { return badType(L, 1, "shared counter") }
  if let refused = refuseAccess(L, counter.object, .read) { return refused }
  lua_pushinteger(L, counter.value)
  return 1
}

@c(lwkt_s_counter_set)
package func counterSet(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let counter = counterArgument(L) else { return badType(L, 1, "shared counter") }
  guard let value = integerArgument(L, 2) else { return badInteger(L, 2) }
  if let refused = refuseAccess(L, counter.object, .write) { return refused }
  counter.set(value)
  return 0
}

@c(lwkt_s_counter_cas)
package func counterCompareAndSet(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let counter = counterArgument(L) else { return badType(L, 1, "shared counter") }
  guard let expected = integerArgument(L, 2) else { return badInteger(L, 2) }
  guard let desired = integerArgument(L, 3) else { return badInteger(L, 3) }
  if let refused = refuseAccess(L, counter.object, .write) { return refused }
  lua_pushboolean(L, counter.compareAndSet(expected: expected, desired: desired) ? 1 : 0)
  return 1
}

// MARK: Arrays

private func arrayArgument(_ L: LuaState) -> ArrayRef? {
  guard let object = handleObject(L, 1), object.objectKind == .array else { return nil }
  return object.array
}

/// The place, counted from 0, that the number at `index` stands for, or nil.
@inline(__always)
private func elementArgument(_ L: LuaState, _ index: Int32, _ array: ArrayRef) -> Int? {
  var isInteger: Int32 = 0
  let position = lua_tointegerx(L, index, &isInteger)
  guard isInteger != 0, position >= 1, position <= Int64(array.pointee.count) else { return nil }
  return Int(position) - 1
}

private func outOfRange(_ array: ArrayRef, _ position: String) -> String {
  "index " + position + " is out of range 1.." + String(array.pointee.count)
}

/// The number at `index` as it is written, or its type.
private func numberText(_ L: LuaState, _ index: Int32) -> String {
  guard lua_type(L, index) == LUA_TNUMBER else { return typeName(L, index) }
  if lua_isinteger(L, index) != 0 { return String(lua_tointegerx(L, index, nil)) }
  return String(lua_tonumberx(L, index, nil))
}

/// Push a loaded element. Lua API that allocates: none.
@inline(__always)
private func pushElement(_ L: LuaState, _ array: ArrayRef, _ bits: Int64) {
  if array.pointee.type == .f64 {
    lua_pushnumber(L, Double(bitPattern: UInt64(bitPattern: bits)))
  } else {
    lua_pushinteger(L, bits)
  }
}

/// The bits of the value at `index` as an element of `array`, or nil.
@inline(__always)
private func elementBits(_ L: LuaState, _ index: Int32, _ array: ArrayRef) -> Int64? {
  guard lua_type(L, index) == LUA_TNUMBER else { return nil }
  if array.pointee.type == .f64 {
    return Int64(bitPattern: lua_tonumberx(L, index, nil).bitPattern)
  }
  guard let value = integerArgument(L, index) else { return nil }
  if array.pointee.type == .u8, value & 255 != value { return nil }
  return value
}

/// Why the value at `index` cannot be an element.
private func elementMisfit(_ L: LuaState, _ index: Int32, _ array: ArrayRef) -> String {
  guard lua_type(L, index) == LUA_TNUMBER else {
    let wanted = array.pointee.type == .f64 ? "number" : "integer"
    return wanted + " expected, got " + typeName(L, index)
  }
  guard integerArgument(L, index) != nil else { return "number has no integer representation" }
  return numberText(L, index) + " is out of range 0..255"
}

/// a[i]
@c(lwkt_s_array_index)
package func arrayIndex(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let array = arrayArgument(L) else { return badType(L, 1, "shared array") }
  guard let place = elementArgument(L, 2, array) else {
    return raise(L, outOfRange(array, numberText(L, 2)))
  }
  if let refused = refuseAccess(L, array.object, .read) { return refused }
  pushElement(L, array, array.load(place))
  return 1
}

/// a[i] = v
@c(lwkt_s_array_newindex)
package func arrayNewIndex(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let array = arrayArgument(L) else { return badType(L, 1, "shared array") }
  guard let place = elementArgument(L, 2, array) else {
    return raise(L, outOfRange(array, numberText(L, 2)))
  }
  guard let bits = elementBits(L, 3, array) else {
    return raise(L, describeObject(array.object) + ": " + elementMisfit(L, 3, array))
  }
  if let refused = refuseAccess(L, array.object, .write) { return refused }
  array.store(place, bits)
  return 0
}

/// #a: fixed, and so no access that a token guards.
@c(lwkt_s_array_length)
package func arrayLength(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let array = arrayArgument(L) else { return badType(L, 1, "shared array") }
  lua_pushinteger(L, Int64(array.pointee.count))
  return 1
}

private enum RangeArgument {
  case range(Range<Int>)
  case bad(Int32)
}

/// The optional first and last index at `index` and the next: all by default. A first beyond the last
/// is an empty range, as in `table.unpack`.
private func rangeArgument(_ L: LuaState, _ index: Int32, _ array: ArrayRef) -> RangeArgument {
  let count = Int64(array.pointee.count)
  var first: Int64 = 1
  var last = count
  if lua_type(L, index) > LUA_TNIL {
    guard let given = integerArgument(L, index) else { return .bad(badInteger(L, index)) }
    first = given
  }
  if lua_type(L, index + 1) > LUA_TNIL {
    guard let given = integerArgument(L, index + 1) else { return .bad(badInteger(L, index + 1)) }
    last = given
  }
  guard first >= 1, first <= count + 1 else {
    return .bad(badArgument(L, index, outOfRange(array, String(first))))
  }
  guard last >= 0, last <= count else {
    return .bad(badArgument(L, index + 1, outOfRange(array, String(last))))
  }
  return .range(Int(first) - 1..<Swift.max(Int(first) - 1, Int(last)))
}

/// a:fill(v [, i [, j]])
@c(lwkt_s_array_fill)
package func arrayFill(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let array = arrayArgument(L) else { return badType(L, 1, "shared array") }
  guard let bits = elementBits(L, 2, array) else {
    return badArgument(L, 2, elementMisfit(L, 2, array))
  }
  switch rangeArgument(L, 3, array) {
  case .bad(let result): return result
  case .range(let range):
    if let refused = refuseAccess(L, array.object, .write) { return refused }
    array.fill(range, bits)
    return 0
  }
}

/// The most elements that `slice` puts in one table.
private let sliceLimit = 1 << 26

/// a:slice([i [, j]]). Lua API that allocates: `lua_createtable`.
@c(lwkt_s_array_slice)
package func arraySlice(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let array = arrayArgument(L) else { return badType(L, 1, "shared array") }
  switch rangeArgument(L, 2, array) {
  case .bad(let result): return result
  case .range(let range):
    if let refused = refuseAccess(L, array.object, .read) { return refused }
    guard range.count <= sliceLimit else {
      return raise(L, "slice: at most " + String(sliceLimit) + " elements at a time")
    }
    _ = lua_checkstack(L, 4)
    lua_createtable(L, Int32(range.count), 0)
    for place in range {
      pushElement(L, array, array.load(place))
      lua_rawseti(L, -2, Int64(place - range.lowerBound + 1))
    }
    return 1
  }
}

/// a:bytes([i [, j]]). The bytes are copied first: Lua must not see them change while it makes a
/// string of them. Lua API that allocates: `lwkt_pushbig`.
@c(lwkt_s_array_bytes)
package func arrayBytes(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let array = arrayArgument(L) else { return badType(L, 1, "shared array") }
  switch rangeArgument(L, 2, array) {
  case .bad(let result): return result
  case .range(let range):
    if let refused = refuseAccess(L, array.object, .read) { return refused }
    _ = lua_checkstack(L, 6)
    let byteCount = range.count * array.pointee.type.size
    let isPushed = withUnsafeTemporaryAllocation(byteCount: byteCount + 1, alignment: 8) { buffer in
      let memory = buffer.baseAddress.unsafelyUnwrapped
      array.copyBytes(range, to: memory)
      return lwkt_pushbig(L, memory.assumingMemoryBound(to: CChar.self), byteCount)
    }
    return isPushed ? 1 : resultThrow
  }
}

/// a:add(i, n)
@c(lwkt_s_array_add)
package func arrayAdd(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let array = arrayArgument(L) else { return badType(L, 1, "shared array") }
  guard array.pointee.type == .i64 else {
    return badArgument(L, 1, "add needs an array of i64, got " + describeObject(array.object))
  }
  guard integerArgument(L, 2) != nil else { return badInteger(L, 2) }
  guard let place = elementArgument(L, 2, array) else {
    return badArgument(L, 2, outOfRange(array, numberText(L, 2)))
  }
  guard let amount = integerArgument(L, 3) else { return badInteger(L, 3) }
  if let refused = refuseAccess(L, array.object, .write) { return refused }
  lua_pushinteger(L, array.add(place, amount))
  return 1
}
