// WaitTests.swift: that a wait ends once, whoever ends it, and leaves nothing behind.

import CLWKT
import Synchronization
import XCTest

@testable import LWKTCore

final class WaitTests: CoreTestCase {
  // MARK: tsleep

  func testWakeupIsInTheOrderOfSleepingAndCounts() {
    let rig = Rig(workers: 1)
    let log = Log<Int>()
    let counts = Log<Int>()
    rig.run {
      let ident = SleepIdent(high: 1)
      for number in 0..<6 {
        rig.spawn { script, thread in
          script.pc += 1
          if script.pc == 1 {
            return thread.tsleep(ident, deadline: nil) == .waiting ? .wait : .end()
          }
          XCTAssertEqual(thread.finishWait(), .ready)
          log.add(number)
          return .end()
        }
      }
      rig.spawn { script, _ in
        counts.add(rig.state.wakeup(SleepIdent(high: 2)))
        counts.add(rig.state.wakeup(ident, one: true))
        counts.add(rig.state.wakeup(ident, one: true))
        counts.add(rig.state.wakeup(ident))
        counts.add(rig.state.wakeup(ident))
        return .end()
      }
    }
    XCTAssertEqual(log.all, [0, 1, 2, 3, 4, 5])
    XCTAssertEqual(counts.all, [0, 1, 1, 4, 0])
  }

  func testIdentsOfOneBucketAreKeptApart() {
    let rig = Rig(workers: 1)
    let woken = Log<UInt64>()
    // More idents than there are buckets.
    let idents = UInt64(SleepTable.size * 3)
    rig.run {
      for high in 0..<idents {
        rig.spawn { script, thread in
          script.pc += 1
          if script.pc == 1 {
            return thread.tsleep(SleepIdent(high: high), deadline: nil) == .waiting ? .wait : .end()
          }
          thread.finishWait()
          woken.add(high)
          return .end()
        }
      }
      rig.spawn { script, _ in
        for high in 0..<idents { XCTAssertEqual(rig.state.wakeup(SleepIdent(high: high)), 1) }
        return .end()
      }
    }
    XCTAssertEqual(woken.all, Array(0..<idents))
  }

  func testAWakeupIsNotLostThatComesAfterTheConditionWasAsked() {
    // The classic: test a condition, sleep unless it holds; set it, wake.
    let rig = Rig(workers: 2)
    let rounds = 20_000
    let turn = Cell(0)
    rig.run {
      for side in 0..<2 {
        var options = ThreadOptions()
        options.cpu = side
        rig.spawn(options) { script, thread in
          while script.count < rounds {
            if script.isWaiting {
              script.isWaiting = false
              thread.finishWait()
            }
            let result = thread.tsleep(SleepIdent(high: UInt64(side)), deadline: nil) {
              turn.value != side
            }
            if result == .waiting {
              script.isWaiting = true
              return .wait
            }
            script.count += 1
            turn.set(1 - side)
            rig.state.wakeup(SleepIdent(high: UInt64(1 - side)))
          }
          return .end()
        }
      }
    }
    XCTAssertEqual(rig.deadlocks.count, 0)
  }

  // MARK: Races for one wait

  /// Sleeps that a timeout, a wakeup from another worker and an abort race to end. Each ends once, and
  /// for every wakeup that says it woke somebody there is a sleep that says it was woken.
  func testTheOnesWhoEndAWaitRace() {
    for workers in [1, 2, 4] {
      let rig = Rig(workers: workers)
      let rounds = workers == 1 ? 20_000 : 100_000
      let wakes = Cell(0)
      let ready = Cell(0)
      let timedOut = Cell(0)
      let isOver = Cell(0)
      rig.run {
        for number in 0..<3 {
          var options = ThreadOptions()
          options.cpu = 0
          rig.spawn(options) { script, thread in
            while true {
              if script.isWaiting {
                script.isWaiting = false
                switch thread.finishWait() {
                case .ready: ready.add()
                case .timedOut: timedOut.add()
                default: XCTFail("woken without a reason")
                }
                script.count += 1
              }
              if script.count == rounds {
                isOver.add()
                return .end()
              }
              // Due at once, soon, or never.
              let delay = UInt64((script.count &* 7 + number) % 3) * 2_000
              let deadline = delay == 4_000 ? nil : later(delay)
              switch thread.tsleep(SleepIdent(high: 1), deadline: deadline) {
              case .waiting:
                script.isWaiting = true
                return .wait
              default:
                XCTFail("not aborted")
                return .end()
              }
            }
          }
        }
        for cpu in 0..<workers {
          var options = ThreadOptions()
          options.cpu = cpu
          rig.spawn(options) { _, _ in
            wakes.add(rig.state.wakeup(SleepIdent(high: 1), one: cpu % 2 == 0))
            return isOver.value == 3 ? .end() : .yield
          }
        }
      }
      XCTAssertEqual(wakes.value, ready.value)
      XCTAssertEqual(ready.value + timedOut.value, 3 * rounds)
    }
  }

  /// An abort either ends the wait it meets or the next one; one abort is enough.
  func testAnAbortIsNeverLost() {
    let rig = Rig(workers: 2)
    let rounds = 20_000
    let aborted = Cell(0)
    let ended = Cell(0)
    rig.run {
      var here = ThreadOptions()
      here.cpu = 0
      var there = ThreadOptions()
      there.cpu = 1
      let port = rig.port()
      rig.spawn(here) { script, thread in
        while script.count < rounds {
          script.count += 1
          let victim = rig.spawnUnheld(here) { script, thread in
            // Waits that end by themselves, until one does not.
            if script.isWaiting, thread.finishWait() == .aborted {
              aborted.add()
              return .end()
            }
            script.isWaiting = true
            switch thread.tsleep(SleepIdent(high: 3), deadline: later(0)) {
            case .waiting: return .wait
            default: return .yield
            }
          }
          sendOneWay(Int(bitPattern: victim), to: port, from: thread)
          if script.count - ended.value > 20 { return .yield }
        }
        sendOneWay(0, to: port, from: thread)
        return .end()
      }
      rig.spawn(there) { script, thread in
        while true {
          switch script.receive(port, thread) {
          case .wait: return .wait
          case .over: return .fail()
          case .message(let message):
            guard let victim = ThreadRef(bitPattern: message.takeNumber()) else { return .end() }
            victim.abort(Payload())
            victim.abort(Payload())
            ended.add()
            victim.object.releaseObject()
          }
        }
      }
    }
    XCTAssertEqual(aborted.value, rounds)
    XCTAssertEqual(rig.deadlocks.count, 0)
  }

  func testAnInterruptIsNeverLost() {
    let rig = Rig(workers: 2)
    let rounds = 20_000
    let round = Cell(0)
    rig.run {
      var here = ThreadOptions()
      here.cpu = 0
      var there = ThreadOptions()
      there.cpu = 1
      let sleeper = rig.spawn(here) { script, thread in
        while true {
          if script.isWaiting {
            XCTAssertEqual(thread.finishWait(), .aborted)
            script.isWaiting = false
          }
          if thread.pointee.interrupted.exchange(false, ordering: .sequentiallyConsistent) {
            if round.add() == rounds { return .end() }
          }
          let result = thread.tsleep(SleepIdent(high: 3), deadline: nil)
          script.isWaiting = true
          if result == .waiting { return .wait }
        }
      }
      rig.spawn(there) { script, _ in
        if round.value == rounds { return .end() }
        if round.value == script.count {
          script.count += 1
          sleeper.interrupt()
        }
        return .yield
      }
    }
    XCTAssertEqual(rig.deadlocks.count, 0)
  }

  func testAnAbortBeforeTheFirstRunAndTheReasonThatCounts() {
    let rig = Rig(workers: 1)
    rig.run {
      var options = ThreadOptions()
      options.noStart = true
      let thread = rig.spawn(options) { script, thread in
        XCTAssertTrue(thread.isAborted)
        XCTAssertEqual(thread.abortReason?.pointee.number, 5)
        XCTAssertEqual(thread.tsleep(SleepIdent(high: 1), deadline: nil), .waitOver)
        XCTAssertEqual(thread.finishWait(), .aborted)
        return .end()
      }
      thread.abort(payload(5))
      thread.abort(payload(6))
      XCTAssertTrue(thread.begin())
      XCTAssertFalse(thread.begin())
    }
  }

  func testAWaitThatMayNotBeAborted() {
    let rig = Rig(workers: 1)
    rig.run {
      let thread = rig.spawn { script, thread in
        script.pc += 1
        if script.pc == 1 {
          _ = thread.beginWait(.external, on: nil, interruptible: false)
          thread.armWaitTimer(later(20_000_000))
          return .wait
        }
        XCTAssertEqual(thread.finishWait(), .timedOut)
        XCTAssertTrue(thread.isAborted)
        return .end()
      }
      rig.spawn { script, _ in
        script.pc += 1
        if script.pc == 1 { return .yield }
        thread.abort(Payload())
        return .end()
      }
    }
  }

  // MARK: Timeout scopes

  func testAScopeEndsTheWaitsInsideIt() {
    let rig = Rig(workers: 1)
    rig.run {
      rig.spawnStraight { thread in
        _ = thread.enterScope(deadline: later(40_000_000))
        _ = thread.enterScope(deadline: later(5_000_000))
        XCTAssertEqual(block(thread, thread.tsleep(SleepIdent(high: 1), deadline: nil)), .aborted)
        XCTAssertTrue(thread.isInExpiredScope)
        XCTAssertTrue(thread.isCancelled)
        // Every further wait fails at once.
        XCTAssertEqual(thread.tsleep(SleepIdent(high: 1), deadline: nil), .waitOver)
        thread.finishWait()
        thread.leaveScope()
        XCTAssertFalse(thread.isInExpiredScope)
        XCTAssertFalse(thread.isCancelled)
        XCTAssertEqual(block(thread, thread.tsleep(SleepIdent(high: 1), deadline: nil)), .aborted)
        XCTAssertTrue(thread.isInExpiredScope)
        thread.leaveScope()
        _ = thread.enterScope(deadline: later(1_000_000_000_000))
        let short = thread.tsleep(SleepIdent(high: 1), deadline: later(1_000_000))
        XCTAssertEqual(block(thread, short), .timedOut)
        XCTAssertFalse(thread.isInExpiredScope)
        thread.leaveScope()
        XCTAssertNil(thread.pointee.scopes)
        // Its time is up before it begins, for waits; a computation is told later.
        _ = thread.enterScope(deadline: later(0))
        XCTAssertTrue(thread.isInExpiredScope)
        XCTAssertFalse(thread.mustUnwind)
        XCTAssertEqual(thread.tsleep(SleepIdent(high: 1), deadline: nil), .waitOver)
        thread.finishWait()
        thread.leaveScope()
        // One without a time ends waits alone, when it is told to.
        let scope = thread.enterScope(deadline: .max)
        XCTAssertFalse(thread.isCancelled)
        scope.expireNow()
        XCTAssertTrue(thread.isInExpiredScope)
        XCTAssertFalse(thread.mustUnwind)
        thread.leaveScope()
        // Left behind at the end of the thread.
        _ = thread.enterScope(deadline: later(1_000_000_000_000))
        return 0
      }
    }
    XCTAssertEqual(rig.deadlocks.count, 0)
  }

  // MARK: waitAny

  func testWaitAnyOfEverything() {
    let rig = Rig(workers: 2)
    rig.run {
      let port = rig.port()
      let other = rig.port()
      let server = rig.port()
      let ident = SleepIdent(high: 4)
      let ender = rig.spawn { script, thread in
        script.pc += 1
        if script.pc == 1 {
          return thread.tsleep(ident, deadline: nil) == .waiting ? .wait : .end()
        }
        thread.finishWait()
        return .end()
      }
      rig.spawnStraight { thread in
        let request = MessageRef.make(sender: thread, payload: payload(1))
        request.receiverObject.retainObject()
        XCTAssertEqual(server.send(request, from: nil), .sent)
        var all = [port.object, other.object, request.object, ender.object]
        func wait(_ deadline: UInt64? = nil, poll: Bool = false) -> (WakeReason, Int) {
          var index = -1
          let result = all.withUnsafeBufferPointer {
            thread.waitAny($0, deadline: deadline, poll: poll, index: &index)
          }
          if result == .ready { return (.ready, index) }
          if result == .wouldWait { return (.none, -1) }
          let reason = block(thread, result)
          return (reason, Int(thread.pointee.wakeIndex))
        }
        XCTAssertTrue(wait(poll: true) == (.none, -1))
        XCTAssertEqual(wait(later(1_000_000)).0, .timedOut)
        // Ready before.
        sendOneWay(1, to: other, from: thread)
        XCTAssertTrue(wait() == (.ready, 1))
        var message: MessageRef?
        XCTAssertEqual(other.receive(thread, deadline: nil, into: &message), .ready)
        XCTAssertEqual(message?.takeNumber(), 1)
        // While it waits: a message, an answer, an end, a close.
        let helper = { (_ action: @escaping () -> Void) in
          _ = rig.spawn { script, _ in
            script.pc += 1
            if script.pc < 3 { return .yield }
            action()
            return .end()
          }
        }
        helper { sendOneWay(2, to: port, from: nil) }
        XCTAssertTrue(wait() == (.ready, 0))
        XCTAssertEqual(port.receive(thread, deadline: nil, into: &message), .ready)
        XCTAssertEqual(message?.takeNumber(), 2)
        helper {
          var message: MessageRef?
          // Its receiver's reference goes without an answer.
          _ = server.receive(thread, deadline: nil, poll: true, into: &message)
          message?.receiverObject.releaseObject()
        }
        XCTAssertTrue(wait() == (.ready, 2))
        XCTAssertEqual(request.pointee.errno, EPIPE)
        XCTAssertTrue(wait() == (.ready, 2))
        // Again if nobody sleeps: it may have gone to another worker that has not come to it yet.
        _ = rig.spawn { script, _ in
          script.pc += 1
          return script.pc < 3 || rig.state.wakeup(ident) == 0 ? .yield : .end()
        }
        all[2] = rig.port().object
        XCTAssertTrue(wait() == (.ready, 3))
        XCTAssertTrue(ender.isDead)
        all[3] = rig.port().object
        helper { all[3].port.close() }
        XCTAssertTrue(wait() == (.gone, 3))
        request.object.releaseObject()
        return 0
      }
    }
    XCTAssertEqual(rig.deadlocks.count, 0)
  }

  func testWaitAnyRaces() {
    let rig = Rig(workers: 4)
    let ports = (0..<4).map { _ in rig.port() }
    let each = 5_000
    let received = Cell(0)
    rig.run {
      for cpu in 0..<4 {
        var options = ThreadOptions()
        options.cpu = cpu
        rig.spawn(options) { script, thread in
          for _ in 0..<50 {
            if script.count == each { return .end() }
            sendOneWay(script.count, to: ports[cpu], from: thread)
            script.count += 1
          }
          return .yield
        }
      }
      for _ in 0..<2 {
        rig.spawn { script, thread in
          while true {
            if script.isWaiting {
              script.isWaiting = false
              thread.finishWait()
            }
            for port in ports {
              var message: MessageRef?
              while port.receive(thread, deadline: nil, poll: true, into: &message) == .ready {
                _ = message?.takeNumber()
                received.add()
              }
            }
            if received.value == 4 * each { return .end() }
            var index = 0
            let objects = ports.map { $0.object }
            let result = objects.withUnsafeBufferPointer {
              thread.waitAny($0, deadline: later(10_000_000), poll: false, index: &index)
            }
            if result == .waiting {
              script.isWaiting = true
              return .wait
            }
            if result == .waitOver { thread.finishWait() }
          }
        }
      }
    }
    XCTAssertEqual(received.value, 4 * each)
  }
}
