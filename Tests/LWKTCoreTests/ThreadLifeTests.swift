// ThreadLifeTests.swift: ends of threads in every state, joins, and parked native stacks.

import CLWKT
import Synchronization
import XCTest

@testable import LWKTCore

final class ThreadLifeTests: CoreTestCase {
  // MARK: Join

  func testJoinsBeforeWhileAndAfter() {
    for workers in [1, 2] {
      let rig = Rig(workers: workers)
      let joined = Cell(0)
      rig.run {
        for round in 0..<1000 {
          var options = ThreadOptions()
          options.cpu = round % workers
          let target = rig.spawn(options) { script, _ in
            script.pc += 1
            return script.pc <= round % 4 ? .yield : .end(round)
          }
          for joiner in 0..<3 {
            options.cpu = (round + joiner) % workers
            rig.spawn(options) { script, thread in
              if !script.isWaiting {
                let result = target.waitForEnd(thread, deadline: nil, poll: false)
                if result == .waiting {
                  script.isWaiting = true
                  return .wait
                }
                XCTAssertEqual(result, .ready)
              } else {
                XCTAssertEqual(thread.finishWait(), .ready)
              }
              XCTAssertEqual(target.pointee.payload.number, round)
              joined.add()
              return .end()
            }
          }
        }
      }
      XCTAssertEqual(joined.value, 3000)
      XCTAssertEqual(rig.deadlocks.count, 0)
    }
  }

  func testJoinsThatTimeOut() {
    let rig = Rig(workers: 1)
    rig.run {
      let target = rig.spawn { script, thread in
        script.pc += 1
        if script.pc == 1 {
          let result = thread.tsleep(SleepIdent(high: 1), deadline: later(20_000_000))
          return result == .waiting ? .wait : .end()
        }
        thread.finishWait()
        return .end()
      }
      rig.spawnStraight { thread in
        XCTAssertEqual(target.waitForEnd(thread, deadline: nil, poll: true), .wouldWait)
        let result = target.waitForEnd(thread, deadline: later(1_000_000), poll: false)
        XCTAssertEqual(block(thread, result), .timedOut)
        XCTAssertNil(target.pointee.waitable.waiters.first)
        let again = target.waitForEnd(thread, deadline: nil, poll: false)
        XCTAssertEqual(block(thread, again), .ready)
        XCTAssertEqual(target.waitForEnd(thread, deadline: nil, poll: false), .ready)
        return 0
      }
    }
  }

  /// A thread whose joiner waits when it dies is not kept for a second in case somebody notices it.
  func testErrorsThatAJoinerWaitsForAreNoticed() {
    let rig = Rig(workers: 1)
    func failing() -> ThreadRef {
      rig.spawn { script, _ in
        script.pc += 1
        return script.pc == 1 ? .yield : .fail()
      }
    }
    let seenName = Log<String>()
    rig.run {
      let (joined, seen) = (failing(), failing())
      seenName.add(seen.displayName)
      rig.spawnStraight { thread in
        let result = joined.waitForEnd(thread, deadline: nil, poll: false)
        XCTAssertEqual(result, .waiting)
        XCTAssertEqual(block(thread, result), .ready)
        XCTAssertFalse(joined.pointee.succeeded)
        XCTAssertEqual(joined.pointee.timer.index, -1)
        return 0
      }
      // One that is told only that it has ended does not know how.
      rig.spawnStraight { thread in
        var index = 0
        let result = [seen.object].withUnsafeBufferPointer {
          thread.waitAny($0, deadline: nil, poll: false, index: &index)
        }
        XCTAssertEqual(result, .waiting)
        XCTAssertEqual(block(thread, result), .ready)
        return 0
      }
    }
    XCTAssertEqual(rig.deaths.all, seenName.all)
  }

  // MARK: The program's end finds threads in every state

  /// A wait of each kind, ended by the drain; and those that were never begun.
  func testTheEndFindsThreadsInEveryState() {
    for workers in [1, 2, 4] {
      let rig = Rig(workers: workers, ipiCapacity: 2)
      let ended = Cell(0)
      let reasons = Log<WakeReason>()
      rig.run {
        let port = rig.port()
        let full = rig.port(limit: 1)
        sendOneWay(0, to: full, from: nil)
        let token = rig.token("a")
        let request = MessageRef.make(sender: nil, payload: payload(1))
        rig.hold(request.object)
        var options = ThreadOptions()
        options.daemon = true
        let sleeper = rig.spawn(options) { script, thread in
          if script.isWaiting {
            reasons.add(thread.finishWait())
            ended.add()
            return .end()
          }
          script.isWaiting = true
          return thread.tsleep(SleepIdent(high: 1), deadline: nil) == .waiting ? .wait : .yield
        }
        func daemon(_ number: Int, _ wait: @escaping (ThreadRef) -> WaitResult) {
          options.cpu = number % workers
          rig.spawnStraight(options) { thread in
            reasons.add(block(thread, wait(thread)))
            ended.add()
            return 0
          }
        }
        for number in 0..<workers {
          daemon(number) { port.receiveAny($0) }
          daemon(number) { sleeper.waitForEnd($0, deadline: nil, poll: false) }
          daemon(number) { request.waitForReply($0, deadline: nil) }
          daemon(number) { $0.tsleep(SleepIdent(high: 2), deadline: later(3_600_000_000_000)) }
          daemon(number) { thread in
            let objects = [port.object, sleeper.object]
            var index = 0
            return objects.withUnsafeBufferPointer {
              thread.waitAny($0, deadline: nil, poll: false, index: &index)
            }
          }
          daemon(number) { thread in
            // With a token that it must have again.
            get(thread, token)
            return thread.tsleep(SleepIdent(high: 3), deadline: nil)
          }
          options.cpu = number
          rig.spawnStraight(options) { thread in
            let message = MessageRef.make(sender: thread, payload: payload(2), flags: .oneWay)
            if full.send(message, from: thread) == .waiting {
              XCTAssertTrue(lwktPark(outcome: .waiting))
            }
            XCTAssertEqual(full.finishSend(thread), .waitOver)
            message.object.releaseObject()
            ended.add()
            return 0
          }
          // Runnable all the time, until it is told.
          rig.spawn(options) { _, thread in
            guard thread.isAborted else { return .yield }
            ended.add()
            return .end()
          }
          var unbegun = options
          unbegun.noStart = true
          rig.spawn(unbegun) { _, _ in .fail() }
        }
        rig.spawn { script, thread in
          script.pc += 1
          if script.pc > 1 { thread.finishWait() }
          guard script.pc < 3 else { return .end() }
          let result = thread.tsleep(SleepIdent(high: 4), deadline: later(10_000_000))
          return result == .waiting ? .wait : .end()
        }
      }
      XCTAssertEqual(ended.value, 1 + 8 * workers)
      XCTAssertEqual(rig.deadlocks.count, 0)
      XCTAssertEqual(rig.deaths.count, 0)
      // Those who wait for the sleeper's end may see it.
      XCTAssertTrue(reasons.all.allSatisfy { $0 == .aborted || $0 == .ready })
    }
  }

  /// Threads that do not obey: whatever they are doing when the time is up, the host stops.
  func testTheEndWithThreadsThatDoNotEnd() {
    for workers in [1, 3] {
      let rig = Rig(workers: workers, ipiCapacity: 2)
      rig.run {
        let port = rig.port()
        let token = rig.token("a")
        let ports = (0..<workers).map { _ in rig.port() }
        var options = ThreadOptions()
        options.daemon = true
        for number in 0..<workers {
          options.cpu = number
          // Yields for ever, holding a token.
          rig.spawn(options) { script, thread in
            script.pc += 1
            if script.pc > 1 { return .yield }
            guard case .success(.waiting) = thread.getToken(token, shared: true) else {
              return .yield
            }
            return .wait
          }
          // Sends to one on the next worker for ever, which receives for ever.
          rig.spawn(options) { script, thread in
            sendOneWay(1, to: ports[(number + 1) % workers], from: thread)
            return .yield
          }
          rig.spawn(options) { script, thread in
            while true {
              switch script.receive(ports[number], thread) {
              case .wait: return .wait
              case .over: return .yield
              case .message(let message): _ = message.takeNumber()
              }
            }
          }
          // Waits for a token that is never free, with requests that it never answers.
          rig.spawnStraight(options) { thread in
            let request = MessageRef.make(sender: thread, payload: payload(1))
            request.receiverObject.retainObject()
            request.hold(by: thread)
            rig.hold(request.receiverObject)
            rig.hold(request.object)
            thread.addNotify(port)
            if case .success(.waiting) = thread.getToken(token, shared: false) {
              XCTAssertTrue(lwktPark(outcome: .waiting))
            }
            return 0
          }
          // Never to be woken again, on a stack of its own.
          rig.spawnStraight(options) { thread in
            _ = thread.enterScope(deadline: later(3_600_000_000_000))
            while true {
              _ = thread.beginWait(.external, on: nil, interruptible: false)
              XCTAssertTrue(lwktPark(outcome: .waiting))
              thread.finishWait()
              if thread.isInExpiredScope { return 0 }
            }
          }
        }
        rig.spawn { script, thread in
          script.pc += 1
          if script.pc > 1 { thread.finishWait() }
          guard script.pc < 3 else { return .end() }
          let result = thread.tsleep(SleepIdent(high: 4), deadline: later(5_000_000))
          return result == .waiting ? .wait : .end()
        }
      }
      XCTAssertEqual(rig.deadlocks.count, 0)
    }
  }

  /// A thread that is parked on its worker's first stack, which the worker's end goes on on, and stays so.
  func testTheEndWithAThreadOnTheFirstStack() {
    for _ in 0..<100 {
      let rig = Rig(workers: 3)
      rig.run {
        var options = ThreadOptions()
        options.daemon = true
        let parked = Cell(0)
        for number in 0..<3 {
          options.cpu = number
          rig.spawnStraight(options) { thread in
            while true {
              _ = thread.beginWait(.external, on: nil, interruptible: false)
              parked.add()
              XCTAssertTrue(lwktPark(outcome: .waiting))
              thread.finishWait()
            }
          }
        }
        rig.spawn { _, _ in parked.value < 3 ? .yield : .end() }
      }
    }
  }

  // MARK: Parked stacks

  func testStacksArePutAsideAndTakenUpInAnyOrder() {
    let rig = Rig(workers: 1)
    let log = Log<Int>()
    let before = StackPool.total.load(ordering: .relaxed)
    rig.run {
      for number in 0..<20 {
        rig.spawnStraight { thread in
          // Values on this stack survive whatever the loop does meanwhile.
          var sum = number
          for round in 0..<5 {
            let ident = SleepIdent(high: UInt64((number * 7 + round * 3) % 20))
            XCTAssertEqual(block(thread, thread.tsleep(ident, deadline: nil)), .ready)
            sum += 1
            pass()
          }
          XCTAssertEqual(sum, number + 5)
          XCTAssertEqual(lwktCurrentThread(), thread)
          log.add(number)
          return 0
        }
      }
      rig.spawn { script, _ in
        script.pc += 1
        for high in 0..<20 {
          rig.state.wakeup(SleepIdent(high: UInt64((high * 3 + script.pc) % 20)), one: true)
        }
        return log.count == 20 ? .end() : .yield
      }
    }
    XCTAssertEqual(Set(log.all), Set(0..<20))
    XCTAssertGreaterThan(rig.state.counter(.stacksParked, cpu: 0), 100)
    XCTAssertEqual(StackPool.total.load(ordering: .relaxed), before)
    XCTAssertEqual(rig.deadlocks.count, 0)
  }

  func testHundredsOfStacksOnSeveralWorkers() {
    let before = StackPool.total.load(ordering: .relaxed)
    for workers in [1, 2, 4] {
      let rig = Rig(workers: workers, ipiCapacity: 2)
      let done = Cell(0)
      rig.run {
        let ports = (0..<200).map { _ in rig.port() }
        for number in 0..<200 {
          rig.spawnStraight { thread in
            for round in 0..<20 {
              sendOneWay(round, to: ports[(number + round * 7 + 1) % 200], from: thread)
              var message: MessageRef?
              let result = ports[number].receive(thread, deadline: nil, into: &message)
              if result == .waiting {
                XCTAssertEqual(block(thread, result), .ready)
                message = thread.takeHandedMessage()
              }
              XCTAssertNotNil(message?.takeNumber())
              if round % 4 == 0 { pass() }
            }
            done.add()
            return 0
          }
        }
      }
      XCTAssertEqual(done.value, 200)
      XCTAssertEqual(rig.deadlocks.count, 0)
    }
    XCTAssertEqual(StackPool.total.load(ordering: .relaxed), before)
  }

  func testAParkedThreadDoesNotMove() {
    let rig = Rig(workers: 2)
    rig.run {
      let group = Group()
      let seen = Cell(0)
      rig.spawnStraight(group: group) { thread in
        // Where it may go it goes, but not on its native stack.
        XCTAssertTrue(thread.moveSelf(to: 1))
        XCTAssertTrue(lwktPark(outcome: .waiting))
        XCTAssertEqual(thread.cpu, 0)
        XCTAssertEqual(mycpu.pointee.cpu, 0)
        seen.set(1)
        XCTAssertEqual(block(thread, thread.tsleep(SleepIdent(high: 1), deadline: nil)), .ready)
        XCTAssertEqual(mycpu.pointee.cpu, 0)
        return 0
      }
      rig.spawn(group: group) { _, thread in
        guard seen.value == 1 else { return .yield }
        // Its mate's stack holds it here.
        XCTAssertFalse(thread.moveSelf(to: 1))
        rig.state.wakeup(SleepIdent(high: 1))
        return .end()
      }
    }
    XCTAssertEqual(rig.deadlocks.count, 0)
  }

  func testAWaitIsUndoneWhenThereIsNoStack() {
    let rig = Rig(workers: 2)
    rig.run {
      let port = rig.port()
      var there = ThreadOptions()
      there.cpu = 1
      let round = Cell(0)
      rig.spawn(there) { _, thread in
        sendOneWay(round.value, to: port, from: thread)
        return round.value == 300 ? .end() : .yield
      }
      var here = ThreadOptions()
      here.cpu = 0
      rig.spawn(here) { script, thread in
        // As if there were no stack: the wait is begun, perhaps ended by the sender, and undone.
        var message: MessageRef?
        let result = port.receive(thread, deadline: nil, into: &message)
        if result == .waiting {
          thread.cancelBegunWait()
          message = thread.takeHandedMessage()
        }
        _ = message?.takeNumber()
        return round.add() == 300 ? .end() : .yield
      }
    }
    XCTAssertEqual(rig.deadlocks.count, 0)
  }
}

extension PortRef {
  fileprivate func receiveAny(_ thread: ThreadRef) -> WaitResult {
    var message: MessageRef?
    return receive(thread, deadline: nil, into: &message)
  }
}
