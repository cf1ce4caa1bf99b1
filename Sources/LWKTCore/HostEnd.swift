// HostEnd.swift: how a program ends.
//
// It is over when its last thread that is no daemon has ended, or when nobody will ever wake. Then it
// *drains*: every thread left is aborted and may run to its end, for a second. Then it *stops*:
// workers leave their loops, and meet twice before they give back what is left, so that no worker
// touches a thread that another one has freed.

import CLWKT
import Synchronization

extension UnsafeMutablePointer where Pointee == HostState {
  /// Every worker sleeps: is there a timer, a system call or an outside operation that will wake one?
  var isQuiescent: Bool {
    if pointee.external.load(ordering: .acquiring) > 0 { return false }
    for cpu in 0..<pointee.startedWorkers.load(ordering: .acquiring)
    where shared(cpu).pointee.expected.load(ordering: .acquiring) > 0 {
      return false
    }
    return !pointee.binding.outlivesDeadlocks || isDraining || mainCanBeInterrupted
  }

  /// Does the main thread wait, for what Ctrl-C would end? No thread runs.
  private var mainCanBeInterrupted: Bool {
    if isFrozen { return false }
    let main = ThreadRef(bitPattern: pointee.mainThread.load(ordering: .acquiring))
    return main.map { $0.pointee.waitWord.load(ordering: .acquiring) & 3 == 1 } ?? false
  }

  /// The last worker awake has found that nobody will ever wake. On that worker, counted in again.
  func nothingLeft() {
    let phase = pointee.phase.load(ordering: .acquiring)
    if phase == HostPhase.draining {
      // Once every worker has aborted its threads, those left cannot be woken even by that.
      if pointee.drainedWorkers.load(ordering: .acquiring) == finalWorkers { stop() }
      return
    }
    // An embedder may have something to do for its threads at any time.
    guard phase == HostPhase.running, !pointee.isBackground, !isFrozen else { return }
    guard pointee.population.hasLiveThreads else { return drain() }
    guard everythingIsCollected() else { return }
    if pointee.binding.outlivesDeadlocks {
      pointee.binding.reportDeadlock(deadlockReport())
      return interruptMain()
    }
    if pointee.isDeadlocked.exchange(true, ordering: .acquiringAndReleasing) { return }
    pointee.binding.reportDeadlock(deadlockReport())
    drain()
  }

  /// Is the program over?
  public var isDraining: Bool { pointee.phase.load(ordering: .acquiring) != HostPhase.running }

  /// The program is over: abort every thread left and let them run to their ends. Any kernel thread.
  public func drain() {
    guard
      pointee.phase.compareExchange(
        expected: HostPhase.running, desired: HostPhase.draining,
        ordering: .sequentiallyConsistent
      ).exchanged
    else { return }
    pointee.drainDeadline.store(lwkt_nanotime() + 1_000_000_000, ordering: .releasing)
    pointee.monitor.wake()
    prodAll()
    if pointee.population.isEmpty { stop() }
  }

  /// Workers leave their loops at once. Ctrl-C, which nobody would take any more, kills, as it does in
  /// stock Lua once the script is over: a heap whose finalisers never end is never closed. Any kernel thread.
  func stop() {
    pointee.phase.store(HostPhase.stopped, ordering: .sequentiallyConsistent)
    if !pointee.isBackground { lwkt_release_interrupt() }
    pointee.monitor.wake()
    prodAll()
  }

  /// The phase has changed: every worker is to see it. Under the lock that workers are started under,
  /// so that one that is just being started is not missed.
  func prodAll() {
    pointee.lifeLock.lock()
    for cpu in 0..<pointee.startedWorkers.load(ordering: .relaxed) { prod(cpu) }
    pointee.lifeLock.unlock()
  }

  /// How many workers were ever started. After `drain`, which ends the starting.
  private var finalWorkers: UInt32 {
    pointee.lifeLock.lock()
    defer { pointee.lifeLock.unlock() }
    return UInt32(pointee.startedWorkers.load(ordering: .relaxed))
  }

  /// After `stop`: does no worker run threads any more?
  var allLoopsEnded: Bool {
    pointee.endedLoops.load(ordering: .sequentiallyConsistent) == finalWorkers
  }

  /// This worker has left its loop: wait until the others have. Its kernel thread.
  func meetAfterLoop() {
    pointee.endedLoops.add(1, ordering: .sequentiallyConsistent)
    if allLoopsEnded { pointee.monitor.wake() }
    meetLoops()
  }

  /// Wait until every worker has left its loop. After `drain`.
  func meetLoops() { meet(withUnsafePointer(to: pointee.endedLoops) { $0 }) }

  /// This worker has ended its threads' waits: wait until the others have. Its kernel thread.
  func meetAfterWaits() {
    pointee.endedWaits.add(1, ordering: .sequentiallyConsistent)
    meet(withUnsafePointer(to: pointee.endedWaits) { $0 })
  }

  /// Acquire: what the others did before they were counted has happened.
  private func meet(_ counted: UnsafePointer<Atomic<UInt32>>) {
    let all = finalWorkers
    while true {
      let seen = counted.pointee.load(ordering: .sequentiallyConsistent)
      guard seen < all else { break }
      _ = lwkt_futex_wait(counted, seen, -1)
    }
    lwkt_futex_wake(counted, Int32.max)
  }

  /// A thread has ended. Its worker. Sequentially consistent, against `drain`: either that sees the
  /// last thread gone, or this sees that the host drains.
  func threadEnded(keptAlive: Bool) {
    let left = pointee.population.remove(isLive: keptAlive)
    if keptAlive, left.live == 0, !pointee.isBackground { drain() }
    if left.all == 0, pointee.phase.load(ordering: .sequentiallyConsistent) == HostPhase.draining {
      stop()
    }
  }
}

/// How many threads there are: one word, since each thread that begins or ends changes it, on a cache
/// line of its own, since every worker reads what stands beside it.
struct Population: ~Copyable {
  private let padding0 = Padding()
  /// In the lower half those that keep the program alive, in the upper half all that have not ended.
  private let counts = Atomic<UInt64>(0)
  private let padding1 = Padding()

  private static let one: UInt64 = 1 << 32

  /// How many there were before.
  @inline(__always)
  borrowing func add(isLive: Bool) -> Int {
    let change = Population.one + (isLive ? 1 : 0)
    return Int(counts.add(change, ordering: .relaxed).oldValue >> 32)
  }

  /// What is left. Sequentially consistent, see `threadEnded`; whoever is the last sees all that the
  /// others did before they ended.
  borrowing func remove(isLive: Bool) -> (all: Int, live: Int) {
    let change = Population.one + (isLive ? 1 : 0)
    let left = counts.subtract(change, ordering: .sequentiallyConsistent).newValue
    return (Int(left >> 32), Int(left & (Population.one - 1)))
  }

  var isEmpty: Bool { counts.load(ordering: .sequentiallyConsistent) == 0 }
  var hasLiveThreads: Bool {
    counts.load(ordering: .acquiring) & (Population.one - 1) != 0
  }
}
