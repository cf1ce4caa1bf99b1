// Spinlock.swift: mutual exclusion for a handful of instructions.

import CLWKT
import Synchronization

/// Guards the waiters and the queue of one object for a few instructions at a time.
///
/// The holder never waits, never calls Lua, never sends an IPI and never takes a second spinlock
/// unless the comment there gives the order. Workers may outnumber the cores, so a holder may lose
/// its core: a spinner that has waited long gives its own core away.
public struct Spinlock: ~Copyable, Sendable {
  /// 0 free, 1 held. Acquire on lock and release on unlock order all that the lock guards.
  @usableFromInline let word = Atomic<UInt32>(0)

  @inlinable public init() {}

  /// Any kernel thread. Not recursive.
  @inlinable @inline(__always)
  public borrowing func lock() {
    if word.compareExchange(expected: 0, desired: 1, ordering: .acquiring).exchanged { return }
    lockSlow()
  }

  @inlinable @inline(__always)
  public borrowing func unlock() {
    word.store(0, ordering: .releasing)
  }

  @usableFromInline @inline(never)
  borrowing func lockSlow() {
    var spins = 0
    while true {
      while word.load(ordering: .relaxed) != 0 {
        spins += 1
        if spins & 127 == 0 { lwkt_thread_yield() } else { lwkt_cpu_pause() }
      }
      if word.compareExchange(expected: 0, desired: 1, ordering: .acquiring).exchanged { return }
    }
  }
}
