// PortTests.swift: sending and receiving, by every path through a port.

import CLWKT
import Synchronization
import XCTest

@testable import LWKTCore

final class PortTests: CoreTestCase {
  func testFirstInFirstOutAndUrgentFirst() {
    let rig = Rig(workers: 1)
    rig.run {
      rig.spawn { script, thread in
        let port = rig.port()
        for value in 1...3 { sendOneWay(value, to: port, from: thread) }
        sendOneWay(10, to: port, from: thread, flags: .urgent)
        sendOneWay(11, to: port, from: thread, flags: .urgent)
        XCTAssertEqual(port.count, 5)
        var received: [Int] = []
        var message: MessageRef?
        while port.receive(thread, deadline: nil, poll: true, into: &message) == .ready {
          received.append(message!.takeNumber())
        }
        XCTAssertEqual(received, [10, 11, 1, 2, 3])
        XCTAssertEqual(port.count, 0)
        return .end()
      }
    }
  }

  func testReceiversGetMessagesInTheOrderTheyCame() {
    let rig = Rig(workers: 1)
    let log = Log<String>()
    rig.run {
      let port = rig.port()
      for number in 0..<3 {
        rig.spawn { script, thread in
          switch script.receive(port, thread) {
          case .wait: return .wait
          case .over: return .fail()
          case .message(let message):
            log.add("\(number):\(message.takeNumber())")
            return .end()
          }
        }
      }
      rig.spawn { _, thread in
        for value in 0..<3 { sendOneWay(value, to: port, from: thread) }
        return .end()
      }
    }
    XCTAssertEqual(log.all, ["0:0", "1:1", "2:2"])
  }

  func testTimeoutsOfReceives() {
    let rig = Rig(workers: 1)
    rig.run {
      rig.spawnStraight { thread in
        let port = rig.port()
        var message: MessageRef?
        XCTAssertEqual(port.receive(thread, deadline: nil, poll: true, into: &message), .wouldWait)
        let result = port.receive(thread, deadline: later(2_000_000), into: &message)
        XCTAssertEqual(block(thread, result), .timedOut)
        // Nothing of it is left in the port.
        XCTAssertNil(port.pointee.waitable.waiters.first)
        sendOneWay(1, to: port, from: thread)
        XCTAssertEqual(port.receive(thread, deadline: nil, into: &message), .ready)
        XCTAssertEqual(message?.takeNumber(), 1)
        return 0
      }
    }
  }

  func testClosingWakesEverybodyAndRefusesMore() {
    let rig = Rig(workers: 2)
    let reasons = Log<WakeReason>()
    let failures = Log<Int32>()
    rig.run {
      let empty = rig.port()
      let full = rig.port(limit: 1)
      sendOneWay(0, to: full, from: nil)
      for cpu in 0..<2 {
        var options = ThreadOptions()
        options.cpu = cpu
        rig.spawn(options) { script, thread in
          switch script.receive(empty, thread) {
          case .wait: return .wait
          case .over(let reason): reasons.add(reason)
          case .message: reasons.add(.ready)
          }
          return .end()
        }
        rig.spawnStraight(options) { thread in
          let message = MessageRef.make(sender: thread, payload: payload(1))
          message.receiverObject.retainObject()
          XCTAssertEqual(full.send(message, from: thread), .waiting)
          XCTAssertTrue(lwktPark(outcome: .waiting))
          if full.finishSend(thread) == .closed { failures.add(ENOTCONN) }
          message.receiverObject.releaseObject()
          message.object.releaseObject()
          return 0
        }
      }
      rig.spawn { script, thread in
        if empty.glimpse.receivers + full.glimpse.senders < 4 { return .yield }
        empty.close()
        full.close()
        full.close()
        XCTAssertTrue(full.isClosed)
        XCTAssertFalse(sendOneWay(1, to: empty, from: thread))
        var message: MessageRef?
        XCTAssertEqual(empty.receive(thread, deadline: nil, into: &message), .wouldWait)
        return .end()
      }
    }
    XCTAssertEqual(reasons.all, [.gone, .gone])
    XCTAssertEqual(failures.all, [ENOTCONN, ENOTCONN])
  }

  func testRequestsOnAClosedPortFail() {
    let rig = Rig(workers: 1)
    rig.run {
      rig.spawn { _, thread in
        let port = rig.port()
        let request = MessageRef.make(sender: thread, payload: payload(1))
        request.setTarget(port)
        request.receiverObject.retainObject()
        XCTAssertEqual(port.send(request, from: thread), .sent)
        XCTAssertFalse(request.isDone)
        port.close()
        XCTAssertTrue(request.isDone)
        XCTAssertEqual(request.pointee.errno, ENOTCONN)
        request.object.releaseObject()
        return .end()
      }
    }
  }

  // MARK: Limits

  func testALimitedPortHoldsItsSendersBack() {
    for workers in [1, 2] {
      let rig = Rig(workers: workers)
      let each = 2000
      let most = Cell(0)
      let received = Log<Int>()
      rig.run {
        let port = rig.port(limit: 3)
        for sender in 0..<4 {
          var options = ThreadOptions()
          options.cpu = sender % workers
          rig.spawn(options) { script, thread in
            while true {
              if script.isWaiting {
                script.isWaiting = false
                XCTAssertEqual(port.finishSend(thread), .sent)
              }
              if script.count == each { return .end() }
              script.count += 1
              let message = MessageRef.make(
                sender: thread, payload: payload(sender * 1_000_000 + script.count),
                flags: .oneWay)
              switch port.send(message, from: thread) {
              case .sent: continue
              case .waiting:
                script.isWaiting = true
                return .wait
              default: return .fail()
              }
            }
          }
        }
        rig.spawn { script, thread in
          while true {
            most.set(max(most.value, port.count))
            switch script.receive(port, thread) {
            case .wait: return .wait
            case .over: return .fail()
            case .message(let message):
              received.add(message.takeNumber())
              script.count += 1
              if script.count == 4 * each { return .end() }
            }
          }
        }
      }
      XCTAssertLessThanOrEqual(most.value, 3)
      XCTAssertEqual(rig.deadlocks.all, [])
      for sender in 0..<4 {
        let mine = received.all.filter { $0 / 1_000_000 == sender }.map { $0 % 1_000_000 }
        XCTAssertEqual(mine, Array(1...each))
      }
    }
  }

  /// A queued request that its sender aborts makes room.
  func testAnAbortedRequestMakesRoomForAWaitingSender() {
    let rig = Rig(workers: 1)
    rig.run {
      let port = rig.port(limit: 1)
      let request = MessageRef.make(sender: nil, payload: payload(1))
      request.setTarget(port)
      request.receiverObject.retainObject()
      XCTAssertEqual(port.send(request, from: nil), .sent)
      rig.spawnStraight { thread in
        let message = MessageRef.make(sender: thread, payload: payload(2), flags: .oneWay)
        XCTAssertEqual(port.send(message, from: thread), .waiting)
        XCTAssertTrue(lwktPark(outcome: .waiting))
        XCTAssertEqual(port.finishSend(thread), .sent)
        return 0
      }
      rig.spawn { script, thread in
        if port.glimpse.senders == 0 { return .yield }
        request.abort()
        XCTAssertTrue(request.isDone)
        XCTAssertEqual(request.pointee.errno, EINTR)
        request.object.releaseObject()
        XCTAssertEqual(port.count, 1)
        var message: MessageRef?
        XCTAssertEqual(port.receive(thread, deadline: nil, into: &message), .ready)
        XCTAssertEqual(message?.takeNumber(), 2)
        return .end()
      }
    }
    XCTAssertEqual(rig.deadlocks.count, 0)
  }

  func testASenderThatIsAbortedKeepsItsMessage() {
    let rig = Rig(workers: 1)
    rig.run {
      let port = rig.port(limit: 1)
      sendOneWay(1, to: port, from: nil)
      let sender = rig.spawnStraight { thread in
        let message = MessageRef.make(sender: thread, payload: payload(2), flags: .oneWay)
        for round in 0..<2 {
          let result = port.send(message, from: thread)
          XCTAssertEqual(result, round == 0 ? .waiting : .waitOver)
          if result == .waiting { XCTAssertTrue(lwktPark(outcome: .waiting)) }
          XCTAssertEqual(port.finishSend(thread), .waitOver)
        }
        message.object.releaseObject()
        return 0
      }
      rig.spawn { _, thread in
        if port.glimpse.senders == 0 { return .yield }
        sender.abort(Payload())
        XCTAssertEqual(port.count, 1)
        return .end()
      }
    }
    XCTAssertEqual(rig.deadlocks.count, 0)
  }

  // MARK: Names

  func testNamesAreFoundAndFreedAgain() {
    let rig = Rig(workers: 1)
    rig.run {
      rig.spawn { _, thread in
        XCTAssertNil(rig.state.lookup("jobs"))
        let port = rig.port(name: "jobs")
        XCTAssertTrue(rig.state.publish(port, as: "jobs"))
        let found = rig.state.lookup("jobs")
        XCTAssertEqual(found, port)
        found?.object.releaseObject()
        let other = rig.port(name: "jobs")
        XCTAssertFalse(rig.state.publish(other, as: "jobs"))
        port.close()
        XCTAssertNil(rig.state.lookup("jobs"))
        XCTAssertTrue(rig.state.publish(other, as: "jobs"))
        rig.state.withdraw(port, from: "jobs")
        rig.state.withdraw(other, from: "jobs")
        XCTAssertNil(rig.state.lookup("jobs"))
        // Left to the end of the host.
        XCTAssertTrue(rig.state.publish(rig.port(name: "left"), as: "left"))
        return .end()
      }
    }
  }

  func testAllPortsAndTokensAreListed() {
    let rig = Rig(workers: 1)
    rig.run {
      rig.spawn { _, thread in
        let ports = (0..<3).map { _ in PortRef.make(kind: .spin, host: rig.state) }
        let tokens = (0..<3).map { rig.state.token(named: "t\($0)") }
        let again = rig.state.token(named: "t1")
        XCTAssertEqual(again, tokens[1])
        again.object.releaseObject()
        let listed = rig.state.allPorts()
        XCTAssertEqual(Set(listed), Set(ports))
        for port in listed { port.object.releaseObject() }
        XCTAssertEqual(
          rig.state.allTokens().map { token -> String in
            defer { token.object.releaseObject() }
            return token.displayName
          }.sorted(), ["token t0", "token t1", "token t2"])
        ports[1].object.releaseObject()
        XCTAssertEqual(
          rig.state.allPorts().map { port in
            defer { port.object.releaseObject() }
            return port
          }.count, 2)
        ports[0].object.releaseObject()
        ports[2].object.releaseObject()
        for token in tokens { token.object.releaseObject() }
        XCTAssertTrue(rig.state.allPorts().isEmpty)
        XCTAssertTrue(rig.state.allTokens().isEmpty)
        return .end()
      }
    }
  }

  func testTokensOfOneNameMadeAtOnceAreOne() {
    let rig = Rig(workers: 1)
    for round in 0..<200 {
      let tokens = Log<UInt>()
      DispatchQueue.concurrentPerform(iterations: 4) { _ in
        tokens.add(UInt(bitPattern: rig.state.token(named: "r\(round)")))
      }
      XCTAssertEqual(Set(tokens.all).count, 1)
      for token in tokens.all { ObjectRef(bitPattern: token)?.releaseObject() }
      XCTAssertTrue(rig.state.allTokens().isEmpty)
    }
  }

  // MARK: Order and loss

  /// Many senders on all workers, several receivers: each sender's messages come in order, all come.
  func testOrderOfEachSenderAcrossWorkers() {
    for workers in [2, 4] {
      let rig = Rig(workers: workers, ipiCapacity: 2)
      let senders = 8
      let each = 3000
      let received = Cell(0)
      let wrong = Cell(0)
      rig.run {
        let port = rig.port()
        for sender in 0..<senders {
          var options = ThreadOptions()
          options.cpu = sender % workers
          rig.spawn(options) { script, thread in
            for _ in 0..<20 {
              if script.count == each { return .end() }
              sendOneWay(sender << 32 | script.count, to: port, from: thread)
              script.count += 1
            }
            return .yield
          }
        }
        var options = ThreadOptions()
        options.cpu = workers - 1
        rig.spawn(options) { script, thread in
          var expected = [Int](repeating: 0, count: senders)
          while true {
            switch script.receive(port, thread) {
            case .wait:
              script.saved = expected
              return .wait
            case .over: return .fail()
            case .message(let message):
              if let saved = script.saved as? [Int] { expected = saved }
              script.saved = nil
              let value = message.takeNumber()
              if expected[value >> 32] != value & 0xffff_ffff { wrong.add() }
              expected[value >> 32] += 1
              if received.add() == senders * each { return .end() }
            }
          }
        }
      }
      XCTAssertEqual(wrong.value, 0)
      XCTAssertEqual(received.value, senders * each)
      XCTAssertEqual(rig.deadlocks.count, 0)
    }
  }

  func testAPortThatGoesWithItsLastReference() {
    let rig = Rig(workers: 1)
    rig.run {
      rig.spawn { _, thread in
        let port = PortRef.make(kind: .spin, host: rig.state)
        let request = MessageRef.make(sender: thread, payload: payload(1))
        request.receiverObject.retainObject()
        XCTAssertEqual(port.send(request, from: thread), .sent)
        sendOneWay(3, to: port, from: thread)
        port.object.releaseObject()
        XCTAssertTrue(request.isDone)
        request.object.releaseObject()
        return .end()
      }
    }
  }
}
