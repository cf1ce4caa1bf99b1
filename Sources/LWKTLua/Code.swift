// Code.swift: what a heap knows of functions that leave it and arrive in it.
//
// Leaving: a weak table from functions to *code records*. A record owns a reference to a `Code` of
// the process-wide table and carries the names of the globals that the code uses as ready Lua
// strings. A function that the table does not know is looked up by its prototype, which all closures
// made by one piece of source share; one of an unknown prototype is dumped, and recognised by content.
//
// Arriving: from `Code` to the factory that makes closures of it (BytecodeFactory.swift), for the
// latest few hundred codes.

import CLua
import LWKTCore

/// What is known of a code: at the start of `Code.notes`, followed by the upvalues, the names and
/// the constants. Spans count from the start of the dump.
struct CodeNotes: BitwiseCopyable {
  var source = ByteSpan(offset: 0, count: 0)
  var hasSource = false
  var lineDefined: Int32 = 0
  var upvalueCount: UInt32 = 0
  var nameCount: UInt32 = 0
  var constantCount: UInt32 = 0
  /// How many upvalues the code assigns.
  var assignedCount: UInt32 = 0
  /// Where in the dump the descriptions of upvalues are.
  var descriptors: UInt32 = 0
}

extension UnsafeMutablePointer<Code> {
  @inline(__always) var notes: UnsafePointer<CodeNotes> {
    pointee.notes.assumingMemoryBound(to: CodeNotes.self)
  }

  @inline(__always) var upvalues: UnsafePointer<BytecodeUpvalue> {
    (pointee.notes + MemoryLayout<CodeNotes>.stride).assumingMemoryBound(to: BytecodeUpvalue.self)
  }

  @inline(__always) var names: UnsafePointer<BytecodeName> {
    let offset = Int(notes.pointee.upvalueCount) * MemoryLayout<BytecodeUpvalue>.stride
    return (UnsafeRawPointer(upvalues) + offset).assumingMemoryBound(to: BytecodeName.self)
  }

  @inline(__always) var constants: UnsafePointer<ByteSpan> {
    let offset = Int(notes.pointee.nameCount) * MemoryLayout<BytecodeName>.stride
    return (UnsafeRawPointer(names) + offset).assumingMemoryBound(to: ByteSpan.self)
  }

  @inline(__always) func bytes(_ span: ByteSpan) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(
      start: pointee.bytes + Int(span.offset), count: Int(span.count))
  }

  /// Give back one reference.
  func release() { UnsafeMutableRawPointer(self).releaseObject() }
}

/// The finaliser of a code record. Called by C when no Swift frame of ours is above.
// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
func lwkt_code_release(_ code: UnsafeMutableRawPointer?) {
  code?.releaseObject()
}

// MARK: - Leaving

/// The code of the Lua function at `index`, borrowed from its record, which is pushed; or nil, with
/// nothing pushed, for a function that cannot be dumped. Needs 6 stack slots.
/// Lua API that allocates: `lua_newuserdatauv`, `lua_pushlstring`, `lua_createtable`, `lua_rawset`.
/// So finalisers may run.
@inline(__always)
func pushCodeRecord(
  _ L: LuaState, _ index: Int32, _ state: UnsafeMutablePointer<CopyState>
) -> CodeRef? {
  let index = lua_absindex(L, index)
  state.pushFunctions(L)
  lua_pushvalue(L, index)
  lua_rawget(L, -2)
  if let code = recordedCode(L) {
    lua_copy(L, -1, -2)
    lwkt_pop(L, 1)
    return code
  }
  lwkt_pop(L, 1)
  return pushKinCodeRecord(L, index, state)
}

/// The code of the record at the top of the stack. A record may have been finalised although its
/// function lives on: when both were unreachable, and another finaliser has the function.
@inline(__always)
private func recordedCode(_ L: LuaState) -> CodeRef? {
  guard let record = lua_touserdata(L, -1) else { return nil }
  return record.assumingMemoryBound(to: lwkt_code_record.self).pointee.code?
    .assumingMemoryBound(to: Code.self)
}

/// The table of functions at the top of the stack, to be replaced by the record, does not know this
/// function. Does it know one of the same prototype? A script makes functions anew all the time, but
/// compiles them once. As long as that other one lives, nothing else is at its prototype's address.
private func pushKinCodeRecord(
  _ L: LuaState, _ index: Int32, _ state: UnsafeMutablePointer<CopyState>
) -> CodeRef? {
  guard let prototype = lwkt_prototype(L, index) else {
    lwkt_pop(L, 1)
    return nil
  }
  lua_rawgeti(L, registryIndex, lua_Integer(state.pointee.prototypes))
  if lua_rawgetp(L, -1, prototype) == LUA_TFUNCTION {
    lua_rawget(L, -3)
    if let code = recordedCode(L) {
      lua_copy(L, -1, -3)
      lwkt_pop(L, 2)
      return code
    }
  }
  lwkt_pop(L, 1)
  // The tables of functions and prototypes are at the top.
  guard let code = pushNewCodeRecord(L, index, state) else {
    lwkt_pop(L, 2)
    return nil
  }
  lua_pushvalue(L, index)
  lua_pushvalue(L, -1)
  lua_rawsetp(L, -4, prototype)
  lua_pushvalue(L, -2)
  lua_rawset(L, -5)
  lua_copy(L, -1, -3)
  lwkt_pop(L, 2)
  return code
}

/// Push the record of a function found by dumping it, or nothing and return nil.
private func pushNewCodeRecord(
  _ L: LuaState, _ index: Int32, _ state: UnsafeMutablePointer<CopyState>
) -> CodeRef? {
  guard let code = internFunction(L, index, state) else { return nil }
  lua_rawgeti(L, registryIndex, lua_Integer(state.pointee.records))
  if lua_rawgetp(L, -1, code) == LUA_TUSERDATA {
    code.release()
  } else {
    lwkt_pop(L, 1)
    pushRecord(L, code)
    lua_pushvalue(L, -1)
    lua_rawsetp(L, -3, code)
  }
  lua_copy(L, -1, -2)
  lwkt_pop(L, 1)
  return code
}

/// Push a record of `code`, which takes over the caller's reference.
private func pushRecord(_ L: LuaState, _ code: CodeRef) {
  let count = min(Int(code.notes.pointee.nameCount), codeRecordNameLimit)
  _ = lwkt_newrecord(L, code, Int32(count))
  for index in 0..<count {
    pushBytes(L, code.bytes(code.names[index].name))
    lua_setiuservalue(L, -2, Int32(index + 1))
  }
}

/// A userdata has no more user values than this.
let codeRecordNameLimit = 65_000

/// Dump the function at `index` and find or make its code, with a reference for the caller; nil also
/// for one in a form that is not understood: see `BytecodeFormat.problem`. Lua API that allocates: for
/// the first function of a process, what `BytecodeFormat.isSupported` uses.
private func internFunction(
  _ L: LuaState, _ index: Int32, _ state: UnsafeMutablePointer<CopyState>
) -> CodeRef? {
  guard BytecodeFormat.isSupported(L, state), lwkt_dump(L, index, &state.pointee.dump) else {
    return nil
  }
  let bytes = UnsafeRawBufferPointer(
    start: state.pointee.dump.data, count: state.pointee.dump.count)
  let hash = contentHash(bytes)
  let found = CodeTable.find(bytes, hash: hash) ?? analyse(bytes, hash: hash)
  if state.pointee.dump.capacity > 1 << 20 { freeBytes(&state.pointee.dump) }
  return found
}

private func analyse(_ bytes: UnsafeRawBufferPointer, hash: UInt64) -> CodeRef? {
  guard let analysis = try? BytecodeAnalysis(bytes) else { return nil }
  var notes = CodeNotes()
  if let source = analysis.source {
    notes.source = source
    notes.hasSource = true
  }
  notes.lineDefined = analysis.lineDefined
  notes.upvalueCount = UInt32(analysis.upvalues.count)
  notes.nameCount = UInt32(analysis.names.count)
  notes.constantCount = UInt32(analysis.constants.count)
  notes.assignedCount = UInt32(analysis.upvalues.count(where: \.isAssigned))
  notes.descriptors = UInt32(analysis.descriptors)
  var out = ByteWriter()
  defer { out.free() }
  out.putPadded(notes)
  for upvalue in analysis.upvalues { out.putPadded(upvalue) }
  for name in analysis.names { out.putPadded(name) }
  for constant in analysis.constants { out.putPadded(constant) }
  return CodeTable.insert(
    bytes, hash: hash, notes: UnsafeRawBufferPointer(start: out.base, count: out.count))
}

/// 64 bits of everything in the bytes: equality is decided by comparing, this only has to spread.
func contentHash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
  guard let base = bytes.baseAddress else { return 0 }
  var hash = UInt64(bytes.count) &* 0x9E37_79B9_7F4A_7C15
  var offset = 0
  while offset + 8 <= bytes.count {
    let word = (base + offset).loadUnaligned(as: UInt64.self)
    let product = (hash ^ word).multipliedFullWidth(by: 0xA076_1D64_78BD_642F)
    hash = product.low ^ product.high
    offset += 8
  }
  var rest: UInt64 = 0
  while offset < bytes.count {
    rest = rest << 8 | UInt64((base + offset).load(as: UInt8.self))
    offset += 1
  }
  let product = (hash ^ rest).multipliedFullWidth(by: 0xE703_7ED1_A0B4_28DB)
  return product.low ^ product.high
}

// MARK: - Arriving

/// A heap's factories: a ring of the latest codes, each with its factory at the same place in a Lua
/// table. Only the heap's own worker.
struct FactoryCache {
  /// Code to place in the ring, from 1.
  private var places = PointerMap()
  private var ring = Vector<CodeRef>()
  private var oldest = 0
  var limit = 512

  /// The place of a code's factory, or 0.
  @inline(__always)
  func place(of code: CodeRef) -> Int { Int(places.find(UInt(bitPattern: code))) }

  /// A place for a new factory; the oldest one gives way. Takes a reference of its own.
  mutating func add(_ code: CodeRef) -> Int {
    UnsafeMutableRawPointer(code).retainObject()
    let place: Int
    if ring.count < limit {
      ring.append(code)
      place = ring.count
    } else {
      let old = ring[oldest]
      places.remove(UInt(bitPattern: old))
      old.release()
      ring[oldest] = code
      place = oldest + 1
      oldest = (oldest + 1) % limit
    }
    places.set(UInt(bitPattern: code), UInt64(place))
    return place
  }

  mutating func free() {
    for index in 0..<ring.count { ring[index].release() }
    ring.free()
    places.free()
  }
}

/// Can a closure of `code` be made by a factory now? Not one with very many variables, nor in a
/// finaliser that a factory has set off.
/// Lua API that allocates: once for each heap `lua_newthread`, `luaL_ref`.
@inline(__always)
func canUseFactory(
  _ L: LuaState, _ code: CodeRef, _ state: UnsafeMutablePointer<CopyState>
) -> Bool {
  let count = code.notes.pointee.upvalueCount
  guard count <= BytecodeFactory.upvalueLimit, !state.pointee.isMaking else { return false }
  return lua_checkstack(state.openMaker(L), Int32(count) + 4) != 0
}

/// The values of `count` variables are at the top of the stack: put a closure of `code` that has them, or
/// an error message and return false, in their place. Needs 4 stack slots. Lua API that allocates: for
/// code that has no factory yet `lua_load`, `lua_rawseti`; what a call of one uses.
///
/// A factory's two instructions run on a coroutine of their own, on which no debug hook is ever set:
/// neither a script's hook nor preemption shall meet them. The factories lie at the bottom of its stack.
@inline(__always)
func makeClosure(
  _ L: LuaState, _ code: CodeRef, _ count: Int32, _ state: UnsafeMutablePointer<CopyState>
) -> Bool {
  let maker = state.openMaker(L)
  let place = state.pointee.factories.place(of: code)
  if place != 0 {
    lua_rawgeti(maker, 1, lua_Integer(place))
  } else if !loadFactory(L, code, count, state) {
    return false
  }
  if count > 0 { lua_xmove(L, maker, count) }
  state.pointee.isMaking = true
  let status = lua_pcallk(maker, count, 1, 0, 0, nil)
  state.pointee.isMaking = false
  lua_xmove(maker, L, 1)
  return status == LUA_OK
}

/// Make a new factory and push it on the stack of factories. If it cannot be loaded an error message takes
/// the place of `count` values on the stack of `L`.
@inline(never)
private func loadFactory(
  _ L: LuaState, _ code: CodeRef, _ count: Int32, _ state: UnsafeMutablePointer<CopyState>
) -> Bool {
  var chunk = ByteWriter()
  defer { chunk.free() }
  BytecodeFactory.write(
    of: UnsafeRawBufferPointer(start: code.pointee.bytes, count: code.pointee.byteCount),
    descriptors: Int(code.notes.pointee.descriptors),
    upvalues: Int(code.notes.pointee.upvalueCount), into: &chunk)
  guard lwkt_undump(L, chunk.base, chunk.count) else {
    lua_rotate(L, -1 - count, 1)
    lwkt_pop(L, count)
    return false
  }
  let maker = state.openMaker(L)
  lua_xmove(L, maker, 1)
  lua_pushvalue(maker, -1)
  lua_rawseti(maker, 1, lua_Integer(state.pointee.factories.add(code)))
  return true
}

/// Push a function of `code` with new variables; false, with an error message pushed instead, if it
/// cannot be loaded. Lua API that allocates: `lua_load`.
func pushFunction(_ L: LuaState, _ code: CodeRef) -> Bool {
  lwkt_undump(L, code.pointee.bytes, code.pointee.byteCount)
}
