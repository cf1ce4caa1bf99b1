// CopyFunction.swift: functions into neutral memory, and the globals that a new thread needs.
//
// A function is its code and its upvalues. Those are variables: two functions of one message that
// share a variable share it on the other side too, so each variable is written with the first
// function that has it, and the others name that one.
//
// The globals that code names come in two strengths. Access by a constant name is certain: such a
// global travels, or `create` is refused. If the code takes the whole globals table as a value, any
// string constant of its may be a name: such a *guess* travels if it can, and all of it or nothing.

import CLua
import LWKTCore

/// A constant that may name a global.
struct GuessedName: BitwiseCopyable {
  /// Kept alive by the encoding's objects.
  var code: CodeRef
  var name: ByteSpan
}

extension Encoder {
  /// The record of the Lua function at `function`.
  mutating func writeFunction(_ function: Int32, _ node: UInt32) -> Bool {
    guard let code = pushCodeRecord(L, function, state) else {
      _ = refuse("function of unknown code", scratch.pointee.nodes[Int(node) - 1].link)
      refusal?.reason = BytecodeFormat.problem
      return false
    }
    let record = lua_gettop(L)
    let count = code.notes.pointee.upvalueCount
    setEntry(node, .function, offset: offset, detail: UInt64(addObject(code)))
    scratch.pointee.out.put(CopyTag.function, node)
    scratch.pointee.out.put(UInt8(truncatingIfNeeded: count))
    var upvalue: Int32 = 1
    while upvalue <= count {
      guard writeUpvalue(function, node, upvalue) else { return false }
      upvalue += 1
    }
    if isThread {
      guard writeGlobals(function, record, code) else { return false }
    }
    lwkt_pop(L, 1)
    return true
  }

  /// One variable of a function.
  private mutating func writeUpvalue(
    _ function: Int32, _ node: UInt32, _ upvalue: Int32
  ) -> Bool {
    let variable = UInt(bitPattern: lua_upvalueid(L, function, upvalue))
    let home = scratch.pointee.seen.find(variable)
    if home != 0 {
      scratch.pointee.out.put(CopyTag.join, UInt32(truncatingIfNeeded: home >> 8))
      scratch.pointee.out.put(UInt8(truncatingIfNeeded: home))
      return true
    }
    remember(variable, UInt64(node) << 8 | UInt64(UInt8(truncatingIfNeeded: upvalue)))
    lua_getupvalue(L, function, upvalue)
    guard writeValue(-1, EncodedLink(parent: node, kind: .upvalue, data: Int(upvalue)))
    else { return false }
    lwkt_pop(L, 1)
    return true
  }

  // MARK: Globals

  /// The globals that the code of the function at `function` names. Its code record is at `record`.
  private mutating func writeGlobals(
    _ function: Int32, _ record: Int32, _ code: CodeRef
  ) -> Bool {
    let count = Int(code.notes.pointee.nameCount)
    var asked: UInt32 = .max
    var isEnvironment = false
    for index in 0..<count {
      let name = code.names[index]
      if name.upvalue != asked {
        asked = name.upvalue
        isEnvironment = holdsEnvironment(function, Int32(asked) + 1)
      }
      guard isEnvironment else { continue }
      pushName(L, record, code, index)
      guard writeGlobal() else { return false }
    }
    for upvalue in 0..<Int(code.notes.pointee.upvalueCount)
    where code.upvalues[upvalue].isTaken && holdsEnvironment(function, Int32(upvalue) + 1) {
      for index in 0..<Int(code.notes.pointee.constantCount) {
        scratch.pointee.guesses.append(GuessedName(code: code, name: code.constants[index]))
      }
      break
    }
    return true
  }

  private func holdsEnvironment(_ function: Int32, _ upvalue: Int32) -> Bool {
    guard lua_getupvalue(L, function, upvalue) != nil else { return false }
    let address = UInt(bitPattern: lua_topointer(L, -1))
    let isTable = lua_type(L, -1) == LUA_TTABLE
    lwkt_pop(L, 1)
    return isTable && (address == environmentAddress || address == standardAddress)
  }

  /// Write the global whose name is at the top of the stack, which is popped, unless it is written
  /// already, nil, or what the new thread sees under that name anyway.
  private mutating func writeGlobal() -> Bool {
    var count = 0
    guard let bytes = lua_tolstring(L, -1, &count) else { return true }
    let mark = UInt(bitPattern: bytes) + 1
    guard scratch.pointee.seen.find(mark) == 0 else {
      lwkt_pop(L, 1)
      return true
    }
    remember(mark, 1)
    guard state.pushUserGlobal(L, environment, standardAddress != environmentAddress) else {
      lwkt_pop(L, 1)
      return true
    }
    scratch.pointee.out.put(CopyTag.global)
    let at = scratch.pointee.out.count
    scratch.pointee.out.put(value: UInt32(count))
    scratch.pointee.out.put(bytes, count)
    let isWritten = writeValue(-1, EncodedLink(parent: 0, kind: .global, data: at))
    lwkt_pop(L, 2)
    return isWritten
  }

  /// Try all guesses, each with all that it brings along.
  mutating func writeGuesses() {
    isJournaling = true
    var index = 0
    while index < scratch.pointee.guesses.count {
      let guess = scratch.pointee.guesses[index]
      index += 1
      let mark = Mark(self)
      pushBytes(L, guess.code.bytes(guess.name))
      let isWritten = writeGlobal() && drain()
      if !isWritten { rollBack(mark) }
    }
  }

  /// A state of the encoding to return to. Nothing is pending then.
  private struct Mark {
    let top: Int32
    let out, nodes, objects, metatables, guesses, journal: Int
    let moduleCount: UInt32

    init(_ encoder: borrowing Encoder) {
      top = lua_gettop(encoder.L)
      let scratch = encoder.scratch
      out = scratch.pointee.out.count
      nodes = scratch.pointee.nodes.count
      objects = scratch.pointee.objects.count
      metatables = scratch.pointee.metatables.count
      guesses = scratch.pointee.guesses.count
      journal = scratch.pointee.journal.count
      moduleCount = encoder.moduleCount
    }
  }

  private mutating func rollBack(_ mark: Mark) {
    while state.pointee.pendingCount > pendingBase {
      state.popFromPending(L, pending)
      lwkt_pop(L, 1)
    }
    lwkt_pop(L, lua_gettop(L) - mark.top)
    while scratch.pointee.journal.count > mark.journal {
      let address = scratch.pointee.journal.popLast()
      scratch.pointee.seen.remove(address)
    }
    scratch.pointee.strings.forget()
    scratch.pointee.pendingNodes.truncate(0)
    scratch.pointee.out.truncate(mark.out)
    scratch.pointee.nodes.truncate(mark.nodes)
    releaseObjects(from: mark.objects)
    scratch.pointee.metatables.truncate(mark.metatables)
    scratch.pointee.guesses.truncate(mark.guesses)
    moduleCount = mark.moduleCount
    refusal = nil
  }
}

/// Push name `index` of a code, whose record is at `record`.
/// Lua API that allocates: `lua_pushlstring`, for a code with more names than a record holds.
@inline(__always)
func pushName(_ L: LuaState, _ record: Int32, _ code: CodeRef, _ index: Int) {
  if index < codeRecordNameLimit {
    lua_getiuservalue(L, record, Int32(index + 1))
  } else {
    pushBytes(L, code.bytes(code.names[index].name))
  }
}

extension UnsafeMutablePointer<CopyState> {
  /// The name of a global is at the top of the stack: push its value and return true, or push
  /// nothing and return false if it is nil or what every thread has under that name.
  /// Lua API that allocates: what `moduleEntry` uses.
  func pushUserGlobal(_ L: LuaState, _ environment: Int32, _ hasStandard: Bool) -> Bool {
    lua_pushvalue(L, -1)
    let type = lua_rawget(L, environment)
    var isStandard = type == LUA_TNIL
    if !isStandard, hasStandard {
      lua_rawgeti(L, registryIndex, lua_Integer(pointee.standard))
      lua_pushvalue(L, -3)
      lua_rawget(L, -2)
      isStandard = lua_rawequal(L, -1, -3) != 0
      lwkt_pop(L, 2)
    }
    if !isStandard, type == LUA_TTABLE || type == LUA_TFUNCTION {
      isStandard = isStandardGlobal(L)
    }
    if isStandard { lwkt_pop(L, 1) }
    return !isStandard
  }
}
