// Payload.swift: values on their way from one thread to another, in neutral memory.

import Glibc

/// The values of one message, a thread's arguments or its results.
///
/// Up to four small scalars travel in the slots; anything else in one buffer that the language
/// binding fills. The core knows of the contents only which objects they hold references to, so
/// that a payload that nobody receives can be disposed of.
///
/// A payload is plain memory: copying the struct moves it, and exactly one owner disposes of it.
public struct Payload {
  /// How many values there are.
  public var count: UInt32 = 0
  /// What the slots hold; 0 where unused. Only with `buffer == nil`.
  public var tags: SIMD4<UInt8> = .zero
  public var slots: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
  /// Owned, or nil when everything is in the slots.
  public var buffer: UnsafeMutablePointer<PayloadBuffer>?

  @inlinable public init() {}

  /// The slot tag whose slot is an owned reference to an object. The only one with the high bit set.
  @inlinable public static var handleTag: UInt8 { 255 }

  /// Does it own nothing, neither a buffer nor a reference?
  @inlinable @inline(__always)
  var isPlain: Bool { buffer == nil && unsafeBitCast(tags, to: UInt32.self) & 0x8080_8080 == 0 }
}

/// The head of a payload's buffer, which is from `malloc`; the binding's bytes follow it.
public struct PayloadBuffer {
  /// Bytes after this head.
  public var byteCount: Int
  /// The objects that the bytes refer to: owned references, one per entry. Inside the buffer.
  public var objects: UnsafeMutablePointer<ObjectRef>?
  public var objectCount: Int

  public init(byteCount: Int, objects: UnsafeMutablePointer<ObjectRef>?, objectCount: Int) {
    self.byteCount = byteCount
    self.objects = objects
    self.objectCount = objectCount
  }
}

extension UnsafeMutablePointer where Pointee == Payload {
  /// Release what the payload holds and leave it empty. Any kernel thread, no lock held.
  @inlinable @inline(__always)
  public func dispose() {
    if pointee.isPlain {
      pointee = Payload()
    } else {
      disposeOfReferences()
    }
  }

  @usableFromInline @inline(never)
  func disposeOfReferences() {
    let payload = pointee
    pointee = Payload()
    if let buffer = payload.buffer {
      if let objects = buffer.pointee.objects {
        for index in 0..<buffer.pointee.objectCount { objects[index].releaseObject() }
      }
      free(buffer)
      return
    }
    guard payload.count > 0 else { return }
    releaseIfHandle(payload.tags[0], payload.slots.0)
    releaseIfHandle(payload.tags[1], payload.slots.1)
    releaseIfHandle(payload.tags[2], payload.slots.2)
    releaseIfHandle(payload.tags[3], payload.slots.3)
  }
}

@inline(__always)
private func releaseIfHandle(_ tag: UInt8, _ slot: UInt64) {
  if tag == Payload.handleTag, let object = ObjectRef(bitPattern: UInt(slot)) {
    object.releaseObject()
  }
}
