// CopyLight.swift: the short way for messages of a few small scalars.
//
// Up to four of them fit the payload itself: no memory is allocated and nothing is looked up. Each
// slot is one value, its kind in the tag. A string of up to 32 bytes takes as many slots as it
// needs, with the tag of those after the first 0.

import CLua
import LWKTCore

/// A payload's slots while they are filled or read.
///
/// The tags are one word, the first slot's in the low byte.
struct SlotWriter {
  private let slots: UnsafeMutablePointer<UInt64>
  private(set) var tags: UInt32 = 0
  private(set) var used = 0

  @inline(__always)
  init(_ payload: UnsafeMutablePointer<Payload>) {
    slots = withUnsafeMutablePointer(to: &payload.pointee.slots) {
      UnsafeMutableRawPointer($0).assumingMemoryBound(to: UInt64.self)
    }
  }

  /// False when all slots are taken.
  @inline(__always)
  mutating func put(_ tag: UInt8, _ word: UInt64) -> Bool {
    guard used < 4 else { return false }
    slots[used] = word
    tags |= UInt32(tag) &<< (8 &* UInt32(truncatingIfNeeded: used))
    used += 1
    return true
  }

  @inline(__always)
  mutating func putString(_ bytes: UnsafePointer<CChar>, _ count: Int) -> Bool {
    let need = count <= 8 ? 1 : (count &+ 7) >> 3
    guard count <= CopyTag.slotStringLimit, used + need <= 4 else { return false }
    copySmall(UnsafeRawPointer(bytes), to: UnsafeMutableRawPointer(slots + used), count)
    tags |=
      UInt32(CopyTag.slotString + UInt8(truncatingIfNeeded: count))
      &<< (8 &* UInt32(truncatingIfNeeded: used))
    used += need
    return true
  }

  /// Add the value at `index` of the stack if it fits. A handle's object is retained.
  /// Lua API that allocates: none.
  @inline(__always)
  mutating func put(_ L: LuaState, _ index: Int32) -> Bool {
    switch lua_type(L, index) {
    case LUA_TNIL:
      return put(CopyTag.nil, 0)
    case LUA_TBOOLEAN:
      return put(lua_toboolean(L, index) != 0 ? CopyTag.true : CopyTag.false, 0)
    case LUA_TNUMBER:
      if lua_isinteger(L, index) != 0 {
        return put(CopyTag.integer, UInt64(bitPattern: lua_tointegerx(L, index, nil)))
      }
      return put(CopyTag.float, lua_tonumberx(L, index, nil).bitPattern)
    case LUA_TSTRING:
      var count = 0
      guard let bytes = lua_tolstring(L, index, &count) else { return false }
      return putString(bytes, count)
    case LUA_TUSERDATA:
      return putHandle(L, index)
    default:
      return false
    }
  }

  @inline(__always)
  private mutating func putHandle(_ L: LuaState, _ index: Int32) -> Bool {
    guard used < 4, let object = retainHandle(L, index) else { return false }
    return put(Payload.handleTag, UInt64(UInt(bitPattern: object)))
  }

  /// The slots are the payload now.
  @inline(__always)
  func finish(_ payload: UnsafeMutablePointer<Payload>, count: Int) {
    payload.pointee.count = UInt32(truncatingIfNeeded: count)
    payload.pointee.tags = unsafeBitCast(tags, to: SIMD4<UInt8>.self)
    payload.pointee.buffer = nil
  }

  /// Give back the references taken so far.
  func discard() {
    var tags = tags
    for slot in 0..<used {
      if UInt8(truncatingIfNeeded: tags) == Payload.handleTag,
        let object = ObjectRef(bitPattern: UInt(slots[slot]))
      {
        object.releaseObject()
      }
      tags >>= 8
    }
  }
}

/// The object behind the handle at `index`, with a reference for the caller.
@inline(never)
private func retainHandle(_ L: LuaState, _ index: Int32) -> ObjectRef? {
  guard let object = handleObject(L, index) else { return nil }
  object.retainObject()
  if object.isReceiverRole { object.message.noteShared() }
  return object
}

/// Copy up to 32 bytes: words, of which the last two may overlap, rather than a call.
@inline(__always)
private func copySmall(
  _ from: UnsafeRawPointer, to: UnsafeMutableRawPointer, _ count: Int
) {
  if count >= 8 {
    var offset = 0
    while offset &+ 8 <= count {
      to.storeBytes(
        of: from.loadUnaligned(fromByteOffset: offset, as: UInt64.self), toByteOffset: offset,
        as: UInt64.self)
      offset = offset &+ 8
    }
    to.storeBytes(
      of: from.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self),
      toByteOffset: count &- 8, as: UInt64.self)
  } else if count >= 4 {
    let last = from.loadUnaligned(fromByteOffset: count &- 4, as: UInt32.self)
    to.storeBytes(of: from.loadUnaligned(as: UInt32.self), as: UInt32.self)
    to.storeBytes(of: last, toByteOffset: count &- 4, as: UInt32.self)
  } else {
    var offset = 0
    while offset < count {
      to.storeBytes(
        of: from.load(fromByteOffset: offset, as: UInt8.self), toByteOffset: offset, as: UInt8.self)
      offset = offset &+ 1
    }
  }
}

/// Fill the slots of an empty payload with the values at [first, first + count), or change nothing
/// and return false. Lua API that allocates: none.
@inline(__always)
func encodeLight(
  _ L: LuaState, _ first: Int32, _ count: Int32, _ payload: UnsafeMutablePointer<Payload>
) -> Bool {
  guard count <= 4 else { return false }
  var writer = SlotWriter(payload)
  var index = first
  while index < first + count {
    guard writer.put(L, index) else {
      writer.discard()
      return false
    }
    index += 1
  }
  writer.finish(payload, count: Int(count))
  return true
}

/// A cursor over the slots of a payload.
struct SlotReader {
  private let slots: UnsafeMutablePointer<UInt64>
  private var tags: UInt32
  private(set) var used = 0

  @inline(__always)
  init(_ payload: UnsafeMutablePointer<Payload>) {
    slots = withUnsafeMutablePointer(to: &payload.pointee.slots) {
      UnsafeMutableRawPointer($0).assumingMemoryBound(to: UInt64.self)
    }
    tags = unsafeBitCast(payload.pointee.tags, to: UInt32.self)
  }

  /// Is there another value?
  @inline(__always)
  var hasNext: Bool { tags != 0 }

  @inline(__always)
  private mutating func skip(_ count: Int) {
    tags = count == 4 ? 0 : tags >> (8 * UInt32(truncatingIfNeeded: count))
    used += count
  }

  /// Push the next value. Needs 3 stack slots more than it pushes.
  /// Lua API that allocates: `lua_pushlstring`, and what `pushHandle` uses.
  @inline(__always)
  mutating func push(_ L: LuaState, _ environment: Int32) {
    let tag = UInt8(truncatingIfNeeded: tags)
    let word = slots[used]
    switch tag {
    case CopyTag.integer: lua_pushinteger(L, Int64(bitPattern: word))
    case CopyTag.float: lua_pushnumber(L, Double(bitPattern: word))
    case CopyTag.nil: lua_pushnil(L)
    case CopyTag.false: lua_pushboolean(L, 0)
    case CopyTag.true: lua_pushboolean(L, 1)
    case CopyTag.environment: lua_pushvalue(L, environment)
    case Payload.handleTag:
      if let object = ObjectRef(bitPattern: UInt(word)) { pushHandle(L, object) }
    default:
      let count = Int(tag - CopyTag.slotString)
      pushBytes(L, UnsafeRawBufferPointer(start: slots + used, count: count))
      return skip(Swift.max(1, (count + 7) >> 3))
    }
    skip(1)
  }
}
