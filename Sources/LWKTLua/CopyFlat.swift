// CopyFlat.swift: the short way for new threads.
//
// Most thread functions capture a few scalars, handles, modules or parts of modules, the globals table and
// themselves (a local function that recurses), and take such values as arguments. Such a start is flat:
// the code, the captured values and the arguments, one word each, with a tag each. Nothing refers to
// anything else in it, so neither nodes nor a directory are needed. Which variable is the globals table,
// and which the function itself, is said beside the number of values (`FlatCounts`).
//
// Up to four words stand in the payload itself. More are one block of memory:
//
//     PayloadBuffer        whose objects are those below
//     CopyHead             of which only `flatCount` says something
//     words                `flatCount`
//     objects              those in the words that are handles
//     tags                 `flatCount`
//
// A string of up to 32 bytes takes as many words as it needs, with the tag of those after the first 0. A
// part of a module is an object of kind `code`, whose bytes say where it is (ModulePart.swift).

import CLua
import Glibc
import LWKTCore

/// A flat start's number of values (function and arguments), and which of the function's variables is the
/// globals table and which the function itself, counted from 1; 0 for none. What its payload counts.
struct FlatCounts {
  var values: Int32
  var environment: Int32 = 0
  var itself: Int32 = 0

  init(values: Int32) { self.values = values }

  @inline(__always)
  init(_ count: UInt32) {
    values = Int32(truncatingIfNeeded: count & 0xffff)
    environment = Int32(truncatingIfNeeded: count >> 16 & 0xff)
    itself = Int32(truncatingIfNeeded: count >> 24)
  }

  /// Each fits: a flat start has no more than `FlatWriter.limit` variables and arguments.
  @inline(__always)
  var packed: UInt32 {
    UInt32(truncatingIfNeeded: values) | UInt32(truncatingIfNeeded: environment) << 16
      | UInt32(truncatingIfNeeded: itself) << 24
  }
}

/// A start while it is written, in memory that the heap keeps for this.
struct FlatWriter {
  static let limit = 64

  private let words: UnsafeMutablePointer<UInt64>
  private let tags: UnsafeMutablePointer<UInt8>
  private var used = 0
  private var objects = 0

  init(_ memory: UnsafeMutableRawPointer) {
    words = memory.assumingMemoryBound(to: UInt64.self)
    tags = (memory + Self.limit * 8).assumingMemoryBound(to: UInt8.self)
  }

  static func makeMemory() -> UnsafeMutableRawPointer { reallocate(nil, limit * 9) }

  /// False when it is full.
  @inline(__always)
  mutating func put(_ tag: UInt8, _ word: UInt64) -> Bool {
    guard used < Self.limit else { return false }
    words[used] = word
    tags[used] = tag
    used += 1
    return true
  }

  /// Takes a reference of its own.
  @inline(__always)
  mutating func put(_ object: ObjectRef) -> Bool {
    guard put(Payload.handleTag, UInt64(UInt(bitPattern: object))) else { return false }
    object.retainObject()
    objects += 1
    return true
  }

  /// Add the value at `index` of the stack, if it is a scalar, a handle or part of a module. Needs 3 stack
  /// slots. Lua API that allocates: none.
  @inline(__always)
  mutating func put(
    _ L: LuaState, _ index: Int32, _ state: UnsafeMutablePointer<CopyState>
  ) -> Bool {
    switch lua_type(L, index) {
    case LUA_TNIL: return put(CopyTag.nil, 0)
    case LUA_TBOOLEAN: return put(lua_toboolean(L, index) != 0 ? CopyTag.true : CopyTag.false, 0)
    case LUA_TNUMBER:
      if lua_isinteger(L, index) != 0 {
        return put(CopyTag.integer, UInt64(bitPattern: lua_tointegerx(L, index, nil)))
      }
      return put(CopyTag.float, lua_tonumberx(L, index, nil).bitPattern)
    case LUA_TSTRING: return putString(L, index)
    case LUA_TUSERDATA:
      guard let object = handleObject(L, index) else { return false }
      return put(object)
    case LUA_TTABLE, LUA_TFUNCTION:
      guard let part = state.modulePart(L, index) else { return false }
      return put(part)
    default: return false
    }
  }

  private mutating func putString(_ L: LuaState, _ index: Int32) -> Bool {
    var count = 0
    guard let bytes = lua_tolstring(L, index, &count), count <= CopyTag.slotStringLimit else {
      return false
    }
    let need = Swift.max(1, (count + 7) >> 3)
    guard used + need <= Self.limit else { return false }
    for place in used..<used + need {
      words[place] = 0
      tags[place] = 0
    }
    memcpy(words + used, bytes, count)
    tags[used] = CopyTag.slotString + UInt8(truncatingIfNeeded: count)
    used += need
    return true
  }

  /// Fill the empty payload. It holds the references now.
  func finish(_ payload: UnsafeMutablePointer<Payload>, _ counts: FlatCounts) {
    payload.pointee.count = counts.packed
    guard used <= 4 else { return finishBlock(payload) }
    let slots = withUnsafeMutablePointer(to: &payload.pointee.slots) {
      UnsafeMutableRawPointer($0).assumingMemoryBound(to: UInt64.self)
    }
    var packed: UInt32 = 0
    for place in 0..<used {
      slots[place] = words[place]
      packed |= UInt32(tags[place]) &<< UInt32(truncatingIfNeeded: 8 &* place)
    }
    payload.pointee.tags = unsafeBitCast(packed, to: SIMD4<UInt8>.self)
  }

  private func finishBlock(_ payload: UnsafeMutablePointer<Payload>) {
    let wordsAt = Payload.headCount
    let objectsAt = wordsAt + used * 8
    let tagsAt = objectsAt + objects * 8
    let block = reallocate(nil, tagsAt + used)
    var head = CopyHead()
    head.flatCount = UInt32(used)
    (block + Payload.bytesStart).storeBytes(of: head, as: CopyHead.self)
    memcpy(block + wordsAt, words, used * 8)
    memcpy(block + tagsAt, tags, used)
    let held = (block + objectsAt).bindMemory(to: ObjectRef.self, capacity: objects)
    var next = held
    for place in 0..<used where tags[place] == Payload.handleTag {
      next.initialize(to: ObjectRef(bitPattern: UInt(words[place])).unsafelyUnwrapped)
      next += 1
    }
    let buffer = block.bindMemory(to: PayloadBuffer.self, capacity: 1)
    buffer.initialize(
      to: PayloadBuffer(
        byteCount: tagsAt + used - Payload.bytesStart, objects: held, objectCount: objects))
    payload.pointee.buffer = buffer
  }

  /// Give back the references taken so far.
  func discard() {
    for place in 0..<used where tags[place] == Payload.handleTag {
      ObjectRef(bitPattern: UInt(words[place]))?.releaseObject()
    }
  }
}

/// A cursor over a flat start.
struct FlatReader {
  private let words: UnsafePointer<UInt64>
  private let tags: UnsafePointer<UInt8>
  /// How many words there are at most.
  let count: Int
  let counts: FlatCounts
  private var place = 0

  /// Nil for a payload in the general form.
  @inline(__always)
  init?(_ payload: UnsafeMutablePointer<Payload>) {
    counts = FlatCounts(payload.pointee.count)
    guard let buffer = payload.pointee.buffer else {
      words = UnsafeRawPointer(addressOf(&payload.pointee.slots)).assumingMemoryBound(
        to: UInt64.self)
      tags = UnsafeRawPointer(addressOf(&payload.pointee.tags)).assumingMemoryBound(to: UInt8.self)
      count = 4
      return
    }
    let start = UnsafeRawPointer(buffer)
    let head = (start + Payload.bytesStart).assumingMemoryBound(to: CopyHead.self)
    count = Int(head.pointee.flatCount)
    guard count > 0 else { return nil }
    words = (start + Payload.headCount).assumingMemoryBound(to: UInt64.self)
    tags = (start + (Payload.headCount + 8 * (count + buffer.pointee.objectCount)))
      .assumingMemoryBound(to: UInt8.self)
  }

  /// The next value's tag; `CopyTag.none` at the end.
  @inline(__always)
  var tag: UInt8 { place < count ? tags[place] : CopyTag.none }

  @inline(__always)
  mutating func skip() {
    let tag = tags[place]
    let isString = tag >= CopyTag.slotString && tag != Payload.handleTag
    place += isString ? Swift.max(1, (Int(tag - CopyTag.slotString) + 7) >> 3) : 1
  }

  /// The code, which comes first.
  @inline(__always)
  mutating func code() -> CodeRef {
    let object = ObjectRef(bitPattern: UInt(words[place])).unsafelyUnwrapped
    place += 1
    return object.assumingMemoryBound(to: Code.self)
  }

  /// Push the next value: `.values`; else what keeps it from being had, with what goes with that pushed.
  /// Needs 4 stack slots more than it pushes. Lua API that allocates: `lua_pushlstring`, and what
  /// `pushHandle` and `pushModulePart` use.
  @inline(__always)
  mutating func push(_ L: LuaState, _ state: UnsafeMutablePointer<CopyState>) -> DecodeResult {
    let word = words[place]
    switch tag {
    case CopyTag.integer: lua_pushinteger(L, Int64(bitPattern: word))
    case CopyTag.float: lua_pushnumber(L, Double(bitPattern: word))
    case CopyTag.nil: lua_pushnil(L)
    case CopyTag.false: lua_pushboolean(L, 0)
    case CopyTag.true: lua_pushboolean(L, 1)
    case Payload.handleTag:
      let object = ObjectRef(bitPattern: UInt(word)).unsafelyUnwrapped
      if object.objectKind == .code {
        skip()
        return pushModulePart(L, object, state)
      }
      pushHandle(L, object)
    case let tag:
      pushBytes(
        L, UnsafeRawBufferPointer(start: words + place, count: Int(tag - CopyTag.slotString)))
    }
    skip()
    return .values(1)
  }
}
