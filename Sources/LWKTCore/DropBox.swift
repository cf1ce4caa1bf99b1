// DropBox.swift: what any kernel thread may leave for a worker.

import Synchronization

/// What can lie in a drop box: a block of memory with a link, which is the box's while it lies there.
protocol Droppable: ~Copyable {
  var boxNext: UnsafeMutablePointer<Self>? { get set }
}

/// Elements that any kernel thread leaves and the owner takes, all at once, in the order they were left. A
/// stack by compare-and-swap: since it is only ever taken whole, nothing that was seen on top can have been
/// away meanwhile. Leaving is sequentially consistent, so as to be ordered before a look at whether the owner
/// sleeps; taking acquires, so what was written to an element before it was left is seen.
struct DropBox<Element: Droppable & ~Copyable>: ~Copyable {
  private let newest = Atomic<UInt>(0)

  /// Any kernel thread; from then on `element` is the owner's.
  @inline(__always)
  borrowing func leave(_ element: UnsafeMutablePointer<Element>) {
    var seen = newest.load(ordering: .relaxed)
    while true {
      element.pointee.boxNext = UnsafeMutablePointer(bitPattern: seen)
      let swap = newest.compareExchange(
        expected: seen, desired: UInt(bitPattern: element), ordering: .sequentiallyConsistent)
      if swap.exchanged { return }
      seen = swap.original
    }
  }

  /// The owner, about to sleep. Sequentially consistent: if not, who leaves something sees the sleeper.
  borrowing func hasSomething() -> Bool { newest.load(ordering: .sequentiallyConsistent) != 0 }

  /// Call `body` for each element, the oldest first. It may free it. Owner.
  @inline(__always)
  borrowing func takeAll(_ body: (UnsafeMutablePointer<Element>) -> Void) {
    guard newest.load(ordering: .relaxed) != 0 else { return }
    var next = UnsafeMutablePointer<Element>(
      bitPattern: newest.exchange(0, ordering: .acquiring))
    var ordered: UnsafeMutablePointer<Element>?
    while let element = next {
      next = element.pointee.boxNext
      element.pointee.boxNext = ordered
      ordered = element
    }
    while let element = ordered {
      ordered = element.pointee.boxNext
      body(element)
    }
  }
}
