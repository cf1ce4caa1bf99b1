// Object.swift: what every object that a script can hold a handle to begins with.
//
// Threads, ports, messages, tokens and shared objects live in neutral memory, outside any Lua
// heap, and are counted: a handle in a Lua heap, a payload in flight and a registry each hold one
// reference. The last release destroys the object, on whichever kernel thread that happens.

public import Synchronization

/// What stands behind an object pointer. Raw values are part of no file format.
public enum ObjectKind: UInt8, Sendable {
  case thread = 1
  case port
  case message
  case token
  case counter
  case table
  case array
  case code
}

/// The first field of every object.
public struct ObjectHeader: ~Copyable {
  /// Touched by any worker. Retain is relaxed (whoever retains holds a reference already), release
  /// is acquire-release so that the destroyer sees all that others did to the object.
  @usableFromInline let references: Atomic<Int32>
  public let kind: ObjectKind

  /// A new object with one reference, the caller's.
  public init(_ kind: ObjectKind) {
    references = Atomic(1)
    self.kind = kind
  }
}

/// A counted pointer to any object. Whether it owns a reference is said where it is stored.
public typealias ObjectRef = UnsafeMutableRawPointer

extension UnsafeMutableRawPointer {
  @inlinable @inline(__always)
  var objectHeader: UnsafeMutablePointer<ObjectHeader> {
    assumingMemoryBound(to: ObjectHeader.self)
  }

  /// The kind of the object this points to. Any kernel thread that holds a reference.
  @inlinable public var objectKind: ObjectKind { objectHeader.pointee.kind }

  /// Take one more reference. Any kernel thread that holds one already.
  @inlinable public func retainObject() {
    objectHeader.pointee.references.add(1, ordering: .relaxed)
  }

  /// Give one reference back; the last one destroys the object. Any kernel thread, no lock held.
  @inlinable public func releaseObject() {
    let was = objectHeader.pointee.references.subtract(1, ordering: .acquiringAndReleasing).oldValue
    if was == 1 { destroyObject(self) }
  }
}
