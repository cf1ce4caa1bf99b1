// CopyMemory.swift: the growing pieces of plain memory that copying works in.
//
// Plain structs over `malloc`ed memory rather than arrays: no reference counts, no exclusivity
// checks, and contents that outlive the struct when they are handed on.

import CLWKT
import Glibc

/// A growing sequence of plain values. Its owner calls `free`.
struct Vector<Element: BitwiseCopyable> {
  private(set) var base: UnsafeMutablePointer<Element>?
  private(set) var count = 0
  private(set) var capacity = 0

  /// - Complexity: O(1) amortised.
  @inline(__always)
  mutating func append(_ element: Element) {
    if count == capacity { grow() }
    base.unsafelyUnwrapped[count] = element
    count += 1
  }

  @inline(__always)
  mutating func popLast() -> Element {
    count -= 1
    return base.unsafelyUnwrapped[count]
  }

  @inline(__always)
  subscript(_ index: Int) -> Element {
    get { base.unsafelyUnwrapped[index] }
    nonmutating set { base.unsafelyUnwrapped[index] = newValue }
  }

  /// Drop all past the first `newCount`.
  mutating func truncate(_ newCount: Int) { count = newCount }

  /// Make room for so many in all.
  mutating func reserve(_ total: Int) {
    while capacity < total { grow() }
  }

  @inline(never)
  private mutating func grow() {
    capacity = capacity == 0 ? 32 : capacity * 2
    base = reallocate(base, capacity * MemoryLayout<Element>.stride)
      .assumingMemoryBound(to: Element.self)
  }

  /// Empty it, and free the memory if it is large.
  mutating func reset(keepingBytes limit: Int) {
    if capacity * MemoryLayout<Element>.stride > limit { free() } else { count = 0 }
  }

  mutating func free() {
    Glibc.free(base)
    self = Vector()
  }
}

/// Bytes written one after the other. Its owner calls `free` or takes the memory.
struct ByteWriter {
  private(set) var base: UnsafeMutableRawPointer?
  private(set) var count = 0
  private(set) var capacity = 0

  /// Make room for `extra` more bytes. - Complexity: O(1) amortised.
  @inline(__always)
  mutating func reserve(_ extra: Int) {
    if capacity - count < extra { grow(extra) }
  }

  /// Where the next byte goes. Only after `reserve`.
  @inline(__always)
  private var end: UnsafeMutableRawPointer { base.unsafelyUnwrapped + count }

  @inline(__always)
  mutating func put(_ byte: UInt8) {
    reserve(1)
    end.storeBytes(of: byte, as: UInt8.self)
    count += 1
  }

  /// A tag and a plain value behind it.
  @inline(__always)
  mutating func put<Value: BitwiseCopyable>(_ tag: UInt8, _ value: Value) {
    reserve(1 + MemoryLayout<Value>.size)
    end.storeBytes(of: tag, as: UInt8.self)
    (end + 1).storeBytes(of: value, as: Value.self)
    count += 1 + MemoryLayout<Value>.size
  }

  @inline(__always)
  mutating func put<Value: BitwiseCopyable>(value: Value) {
    reserve(MemoryLayout<Value>.size)
    end.storeBytes(of: value, as: Value.self)
    count += MemoryLayout<Value>.size
  }

  @inline(__always)
  mutating func put(_ bytes: UnsafeRawPointer, _ byteCount: Int) {
    reserve(byteCount)
    memcpy(end, bytes, byteCount)
    count += byteCount
  }

  /// As an element of an array of such values.
  mutating func putPadded<Value: BitwiseCopyable>(_ value: Value) {
    reserve(MemoryLayout<Value>.stride)
    end.storeBytes(of: value, as: Value.self)
    count += MemoryLayout<Value>.stride
  }

  /// Fill up with zeros to a multiple of 8.
  mutating func align() {
    while count & 7 != 0 { put(0) }
  }

  mutating func skip(_ byteCount: Int) {
    reserve(byteCount)
    count += byteCount
  }

  mutating func truncate(_ newCount: Int) { count = newCount }

  /// Exactly the bytes asked for when they are many: a long string is the usual reason.
  @inline(never)
  private mutating func grow(_ extra: Int) {
    capacity = Swift.max(512, capacity * 2, (count + extra + 15) & ~15)
    base = reallocate(base, capacity)
  }

  /// Hand over the memory, trimmed to what is used, and start afresh.
  mutating func take() -> UnsafeMutableRawPointer {
    let taken = reallocate(base, Swift.max(count, 1))
    self = ByteWriter()
    return taken
  }

  mutating func free() {
    Glibc.free(base)
    self = ByteWriter()
  }
}

/// Addresses to nonzero words, by open addressing with linear probing.
struct PointerMap {
  struct Entry {
    var key: UInt
    var value: UInt64
  }

  private var entries: UnsafeMutablePointer<Entry>?
  private var mask = 0
  private(set) var count = 0

  private static let smallest = 32

  /// Fibonacci hashing: the multiplication spreads the middle bits of an address to the top.
  @inline(__always)
  private func home(_ key: UInt) -> Int {
    let spread = (key >> 3) &* 0x9E37_79B9_7F4A_7C15
    return Int(truncatingIfNeeded: spread >> 32) & mask
  }

  /// The word at `key`, or 0. - Complexity: O(1) expected.
  @inline(__always)
  func find(_ key: UInt) -> UInt64 {
    guard let entries else { return 0 }
    var slot = home(key)
    while true {
      let entry = entries[slot]
      if entry.key == key { return entry.value }
      if entry.key == 0 { return 0 }
      slot = (slot + 1) & mask
    }
  }

  /// Put a word at `key`, which may be there already. - Complexity: O(1) expected, amortised.
  @inline(__always)
  mutating func set(_ key: UInt, _ value: UInt64) {
    if count * 2 >= mask { grow() }
    let entries = entries.unsafelyUnwrapped
    var slot = home(key)
    while entries[slot].key != 0 {
      if entries[slot].key == key {
        entries[slot].value = value
        return
      }
      slot = (slot + 1) & mask
    }
    entries[slot] = Entry(key: key, value: value)
    count += 1
  }

  /// Take `key` out; the entries behind it move up, so that no search passes over a hole.
  mutating func remove(_ key: UInt) {
    guard let entries else { return }
    var hole = home(key)
    while entries[hole].key != key {
      if entries[hole].key == 0 { return }
      hole = (hole + 1) & mask
    }
    count -= 1
    var slot = hole
    while true {
      slot = (slot + 1) & mask
      if entries[slot].key == 0 { break }
      let wanted = home(entries[slot].key)
      // The entry may move up to the hole only if its home is not between the two.
      if (slot &- wanted) & mask >= (slot &- hole) & mask {
        entries[hole] = entries[slot]
        hole = slot
      }
    }
    entries[hole] = Entry(key: 0, value: 0)
  }

  /// Empty it for the next user, and free the memory if it is large: it has to be cleared.
  mutating func reset() {
    guard count > 0, let entries else { return }
    if mask >= 256 {
      free()
    } else {
      entries.update(repeating: Entry(key: 0, value: 0), count: mask + 1)
      count = 0
    }
  }

  mutating func free() {
    Glibc.free(entries)
    self = PointerMap()
  }

  /// Make room for a table of `size` slots, a power of two.
  mutating func reserve(_ size: Int) {
    if mask + 1 < size { resize(size) }
  }

  @inline(never)
  private mutating func grow() {
    resize(Swift.max(Self.smallest, (mask + 1) * 2))
  }

  private mutating func resize(_ size: Int) {
    let old = entries
    let oldSize = old == nil ? 0 : mask + 1
    let grown = reallocate(nil, size * MemoryLayout<Entry>.stride)
      .bindMemory(to: Entry.self, capacity: size)
    grown.initialize(repeating: Entry(key: 0, value: 0), count: size)
    entries = grown
    mask = size - 1
    for index in 0..<oldSize {
      let entry = old.unsafelyUnwrapped[index]
      guard entry.key != 0 else { continue }
      var slot = home(entry.key)
      while grown[slot].key != 0 { slot = (slot + 1) & mask }
      grown[slot] = entry
    }
    Glibc.free(old)
  }
}

/// `realloc` that does not return without memory. On Linux, Swift's raw `deallocate` is `free`, so
/// what is allocated here may be deallocated there.
func reallocate(_ old: UnsafeMutableRawPointer?, _ byteCount: Int) -> UnsafeMutableRawPointer {
  guard let memory = realloc(old, byteCount) else { lwkt_out_of_memory(byteCount) }
  return memory
}
