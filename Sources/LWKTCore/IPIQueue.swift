// IPIQueue.swift: messages between workers.
//
// Protocol of one send from worker s to worker t:
//   1. s writes the slot at `windex` of the queue (s, t) and stores windex+1 (release).
//   2. s sets its bit in t's pending mask (a read-modify-write, so t's later exchange sees step 1).
//      Was it set before, t has not yet looked and will find this message too: no nudge ("avoided").
//   3. Else s looks whether t sleeps and if so wakes it.
// and of t's drain:
//   4. t exchanges each mask word with 0 (acquire), and for each bit reads slots up to `windex`.
// Order is first in first out for one source; there is none across sources.

import CLWKT
import Synchronization

/// What one worker asks of another.
enum IPIKind: UInt32 {
  /// Make `pointer`, a thread whose wait the sender has claimed, runnable.
  case schedule
  /// Thread `pointer` is new and yours.
  case begin
  /// Worker `value` has nothing to run and asks for threads.
  case wantWork
  /// The answer: `pointer` is a chain of packages, or nil for none to give.
  case giveWork
  /// Give thread `pointer` (one reference) priority `value`.
  case setPriority
  /// Add what this worker knows to the `Snapshot` at `pointer`.
  case snapshot
  /// Call the function at `value` with `pointer`.
  case call
}

struct IPI {
  var kind: IPIKind
  var pointer: UnsafeMutableRawPointer?
  var value: UInt

  init(_ kind: IPIKind, _ pointer: UnsafeMutableRawPointer?, _ value: UInt = 0) {
    self.kind = kind
    self.pointer = pointer
    self.value = value
  }
}

/// One source, one target: a ring of fixed size.
struct IPIQueue: ~Copyable {
  private let slots: UnsafeMutablePointer<IPI>
  private let mask: UInt32
  /// Written by the source (release), read by the target (acquire).
  private let windex = Atomic<UInt32>(0)
  private var padding: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (
    0, 0, 0, 0, 0, 0, 0
  )
  /// Written by the target (release), read by the source (acquire).
  private let rindex = Atomic<UInt32>(0)

  /// - Parameter capacity: a power of two.
  init(capacity: Int) {
    precondition(capacity > 0 && capacity & (capacity - 1) == 0)
    slots = .allocate(capacity: capacity)
    mask = UInt32(capacity - 1)
  }

  deinit { slots.deallocate() }

  /// False when full. Source worker only.
  borrowing func push(_ ipi: IPI) -> Bool {
    let write = windex.load(ordering: .relaxed)
    guard write &- rindex.load(ordering: .acquiring) <= mask else { return false }
    (slots + Int(write & mask)).initialize(to: ipi)
    windex.store(write &+ 1, ordering: .releasing)
    return true
  }

  /// Target worker only.
  borrowing func pop() -> IPI? {
    let read = rindex.load(ordering: .relaxed)
    guard read != windex.load(ordering: .acquiring) else { return nil }
    let ipi = slots[Int(read & mask)]
    rindex.store(read &+ 1, ordering: .releasing)
    return ipi
  }
}
