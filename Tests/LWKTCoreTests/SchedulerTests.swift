// SchedulerTests.swift: which thread runs next on one worker.

import CLWKT
import Synchronization
import XCTest

@testable import LWKTCore

final class SchedulerTests: CoreTestCase {
  func testOneThreadRunsAndEnds() {
    let rig = Rig(workers: 1)
    let turns = Cell(0)
    var main: ThreadRef!
    rig.run {
      main = rig.spawn { script, _ in
        turns.add()
        script.pc += 1
        return script.pc < 5 ? .yield : .end(7)
      }
    }
    XCTAssertEqual(turns.value, 5)
    XCTAssertTrue(main.isDead)
    XCTAssertEqual(main.pointee.payload.number, 7)
    XCTAssertEqual(rig.workersEnded.value, 1)
    XCTAssertEqual(rig.deadlocks.count, 0)
  }

  func testEqualsTakeTurnsInOrder() {
    let rig = Rig(workers: 1)
    let log = Log<Int>()
    rig.run {
      for number in 0..<4 {
        rig.spawn { script, _ in
          log.add(number)
          script.pc += 1
          return script.pc < 3 ? .yield : .end()
        }
      }
    }
    XCTAssertEqual(log.all, [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3])
  }

  func testBettersRunFirst() {
    let rig = Rig(workers: 1)
    let log = Log<Int>()
    rig.run {
      for priority in [8, 31, 0, 16, 31] {
        var options = ThreadOptions()
        options.priority = UInt8(priority)
        rig.spawn(options) { script, _ in
          log.add(priority)
          script.pc += 1
          return script.pc < 2 ? .yield : .end()
        }
      }
    }
    XCTAssertEqual(log.all, [31, 31, 31, 31, 16, 16, 8, 8, 0, 0])
  }

  /// Urgent for ten quanta, by the clock and by the thread's own turns: one that had no cpu while the clock
  /// ran on has them still, one whose turns were shorter than quanta too.
  func testWhoIsUrgentStaysSoByTheClockAndByItsOwnTurns() {
    for (clockRunsAhead, wanted) in [(true, 10), (false, 20)] {
      let clock = Cell<Int>(1)
      let quantum = 60_000_000_000 as UInt64
      let rig = Rig(workers: 1, policy: Policy(now: { UInt64(clock.value) }, quantum: quantum))
      let turns = Cell(0)
      let atSwitch = Cell(0)
      rig.run {
        rig.spawn { script, thread in
          if script.pc == 0 { thread.beUrgent(nanoseconds: 10 * quantum, then: 8) }
          script.pc += 1
          clock.add(Int(clockRunsAhead ? 100 * quantum : quantum / 2))
          turns.add()
          return script.pc < 30 ? .preempted : .end()
        }
        rig.spawn { _, _ in
          atSwitch.set(turns.value)
          return .end()
        }
      }
      XCTAssertEqual(atSwitch.value, wanted)
    }
  }

  func testPriorityChangesWhileRunnableAndWhileRunning() {
    let rig = Rig(workers: 1)
    let log = Log<Int>()
    rig.run {
      var options = ThreadOptions()
      options.priority = 20
      let low = rig.spawn { script, _ in
        log.add(1)
        script.pc += 1
        return script.pc < 3 ? .yield : .end()
      }
      rig.spawn(options) { script, thread in
        log.add(2)
        script.pc += 1
        if script.pc == 2 { low.setPriority(30) }
        if script.pc == 4 { thread.setPriority(1) }
        return script.pc < 6 ? .yield : .end()
      }
    }
    XCTAssertEqual(log.all, [2, 2, 1, 1, 1, 2, 2, 2, 2])
  }

  func testABetterThreadAsksTheRunningOneToLetGo() {
    let rig = Rig(workers: 1)
    let wasAsked = Cell(0)
    rig.run {
      _ = preemptionAsked()
      rig.spawn { _, _ in
        var options = ThreadOptions()
        options.priority = 9
        rig.spawn(options) { _, _ in .end() }
        if preemptionAsked() { wasAsked.add() }
        options.priority = 8
        rig.spawn(options) { _, _ in .end() }
        if preemptionAsked() { wasAsked.add(100) }
        return .end()
      }
    }
    XCTAssertEqual(wasAsked.value, 1)
  }

  func testThePreemptedGoBehindTheirEquals() {
    // Two that never yield by themselves: the monitor has each let the other run.
    let rig = Rig(workers: 1)
    let turns = [Cell(0), Cell(0)]
    let isOver = Cell(0)
    rig.run {
      for number in 0..<2 {
        rig.spawn { _, _ in
          if turns[number].add() >= 3, turns[1 - number].value >= 3 { isOver.set(1) }
          while isOver.value == 0 { if preemptionAsked() { return .preempted } }
          return .end()
        }
      }
    }
    XCTAssertGreaterThanOrEqual(turns[0].value, 3)
    XCTAssertGreaterThanOrEqual(turns[1].value, 3)
    XCTAssertGreaterThanOrEqual(rig.state.counter(.preemptions, cpu: 0), 4)
  }

  func testCriticalSectionPutsPreemptionOff() {
    let rig = Rig(workers: 1)
    rig.run {
      rig.spawn { _, thread in
        XCTAssertTrue(thread.mayBePreempted())
        XCTAssertNil(thread.critExit())
        thread.critEnter()
        thread.critEnter()
        XCTAssertFalse(thread.mayBePreempted())
        XCTAssertEqual(thread.critExit(), false)
        XCTAssertFalse(thread.mayBePreempted())
        XCTAssertEqual(thread.critExit(), true)
        thread.critEnter()
        XCTAssertEqual(thread.critExit(), false)
        return .end()
      }
    }
  }

  func testNamesByDescent() {
    let rig = Rig(workers: 1)
    var child: ThreadRef!
    var grandchild: ThreadRef!
    var main: ThreadRef!
    rig.run {
      main = rig.spawn { _, thread in
        rig.spawn(parent: thread) { _, _ in .end() }
        var options = ThreadOptions()
        options.setName("fetcher")
        child = rig.spawn(options, parent: thread) { _, thread in
          grandchild = rig.spawn(parent: thread) { _, _ in .end() }
          return .end()
        }
        return .end()
      }
    }
    XCTAssertEqual(main.displayName, "1")
    XCTAssertEqual(child.displayName, "1.2 (fetcher)")
    XCTAssertEqual(grandchild.displayName, "1.2.1")
  }

  func testAVeryLongLineOfDescent() {
    let rig = Rig(workers: 1)
    let depth = 20_000
    let reached = Cell(0)
    var last = ""
    func generation(_ number: Int, _ parent: ThreadRef?) {
      let thread = rig.spawnUnheld(parent: parent) { _, thread in
        reached.add()
        if number == depth { last = thread.displayName } else { generation(number + 1, thread) }
        return .end()
      }
      thread.object.releaseObject()
    }
    rig.run { generation(1, nil) }
    XCTAssertEqual(reached.value, depth)
    XCTAssertEqual(last, "1.1.1.1.1.1.1.1...(19984)...1.1.1.1.1.1.1.1")
  }

  func testManyThreads() {
    let rig = Rig(workers: 1)
    let ran = Cell(0)
    rig.run {
      for _ in 0..<50_000 {
        let thread = rig.spawnUnheld { script, _ in
          script.pc += 1
          if script.pc == 2 { ran.add() }
          return script.pc < 2 ? .yield : .end()
        }
        thread.object.releaseObject()
      }
    }
    XCTAssertEqual(ran.value, 50_000)
    XCTAssertTrue(rig.state.pointee.population.isEmpty)
  }
}
