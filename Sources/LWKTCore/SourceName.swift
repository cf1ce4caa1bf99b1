// SourceName.swift: what the piece of source is called that a thread was created in.
//
// Reports and inspection show it. A program that loads chunks under ever new names makes ever new ones,
// so they are counted: each thread has a reference, and the binding keeps some to give to the next.

import Synchronization

public struct SourceName: ~Copyable {
  let references = Atomic<Int32>(1)
  /// The name as messages show it: in the same block, NUL-terminated.
  public let text: UnsafePointer<CChar>
  /// Without the NUL.
  public let count: Int
}

public typealias SourceNameRef = UnsafeMutablePointer<SourceName>

extension UnsafeMutablePointer where Pointee == SourceName {
  /// A name with one reference, the caller's.
  public static func make(_ bytes: UnsafeRawBufferPointer) -> SourceNameRef {
    let block = UnsafeMutableRawPointer.allocate(
      byteCount: MemoryLayout<SourceName>.size + bytes.count + 1,
      alignment: MemoryLayout<SourceName>.alignment)
    let text = block + MemoryLayout<SourceName>.size
    if let start = bytes.baseAddress { text.copyMemory(from: start, byteCount: bytes.count) }
    text.storeBytes(of: 0, toByteOffset: bytes.count, as: CChar.self)
    let name = block.bindMemory(to: SourceName.self, capacity: 1)
    name.initialize(
      to: SourceName(
        text: UnsafePointer(text.assumingMemoryBound(to: CChar.self)), count: bytes.count))
    return name
  }

  public func retain() { pointee.references.add(1, ordering: .relaxed) }

  public func release() {
    guard pointee.references.subtract(1, ordering: .acquiringAndReleasing).oldValue == 1 else {
      return
    }
    deinitialize(count: 1)
    deallocate()
  }
}
