// HeapCollection.swift: heaps are collected when somebody may be waiting for what they no longer use.
//
// A request that its receiver drops is answered, and a port that everybody has dropped is closed, when
// the last handle is freed: by the collector of a language heap, which works only when that heap is given
// new memory. A heap whose threads sleep, or compute with numbers, would keep the sender waiting for
// ever. So heaps are collected without their doing in two cases.
//
// *Nothing can go on.* Before that is said, every heap that has run since it was last collected is
// collected, on its own worker, and then the cycles among objects are (`Cycles.swift`). If nothing was
// woken by that, the same number of switches as before shows it: see `everythingIsCollected`.
//
// *Now and then.* Once a second the monitor has each worker that has switched look through its heaps: in
// one that has run and holds something that others may be waiting for (a request not answered, a port with
// messages), a thread is started that collects it. A heap that goes on holding such things, because they
// are in use, is collected after ever longer pauses, and none takes up more than a fiftieth of the time.
// When nothing has run nobody is asked, so a program at rest stays at rest. Where schedules are steered,
// which no clock may disturb, this is left out.
//
// It takes a thread, in the heap, because a collection may call finalisers, and these do what threads do.

import CLWKT
import Synchronization

/// What a domain knows of its heap's collections. Owner.
struct CollectionState {
  /// How often a thread has come to the domain, or to the run queue, or left that: so it says whether the
  /// heap has been used.
  var turns: UInt64 = 0
  /// `turns` as they were when the heap was last collected, and when it was last found to hold nothing
  /// that anybody could wait for, or collected.
  var collected: UInt64 = .max
  var examined: UInt64 = .max
  var isUnderWay = false
  /// When it may be looked at again, and the pause after the next collection.
  var notBefore: UInt64 = 0
  var pause = leastPause
  var began: UInt64 = 0

  static let leastPause: UInt64 = 900_000_000
  static let longestPause: UInt64 = 64_000_000_000
  /// A pause is so many times what it follows took.
  static let share: UInt64 = 50
}

/// What the last worker awake knows of the search for what lies around. Touched by that one alone, which
/// the counting of `HostState.active` puts in order.
struct CollectedSoFar {
  /// How many switches there had been when all workers were asked to collect.
  var heaps: UInt64 = .max
  /// The same for the search for cycles.
  var cycles: UInt64 = .max
}

// MARK: Before nothing can go on

extension UnsafeMutablePointer where Pointee == HostState {
  /// Is nothing left that a collection could free, so that those who wait do so for ever? False: something
  /// was done about it, and whoever falls asleep last asks again. The last worker awake, counted in.
  func everythingIsCollected() -> Bool {
    var switches: UInt64 = 0
    let started = pointee.startedWorkers.load(ordering: .acquiring)
    for cpu in 0..<started { switches &+= counter(.switches, cpu: cpu) }
    if pointee.collectedSoFar.heaps != switches {
      pointee.collectedSoFar.heaps = switches
      for cpu in 0..<started { mycpu.sendIPI(InboxEntryBox.ipi { mycpu.collectHeaps() }, to: cpu) }
      return false
    }
    if pointee.collectedSoFar.cycles != switches {
      if mycpu.collectCycles() { pointee.collectedSoFar.cycles = switches }
      return false
    }
    return true
  }
}

extension UnsafeMutablePointer where Pointee == GlobalData {
  /// Collect each heap that has run since it was collected. In the loop.
  fileprivate func collectHeaps() {
    for domain in pointee.domains
    where domain.pointee.collection.turns != domain.pointee.collection.collected {
      collect(domain, atOnce: true)
    }
  }

  /// At once when nothing else can run; else a little at a time, so as to hold up nobody. In the loop.
  private func collect(_ domain: DomainRef, atOnce: Bool) {
    guard !domain.pointee.collection.isUnderWay else { return }
    domain.pointee.collection.isUnderWay = true
    if !pointee.host.pointee.binding.collect(domain, atOnce) {
      domain.pointee.collection.isUnderWay = false
    }
  }
}

// MARK: Now and then

extension UnsafeMutablePointer where Pointee == HostState {
  /// How often the monitor asks: nanoseconds.
  static var examinationInterval: UInt64 { 1_000_000_000 }

  /// Has any worker switched since it last looked through its heaps? Any kernel thread; a glimpse.
  var hasUnexaminedHeaps: Bool {
    guard examinesHeaps else { return false }
    return (0..<pointee.startedWorkers.load(ordering: .acquiring)).contains { isUnexamined($0) }
  }

  /// Have those workers look through their heaps. The monitor.
  func askForExamination() {
    guard examinesHeaps else { return }
    for cpu in 0..<pointee.startedWorkers.load(ordering: .acquiring) where isUnexamined(cpu) {
      shared(cpu).pointee.examinationIsDue.store(true, ordering: .relaxed)
      prod(cpu)
    }
  }

  private var examinesHeaps: Bool {
    pointee.policy.steering == nil && !isFrozen
      && pointee.phase.load(ordering: .acquiring) == HostPhase.running
  }

  private func isUnexamined(_ cpu: Int) -> Bool {
    shared(cpu).pointee.examined.load(ordering: .relaxed) != counter(.switches, cpu: cpu)
  }
}

extension UnsafeMutablePointer where Pointee == GlobalData {
  /// If the monitor has asked for it, look through the heaps. In the loop.
  @inline(__always)
  func examineHeapsIfDue() {
    if pointee.shared.pointee.examinationIsDue.load(ordering: .relaxed) { examineHeaps() }
  }

  /// A piece at a time: what is left is looked through when the loop attends again later. In the loop.
  @inline(never)
  private func examineHeaps() {
    let start = lwkt_nanotime()
    guard start >= pointee.examineNotBefore else { return }
    var now = start
    var isPut = false
    var next = pointee.examineNext ?? pointee.domains.first
    while let domain = next, now - start < Self.examinationPiece {
      next = pointee.domains.next(domain)
      if !examine(domain, now) { isPut = true }
      now = lwkt_nanotime()
    }
    pointee.examineNext = next
    pointee.examineNotBefore = now + (now - start) * CollectionState.share
    pointee.leavesUnexamined = pointee.leavesUnexamined || isPut
    guard next == nil else { return }
    // All have been looked at; the monitor asks again where some have to wait.
    pointee.shared.pointee.examinationIsDue.store(false, ordering: .relaxed)
    let switches = pointee.shared.pointee.counters.get(.switches)
    let seen = pointee.leavesUnexamined ? switches &- 1 : switches
    pointee.shared.pointee.examined.store(seen, ordering: .relaxed)
    pointee.leavesUnexamined = false
  }

  /// Nanoseconds.
  private static var examinationPiece: UInt64 { 500_000 }

  /// False if it must be looked at again although it may not run any more.
  private func examine(_ domain: DomainRef, _ now: UInt64) -> Bool {
    let state = domain.pointee.collection
    if state.turns == state.examined { return true }
    if state.isUnderWay || now < state.notBefore { return false }
    if pointee.host.pointee.binding.holdsOthersUp(domain) {
      collect(domain, atOnce: false)
      return false
    }
    let taken = lwkt_nanotime() - now
    domain.pointee.collection.examined = state.turns
    domain.pointee.collection.notBefore = now + taken * CollectionState.share
    domain.pointee.collection.pause = CollectionState.leastPause
    return true
  }
}

// MARK: What the binding calls

extension UnsafeMutablePointer where Pointee == Domain {
  /// A thread of the domain is about to collect its heap. That thread.
  public func collectionBegins() {
    pointee.collection.collected = pointee.collection.turns
    pointee.collection.examined = pointee.collection.turns
    pointee.collection.began = lwkt_nanotime()
  }

  /// It has. Was there an object in it that others may have been waiting for?
  public func collectionEnds(hasFound: Bool) {
    let now = lwkt_nanotime()
    let least = hasFound ? CollectionState.leastPause : pointee.collection.pause
    pointee.collection.pause = min(2 * least, CollectionState.longestPause)
    let taken = now - pointee.collection.began
    pointee.collection.notBefore = now + max(least, taken * CollectionState.share)
    pointee.collection.isUnderWay = false
  }
}

extension UnsafeMutableRawPointer {
  /// May somebody wait for the end of this object's use? A request that is not answered, a port with
  /// messages in it, before which senders may stand. Any holder of a reference.
  public var holdsOthersUp: Bool {
    switch objectKind {
    case .message: isReceiverRole && message.isUnanswered
    case .port: port.hasQueue
    case .thread:
      // One that may never be started.
      if thread.lifecycle == .unborn,
        let port = PortRef(bitPattern: thread.pointee.portAtomic.load(ordering: .acquiring))
      {
        port.hasQueue
      } else {
        false
      }
    default: false
    }
  }
}
