// Object.swift: what every object that a script can hold a handle to begins with.
//
// Threads, ports, messages, tokens and shared objects live in neutral memory, outside any Lua
// heap, and are counted: a handle in a Lua heap, a payload in flight and a registry each hold one
// reference. The last release destroys the object, on whichever kernel thread that happens.

import Synchronization

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
  case systemCall
  case box
  case tableSnapshot
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
///
/// Objects are aligned to 16 bytes, and the low bits say in which role the pointer refers to the
/// object: bit 0 is the receiver's view of a message (see `Message.swift`), bit 1 a port's head queue.
public typealias ObjectRef = UnsafeMutableRawPointer

extension UnsafeMutableRawPointer {
  /// The object's head, whatever the role.
  @inlinable @inline(__always)
  var objectHeader: UnsafeMutablePointer<ObjectHeader> {
    UnsafeMutablePointer(bitPattern: UInt(bitPattern: self) & ~15).unsafelyUnwrapped
  }

  /// The kind of the object this points to. Any kernel thread that holds a reference.
  @inlinable public var objectKind: ObjectKind { objectHeader.pointee.kind }

  /// Is this the head queue of a port?
  @inlinable public var isUrgentRole: Bool { UInt(bitPattern: self) & 2 != 0 }

  /// Is this the receiver's view of a message?
  @inlinable public var isReceiverRole: Bool { UInt(bitPattern: self) & 1 != 0 }

  /// Take one more reference. Any kernel thread that holds one already.
  @inlinable public func retainObject() {
    objectHeader.pointee.references.add(1, ordering: .relaxed)
    if isReceiverRole { message.pointee.receivers.add(1, ordering: .relaxed) }
  }

  /// Give one reference back; the last one destroys the object. Any kernel thread, no lock held.
  @inlinable public func releaseObject() {
    if isReceiverRole { releaseReceiver() }
    let was = objectHeader.pointee.references.subtract(1, ordering: .acquiringAndReleasing).oldValue
    if was == 1 { destroyObject(UnsafeMutableRawPointer(objectHeader)) }
  }

  @inlinable @inline(__always)
  public var message: MessageRef {
    UnsafeMutableRawPointer(objectHeader).assumingMemoryBound(to: Message.self)
  }
  public var thread: ThreadRef { assumingMemoryBound(to: Thread.self) }
  @inlinable @inline(__always)
  public var port: PortRef {
    UnsafeMutableRawPointer(objectHeader).assumingMemoryBound(to: Port.self)
  }
  public var token: TokenRef { assumingMemoryBound(to: Token.self) }

  @usableFromInline
  func releaseReceiver() {
    let was = message.pointee.receivers.subtract(1, ordering: .acquiringAndReleasing).oldValue
    if was == 1 { message.receiversGone() }
  }
}

/// The last reference to `object` is gone. Any kernel thread, no lock held.
@usableFromInline
func destroyObject(_ object: ObjectRef) {
  switch object.objectKind {
  case .thread: object.thread.destroy()
  case .port: object.port.destroy()
  case .message: object.message.destroy()
  case .token: object.token.destroy()
  case .counter, .table, .array: destroySharedObject(object)
  case .box: object.box.destroy()
  case .tableSnapshot: object.tableSnapshot.destroy()
  case .code: destroyCode(object)
  case .systemCall: object.assumingMemoryBound(to: SystemCall.self).destroy()
  }
}

/// Where a field of a pointee is. Only for storage that stays where it is: fields of allocated blocks.
@inlinable @inline(__always)
public func addressOf<Value: ~Copyable>(_ value: inout Value) -> UnsafeMutablePointer<Value> {
  withUnsafeMutablePointer(to: &value) { $0 }
}
