// Gathering.swift: threads that talk to each other come to one worker, and workers that are of no use
// stay asleep.
//
// Work sharing (`WorkSharing.swift`) spreads threads. Two things that it cannot see are seen to here.
//
// Threads that wait for each other. To wake a worker costs some microseconds, and tens of them until
// it runs; a thread that takes a message and passes it on runs for a tenth of one. So a worker keeps
// count of the wakings that led to nothing but short turns while its waker had nothing else to do, or
// had gone on to its next turn: one worker would have been enough. When there have been enough in a row
// each further waking sends the domain of the woken thread to the waker, until one leads to a long turn.
// A ring of threads on several workers is on one after a few rounds: each of its domains moves once. What
// counts is the turn, not how long the worker was awake: a piece of a ring is many short turns.
//
// Pairs. Where both workers are busy a message between them costs no kernel call, but still more than a
// turn of a tenth of a microsecond. So a small domain that is woken by one other worker alone, dozens of
// times in a row, goes there while turns are so short; and what work sharing has parted comes together
// again.
//
// More workers than cores. The others can run no more at once; they only make threads that talk to
// each other talk to a worker that must be woken first, or is not running. But a worker may be held up
// by C code that blocks, threads may be pinned to it, and the threads of a program that computes may as
// well be on all of them. So workers beyond the cores are started and woken only for threads that are
// theirs, for turns that are long enough to make up for it, and by the monitor when a thread has run for
// a quantum; and it takes few wakings until their domains leave them.

import CLWKT
import Synchronization

/// What a worker knows of its latest wakings by another one. Owner.
struct Wakings {
  /// How many in a row were not worth it.
  fileprivate var idleOnes = 0
  /// There is one that it has not slept after, or one that was for short turns.
  fileprivate var isUnderWay = false
  fileprivate var isShort = false
  /// Of the latest: when, by whom, and its own and his switches then.
  fileprivate var since: UInt64 = 0
  fileprivate var waker = 0
  fileprivate var switches: UInt64 = 0
  fileprivate var wakerSwitches: UInt64 = 0
}

/// How long a worker's turns have been of late. Owner.
struct Pace {
  /// When it was last looked at, and the switches then.
  fileprivate var noted: UInt64 = 0
  fileprivate var switches: UInt64 = 0
  /// Nanoseconds, on average, when last looked at.
  fileprivate var meanTurn: UInt64 = .max
  /// Since when they have been long.
  fileprivate var longSince: UInt64 = .max

  /// There was nothing to run for so many nanoseconds.
  mutating func leaveOut(_ nanoseconds: UInt64) {
    if noted != 0 { noted += nanoseconds }
  }
}

/// Nanoseconds of a turn that is short: less than waking a worker costs.
private let shortTurn: UInt64 = 20_000

/// Nanoseconds of a mean turn from which on threads are shared with a worker that has no core of its own.
private let worthwhileTurn: UInt64 = 5_000

/// Nanoseconds of a turn that a message between two workers takes a large part of.
private let tinyTurn: UInt64 = 1_000

/// Most threads in a domain that moves although its worker is busy.
private let mostInPair = 16

extension UnsafeMutablePointer where Pointee == GlobalData {
  private var switches: UInt64 { pointee.shared.pointee.counters.get(.switches) }

  // MARK: Joining the waker

  /// The worker has run out of threads: was what it was last woken for worth it? In the loop. That the
  /// waker is in the same turn yet says nothing: he may just have lost his core to this worker.
  func noteWaking() {
    guard pointee.wakings.isUnderWay else { return }
    pointee.wakings.isUnderWay = false
    let elapsed = readClock() &- pointee.wakings.since
    if elapsed > shortTurn {
      let turns = max(switches &- pointee.wakings.switches, 1)
      // At the end he may have been woken from here.
      if elapsed / turns > shortTurn || turnsOfWaker > 1 {
        pointee.wakings.idleOnes = 0
        return
      }
    }
    pointee.wakings.isShort = true
  }

  /// The turns the waker has begun since.
  private var turnsOfWaker: UInt64 {
    pointee.host.shared(pointee.wakings.waker).pointee.counters.get(.switches)
      &- pointee.wakings.wakerSwitches
  }

  /// This worker, which has nothing else, is woken by `waker` for `thread`. If that has been of no use
  /// often enough the thread's domain moves to the waker's worker, and true is returned.
  func joinsWaker(_ thread: ThreadRef, _ waker: Int) -> Bool {
    if pointee.wakings.isUnderWay { return false }
    if pointee.wakings.isShort {
      pointee.wakings.isShort = false
      // While he computes it is well that somebody else runs his threads.
      let last = pointee.host.shared(pointee.wakings.waker)
      if turnsOfWaker > 0 || !last.pointee.isBusy.load(ordering: .relaxed) {
        pointee.wakings.idleOnes += 1
      }
    }
    if pointee.wakings.idleOnes >= wakingsToJoin(waker), let domain = thread.domain,
      domain.pointee.isAdopted, domain.pointee.anchored == 0
    {
      count(.threadsJoined)
      depart(Departure(domain: domain, thread: thread, cpu: waker))
      return true
    }
    pointee.wakings.isUnderWay = true
    pointee.wakings.since = readClock()
    pointee.wakings.waker = waker
    pointee.wakings.switches = switches
    pointee.wakings.wakerSwitches = pointee.host.shared(waker).pointee.counters.get(.switches)
    return false
  }

  /// There are threads here that have come to have time: nothing is known of their turns.
  func forgetWakings() { pointee.wakings.idleOnes = 0 }

  /// The higher numbered worker gives in first, so that two do not change places.
  private func wakingsToJoin(_ waker: Int) -> Int {
    let isCrowded = pointee.host.pointee.workerCount > pointee.host.pointee.cores
    let isSenior = pointee.cpu < waker
    return isCrowded ? (isSenior ? 6 : 2) : (isSenior ? 48 : 16)
  }

  // MARK: Pairs

  /// `thread` is woken by a thread of `waker`, another worker; both may be busy. When nobody else has woken
  /// its domain many times in a row, it goes there; see above. In the loop.
  func scheduleFar(_ thread: ThreadRef, _ waker: Int) {
    guard let domain = thread.domain, domain.pointee.isAdopted, domain.pointee.anchored == 0,
      domain.pointee.threadCount <= mostInPair
    else { return scheduleLocally(thread) }
    let wakings = domain.pointee.farWaker == waker ? domain.pointee.farWakings + 1 : 1
    domain.pointee.farWaker = waker
    if wakings > farWakingsToJoin(waker), pointee.pace.meanTurn < tinyTurn {
      domain.pointee.farWakings = 0
      count(.threadsJoined)
      return depart(Departure(domain: domain, thread: thread, cpu: waker))
    }
    scheduleLocally(thread)
    domain.pointee.farWakings = wakings
  }

  /// It goes where less waits to be run; where that does not decide, the junior one's.
  private func farWakingsToJoin(_ waker: Int) -> Int {
    let his = pointee.host.shared(waker).pointee.load.load(ordering: .relaxed)
    let mine = pointee.runQueue.count
    if his > mine + 1 { return .max }
    return his < mine || waker < pointee.cpu ? 64 : 256
  }

  // MARK: How many workers

  /// There are threads waiting here. Own worker, in the loop, now and then.
  func notePace() {
    let now = pointee.coarseNow
    let meanTurn = (now &- pointee.pace.noted) / max(switches &- pointee.pace.switches, 1)
    if pointee.pace.noted == 0 {
      // The first time there is nothing to compare with.
    } else if meanTurn < worthwhileTurn {
      pointee.pace.longSince = .max
    } else if pointee.pace.longSince == .max {
      pointee.pace.longSince = pointee.pace.noted
    }
    pointee.pace.meanTurn = meanTurn
    pointee.pace.noted = now
    pointee.pace.switches = switches
  }

  /// For a quantum, since the first turns of threads always are. Own worker.
  var hasLongTurns: Bool {
    let longSince = pointee.pace.longSince
    return longSince < pointee.coarseNow
      && pointee.coarseNow &- longSince >= pointee.host.pointee.policy.quantum
  }

  /// How many workers can be of use for the threads that are here. Own worker.
  var workersWorthwhile: Int {
    let workers = pointee.host.pointee.workerCount
    return hasLongTurns ? workers : min(pointee.host.pointee.cores, workers)
  }

  /// Would threads from here run sooner on a worker that has none? That one counts as awake by now.
  var isWorthSharing: Bool {
    pointee.host.pointee.active.load(ordering: .relaxed) <= workersWorthwhile
  }
}
