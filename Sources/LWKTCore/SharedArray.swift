// SharedArray.swift: a fixed number of elements of one type that threads share.

import Glibc
import Synchronization

public typealias ArrayRef = UnsafeMutablePointer<SharedArray>

/// The elements stay where they are for as long as the object lives: a system call that reads or
/// writes them holds a reference until the kernel is done with them.
public struct SharedArray: ~Copyable {
  public enum ElementType: UInt8, Sendable, CaseIterable {
    case i64, f64, u8

    public var size: Int { self == .u8 ? 1 : 8 }

    public var name: String {
      switch self {
      case .i64: "i64"
      case .f64: "f64"
      case .u8: "u8"
      }
    }
  }

  let head: SharedHead
  public let type: ElementType
  public let count: Int
  /// Owned, aligned to 16 bytes. Touched by any worker: each element with one atomic load (acquire)
  /// or store (release), except by the kernel and by `copyBytes`.
  let elements: UnsafeMutableRawPointer
}

extension UnsafeMutablePointer where Pointee == SharedArray {
  public var object: ObjectRef { ObjectRef(self) }

  /// An array of zeros with one reference, the caller's, or nil when there is no memory for it. Any
  /// kernel thread.
  public static func make(
    _ type: SharedArray.ElementType, count: Int, guardToken: TokenRef?
  ) -> ArrayRef? {
    guard let elements = calloc(Swift.max(count, 1), type.size) else { return nil }
    let array = ArrayRef.allocate(capacity: 1)
    array.initialize(
      to: SharedArray(
        head: SharedHead(.array, guardToken: guardToken), type: type, count: count,
        elements: elements))
    return array
  }

  func destroy() {
    free(pointee.elements)
    deinitialize(count: 1)
    deallocate()
  }

  /// The elements as they lie in memory, for the kernel. Whoever keeps this keeps a reference.
  public var bytes: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(
      start: pointee.elements, count: pointee.count * pointee.type.size)
  }

  public var displayName: String {
    "shared array " + pointee.type.name + "[" + String(pointee.count) + "]"
  }

  @inline(__always)
  private func word(_ index: Int) -> UnsafeMutablePointer<Atomic<Int64>> {
    pointee.elements.assumingMemoryBound(to: Atomic<Int64>.self) + index
  }

  @inline(__always)
  private func byte(_ index: Int) -> UnsafeMutablePointer<Atomic<UInt8>> {
    pointee.elements.assumingMemoryBound(to: Atomic<UInt8>.self) + index
  }

  /// The bits of the element at `index`, counted from 0 and in range.
  @inline(__always)
  public func load(_ index: Int) -> Int64 {
    pointee.type == .u8
      ? Int64(byte(index).pointee.load(ordering: .acquiring))
      : word(index).pointee.load(ordering: .acquiring)
  }

  @inline(__always)
  public func store(_ index: Int, _ bits: Int64) {
    if pointee.type == .u8 {
      byte(index).pointee.store(UInt8(truncatingIfNeeded: bits), ordering: .releasing)
    } else {
      word(index).pointee.store(bits, ordering: .releasing)
    }
  }

  /// Add to an element of an "i64" array. Returns the new value; wraps around.
  public func add(_ index: Int, _ amount: Int64) -> Int64 {
    word(index).pointee.wrappingAdd(amount, ordering: .acquiringAndReleasing).newValue
  }

  /// - Complexity: O(range.count)
  public func fill(_ range: Range<Int>, _ bits: Int64) {
    for index in range { store(index, bits) }
  }

  /// Copy the bytes of some elements to `target`. No element is torn; different ones may be of
  /// different moments. O(range.count)
  public func copyBytes(_ range: Range<Int>, to target: UnsafeMutableRawPointer) {
    if pointee.type == .u8 {
      target.copyMemory(from: pointee.elements + range.lowerBound, byteCount: range.count)
      return
    }
    for index in range {
      target.storeBytes(
        of: word(index).pointee.load(ordering: .acquiring),
        toByteOffset: (index - range.lowerBound) * 8, as: Int64.self)
    }
  }
}
