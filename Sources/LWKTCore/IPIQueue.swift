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
//
// A full queue blocks nobody: what does not fit waits at the source, in order. To serve one's own
// queues while waiting for room, as the kernel does, would run handlers in the middle of whatever
// sent: with a thread half way between a run queue and a wait, its domain could be given away.

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

/// What one source could not send yet, in order for each target. Owner worker only. There is a bound:
/// a thread is in it at most once for being woken and once for each change of its priority.
struct IPIBacklog: ~Copyable {
  private struct Entry {
    var ipi: IPI
    var next: UnsafeMutablePointer<Entry>?
  }
  private typealias EntryRef = UnsafeMutablePointer<Entry>
  private typealias Ends = (first: EntryRef?, last: EntryRef?)

  private(set) var count = 0
  /// One pair a worker; nil until the first is needed.
  private var targets: UnsafeMutablePointer<Ends>?
  private var targetCount = 0

  deinit { targets?.deallocate() }

  /// Must what is sent to `target` queue up here?
  @inline(__always)
  func holdsBack(_ target: Int) -> Bool {
    guard count > 0, let targets else { return false }
    return targets[target].first != nil
  }

  mutating func append(_ ipi: IPI, to target: Int, of workers: Int) {
    let entry = EntryRef.allocate(capacity: 1)
    entry.initialize(to: Entry(ipi: ipi, next: nil))
    let targets = makeTargets(workers)
    if let last = targets[target].last {
      last.pointee.next = entry
    } else {
      targets[target].first = entry
    }
    targets[target].last = entry
    count += 1
  }

  private mutating func makeTargets(_ workers: Int) -> UnsafeMutablePointer<Ends> {
    if let targets { return targets }
    let made = UnsafeMutablePointer<Ends>.allocate(capacity: workers)
    made.initialize(repeating: (nil, nil), count: workers)
    targets = made
    targetCount = workers
    return made
  }

  func first(for target: Int) -> IPI? { targets?[target].first?.pointee.ipi }

  mutating func removeFirst(for target: Int) {
    guard let targets, let entry = targets[target].first else { return }
    targets[target].first = entry.pointee.next
    if entry.pointee.next == nil { targets[target].last = nil }
    entry.deallocate()
    count -= 1
  }

  /// Hand all to `body`.
  mutating func removeAll(_ body: (IPI) -> Void) {
    for target in 0..<targetCount {
      while let ipi = first(for: target) {
        removeFirst(for: target)
        body(ipi)
      }
    }
  }
}
