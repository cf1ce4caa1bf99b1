// SharedObject.swift: what counters, tables and arrays that threads share have in common.
//
// They live in neutral memory and are counted like every object. Each single operation on one is
// atomic and may go on in parallel with others; whoever wants several of them to be one step guards
// the object with a token, and then any access without it is refused by the language binding.

/// The first field of every shared object.
public struct SharedHead: ~Copyable {
  let header: ObjectHeader
  /// Whoever uses the object must hold this token: one reference, owned. Set once, at creation.
  public let guardToken: TokenRef?

  init(_ kind: ObjectKind, guardToken: TokenRef?) {
    header = ObjectHeader(kind)
    self.guardToken = guardToken
    guardToken?.object.retainObject()
  }
}

extension UnsafeMutableRawPointer {
  /// The head of a counter, table or array.
  public var sharedHead: UnsafeMutablePointer<SharedHead> {
    assumingMemoryBound(to: SharedHead.self)
  }
  public var counter: CounterRef { assumingMemoryBound(to: SharedCounter.self) }
  public var table: TableRef { assumingMemoryBound(to: SharedTable.self) }
  public var array: ArrayRef { assumingMemoryBound(to: SharedArray.self) }
}

/// The last reference to a counter, table or array is gone. Any kernel thread, no lock held.
func destroySharedObject(_ object: ObjectRef) {
  let guardToken = object.sharedHead.pointee.guardToken
  switch object.objectKind {
  case .table: object.table.destroy()
  case .array: object.array.destroy()
  default: object.counter.destroy()
  }
  guardToken?.object.releaseObject()
}
