// WorkSharingTests.swift: threads that go where there is time for them.

import CLWKT
import Synchronization
import XCTest

@testable import LWKTCore

final class WorkSharingTests: CoreTestCase {
  /// Which workers have run something.
  private func mask(_ cell: Cell<Int>) {
    cell.atomic.bitwiseOr(1 << mycpu.pointee.cpu, ordering: .relaxed)
  }

  func testComputingThreadsSpread() {
    for (workers, grouped) in [(2, false), (4, false), (2, true)] {
      let rig = Rig(workers: workers)
      let seen = Cell(0)
      let all = (1 << workers) - 1
      rig.run {
        var group: Group?
        for number in 0..<64 {
          // Groups of eight threads share a domain.
          if grouped, number % 8 == 0 { group = Group() }
          rig.spawn(group: group) { _, _ in
            self.mask(seen)
            for _ in 0..<2000 { lwkt_cpu_pause() }
            if seen.value == all { return .end() }
            return preemptionAsked() ? .preempted : .yield
          }
        }
      }
      XCTAssertEqual(seen.value, all)
    }
  }

  func testHogsThatNeverYieldSpread() {
    let rig = Rig(workers: 2)
    let seen = Cell(0)
    rig.run {
      for _ in 0..<4 {
        rig.spawn { _, _ in
          self.mask(seen)
          while seen.value != 3 { if preemptionAsked() { return .preempted } }
          return .end()
        }
      }
    }
    XCTAssertEqual(seen.value, 3)
  }

  /// A domain moves whole: with threads that wait, their timers, and threads not yet begun.
  func testADomainMovesWithWaitingThreadsAndTimers() {
    let rig = Rig(workers: 2)
    let reasons = Log<WakeReason>()
    let wrongWorker = Cell(0)
    var unbegun: ThreadRef!
    rig.run {
      let group = Group()
      let port = rig.port()
      let moved = Cell(0)
      for number in 0..<6 {
        rig.spawn(group: group) { script, thread in
          script.pc += 1
          switch script.pc {
          case 1:
            let ident = SleepIdent(high: UInt64(number))
            let deadline: UInt64? = number < 3 ? later(20_000_000) : nil
            return thread.tsleep(ident, deadline: deadline) == .waiting ? .wait : .fail()
          default:
            reasons.add(thread.finishWait())
            if mycpu.pointee.cpu != 1 || thread.cpu != 1 { wrongWorker.add() }
            if moved.value == 0 { wrongWorker.add() }
            return .end()
          }
        }
      }
      rig.spawn(group: group) { script, thread in
        script.pc += 1
        switch script.pc {
        case 1:
          // Let the others begin their waits, and have a thread that is not begun in the domain.
          var options = ThreadOptions()
          options.noStart = true
          unbegun = rig.spawn(options, group: group) { _, _ in
            if mycpu.pointee.cpu != 1 { wrongWorker.add() }
            sendOneWay(1, to: port, from: nil)
            return .end()
          }
          return .yield
        case 2:
          return thread.moveSelf(to: 1) ? .wait : .fail()
        case 3:
          moved.set(1)
          if thread.cpu != 1 { wrongWorker.add() }
          for number in 3..<6 { rig.state.wakeup(SleepIdent(high: UInt64(number))) }
          unbegun.begin()
          fallthrough
        default:
          switch script.receive(port, thread) {
          case .wait: return .wait
          case .over: return .fail()
          case .message(let message):
            _ = message.takeNumber()
            return .end()
          }
        }
      }
    }
    XCTAssertEqual(wrongWorker.value, 0)
    XCTAssertEqual(reasons.all.filter { $0 == .ready }.count, 3)
    XCTAssertEqual(reasons.all.filter { $0 == .timedOut }.count, 3)
    XCTAssertTrue(unbegun.isDead)
    XCTAssertEqual(rig.deadlocks.count, 0)
  }

  /// A thread that is begun by somebody on another worker while its domain moves.
  func testAThreadIsBegunWhileItsDomainMoves() {
    let rig = Rig(workers: 3, ipiCapacity: 2)
    let ran = Cell(0)
    let rounds = 300
    rig.run {
      let group = Group()
      let begin = rig.port()
      rig.spawn(group: group) { script, thread in
        if script.count == rounds {
          sendOneWay(0, to: begin, from: thread)
          return ran.value == rounds ? .end() : .yield
        }
        script.count += 1
        var options = ThreadOptions()
        options.noStart = true
        let child = rig.spawnUnheld(options, group: group) { _, _ in
          ran.add()
          return .end()
        }
        sendOneWay(Int(bitPattern: child), to: begin, from: thread)
        return thread.moveSelf(to: (thread.cpu + 1) % 2) ? .wait : .fail()
      }
      var options = ThreadOptions()
      options.cpu = 2
      rig.spawn(options) { script, thread in
        while true {
          switch script.receive(begin, thread) {
          case .wait: return .wait
          case .over: return .fail()
          case .message(let message):
            guard let child = ThreadRef(bitPattern: message.takeNumber()) else { return .end() }
            child.begin()
            child.object.releaseObject()
          }
        }
      }
    }
    XCTAssertEqual(ran.value, rounds)
    XCTAssertEqual(rig.deadlocks.count, 0)
  }

  func testPinnedThreadsAndTheirDomainsStay() {
    let rig = Rig(workers: 2)
    let wrong = Cell(0)
    let spread = Cell(0)
    rig.run {
      let group = Group()
      var pinned = ThreadOptions()
      pinned.cpu = 0
      for number in 0..<8 {
        rig.spawn(number == 0 ? pinned : ThreadOptions(), group: group) { script, thread in
          if mycpu.pointee.cpu != 0 { wrong.add() }
          // The free ones may well be on the other worker, all of them.
          self.mask(spread)
          if spread.value == 3 { return .end() }
          if number == 1, thread.moveSelf(to: 1) { wrong.add(100) }
          return .yield
        }
      }
      for _ in 0..<8 {
        rig.spawn { _, _ in
          self.mask(spread)
          return spread.value == 3 ? .end() : .yield
        }
      }
    }
    XCTAssertEqual(wrong.value, 0)
  }

  func testMoveSelfBackAndForth() {
    let rig = Rig(workers: 4)
    let wrong = Cell(0)
    rig.run {
      for number in 0..<20 {
        rig.spawn { script, thread in
          if script.count > 0, thread.cpu != script.pc || mycpu.pointee.cpu != script.pc {
            wrong.add()
          }
          script.count += 1
          if script.count > 200 { return .end() }
          script.pc = (number + script.count * 3) % 4
          let mustGo = script.pc != thread.cpu
          return thread.moveSelf(to: script.pc) && mustGo ? .wait : .yield
        }
      }
    }
    // Idle workers may take a thread that yielded.
    XCTAssertLessThan(wrong.value, 4000)
    XCTAssertEqual(rig.deadlocks.count, 0)
  }

  /// Threads end, are made, wait and move between busy workers, all at once.
  func testEverythingAtOnce() {
    let rig = Rig(workers: 4, ipiCapacity: 2)
    let ended = Cell(0)
    let made = 4000
    rig.run {
      for root in 0..<4 {
        rig.spawn { script, thread in
          if script.count == made / 4 { return .end() }
          for _ in 0..<10 {
            script.count += 1
            let number = script.count
            let child = rig.spawnUnheld(parent: thread) { script, thread in
              script.pc += 1
              if script.pc > 1 { thread.finishWait() }
              switch (script.pc + number + root) % 5 {
              case 0 where script.pc > 5:
                ended.add()
                return .end()
              case 1:
                let result = thread.tsleep(SleepIdent(high: 7), deadline: later(100_000))
                return result == .waiting ? .wait : .yield
              case 2:
                return thread.cpu != number % 4 && thread.moveSelf(to: number % 4) ? .wait : .yield
              default: return .yield
              }
            }
            child.object.releaseObject()
          }
          return .yield
        }
      }
    }
    XCTAssertEqual(ended.value, made)
    XCTAssertTrue(rig.state.pointee.population.isEmpty)
  }

  func testThreadsTakenWhileTheProgramEndsAreAbortedToo() {
    for _ in 0..<50 {
      let rig = Rig(workers: 2)
      let ended = Cell(0)
      rig.run {
        var options = ThreadOptions()
        options.daemon = true
        for _ in 0..<40 {
          rig.spawn(options) { script, thread in
            if thread.isAborted {
              ended.add()
              return .end()
            }
            return .yield
          }
        }
        rig.spawn { script, _ in
          script.pc += 1
          return script.pc < 20 ? .yield : .end()
        }
      }
      XCTAssertEqual(ended.value, 40)
    }
  }

  /// Threads that have not started are given however many stand beside them that cannot be.
  func testStraysAreFoundAmongManyOthers() {
    let rig = Rig(workers: 2)
    let seen = Cell(0)
    rig.run {
      var pinned = ThreadOptions()
      pinned.cpu = 0
      pinned.priority = 0
      for _ in 0..<5000 { rig.spawnUnheld(pinned) { _, _ in .end() }.object.releaseObject() }
      // Those for whom there is no time here, but over there.
      for _ in 0..<64 {
        rig.spawn { _, _ in
          self.mask(seen)
          return .end()
        }
      }
      var hog = ThreadOptions()
      hog.cpu = 0
      hog.priority = 9
      let limit = later(20_000_000_000)
      rig.spawn(hog) { _, _ in
        if seen.value & 2 == 0, lwkt_nanotime() < limit { return .yield }
        return .end()
      }
    }
    XCTAssertEqual(seen.value & 2, 2)
  }

  /// One who was given what is over at once, again and again, asks less and less often. (The clock stands
  /// still: none of the gifts lasts.)
  func testShortGiftsAreAskedForLessOften() {
    let rig = Rig(workers: 2, policy: Policy(now: { 1 }, quantum: 60_000_000_000))
    let rounds = 20_000
    var asked: UInt64 = 0
    rig.run {
      var here = ThreadOptions()
      here.cpu = 0
      rig.spawn(here) { script, thread in
        script.count += 1
        for _ in 0..<4 { rig.spawnUnheld { _, _ in .end() }.object.releaseObject() }
        // Time enough for a question.
        for _ in 0..<100 { lwkt_cpu_pause() }
        if script.count < rounds { return .yield }
        asked = rig.state.shared(1).pointee.counters.get(.workRequests)
        return .end()
      }
    }
    XCTAssertLessThan(asked, UInt64(rounds / 10))
  }

  /// A thread makes a crowd and waits: part of it is on another worker before the first of them runs. (Each
  /// computes, and is not preempted, until that has happened.)
  func testACrowdIsSharedBeforeItsFirstTurn() {
    let rig = Rig(workers: 2, policy: Policy(quantum: 60_000_000_000))
    let seen = Cell(0)
    rig.run {
      rig.spawn { _, _ in
        let limit = later(20_000_000_000)
        for _ in 0..<32 {
          let one = rig.spawnUnheld { _, _ in
            self.mask(seen)
            while seen.value != 3, lwkt_nanotime() < limit { lwkt_cpu_pause() }
            return .end()
          }
          one.object.releaseObject()
        }
        return .end()
      }
    }
    XCTAssertEqual(seen.value, 3)
  }
}
