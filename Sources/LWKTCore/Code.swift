// Code.swift: the code of functions on its way between Lua heaps, one object per distinct code.
//
// Functions are created anew all the time, but programs hold few different ones. A process-wide
// table finds the object for bytes that have been seen before, so that a receiver recognises code
// that it has already loaded by its address alone. The table holds no reference: an object leaves
// it when the last holder lets go, so a program that generates functions for ever leaks none.

import Synchronization

/// A counted pointer to code. Whether it owns a reference is said where it is stored.
public typealias CodeRef = UnsafeMutablePointer<Code>

/// One function's code: immutable bytes and what the language binding found out about them.
///
/// Object, bytes and notes are one allocation.
public struct Code: ~Copyable {
  let header: ObjectHeader
  public let hash: UInt64
  /// The dumped function.
  public let bytes: UnsafeRawPointer
  public let byteCount: Int
  /// The binding's notes on it, 8-aligned.
  public let notes: UnsafeRawPointer
  /// The next object in the table's chain. Guarded by the table's lock.
  var next: CodeRef?
}

/// All code alive in the process, by content. Any kernel thread; never while holding a spinlock.
public enum CodeTable {
  struct Table: ~Copyable {
    var chains = Chains()
    /// Held while a chain is walked: some hundred nanoseconds, and longer only when the table
    /// doubles.
    let lock = Spinlock()
  }

  /// Apart from the lock, so that changing one is no access to the other.
  struct Chains {
    var heads: UnsafeMutablePointer<CodeRef?>?
    /// A power of two, or 0 before the first use.
    var headCount = 0
    var count = 0
  }

  /// Guarded by its own lock.
  private nonisolated(unsafe) static let table: UnsafeMutablePointer<Table> = {
    let table = UnsafeMutablePointer<Table>.allocate(capacity: 1)
    table.initialize(to: Table())
    return table
  }()

  /// How many distinct codes are alive.
  public static var count: Int {
    table.pointee.lock.lock()
    defer { table.pointee.lock.unlock() }
    return table.pointee.chains.count
  }

  /// The code with exactly these bytes, with one reference for the caller, or nil.
  public static func find(_ bytes: UnsafeRawBufferPointer, hash: UInt64) -> CodeRef? {
    table.pointee.lock.lock()
    defer { table.pointee.lock.unlock() }
    return table.pointee.chains.find(bytes, hash)
  }

  /// A code with these bytes and notes, with one reference for the caller. If another worker has
  /// put the same bytes in meanwhile, that worker's object.
  public static func insert(
    _ bytes: UnsafeRawBufferPointer, hash: UInt64, notes: UnsafeRawBufferPointer
  ) -> CodeRef {
    let made = makeCode(bytes, hash: hash, notes: notes)
    table.pointee.lock.lock()
    let other = table.pointee.chains.find(bytes, hash)
    if other == nil { table.pointee.chains.add(made) }
    table.pointee.lock.unlock()
    guard let other else { return made }
    UnsafeMutableRawPointer(made).deallocate()
    return other
  }

  static func remove(_ code: CodeRef) {
    table.pointee.lock.lock()
    table.pointee.chains.remove(code)
    table.pointee.lock.unlock()
  }
}

extension CodeTable.Chains {
  /// Complexity: O(chain). An object whose last reference is gone, but which its destroyer has not
  /// unlinked yet, is passed over.
  func find(_ bytes: UnsafeRawBufferPointer, _ hash: UInt64) -> CodeRef? {
    guard let heads, let start = bytes.baseAddress else { return nil }
    var link = heads[Int(truncatingIfNeeded: hash) & (headCount - 1)]
    while let code = link {
      if code.pointee.hash == hash, code.pointee.byteCount == bytes.count,
        memoryEqual(code.pointee.bytes, start, bytes.count), code.pointee.header.tryRetain()
      {
        return code
      }
      link = code.pointee.next
    }
    return nil
  }

  /// Complexity: O(1) amortised.
  mutating func add(_ code: CodeRef) {
    if count == headCount { grow() }
    guard let heads else { return }
    let slot = Int(truncatingIfNeeded: code.pointee.hash) & (headCount - 1)
    code.pointee.next = heads[slot]
    heads[slot] = code
    count += 1
  }

  mutating func remove(_ code: CodeRef) {
    guard let heads else { return }
    let slot = Int(truncatingIfNeeded: code.pointee.hash) & (headCount - 1)
    if heads[slot] == code {
      heads[slot] = code.pointee.next
      count -= 1
      return
    }
    var link = heads[slot]
    while let other = link {
      if other.pointee.next == code {
        other.pointee.next = code.pointee.next
        count -= 1
        return
      }
      link = other.pointee.next
    }
  }

  private mutating func grow() {
    let newCount = Swift.max(64, headCount * 2)
    let newHeads = UnsafeMutablePointer<CodeRef?>.allocate(capacity: newCount)
    newHeads.initialize(repeating: nil, count: newCount)
    if let heads {
      for slot in 0..<headCount {
        var link = heads[slot]
        while let code = link {
          link = code.pointee.next
          let target = Int(truncatingIfNeeded: code.pointee.hash) & (newCount - 1)
          code.pointee.next = newHeads[target]
          newHeads[target] = code
        }
      }
      heads.deallocate()
    }
    heads = newHeads
    headCount = newCount
  }
}

/// Free code whose last reference is gone. Called by `destroyObject` alone.
func destroyCode(_ object: ObjectRef) {
  CodeTable.remove(object.assumingMemoryBound(to: Code.self))
  object.deallocate()
}

extension ObjectHeader {
  /// Take a reference unless none is left. The object's memory must be kept valid by a lock that
  /// its destroyer takes too.
  func tryRetain() -> Bool {
    var seen = references.load(ordering: .relaxed)
    while seen > 0 {
      let (exchanged, original) = references.weakCompareExchange(
        expected: seen, desired: seen + 1, ordering: .acquiring)
      if exchanged { return true }
      seen = original
    }
    return false
  }
}

private func makeCode(
  _ bytes: UnsafeRawBufferPointer, hash: UInt64, notes: UnsafeRawBufferPointer
) -> CodeRef {
  let notesOffset = (MemoryLayout<Code>.size + 7) & ~7
  let bytesOffset = notesOffset + notes.count
  let block = UnsafeMutableRawPointer.allocate(
    byteCount: bytesOffset + bytes.count, alignment: MemoryLayout<Code>.alignment)
  if let start = notes.baseAddress {
    (block + notesOffset).copyMemory(from: start, byteCount: notes.count)
  }
  if let start = bytes.baseAddress {
    (block + bytesOffset).copyMemory(from: start, byteCount: bytes.count)
  }
  let code = block.bindMemory(to: Code.self, capacity: 1)
  code.initialize(
    to: Code(
      header: ObjectHeader(.code), hash: hash, bytes: UnsafeRawPointer(block + bytesOffset),
      byteCount: bytes.count, notes: UnsafeRawPointer(block + notesOffset), next: nil))
  return code
}

private func memoryEqual(_ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ count: Int) -> Bool {
  var offset = 0
  while offset + 8 <= count {
    let x = (a + offset).loadUnaligned(as: UInt64.self)
    let y = (b + offset).loadUnaligned(as: UInt64.self)
    if x != y { return false }
    offset += 8
  }
  while offset < count {
    let x = (a + offset).load(as: UInt8.self)
    if x != (b + offset).load(as: UInt8.self) { return false }
    offset += 1
  }
  return true
}
