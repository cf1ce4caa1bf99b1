// StackPool.swift: spare native stacks for waits where Lua cannot yield.
//
// When a C function stands between a wait and the loop (a `table.sort` comparator, say), the whole
// native stack is parked with the waiting thread, and the loop goes on on a spare one. When the
// thread may run again the loop's present stack is given up for the parked one.

import CLWKT
import Synchronization

/// A worker's spare stacks. Owner only.
struct StackPool: ~Copyable {
  private var first: UnsafeMutableRawPointer?
  private var count = 0

  /// Process-wide: how many stacks exist. Each takes two of the kernel's map entries.
  static let total = Atomic<Int>(0)
  static let limit = 8192
  private static let kept = 16

  init() {}

  mutating func take() -> UnsafeMutableRawPointer? {
    if let stack = first {
      first = lwkt_stack_next(stack)
      count -= 1
      return stack
    }
    guard StackPool.total.add(1, ordering: .relaxed).oldValue < StackPool.limit,
      let stack = lwkt_stack_new()
    else {
      StackPool.total.subtract(1, ordering: .relaxed)
      return nil
    }
    return stack
  }

  mutating func give(_ stack: UnsafeMutableRawPointer) {
    guard count < StackPool.kept else { return StackPool.free(stack) }
    lwkt_stack_set_next(stack, first)
    first = stack
    count += 1
  }

  mutating func drain() {
    while let stack = first {
      first = lwkt_stack_next(stack)
      StackPool.free(stack)
    }
    count = 0
  }

  static func free(_ stack: UnsafeMutableRawPointer) {
    lwkt_stack_free(stack)
    StackPool.total.subtract(1, ordering: .relaxed)
  }
}

/// Park the native stack this thread runs on, and run the worker's loop on a spare one until the
/// thread is scheduled. From C, below Lua, on the thread's worker, with the thread's wait begun
/// (`outcome` waiting) or its preemption decided. False: there is no stack to be had.
public func lwktPark(outcome: RunOutcome) -> Bool {
  let gd = mycpu
  guard let thread = lwktCurrentThread(), let spare = gd.pointee.stacks.take() else { return false }
  gd.count(.stacksParked)
  if let domain = thread.domain { domain.pointee.anchored += 1 }
  gd.pointee.parkedOutcome = outcome
  let percpu = lwkt_percpu().unsafelyUnwrapped
  let depth = percpu.pointee.swift_depth
  let left = lwkt_park(spare, pointerToParked(thread), parkedLoop)
  // Back on this stack: nothing read before is trusted but constants and what is in memory.
  percpu.pointee.swift_depth = depth
  percpu.pointee.td = UnsafeMutableRawPointer(thread)
  if let domain = thread.domain { domain.pointee.anchored -= 1 }
  if let left { mycpu.pointee.stacks.give(left) }
  return true
}

private func pointerToParked(_ thread: ThreadRef)
  -> UnsafeMutablePointer<UnsafeMutableRawPointer?>
{
  addressOf(&thread.pointee.madeRarities.pointee.parkedStack)
}

/// The loop on a spare stack, first settling the thread that was parked.
private func parkedLoop() {
  let gd = mycpu
  guard let thread = lwktCurrentThread() else { return gd.loop() }
  lwkt_percpu().pointee.td = nil
  gd.settle(thread, gd.pointee.parkedOutcome)
  gd.loop()
}
