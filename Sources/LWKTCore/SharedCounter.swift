// SharedCounter.swift: one integer that threads share.

import Synchronization

public typealias CounterRef = UnsafeMutablePointer<SharedCounter>

public struct SharedCounter: ~Copyable {
  let head: SharedHead
  /// Touched by any worker. What a thread did before it changed the counter is seen by whoever
  /// finds the new value.
  let value: Atomic<Int64>
}

extension UnsafeMutablePointer where Pointee == SharedCounter {
  public var object: ObjectRef { ObjectRef(self) }

  /// A counter with one reference, the caller's. Any kernel thread.
  public static func make(_ value: Int64, guardToken: TokenRef?) -> CounterRef {
    let counter = CounterRef.allocate(capacity: 1)
    counter.initialize(
      to: SharedCounter(head: SharedHead(.counter, guardToken: guardToken), value: Atomic(value)))
    return counter
  }

  func destroy() {
    deinitialize(count: 1)
    deallocate()
  }

  public var value: Int64 { pointee.value.load(ordering: .acquiring) }

  public func set(_ value: Int64) { pointee.value.store(value, ordering: .releasing) }

  /// Returns the new value; wraps around.
  public func add(_ amount: Int64) -> Int64 {
    pointee.value.wrappingAdd(amount, ordering: .acquiringAndReleasing).newValue
  }

  /// Set it to `desired` if it is `expected`. Was it?
  public func compareAndSet(expected: Int64, desired: Int64) -> Bool {
    pointee.value.compareExchange(
      expected: expected, desired: desired, ordering: .acquiringAndReleasing
    ).exchanged
  }
}
