// SystemCallReader.swift: a system call's arguments, from the Lua stack.

import CLua
import LWKTCore

/// Reads the arguments of one call as its table entry says.
/// Lua API that allocates: only for error messages.
struct SystemCallReader {
  private let L: LuaState
  private let operation: SystemCall.Operation
  private let first: Int32
  /// The present argument on the stack, and its word in the call.
  private var index: Int32
  private var word = 0
  /// The code to return when `read` has returned nil.
  private(set) var problem: Int32 = 0

  init(_ L: LuaState, _ operation: SystemCall.Operation, first: Int32) {
    self.L = L
    self.operation = operation
    self.first = first
    index = first
  }

  /// A call with one reference, the caller's, or nil and `problem`.
  mutating func read() -> SystemCallRef? {
    let call = SystemCallRef.make(operation)
    let entry = call.pointee.entry
    for position in 0..<entry.pointee.arguments.utf8CodeUnitCount {
      guard readOne(entry.pointee.arguments.utf8Start[position], entry, call) else {
        call.release()
        return nil
      }
      index += 1
    }
    return call
  }

  /// One argument by its letter. False with `problem` set.
  private mutating func readOne(
    _ letter: UInt8, _ entry: UnsafePointer<SystemCall.Entry>, _ call: SystemCallRef
  ) -> Bool {
    switch letter {
    case UInt8(ascii: "d"): return readDescriptor(call)
    case UInt8(ascii: "p"): return readPath(call)
    case UInt8(ascii: "P"): return readPathOrDescriptor(call)
    case UInt8(ascii: "s"): return readBytes(call)
    case UInt8(ascii: "n"): return readRoom(call)
    case UInt8(ascii: "o"): return readOffset(call)
    case UInt8(ascii: "f"): return readOpenMode(call)
    case UInt8(ascii: "m"): return readPermissions(call, entry.pointee.permissions)
    case UInt8(ascii: "e"): return readEvents(call)
    case UInt8(ascii: "c"): return readClockName(call)
    case UInt8(ascii: "t"): return readTime(call, isLimit: true)
    default: return readTime(call, isLimit: false)
    }
  }

  // MARK: what is wrong

  private mutating func refuse(_ text: String) -> Bool {
    let number = String(index - first + 1)
    problem = raise(L, "bad argument #" + number + " to '" + operation.name + "' (" + text + ")")
    return false
  }

  private mutating func refuseType(_ wanted: String) -> Bool {
    refuse(wanted + " expected, got " + typeName(L, index))
  }

  private mutating func refuseNumber() -> Bool {
    if lua_type(L, index) != LUA_TNUMBER { return refuseType("number") }
    return refuse("number has no integer representation")
  }

  // MARK: the letters

  private mutating func set(_ call: SystemCallRef, _ value: UInt64) -> Bool {
    call.setArgument(word, value)
    word += 1
    return true
  }

  private mutating func readDescriptor(_ call: SystemCallRef) -> Bool {
    guard let number = integerArgument(L, index) else { return refuseNumber() }
    // The kernel looks at 32 bits; a number that has more is no descriptor either.
    return set(call, UInt64(bitPattern: Int64(Int32(exactly: number) ?? -1)))
  }

  private func bytes() -> UnsafeRawBufferPointer {
    var count = 0
    let start = lua_tolstring(L, index, &count)
    return UnsafeRawBufferPointer(start: start, count: count)
  }

  private mutating func readPath(_ call: SystemCallRef) -> Bool {
    guard lua_type(L, index) == LUA_TSTRING else { return refuseType("string") }
    guard call.setPath(word, bytes()) else { return refuse("a path cannot contain zeros") }
    word += 2
    return true
  }

  private mutating func readPathOrDescriptor(_ call: SystemCallRef) -> Bool {
    if let number = integerArgument(L, index) {
      call.setPathDescriptor(word, Int32(exactly: number) ?? -1)
      word += 2
      return true
    }
    guard lua_type(L, index) == LUA_TSTRING else { return refuseType("string or number") }
    return readPath(call)
  }

  /// A shared array is read into or written from where it lies. Nil: the argument is none.
  private mutating func readArray(_ call: SystemCallRef, _ access: SharedAccess) -> Bool? {
    guard let object = handleObject(L, index), object.objectKind == .array else { return nil }
    if let code = refuseAccess(L, object, access) {
      problem = code
      return false
    }
    let bytes = object.array.bytes
    guard let start = bytes.baseAddress else { return refuse("the array is empty") }
    call.setRegion(word, start, bytes.count, of: object)
    word += 2
    return true
  }

  private mutating func readBytes(_ call: SystemCallRef) -> Bool {
    if let isRead = readArray(call, .read) { return isRead }
    guard lua_type(L, index) == LUA_TSTRING else { return refuseType("string") }
    guard call.setBytes(word, bytes()) else { return refuse("not enough memory") }
    word += 2
    return true
  }

  private mutating func readRoom(_ call: SystemCallRef) -> Bool {
    if let isRead = readArray(call, .write) { return isRead }
    guard let count = integerArgument(L, index) else { return refuseNumber() }
    guard count >= 0 else { return refuse("a number of bytes is not negative") }
    guard call.setRoom(word, Int(count)) else { return refuse("not enough memory") }
    word += 2
    return true
  }

  private mutating func readOffset(_ call: SystemCallRef) -> Bool {
    guard let offset = integerArgument(L, index) else { return refuseNumber() }
    guard offset >= 0 else { return refuse("an offset is not negative") }
    return set(call, UInt64(offset))
  }

  private mutating func readPermissions(_ call: SystemCallRef, _ usual: UInt64) -> Bool {
    if lua_type(L, index) <= LUA_TNIL { return set(call, usual) }
    guard let bits = integerArgument(L, index) else { return refuseNumber() }
    guard bits >= 0, bits <= 0o7777 else { return refuse("permission bits are 0 to 07777") }
    return set(call, UInt64(bits))
  }

  private mutating func readOpenMode(_ call: SystemCallRef) -> Bool {
    if lua_type(L, index) <= LUA_TNIL { return set(call, openCloseOnExec) }
    if let flags = integerArgument(L, index) {
      guard let flags = UInt32(exactly: flags) else { return refuse("invalid mode") }
      return set(call, UInt64(flags) | openCloseOnExec)
    }
    guard lua_type(L, index) == LUA_TSTRING else { return refuseType("string or number") }
    guard let flags = OpenMode.flags(bytes()) else { return refuse("invalid mode") }
    return set(call, flags | openCloseOnExec)
  }

  private mutating func readEvents(_ call: SystemCallRef) -> Bool {
    guard lua_type(L, index) == LUA_TSTRING else { return refuseType("string") }
    switch stringArgument(L, index) {
    case "r": return set(call, UInt64(PollEvents.input))
    case "w": return set(call, UInt64(PollEvents.output))
    case "rw", "wr": return set(call, UInt64(PollEvents.input | PollEvents.output))
    default: return refuse("one of \"r\", \"w\", \"rw\" expected")
    }
  }

  private mutating func readClockName(_ call: SystemCallRef) -> Bool {
    if let clock = clockArgument(L, index) { return set(call, UInt64(clock)) }
    guard lua_type(L, index) == LUA_TSTRING else { return refuseType("string") }
    return refuse("one of \"monotonic\", \"realtime\", \"boottime\", \"process\" expected")
  }

  private mutating func readTime(_ call: SystemCallRef, isLimit: Bool) -> Bool {
    if isLimit, lua_type(L, index) <= LUA_TNIL { return true }
    guard lua_type(L, index) == LUA_TNUMBER else { return refuseType("number") }
    let seconds = lua_tonumberx(L, index, nil)
    guard seconds == seconds else { return refuse("not a number") }
    if isLimit, seconds <= 0 {
      // Long past: asks what is there now.
      call.setDeadline(1)
      return true
    }
    guard seconds >= 0 else { return refuse("a time to sleep is not negative") }
    call.setDeadline(mycpu.readClock() &+ UInt64(min(seconds, 1e9) * 1e9))
    return true
  }
}

/// The kernel's number of the clock that is named at `index`, monotonic unless told; nil for no such name.
/// Lua API that allocates: none.
func clockArgument(_ L: LuaState, _ index: Int32) -> Int32? {
  let type = lua_type(L, index)
  if type <= LUA_TNIL { return 1 }
  guard type == LUA_TSTRING else { return nil }
  var count = 0
  let start = lua_tolstring(L, index, &count)
  let name = UnsafeRawBufferPointer(start: start, count: count)
  if equal(name, "monotonic") { return 1 }
  if equal(name, "realtime") { return 0 }
  if equal(name, "process") { return 2 }
  return equal(name, "boottime") ? 7 : nil
}

/// `io.open`'s modes as flags of `open`.
enum OpenMode {
  /// Nil for one that `io.open` would not take.
  static func flags(_ text: UnsafeRawBufferPointer) -> UInt64? {
    var rest = text[...]
    guard let kind = rest.popFirst() else { return nil }
    let isUpdate = rest.first == UInt8(ascii: "+")
    if isUpdate { rest = rest.dropFirst() }
    guard rest.allSatisfy({ $0 == UInt8(ascii: "b") }) else { return nil }
    let create: UInt64 = 0o100
    switch kind {
    case UInt8(ascii: "r"): return isUpdate ? 2 : 0
    case UInt8(ascii: "w"): return (isUpdate ? 2 : 1) | create | 0o1000
    case UInt8(ascii: "a"): return (isUpdate ? 2 : 1) | create | 0o2000
    default: return nil
    }
  }
}
