// Bytecode.swift: what a dumped Lua 5.4 function does with the variables it captures.
//
// Read here, from the bytes that `lua_dump` writes:
// - which globals the code names (access by a constant name through an upvalue that turns out to be
//   the globals table), so that a thread can be given them;
// - which upvalues it assigns, and where, so that `create` can refuse what could not work;
// - where the upvalue descriptions are, which the factory rewrites (BytecodeFactory.swift).
//
// The format is the one of Lua 5.4.0 to 5.4.x; the first function that is read in a process has
// `BytecodeFormat.check` compare it with the library that is linked. The reader is checked at every step: bytes cut short are an error, not a crash.

import CLua
import Synchronization

/// A piece of the dump.
struct ByteSpan: BitwiseCopyable {
  var offset: UInt32
  var count: UInt32
}

/// What a dump begins with, and the instructions that matter here.
enum BytecodeFormat {
  /// Signature, version, format, check bytes, sizes, and the numbers 0x5678 and 370.5.
  static let header: [UInt8] = [
    0x1B, 0x4C, 0x75, 0x61, 0x54, 0x00, 0x19, 0x93, 0x0D, 0x0A, 0x1A, 0x0A, 0x04, 0x08, 0x08,
    0x78, 0x56, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0x28, 0x77, 0x40,
  ]

  static let getUpvalue: UInt32 = 9
  static let setUpvalue: UInt32 = 10
  static let getTabUp: UInt32 = 11
  static let setTabUp: UInt32 = 15
  static let returning: UInt32 = 70
  static let closure: UInt32 = 79

  // Constants.
  static let nilConstant: UInt8 = 0x00
  static let falseConstant: UInt8 = 0x01
  static let trueConstant: UInt8 = 0x11
  static let integerConstant: UInt8 = 0x03
  static let floatConstant: UInt8 = 0x13
  static let shortConstant: UInt8 = 0x04
  static let longConstant: UInt8 = 0x14

  /// Globals that lead to a thread's globals by a way that the code does not show.
  static let changers = ["debug", "package", "require"]

  /// Lua's compiler nests functions no deeper than this.
  static let nestingLimit = 255

  /// What is known of the linked library.
  enum Support {
    static let unknown: UInt8 = 0
    static let good: UInt8 = 1
    static let bad: UInt8 = 2
  }

  /// Relaxed: several workers may find out at the same time, and find the same.
  static let support = Atomic<UInt8>(Support.unknown)

  /// Can functions of the linked library be read? In any heap. Lua API that allocates: at first what
  /// `check` uses, and `lua_newthread`, `luaL_ref`.
  @inline(__always)
  static func isSupported(_ L: LuaState, _ state: UnsafeMutablePointer<CopyState>) -> Bool {
    support.load(ordering: .relaxed) == Support.good || isSupportedNow(L, state)
  }

  /// On the coroutine of factories, which has no hooks: neither a script's nor preemption shall meet
  /// what is run for the check.
  @inline(never)
  private static func isSupportedNow(
    _ L: LuaState, _ state: UnsafeMutablePointer<CopyState>
  ) -> Bool {
    if support.load(ordering: .relaxed) == Support.bad { return false }
    let maker = state.openMaker(L)
    // In a finaliser that a factory has set off, or this: the next one will find out.
    guard !state.pointee.isMaking, lua_checkstack(maker, 6) != 0 else { return true }
    state.pointee.isMaking = true
    defer { state.pointee.isMaking = false }
    let isGood = check(maker)
    support.store(isGood ? Support.good : Support.bad, ordering: .relaxed)
    return isGood
  }

  /// Why no function can be sent, or nil.
  static var problem: String? {
    guard support.load(ordering: .relaxed) == Support.bad else { return nil }
    return "the library of " + String(cString: lwkt_lua_release())
      + " that this program is linked with dumps functions in another form than the Lua 5.4 it was "
      + "made for, so none can be sent"
  }

  /// Is the linked library's format the one that is known here? Needs 4 stack slots. Lua API that
  /// allocates: `luaL_loadbufferx`, `lua_load`.
  static func check(_ L: LuaState) -> Bool {
    let source: StaticString = "local a local function f(b) a = b; g = b return a end return f"
    let base = lua_gettop(L)
    defer { lwkt_pop(L, lua_gettop(L) - base) }
    var dump = lwkt_bytes()
    defer { freeBytes(&dump) }
    let text = UnsafeRawPointer(source.utf8Start).assumingMemoryBound(to: CChar.self)
    guard luaL_loadbufferx(L, text, source.utf8CodeUnitCount, "=check", "t") == LUA_OK,
      isPrototypeFound(L), lwkt_dump(L, -1, &dump)
    else { return false }
    let bytes = UnsafeRawBufferPointer(start: dump.data, count: dump.count)
    guard let analysis = try? BytecodeAnalysis(bytes), analysis.upvalues.count == 2,
      analysis.upvalues[0].isAssigned, analysis.upvalues[0].isTaken,
      !analysis.upvalues[1].isAssigned, !analysis.upvalues[1].isTaken,
      analysis.names.count == 1, analysis.names[0].upvalue == 1
    else { return false }
    // And the factory: the function that it makes has the variables it was given.
    var chunk = ByteWriter()
    defer { chunk.free() }
    BytecodeFactory.write(of: bytes, descriptors: analysis.descriptors, upvalues: 2, into: &chunk)
    guard lwkt_undump(L, chunk.base, chunk.count) else { return false }
    lua_pushinteger(L, 1)
    lua_createtable(L, 0, 1)
    guard lua_pcallk(L, 2, 1, 0, 0, nil) == LUA_OK, lua_type(L, -1) == LUA_TFUNCTION else {
      return false
    }
    lua_pushinteger(L, 2)
    guard lua_pcallk(L, 1, 1, 0, 0, nil) == LUA_OK, lua_tointegerx(L, -1, nil) == 2 else {
      return false
    }
    return true
  }

  /// The chunk at the top of the stack makes a function: do two that it makes, which are pushed, have
  /// the same prototype, and the chunk another?
  private static func isPrototypeFound(_ L: LuaState) -> Bool {
    let chunk = lua_gettop(L)
    for _ in 0..<2 {
      lua_pushvalue(L, chunk)
      guard lua_pcallk(L, 0, 1, 0, 0, nil) == LUA_OK else { return false }
    }
    let prototype = lwkt_prototype(L, -1)
    return prototype != nil && prototype == lwkt_prototype(L, -2)
      && prototype != lwkt_prototype(L, chunk) && lua_topointer(L, -1) != lua_topointer(L, -2)
  }
}

/// A global that the code names.
struct BytecodeName: BitwiseCopyable {
  /// The root function's upvalue through which it is reached, counted from 0.
  var upvalue: UInt32
  var name: ByteSpan
}

/// What the code does with one upvalue of the root function.
struct BytecodeUpvalue: BitwiseCopyable {
  /// Empty when the code is stripped.
  var name = ByteSpan(offset: 0, count: 0)
  /// The first line that assigns it; 0 when the code is stripped.
  var assignedLine: Int32 = 0
  var isAssigned = false
  /// It is taken as a value, or asked for `_G`: if it is the globals table, any constant string
  /// may be the name of a global.
  var isTaken = false
  /// Fields of it are assigned, or it is asked for a library by which that can be done: if it is the
  /// globals table, the code may change it.
  var isChanged = false
}

/// Why a dump was not understood.
enum BytecodeError: Error {
  case truncated
  case unknownFormat
}

struct BytecodeAnalysis {
  private(set) var source: ByteSpan?
  private(set) var lineDefined: Int32 = 0
  private(set) var upvalues: [BytecodeUpvalue] = []
  /// Each name once per upvalue.
  private(set) var names: [BytecodeName] = []
  /// All string constants, each once: any could be a global's name.
  private(set) var constants: [ByteSpan] = []
  /// Where the root's upvalue descriptions begin, 3 bytes each.
  private(set) var descriptors = 0

  private var reader: BytecodeReader
  private var seen: Set<Seen> = []

  private struct Seen: Hashable {
    var role: UInt32
    var bytes: [UInt8]
  }

  /// Read a whole dump. - Complexity: O(bytes).
  init(_ bytes: UnsafeRawBufferPointer) throws(BytecodeError) {
    reader = BytecodeReader(bytes)
    for expected in BytecodeFormat.header where try reader.byte() != expected {
      throw .unknownFormat
    }
    let upvalueCount = try reader.byte()
    upvalues = Array(repeating: BytecodeUpvalue(), count: Int(upvalueCount))
    try readFunction(parent: nil, depth: 0)
  }
}

extension BytecodeAnalysis {
  /// The upvalues of a function in terms of the root's: the root's number, or nil for a variable of
  /// a function in between.
  private typealias Mapping = [UInt32?]

  private mutating func readFunction(parent: Mapping?, depth: Int) throws(BytecodeError) {
    guard depth <= BytecodeFormat.nestingLimit else { throw .unknownFormat }
    let source = try reader.string()
    let line = try reader.int()
    _ = try reader.int()
    try reader.skip(3)
    let codeCount = try reader.count(of: 4)
    let code = reader.position
    try reader.skip(codeCount * 4)
    let strings = try readConstants()
    let mapping = try readDescriptors(parent: parent)
    if parent == nil {
      self.source = source
      lineDefined = line
    }
    var assignments: [(pc: Int, upvalue: UInt32)] = []
    scan(code, codeCount, strings, mapping, &assignments)
    for _ in 0..<(try reader.count(of: 1)) {
      try readFunction(parent: mapping, depth: depth + 1)
    }
    try readDebug(line, assignments, isRoot: parent == nil)
  }

  /// The constants of a function, with nil for those that are no strings.
  private mutating func readConstants() throws(BytecodeError) -> [ByteSpan?] {
    var strings: [ByteSpan?] = []
    let count = try reader.count(of: 1)
    strings.reserveCapacity(count)
    for _ in 0..<count {
      switch try reader.byte() {
      case BytecodeFormat.nilConstant, BytecodeFormat.falseConstant, BytecodeFormat.trueConstant:
        strings.append(nil)
      case BytecodeFormat.integerConstant, BytecodeFormat.floatConstant:
        try reader.skip(8)
        strings.append(nil)
      case BytecodeFormat.shortConstant, BytecodeFormat.longConstant:
        let string = try reader.string()
        strings.append(string)
        if let string, isNew(string, .max) { constants.append(string) }
      default:
        throw .unknownFormat
      }
    }
    return strings
  }

  private mutating func readDescriptors(parent: Mapping?) throws(BytecodeError) -> Mapping {
    let count = try reader.count(of: 3)
    guard let parent else {
      descriptors = reader.position
      guard count == upvalues.count else { throw .unknownFormat }
      try reader.skip(count * 3)
      return (0..<count).map { UInt32($0) }
    }
    var mapping: Mapping = []
    mapping.reserveCapacity(count)
    for _ in 0..<count {
      let inStack = try reader.byte()
      let index = Int(try reader.byte())
      _ = try reader.byte()
      mapping.append(inStack == 0 && index < parent.count ? parent[index] : nil)
    }
    return mapping
  }

  /// Look at each instruction of one function.
  private mutating func scan(
    _ code: Int, _ count: Int, _ strings: [ByteSpan?], _ mapping: Mapping,
    _ assignments: inout [(pc: Int, upvalue: UInt32)]
  ) {
    func root(_ index: UInt32) -> UInt32? {
      Int(index) < mapping.count ? mapping[Int(index)] : nil
    }
    for pc in 0..<count {
      let instruction = reader.word(at: code + pc * 4)
      let a = instruction >> 7 & 0xFF
      let b = instruction >> 16 & 0xFF
      let c = instruction >> 24
      switch instruction & 0x7F {
      case BytecodeFormat.getUpvalue:
        if let upvalue = root(b) { upvalues[Int(upvalue)].isTaken = true }
      case BytecodeFormat.setUpvalue:
        if let upvalue = root(b) { assignments.append((pc, upvalue)) }
      case BytecodeFormat.getTabUp:
        if let upvalue = root(b) { note(Int(c), strings, upvalue) }
      case BytecodeFormat.setTabUp:
        if let upvalue = root(a) {
          upvalues[Int(upvalue)].isChanged = true
          note(Int(b), strings, upvalue)
        }
      default:
        break
      }
    }
  }

  /// The constant `index` is used as a key of an upvalue.
  private mutating func note(_ index: Int, _ strings: [ByteSpan?], _ upvalue: UInt32) {
    guard index < strings.count, let name = strings[index] else { return }
    let bytes = reader.bytes(name)
    if bytes.elementsEqual("_G".utf8) { upvalues[Int(upvalue)].isTaken = true }
    if BytecodeFormat.changers.contains(where: { bytes.elementsEqual($0.utf8) }) {
      upvalues[Int(upvalue)].isChanged = true
    }
    if isNew(name, upvalue) { names.append(BytecodeName(upvalue: upvalue, name: name)) }
  }

  /// Is this string met for the first time in this role: a key of an upvalue, or a constant?
  private mutating func isNew(_ string: ByteSpan, _ role: UInt32) -> Bool {
    seen.insert(Seen(role: role, bytes: Array(reader.bytes(string)))).inserted
  }

  /// Line numbers, local variables, and the names of upvalues.
  private mutating func readDebug(
    _ lineDefined: Int32, _ assignments: [(pc: Int, upvalue: UInt32)], isRoot: Bool
  ) throws(BytecodeError) {
    let lineCount = try reader.count(of: 1)
    let lines = reader.position
    try reader.skip(lineCount)
    var absolute: [(pc: Int32, line: Int32)] = []
    for _ in 0..<(try reader.count(of: 2)) {
      absolute.append((try reader.int(), try reader.int()))
    }
    for _ in 0..<(try reader.count(of: 3)) {
      _ = try reader.string()
      _ = try reader.int()
      _ = try reader.int()
    }
    let nameCount = try reader.count(of: 1)
    for index in 0..<nameCount {
      let name = try reader.string()
      if isRoot, index < upvalues.count, let name { upvalues[index].name = name }
    }
    for (pc, upvalue) in assignments {
      let line = lineCount > pc ? self.line(pc, lines, lineDefined, absolute) : 0
      let known = upvalues[Int(upvalue)]
      upvalues[Int(upvalue)].isAssigned = true
      if !known.isAssigned || line < known.assignedLine {
        upvalues[Int(upvalue)].assignedLine = line
      }
    }
  }

  /// The line of an instruction: each has a signed byte, the difference to the one before it, or
  /// the mark of an absolute line.
  private func line(
    _ pc: Int, _ lines: Int, _ lineDefined: Int32, _ absolute: [(pc: Int32, line: Int32)]
  ) -> Int32 {
    var line = lineDefined
    for index in 0...pc {
      let difference = Int8(bitPattern: reader.byte(at: lines + index))
      if difference == Int8.min {
        line = absolute.first { $0.pc == Int32(index) }?.line ?? line
      } else {
        line &+= Int32(difference)
      }
    }
    return line
  }
}

/// A cursor over a dump that never leaves it.
struct BytecodeReader {
  private let all: UnsafeRawBufferPointer
  private(set) var position = 0

  init(_ bytes: UnsafeRawBufferPointer) { all = bytes }

  var remaining: Int { all.count - position }

  mutating func byte() throws(BytecodeError) -> UInt8 {
    guard remaining >= 1 else { throw .truncated }
    position += 1
    return all[position - 1]
  }

  mutating func skip(_ count: Int) throws(BytecodeError) {
    guard count >= 0, remaining >= count else { throw .truncated }
    position += count
  }

  /// Seven bits a byte, the highest first; the last one is marked.
  mutating func unsigned() throws(BytecodeError) -> UInt64 {
    var value: UInt64 = 0
    while true {
      let byte = try byte()
      guard value < 1 << 56 else { throw .unknownFormat }
      value = value << 7 | UInt64(byte & 0x7F)
      if byte & 0x80 != 0 { return value }
    }
  }

  mutating func int() throws(BytecodeError) -> Int32 {
    guard let value = Int32(exactly: try unsigned()) else { throw .unknownFormat }
    return value
  }

  /// A number of elements of at least `size` bytes each, which must all be there.
  mutating func count(of size: Int) throws(BytecodeError) -> Int {
    let count = Int(try int())
    guard count * size <= remaining else { throw .truncated }
    return count
  }

  /// A string, or nil for none.
  mutating func string() throws(BytecodeError) -> ByteSpan? {
    let size = try unsigned()
    guard size > 0 else { return nil }
    guard size - 1 <= UInt64(remaining), position < Int(UInt32.max), size < UInt64(UInt32.max)
    else { throw .truncated }
    let span = ByteSpan(offset: UInt32(position), count: UInt32(size - 1))
    position += Int(size - 1)
    return span
  }

  /// Only where something has been read before.
  func byte(at offset: Int) -> UInt8 { all[offset] }

  func word(at offset: Int) -> UInt32 { all.loadUnaligned(fromByteOffset: offset, as: UInt32.self) }

  func bytes(_ span: ByteSpan) -> UnsafeRawBufferPointer.SubSequence {
    all[Int(span.offset)..<Int(span.offset + span.count)]
  }
}
