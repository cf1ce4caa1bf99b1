// CopyFormat.swift: how values look in neutral memory.
//
// A payload with small scalars only has them in its slots (CopyLight.swift), and a new thread's is flat
// if it can be (CopyFlat.swift). Any other has one buffer:
//
//     PayloadBuffer        the core's head: the objects that the bytes refer to by index
//     CopyHead
//     values               as many as the payload says
//     records              one per table, function and module reference, and per named global
//     nodes                a directory: one NodeEntry per table, function, module, long string
//     metatables           pairs of node numbers: a table and its metatable
//
// What can be referred to twice is a *node*, and nodes are numbered from 1 as they are met. A value
// that is a node is written as its number. So nothing nests in the bytes, and neither writing nor
// reading recurses, however deep the tables.

/// The first byte of every value and record.
enum CopyTag {
  // Values.
  static let none: UInt8 = 0
  static let `nil`: UInt8 = 1
  static let `false`: UInt8 = 2
  static let `true`: UInt8 = 3
  /// 8 bytes follow.
  static let integer: UInt8 = 4
  /// 8 bytes follow.
  static let float: UInt8 = 5
  /// The globals table of the thread.
  static let environment: UInt8 = 6
  /// UInt32: an object's index.
  static let handle: UInt8 = 7
  /// UInt32: a node's number.
  static let node: UInt8 = 8
  /// UInt32 number, UInt64 length, bytes: the first mention of a string that is a node.
  static let stringNode: UInt8 = 9
  /// Of an upvalue: UInt32 function node, UInt8 upvalue: the same variable as that one.
  static let join: UInt8 = 10
  /// The light userdata NULL, which C modules have for values that Lua has not: `cjson.null`.
  static let null: UInt8 = 12
  /// 16 + length, bytes: a string of up to `shortLimit` bytes.
  static let shortString: UInt8 = 16
  static let shortLimit = 64

  // Records.
  /// UInt32 node, values of 1, 2, ... up to `pairs`, then keys and values up to `end`.
  static let table: UInt8 = 100
  static let pairs: UInt8 = 101
  static let end: UInt8 = 102
  /// UInt32 node, UInt8 upvalue count, the upvalues.
  static let function: UInt8 = 103
  /// UInt32 node, UInt8 Lua type, the module's name as a raw string (UInt32 length, bytes), steps
  /// up to `end`.
  static let module: UInt8 = 104
  /// A raw string, a value: one of a new thread's globals.
  static let global: UInt8 = 105

  // Steps into a module.
  /// A raw string.
  static let nameStep: UInt8 = 110
  /// Int64.
  static let indexStep: UInt8 = 111
  static let metatableStep: UInt8 = 112
  /// UInt8: which one.
  static let upvalueStep: UInt8 = 113

  /// In a payload's slots only: strings of up to 32 bytes, over as many slots as they need.
  static let slotString: UInt8 = 16
  static let slotStringLimit = 32
}

/// Behind the core's PayloadBuffer. Offsets count from here.
struct CopyHead {
  var directory = 0
  var metatables = 0
  var nodeCount: UInt32 = 0
  var metatableCount: UInt32 = 0
  /// How many nodes are references to modules: they are resolved first.
  var moduleCount: UInt32 = 0
  /// In the buffer of a flat start (CopyFlat.swift) the number of its words; else 0.
  var flatCount: UInt32 = 0
}

enum NodeKind: UInt8 {
  case table = 1
  case function
  case module
  case string
}

/// A node in the directory: what is needed to make it, before it is filled.
struct NodeEntry {
  /// The kind in the low byte; above it the offset of the record or of a string's bytes.
  private let word: UInt64
  /// A table: array size, and hash size in the upper half. A function: its code's object index. A
  /// string: its length.
  let detail: UInt64

  init(_ kind: NodeKind, offset: Int, detail: UInt64) {
    word = UInt64(kind.rawValue) | UInt64(offset) << 8
    self.detail = detail
  }

  @inline(__always) var kind: NodeKind? { NodeKind(rawValue: UInt8(truncatingIfNeeded: word)) }
  @inline(__always) var offset: Int { Int(word >> 8) }
}
