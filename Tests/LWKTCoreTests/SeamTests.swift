// SeamTests.swift: what listeners are told, and what those who steer decide.

import CLWKT
import Synchronization
import XCTest

@testable import LWKTCore

/// Keeps all it is told.
private final class Ear: EventListener {
  private let heard = Log<Event>()
  func receive(_ events: [Event]) { for event in events { heard.add(event) } }
  var events: [Event] { heard.all.sorted { $0.step < $1.step } }
  /// Thread, operation and object of each event.
  var lines: [String] {
    events.map { event in
      [event.thread.isEmpty ? "-" : event.thread, event.operation.rawValue, event.object]
        .filter { !$0.isEmpty }.joined(separator: " ")
    }
  }
}

/// Numbers that are the same for the same seed, for the closures of a steering.
private final class Dice: Sendable {
  private let state: Mutex<UInt64>
  init(seed: UInt64) { state = Mutex(seed &* 0x9E37_79B9_7F4A_7C15 | 1) }
  func below(_ count: Int) -> Int {
    state.withLock { state in
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return Int(state >> 33) % count
    }
  }
}

final class SeamTests: XCTestCase {
  func testEventsOfARequest() {
    let ear = Ear()
    let rig = Rig(workers: 1, listener: ear)
    rig.run {
      let port = rig.port(name: "jobs")
      let server = rig.spawn { script, thread in
        switch script.receive(port, thread) {
        case .wait: return .wait
        case .over: return .end()
        case .message(let message):
          message.hold(by: thread)
          XCTAssertTrue(message.reply(payload(1)))
          message.receiverObject.releaseObject()
          return .end()
        }
      }
      rig.spawn { script, thread in
        if script.pc == 0 {
          script.pc = 1
          let message = MessageRef.make(sender: thread, payload: payload(0))
          script.saved = message
          message.setTarget(port)
          message.receiverObject.retainObject()
          XCTAssertEqual(port.send(message, from: thread), .sent)
          XCTAssertEqual(message.waitForReply(thread, deadline: nil), .waiting)
          return .wait
        }
        XCTAssertEqual(thread.finishWait(), .ready)
        (script.saved as! MessageRef).object.releaseObject()
        port.close()
        server.abort(Payload())
        return .end()
      }
    }
    XCTAssertEqual(
      ear.lines,
      [
        "- create thread 1", "- begin thread 1", "- wake thread 1",
        "- create thread 2", "- begin thread 2", "- wake thread 2",
        "1 switch", "1 wait port 1 (jobs)",
        "2 switch", "2 send port 1 (jobs)", "2 wake thread 1", "2 wait message from thread 2",
        "1 switch", "1 reply message from thread 2", "1 wake thread 2", "1 end",
        "2 switch", "2 close port 1 (jobs)", "2 abort thread 1", "2 end",
      ])
    XCTAssertEqual(ear.events.map { $0.step }, (1...20).map { UInt64($0) })
    XCTAssertTrue(ear.events.allSatisfy { $0.cpu == 0 && $0.place.isEmpty })
  }

  func testEventsOfTokens() {
    let ear = Ear()
    let rig = Rig(workers: 1, listener: ear)
    rig.run {
      let token = rig.token("accounts")
      rig.spawn { script, thread in
        if script.pc == 0 {
          script.pc = 1
          guard case .success(.ready) = thread.getToken(token, shared: false) else {
            return .fail()
          }
          XCTAssertEqual(thread.sleep(until: mycpu.readClock() + 1000), .waiting)
          return .wait
        }
        thread.finishWait()
        XCTAssertNil(thread.releaseToken(token))
        return .end()
      }
    }
    XCTAssertEqual(
      ear.lines.drop { $0 != "1 switch" },
      [
        "1 switch", "1 get token accounts", "1 wait", "1 lose token accounts",
        "- wake thread 1", "1 regain token accounts", "1 switch", "1 release token accounts",
        "1 end",
      ])
  }

  func testEveryEventOfManyWorkersComesOnceAndInCausalOrder() {
    let ear = Ear()
    let rig = Rig(workers: 3, listener: ear)
    rig.run {
      let ports = (0..<3).map { _ in rig.port() }
      for cpu in 0..<3 {
        var options = ThreadOptions()
        options.cpu = cpu
        rig.spawn(options) { script, thread in
          while true {
            switch script.receive(ports[cpu], thread) {
            case .wait: return .wait
            case .over: return .end()
            case .message(let message):
              let left = message.takeNumber()
              if left == 0 {
                for port in ports { port.close() }
              } else {
                sendOneWay(left - 1, to: ports[(cpu + 1) % 3], from: thread)
              }
            }
          }
        }
      }
      sendOneWay(1000, to: ports[0], from: nil)
    }
    let events = ear.events
    XCTAssertEqual(events.map { $0.step }, (1...events.count).map { UInt64($0) })
    XCTAssertEqual(events.count { $0.operation == .send }, 1001)
    // A thread's own steps are in order, and it is switched to before it does anything.
    for name in ["1", "2", "3"] {
      let own = events.filter { $0.thread == name }
      XCTAssertEqual(own.first?.operation, .switch)
      XCTAssertEqual(own.last?.operation, .end)
    }
  }

  // MARK: Steering

  /// The order in which five threads of three turns each run when `seed` chooses.
  private func order(seed: UInt64, ear: Ear? = nil) -> [Int] {
    let dice = Dice(seed: seed)
    let log = Log<Int>()
    let rig = Rig(
      workers: 1,
      policy: Policy(now: { 0 }, steering: Steering(next: { _, count in dice.below(count) })),
      listener: ear)
    rig.run {
      for number in 1...5 {
        rig.spawn { script, _ in
          script.pc += 1
          log.add(number)
          return script.pc == 3 ? .end() : .yield
        }
      }
    }
    return log.all
  }

  func testTheSameChoicesGiveTheSameSchedule() {
    var schedules: Set<[Int]> = []
    for seed in 1...20 as ClosedRange<UInt64> {
      let (one, two) = (Ear(), Ear())
      let schedule = order(seed: seed, ear: one)
      XCTAssertEqual(schedule, order(seed: seed, ear: two))
      XCTAssertEqual(one.lines, two.lines)
      XCTAssertEqual(schedule.sorted(), (1...5).flatMap { [$0, $0, $0] })
      schedules.insert(schedule)
    }
    XCTAssertGreaterThan(schedules.count, 15)
    // Whoever changes nothing gets the workers' own order.
    let rig = Rig(workers: 1, policy: Policy(steering: Steering()))
    let log = Log<Int>()
    rig.run {
      for number in 1...3 {
        rig.spawn { script, _ in
          script.pc += 1
          log.add(number)
          return script.pc == 2 ? .end() : .yield
        }
      }
    }
    XCTAssertEqual(log.all, [1, 2, 3, 1, 2, 3])
  }

  func testSteeringPreemptsAtVisibleSteps() {
    let asked = Cell(0)
    let rig = Rig(
      workers: 1,
      policy: Policy(
        steering: Steering(preempts: { _, operation in
          if operation == .send { asked.add() }
          return operation == .send
        })))
    let log = Log<Int>()
    rig.run {
      let port = rig.port()
      for number in 1...2 {
        rig.spawn { script, thread in
          while script.pc < 3 {
            script.pc += 1
            log.add(number)
            sendOneWay(number, to: port, from: thread)
            if preemptionAsked() { return .preempted }
          }
          return .end()
        }
      }
    }
    XCTAssertEqual(log.all, [1, 2, 1, 2, 1, 2])
    XCTAssertEqual(asked.value, 6)
  }

  func testSteeringPlacesThreads() {
    let rig = Rig(
      workers: 3, policy: Policy(steering: Steering(place: { _, workers in workers - 1 })))
    let log = Log<Int>()
    rig.run {
      rig.spawn { _, _ in
        log.add(mycpu.pointee.cpu)
        return .end()
      }
      var options = ThreadOptions()
      options.cpu = 1
      rig.spawn(options) { _, _ in
        log.add(mycpu.pointee.cpu)
        return .end()
      }
    }
    XCTAssertEqual(log.all.sorted(), [1, 2])
  }

  /// A clock that only goes on when nobody has anything to do: an hour passes in no time.
  func testSteeringLetsTimePass() {
    let clock = Atomic<UInt64>(1)
    let log = Log<Int>()
    withUnsafePointer(to: clock) { clock in
      nonisolated(unsafe) let clock = clock
      let rig = Rig(
        workers: 1,
        policy: Policy(
          now: { clock.pointee.load(ordering: .relaxed) },
          steering: Steering(pass: { _, until in
            clock.pointee.store(until, ordering: .relaxed)
            return true
          })))
      rig.run {
        for number in 1...3 {
          rig.spawn { script, thread in
            if script.pc == 1 {
              XCTAssertEqual(thread.finishWait(), .timedOut)
              log.add(number)
              return .end()
            }
            script.pc = 1
            let hours = UInt64(4 - number) * 3_600_000_000_000
            XCTAssertEqual(thread.sleep(until: mycpu.readClock() + hours), .waiting)
            return .wait
          }
        }
      }
    }
    XCTAssertEqual(log.all, [3, 2, 1])
    XCTAssertEqual(clock.load(ordering: .relaxed), 3 * 3_600_000_000_000 + 1)
  }
}
