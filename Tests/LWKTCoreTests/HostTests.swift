// HostTests.swift: the end of the program in every form, deadlocks, a host in the background.

import CLWKT
import Synchronization
import XCTest

@testable import LWKTCore

final class HostTests: CoreTestCase {
  // MARK: The end

  func testAProgramWithoutThreadsEnds() {
    for workers in [1, 2] {
      let rig = Rig(workers: workers)
      rig.run {}
      XCTAssertEqual(rig.deadlocks.count, 0)
    }
  }

  func testAHostThatNeverRunsGoesAway() {
    _ = Rig(workers: 2)
    _ = Rig(workers: 2, background: true)
  }

  func testDaemonsAreAbortedAtTheEnd() {
    let rig = Rig(workers: 2)
    let reasons = Log<WakeReason>()
    rig.run {
      var options = ThreadOptions()
      options.daemon = true
      for _ in 0..<10 {
        rig.spawn(options) { script, thread in
          script.pc += 1
          if script.pc == 1 {
            return thread.tsleep(SleepIdent(high: 1), deadline: nil) == .waiting ? .wait : .yield
          }
          reasons.add(thread.finishWait())
          return .end()
        }
      }
      rig.spawn { script, _ in
        script.pc += 1
        return script.pc < 3 ? .yield : .end()
      }
    }
    XCTAssertEqual(reasons.all, Array(repeating: .aborted, count: 10))
    XCTAssertEqual(rig.deadlocks.count, 0)
  }

  func testOnlyDaemonsWithNothingToComeEndTheProgram() {
    let rig = Rig(workers: 1)
    rig.run {
      var options = ThreadOptions()
      options.daemon = true
      rig.spawn(options) { script, thread in
        script.pc += 1
        if script.pc == 1 {
          return thread.tsleep(SleepIdent(high: 1), deadline: nil) == .waiting ? .wait : .yield
        }
        thread.finishWait()
        return .end()
      }
    }
    XCTAssertEqual(rig.deadlocks.count, 0)
  }

  /// A daemon that computes and never waits notices no abort: it is left behind.
  func testADaemonThatNeverLetsGoByItselfDoesNotHoldTheEndUp() {
    for workers in [1, 2] {
      let rig = Rig(workers: workers)
      let turns = Cell(0)
      rig.run {
        var options = ThreadOptions()
        options.daemon = true
        options.cpu = workers - 1
        rig.spawn(options) { _, _ in
          turns.add()
          while !preemptionAsked() {}
          return .preempted
        }
        rig.spawn { _, _ in turns.value == 0 ? .yield : .end() }
      }
      XCTAssertGreaterThan(turns.value, 0)
    }
  }

  /// A thread that waits again and again after an abort, with a timer that keeps hope alive.
  func testADaemonThatGoesOnSleepingDoesNotHoldTheEndUp() {
    let rig = Rig(workers: 2)
    rig.run {
      var options = ThreadOptions()
      options.daemon = true
      rig.spawn(options) { _, thread in
        thread.finishWait()
        // As a wait that may not be aborted: the abort does not count.
        let ticket = thread.beginWait(.external, on: nil, interruptible: false)
        _ = ticket
        thread.armWaitTimer(later(3_600_000_000_000))
        return .wait
      }
      rig.spawn { script, _ in
        script.pc += 1
        return script.pc < 3 ? .yield : .end()
      }
    }
    XCTAssertEqual(rig.deadlocks.count, 0)
  }

  // MARK: Deadlock

  func testDeadlockIsReportedWithItsCycle() {
    for workers in [1, 2, 4] {
      let rig = Rig(workers: workers)
      var first: ThreadRef!
      var second: ThreadRef!
      let ends = Log<WakeReason>()
      rig.run {
        var options = ThreadOptions()
        options.setName("first")
        first = rig.spawn(options) { script, thread in
          script.pc += 1
          guard script.pc == 1 else {
            // Aborted, or joined when the other has been.
            ends.add(thread.finishWait())
            return .end()
          }
          return second.waitForEnd(thread, deadline: nil, poll: false) == .waiting ? .wait : .end()
        }
        options.setName("second")
        options.cpu = workers - 1
        second = rig.spawn(options) { script, thread in
          script.pc += 1
          guard script.pc == 1 else {
            // Aborted, or joined when the other has been.
            ends.add(thread.finishWait())
            return .end()
          }
          return first.waitForEnd(thread, deadline: nil, poll: false) == .waiting ? .wait : .end()
        }
        var bystander = ThreadOptions()
        bystander.setName("bystander")
        rig.spawn(bystander) { script, thread in
          script.pc += 1
          if script.pc > 1 { return .end() }
          return thread.tsleep(SleepIdent(high: 9), deadline: nil) == .waiting ? .wait : .end()
        }
      }
      XCTAssertEqual(rig.deadlocks.count, 1)
      XCTAssertTrue(ends.all.contains(.aborted))
      let report = rig.deadlocks.all.first ?? ""
      let lines = report.split(separator: "\n").map { String($0) }
      XCTAssertEqual(lines.count, 6, report)
      XCTAssertEqual(lines.dropFirst().first, "in a cycle:")
      XCTAssertTrue(
        report.contains("(first) waits for thread 2 (second) [join] since 0.0 s"), report)
      XCTAssertTrue(
        report.contains("(second) waits for thread 1 (first) [join] since 0.0 s"), report)
      XCTAssertTrue(lines.last?.contains("(bystander) waits [tsleep] since 0.0 s") ?? false, report)
      XCTAssertTrue(rig.state.pointee.isDeadlocked.load(ordering: .relaxed))
    }
  }

  func testAThreadsUnnoticedErrorDoesNotPutTheDeadlockReportOff() {
    let rig = Rig(workers: 1)
    let start = lwkt_nanotime()
    let took = Cell(0)
    rig.run {
      rig.spawn { _, _ in .fail() }
      rig.spawn { script, thread in
        script.pc += 1
        if script.pc > 1 {
          took.set(Int(lwkt_nanotime() - start))
          return .end()
        }
        return thread.tsleep(SleepIdent(high: 9), deadline: nil) == .waiting ? .wait : .end()
      }
    }
    XCTAssertEqual(rig.deadlocks.count, 1)
    XCTAssertEqual(rig.deaths.all, ["1"])
    // The error is due after a whole second; a slow machine does not take that long.
    XCTAssertLessThan(took.value, 900_000_000)
  }

  func testNoDeadlockWhileATimerRuns() {
    for workers in [1, 2] {
      let rig = Rig(workers: workers)
      rig.run {
        rig.spawn { script, thread in
          script.pc += 1
          if script.pc == 1 {
            let result = thread.tsleep(SleepIdent(high: 9), deadline: later(30_000_000))
            return result == .waiting ? .wait : .end()
          }
          XCTAssertEqual(thread.finishWait(), .timedOut)
          return .end()
        }
      }
      XCTAssertEqual(rig.deadlocks.count, 0)
    }
  }

  // MARK: Unnoticed errors

  func testAnUnnoticedErrorIsReportedAtTheEnd() {
    let rig = Rig(workers: 2)
    rig.run {
      var options = ThreadOptions()
      options.setName("dying")
      rig.spawn(options) { _, _ in .fail(3) }
      options.cpu = 1
      rig.spawn(options) { _, _ in .fail(3) }
      rig.spawn { script, _ in
        script.pc += 1
        return script.pc < 3 ? .yield : .end()
      }
    }
    XCTAssertEqual(Set(rig.deaths.all), ["1 (dying)", "2 (dying)"])
    XCTAssertTrue(rig.state.pointee.hadUnnoticedErrors.load(ordering: .relaxed))
  }

  func testANoticedErrorIsNot() {
    let rig = Rig(workers: 1)
    rig.run {
      let dying = rig.spawn { _, _ in .fail(3) }
      rig.spawn { script, thread in
        if !dying.isDead { return .yield }
        XCTAssertEqual(dying.pointee.payload.number, 3)
        XCTAssertFalse(dying.pointee.succeeded)
        dying.markNoticed()
        // Nothing keeps it until the second is over.
        XCTAssertEqual(mycpu.pointee.timers.count, 0)
        XCTAssertEqual(mycpu.pointee.unnoticedTimers, 0)
        return .end()
      }
    }
    XCTAssertEqual(rig.deaths.count, 0)
  }

  func testAnUnnoticedErrorIsReportedAfterASecondWhileTheProgramRuns() {
    let rig = Rig(workers: 1)
    let reportedBeforeTheEnd = Cell(0)
    rig.run {
      rig.spawn { _, _ in .fail(3) }
      rig.spawn { script, thread in
        script.pc += 1
        if script.pc == 1 {
          let result = thread.tsleep(SleepIdent(high: 9), deadline: later(1_500_000_000))
          return result == .waiting ? .wait : .end()
        }
        thread.finishWait()
        reportedBeforeTheEnd.set(rig.deaths.count)
        return .end()
      }
    }
    XCTAssertEqual(reportedBeforeTheEnd.value, 1)
    XCTAssertEqual(rig.deaths.count, 1)
  }

  // MARK: In the background

  func testABackgroundHostLivesOnWithoutThreads() {
    let rig = Rig(workers: 2, background: true)
    for round in 0..<20 {
      let done = DispatchSemaphore(value: 0)
      rig.host.onWorker(0) {
        rig.spawn { script, _ in
          script.pc += 1
          if script.pc < 3 { return .yield }
          done.signal()
          return .end(round)
        }
      }
      done.wait()
    }
    rig.host.shutdown()
    XCTAssertEqual(rig.workersEnded.value, rig.state.startedWorkerCount)
  }

  func testShutdownAbortsWhatIsLeft() {
    let rig = Rig(workers: 2, background: true)
    let waiting = Cell(0)
    let aborted = Cell(0)
    for cpu in 0..<2 {
      for _ in 0..<50 {
        var options = ThreadOptions()
        options.cpu = cpu
        rig.spawn(options) { script, thread in
          script.pc += 1
          if script.pc == 1 {
            waiting.add()
            return thread.tsleep(SleepIdent(high: 5), deadline: nil) == .waiting ? .wait : .yield
          }
          if thread.finishWait() == .aborted { aborted.add() }
          return .end()
        }
      }
    }
    while waiting.value < 100 { usleep(1000) }
    rig.host.shutdown()
    XCTAssertEqual(aborted.value, 100)
  }

  func testShutdownAtOnce() {
    for _ in 0..<200 {
      let rig = Rig(workers: 2, spinNanoseconds: 0, background: true)
      rig.host.shutdown()
    }
  }

  /// A worker that falls asleep has the monitor started; while the host goes down it has one already.
  func testShutdownStartsNoKernelThread() {
    func kernelThreads() -> Set<String> {
      Set((try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? [])
    }
    func pass(milliseconds: UInt64) {
      let end = later(milliseconds * 1_000_000)
      while lwkt_nanotime() < end { usleep(1000) }
    }
    let rig = Rig(workers: 2, background: true)
    let isRunning = Cell(0)
    let before = Mutex<Set<String>>([])
    let added = Mutex<Set<String>>(["not looked"])
    var onSecond = ThreadOptions()
    onSecond.cpu = 1
    rig.spawn(onSecond) { _, _ in .end() }
    rig.spawn { _, _ in
      isRunning.set(1)
      while !rig.state.isDraining { usleep(1000) }
      for _ in 0..<3 {
        pass(milliseconds: 10)
        rig.host.onWorker(1) {}
      }
      pass(milliseconds: 10)
      let new = kernelThreads().subtracting(before.withLock { $0 })
      added.withLock { $0 = new }
      return .end()
    }
    while isRunning.value == 0 { usleep(1000) }
    pass(milliseconds: 20)
    before.withLock { $0 = kernelThreads() }
    rig.host.shutdown()
    XCTAssertEqual(added.withLock { $0 }, [])
  }

  func testThreadsMadeByForeignKernelThreads() {
    let rig = Rig(workers: 2, background: true)
    let ran = Cell(0)
    DispatchQueue.concurrentPerform(iterations: 4) { _ in
      for number in 0..<500 {
        var options = ThreadOptions()
        options.cpu = number % 2
        rig.spawn(options) { script, _ in
          ran.add()
          return .end()
        }
      }
    }
    while ran.value < 2000 { usleep(1000) }
    rig.host.shutdown()
    XCTAssertTrue(rig.state.pointee.population.isEmpty)
  }

  // MARK: Idleness

  func testAnIdleHostTakesNoTime() {
    let rig = Rig(workers: 2, background: true)
    let waiting = Cell(0)
    for cpu in 0..<2 {
      var options = ThreadOptions()
      options.cpu = cpu
      rig.spawn(options) { script, thread in
        script.pc += 1
        if script.pc == 1 {
          waiting.add()
          let result = thread.tsleep(SleepIdent(high: 5), deadline: later(3_600_000_000_000))
          return result == .waiting ? .wait : .end()
        }
        thread.finishWait()
        return .end()
      }
    }
    while waiting.value < 2 { usleep(1000) }
    usleep(100_000)
    let before = cpuMicroseconds()
    usleep(1_000_000)
    let used = cpuMicroseconds() - before
    rig.host.shutdown()
    XCTAssertLessThan(used, 5_000)
  }

  private func cpuMicroseconds() -> Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return Int(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1_000_000
      + Int(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec)
  }
}
