// CopyThread.swift: the function and arguments of a new thread.
//
// Like a message, but the function brings the globals that its code names, and must not assign a
// variable of the thread that creates it.
//
// Most starts are flat (CopyFlat.swift); those with tables and other functions take the general form.

import CLua
import LWKTCore

/// Fills in the coroutines that one is in: `lwkt_enclosing`.
typealias EnclosingCoroutines = (LuaState?, UnsafeMutablePointer<LuaState?>?, Int32) -> Int32

/// Copy the thread function at `function` and the arguments at [first, first + count) to an empty
/// payload. On failure false, with a message on the stack, and the payload still empty.
///
/// `enclosing` fills in the other coroutines that make up the creator's call stack, if any: those that
/// have resumed `L`. It is asked when the function assigns a variable.
///
/// In the creating thread. Needs 1 stack slot. Lua API that allocates: `lua_pushlstring`,
/// `lua_createtable`, `lua_newuserdatauv`, `lua_rawset*`, `luaL_ref`.
func encodeThread(
  _ L: LuaState, function: Int32, first: Int32, count: Int32, context: CopyContext,
  enclosing: EnclosingCoroutines = { _, _, _ in 0 }, into payload: UnsafeMutablePointer<Payload>
) -> Bool {
  guard lua_checkstack(L, Encoder.stackNeed) != 0 else { return failOnStackSpace(L, "create") }
  let function = lua_absindex(L, function)
  let first = lua_absindex(L, first)
  let context = CopyContext(
    state: context.state, environment: lua_absindex(L, context.environment))
  let top = lua_gettop(L)
  if lua_iscfunction(L, function) == 0, context.state.moduleEntry(L, function) == nil,
    let code = pushCodeRecord(L, function, context.state)
  {
    if let upvalue = sharedLocal(L, function, code, enclosing) {
      lwkt_pop(L, lua_gettop(L) - top)
      pushMessage(L, refusal(upvalue, code))
      return false
    }
    let isDone = encodeFlatThread(L, function, code, first, count, context, payload)
    lwkt_pop(L, lua_gettop(L) - top)
    if isDone { return true }
  }
  return encodeThreadGraph(L, function, first, count, context, payload)
}

private func encodeThreadGraph(
  _ L: LuaState, _ function: Int32, _ first: Int32, _ count: Int32, _ context: CopyContext,
  _ payload: UnsafeMutablePointer<Payload>
) -> Bool {
  var encoder = Encoder(L, context, isThread: true)
  let link = EncodedLink(parent: 0, kind: .threadFunction, data: 0)
  guard encoder.writeValue(function, link) else { return encoder.fail("create") }
  for number in 0..<count {
    let link = EncodedLink(parent: 0, kind: .argument, data: Int(number) + 1)
    guard encoder.writeValue(first + number, link) else { return encoder.fail("create") }
  }
  guard encoder.drain() else { return encoder.fail("create") }
  encoder.writeGuesses()
  encoder.finish(payload, count: Int(count) + 1)
  return true
}

// MARK: Flat

/// Try to write all as a flat start: the code, its variables, the arguments. The code's record is at
/// the top of the stack. False, with nothing changed but the stack, if it cannot be.
private func encodeFlatThread(
  _ L: LuaState, _ function: Int32, _ code: CodeRef, _ first: Int32, _ count: Int32,
  _ context: CopyContext, _ payload: UnsafeMutablePointer<Payload>
) -> Bool {
  let record = lua_gettop(L)
  var writer = FlatWriter(context.state.openFlatMemory())
  let counts = writeFlat(L, &writer, function, code, first, count, context)
  // The globals last, since they cost most and the rest may not fit.
  guard let counts,
    counts.environment == 0
      || !needsGlobals(L, record, code, counts.environment, context)
  else {
    writer.discard()
    return false
  }
  writer.finish(payload, counts)
  return true
}

/// Write all; nil if it cannot be.
@inline(__always)
private func writeFlat(
  _ L: LuaState, _ writer: inout FlatWriter, _ function: Int32, _ code: CodeRef, _ first: Int32,
  _ count: Int32, _ context: CopyContext
) -> FlatCounts? {
  guard writer.put(UnsafeMutableRawPointer(code)) else { return nil }
  let upvalues = Int32(code.notes.pointee.upvalueCount)
  guard upvalues <= FlatWriter.limit else { return nil }
  var counts = FlatCounts(values: count + 1)
  let environment = lua_topointer(L, context.environment)
  var upvalue: Int32 = 1
  while upvalue <= upvalues {
    lua_getupvalue(L, function, upvalue)
    let address = lua_topointer(L, -1)
    if address == environment, counts.environment == 0 {
      counts.environment = upvalue
    } else if counts.itself == 0, address != nil, address == lua_topointer(L, function) {
      counts.itself = upvalue
    } else if !writer.put(L, -1, context.state) {
      return nil
    }
    lwkt_pop(L, 1)
    upvalue += 1
  }
  var index = first
  while index < first + count {
    guard writer.put(L, index, context.state) else { return nil }
    index += 1
  }
  return counts
}

/// Does the code, whose upvalue `upvalue` is the globals table, need any of what the program put
/// there?
private func needsGlobals(
  _ L: LuaState, _ record: Int32, _ code: CodeRef, _ upvalue: Int32, _ context: CopyContext
) -> Bool {
  let number = UInt32(upvalue - 1)
  if code.upvalues[Int(number)].isTaken { return true }
  let state = context.state
  let hasStandard = lua_topointer(L, context.environment) != state.pointee.standardAddress
  for index in 0..<Int(code.notes.pointee.nameCount) where code.names[index].upvalue == number {
    pushName(L, record, code, index)
    if state.pushUserGlobal(L, context.environment, hasStandard) { return true }
    lwkt_pop(L, 1)
  }
  return false
}

/// What a thread function can do with its globals.
enum UseOfGlobals {
  /// Nothing: it has no such upvalue.
  case none
  /// Read standard ones, so it needs no table of its own.
  case standard
  case any
}

/// `payload` is a new thread's.
@inline(__always)
func useOfGlobals(_ payload: UnsafeMutablePointer<Payload>) -> UseOfGlobals {
  guard var reader = FlatReader(payload) else { return .any }
  let environment = Int(reader.counts.environment)
  guard environment > 0 else { return .none }
  let upvalue = reader.code().upvalues[environment - 1]
  return upvalue.isTaken || upvalue.isChanged ? .any : .standard
}

/// Push the function and the arguments of a new thread; `.values` counts both. The payload stays as
/// it is. Globals that travel along are set in the table at `context.environment`, the new
/// thread's; it may be `standardGlobals` if `useOfGlobals` says that it needs no others.
///
/// On the stack of the new thread or any other of the heap. Needs 1 stack slot. Lua API that
/// allocates: as `decodeValues`.
func decodeThread(
  _ L: LuaState, _ payload: UnsafeMutablePointer<Payload>, context: CopyContext
) -> DecodeResult {
  guard var reader = FlatReader(payload) else {
    return decodeGraph(L, payload, context, globals: context.environment)
  }
  // No more than it takes: a new coroutine's stack is large enough for most, and would double.
  guard lua_checkstack(L, Int32(reader.count) + 8) != 0 else {
    return failDecode(L, "no stack space")
  }
  let top = lua_gettop(L)
  let code = reader.code()
  let upvalues = Int32(code.notes.pointee.upvalueCount)
  let usesFactory = canUseFactory(L, code, context.state)
  guard usesFactory || pushFunction(L, code) else { return .failed }
  let function = top + 1
  var upvalue: Int32 = 1
  while upvalue <= upvalues {
    if upvalue == reader.counts.environment {
      context.pushEnvironment(L)
    } else if upvalue == reader.counts.itself {
      lua_pushnil(L)
    } else {
      let result = reader.push(L, context.state)
      guard case .values = result else { return leave(L, result, at: function) }
    }
    if !usesFactory { lua_setupvalue(L, function, upvalue) }
    upvalue += 1
  }
  if usesFactory, !makeClosure(L, code, upvalues, context.state) { return .failed }
  if reader.counts.itself > 0 {
    lua_pushvalue(L, function)
    lua_setupvalue(L, function, reader.counts.itself)
  }
  while reader.tag != CopyTag.none {
    let result = reader.push(L, context.state)
    guard case .values = result else { return leave(L, result, at: function) }
  }
  return .values(reader.counts.values)
}

/// What is at the top comes in the place of all from `place` on.
private func leave(_ L: LuaState, _ result: DecodeResult, at place: Int32) -> DecodeResult {
  lua_copy(L, -1, place)
  lua_settop_plain(L, place)
  return result
}

// MARK: Assigned variables

/// Lua nests resumes no deeper than C calls.
private let resumeLimit = 200

/// The number of the first upvalue that the code of the thread function assigns although it is a
/// local variable of a function that is still running, or nil. Lua API that allocates: none.
@inline(__always)
private func sharedLocal(
  _ L: LuaState, _ function: Int32, _ code: CodeRef, _ enclosing: EnclosingCoroutines
) -> Int? {
  if code.notes.pointee.assignedCount == 0 { return nil }
  return assignedStackLocal(L, function, code, enclosing)
}

@inline(never)
private func assignedStackLocal(
  _ L: LuaState, _ function: Int32, _ code: CodeRef, _ enclosing: EnclosingCoroutines
) -> Int? {
  withUnsafeTemporaryAllocation(of: LuaState?.self, capacity: resumeLimit) { others in
    others.initialize(repeating: nil)
    let count = enclosing(L, others.baseAddress, Int32(resumeLimit))
    for upvalue in 0..<Int(code.notes.pointee.upvalueCount)
    where code.upvalues[upvalue].isAssigned
      && (lwkt_is_stack_local(L, function, Int32(upvalue + 1), others.baseAddress, count)
        || isPromptLocal(L, function, Int32(upvalue + 1)))
    {
      return upvalue
    }
    return nil
  }
}

private func refusal(_ upvalue: Int, _ code: CodeRef) -> String {
  let assigned = code.upvalues[upvalue]
  let name = assigned.name.count == 0 ? "?" : text(code.bytes(assigned.name))
  let line = assigned.assignedLine == 0 ? "?" : "\(assigned.assignedLine)"
  return "create: thread function assigns '\(name)', a local of its creator "
    + "(\(sourceName(of: code)):\(line)); each thread has its own copy: "
    + "use lwkt.shared, a message, or sharing=true"
}
