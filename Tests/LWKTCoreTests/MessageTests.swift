// MessageTests.swift: requests and their answers; that no request is lost.

import CLWKT
import Synchronization
import XCTest

@testable import LWKTCore

final class MessageTests: CoreTestCase {
  /// A request on its way to `port`, with the sender's reference for the caller.
  private func send(_ value: Int, to port: PortRef, from thread: ThreadRef?) -> MessageRef {
    let request = MessageRef.make(sender: thread, payload: payload(value))
    request.setTarget(port)
    request.receiverObject.retainObject()
    if port.send(request, from: nil) != .sent {
      request.fail(.notConnected)
      request.receiverObject.releaseObject()
    }
    return request
  }

  /// The next request of `port`, held by `thread`, or nil.
  private func take(_ port: PortRef, _ thread: ThreadRef) -> MessageRef? {
    var message: MessageRef?
    guard port.receive(thread, deadline: nil, poll: true, into: &message) == .ready else {
      return nil
    }
    message!.hold(by: thread)
    return message
  }

  func testRequestAndReply() {
    for workers in [1, 2] {
      let rig = Rig(workers: workers)
      let rounds = 20_000
      rig.run {
        let port = rig.port()
        var here = ThreadOptions()
        here.cpu = 0
        var there = ThreadOptions()
        there.cpu = workers - 1
        rig.spawn(there) { script, thread in
          while true {
            switch script.receive(port, thread) {
            case .wait: return .wait
            case .over: return .end()
            case .message(let message):
              message.hold(by: thread)
              let value = message.pointee.payload.number
              XCTAssertEqual(message.pointee.sender?.pathName, "2")
              XCTAssertTrue(message.reply(payload(value * 2)))
              XCTAssertFalse(message.fail(.peerExited))
              message.receiverObject.releaseObject()
            }
          }
        }
        rig.spawn(here) { script, thread in
          while true {
            if let request = script.saved as? MessageRef {
              if script.isWaiting {
                script.isWaiting = false
                XCTAssertEqual(thread.finishWait(), .ready)
              }
              XCTAssertTrue(request.isDone)
              XCTAssertEqual(request.pointee.payload.number, script.count * 2)
              XCTAssertEqual(request.pointee.errno, 0)
              request.object.releaseObject()
              script.saved = nil
            }
            if script.count == rounds {
              port.close()
              return .end()
            }
            script.count += 1
            let request = self.send(script.count, to: port, from: thread)
            script.saved = request
            if request.waitForReply(thread, deadline: nil) == .waiting {
              script.isWaiting = true
              return .wait
            }
          }
        }
      }
      XCTAssertEqual(rig.deadlocks.count, 0)
    }
  }

  func testAnAnswerGoesToItsReplyPort() {
    let rig = Rig(workers: 1)
    rig.run {
      rig.spawn { _, thread in
        let port = rig.port()
        let answers = rig.port()
        let request = MessageRef.make(sender: thread, payload: payload(1))
        request.setTarget(port)
        request.setReplyPort(answers)
        request.receiverObject.retainObject()
        XCTAssertEqual(port.send(request, from: nil), .sent)
        let received = self.take(port, thread)
        XCTAssertEqual(received, request)
        XCTAssertTrue(received!.reply(payload(2), errno: 5))
        received!.receiverObject.releaseObject()
        var answer: MessageRef?
        XCTAssertEqual(answers.receive(thread, deadline: nil, poll: true, into: &answer), .ready)
        XCTAssertEqual(answer, request)
        XCTAssertTrue(answer!.pointee.flags.contains(.isReply))
        XCTAssertEqual(answer!.pointee.payload.number, 2)
        XCTAssertEqual(answer!.pointee.errno, 5)
        answer!.object.releaseObject()
        request.object.releaseObject()
        // A reply port that is gone loses the answer, no more.
        let lost = MessageRef.make(sender: thread, payload: payload(1))
        lost.setReplyPort(answers)
        lost.receiverObject.retainObject()
        answers.close()
        XCTAssertEqual(port.send(lost, from: nil), .sent)
        let again = self.take(port, thread)
        XCTAssertTrue(again!.reply(payload(2)))
        again!.receiverObject.releaseObject()
        XCTAssertTrue(lost.isDone)
        lost.object.releaseObject()
        return .end()
      }
    }
  }

  // MARK: Loss

  func testADroppedRequestFails() {
    let rig = Rig(workers: 1)
    rig.run {
      rig.spawn { _, thread in
        let port = rig.port()
        let request = self.send(1, to: port, from: thread)
        let received = self.take(port, thread)!
        received.receiverObject.retainObject()
        received.receiverObject.releaseObject()
        XCTAssertFalse(request.isDone)
        received.receiverObject.releaseObject()
        XCTAssertTrue(request.isDone)
        XCTAssertEqual(request.pointee.errno, EPIPE)
        XCTAssertNil(thread.pointee.heldFirst)
        request.object.releaseObject()
        return .end()
      }
    }
  }

  func testWhatAThreadHasNotAnsweredFailsWithItsEnd() {
    for (workers, waits) in [(1, false), (2, false), (1, true), (2, true)] {
      let rig = Rig(workers: workers)
      let errnos = Log<Int32>()
      rig.run {
        let port = rig.port()
        var options = ThreadOptions()
        options.cpu = workers - 1
        // Takes three, answers one, and ends; or waits and is aborted at the program's end.
        rig.spawn(options) { script, thread in
          if script.isWaiting {
            thread.finishWait()
            return .end()
          }
          guard port.count >= 3 || script.pc > 0 else { return .yield }
          let requests = (0..<3).map { _ in self.take(port, thread)! }
          XCTAssertTrue(requests[1].reply(payload(0), errno: 7))
          requests[1].receiverObject.releaseObject()
          // The handles of the other two are in its heap, which goes later.
          rig.hold(requests[0].receiverObject)
          rig.hold(requests[2].receiverObject)
          guard waits else { return .end() }
          script.isWaiting = true
          return thread.tsleep(SleepIdent(high: 1), deadline: later(30_000_000)) == .waiting
            ? .wait : .end()
        }
        for _ in 0..<3 {
          rig.spawnStraight { thread in
            let request = self.send(1, to: port, from: thread)
            let result = request.waitForReply(thread, deadline: nil)
            XCTAssertEqual(block(thread, result), .ready)
            errnos.add(request.pointee.errno)
            request.object.releaseObject()
            return 0
          }
        }
      }
      XCTAssertEqual(errnos.all.sorted(), [7, EPIPE, EPIPE])
      XCTAssertEqual(rig.deadlocks.count, 0)
    }
  }

  func testWhatLiesInAThreadsPortFailsWithItsEnd() {
    let rig = Rig(workers: 2)
    let done = Cell(0)
    rig.run {
      for round in 0..<500 {
        var options = ThreadOptions()
        options.cpu = round % 2
        let target = rig.spawn(options) { script, thread in
          script.pc += 1
          return script.pc <= round % 3 ? .yield : .end()
        }
        options.cpu = (round / 2) % 2
        rig.spawn(options) { script, thread in
          // Sent before, while and after it ends: it comes back in every case.
          if script.isWaiting {
            thread.finishWait()
          } else {
            let request = self.send(1, to: target.messagePort, from: thread)
            script.saved = request
            if request.waitForReply(thread, deadline: nil) == .waiting {
              script.isWaiting = true
              return .wait
            }
          }
          let request = script.saved as! MessageRef
          XCTAssertNotEqual(request.pointee.errno, 0)
          request.object.releaseObject()
          done.add()
          return .end()
        }
      }
    }
    XCTAssertEqual(done.value, 500)
    XCTAssertEqual(rig.deadlocks.count, 0)
  }

  // MARK: Forward and abort

  func testForwarding() {
    let rig = Rig(workers: 2)
    let answers = Log<Int>()
    rig.run {
      let first = rig.port()
      let second = rig.port()
      let closed = rig.port()
      closed.close()
      rig.spawn { script, thread in
        guard let request = self.take(first, thread) else { return .yield }
        XCTAssertEqual(request.forward(to: closed), .notConnected)
        XCTAssertEqual(thread.pointee.heldFirst, request)
        XCTAssertNil(request.forward(to: second))
        XCTAssertNil(thread.pointee.heldFirst)
        request.receiverObject.releaseObject()
        return .end()
      }
      var options = ThreadOptions()
      options.cpu = 1
      rig.spawn(options) { script, thread in
        guard let request = self.take(second, thread) else { return .yield }
        XCTAssertTrue(request.reply(payload(9)))
        XCTAssertEqual(request.forward(to: first), .alreadyAnswered)
        request.receiverObject.releaseObject()
        return .end()
      }
      rig.spawnStraight { thread in
        let request = self.send(1, to: first, from: thread)
        XCTAssertEqual(block(thread, request.waitForReply(thread, deadline: nil)), .ready)
        answers.add(request.answer.pointee.number)
        request.object.releaseObject()
        return 0
      }
    }
    XCTAssertEqual(answers.all, [9])
  }

  /// Passed on and on between ports while its sender asks for abort: it comes back once.
  func testAbortsRaceWithForwarding() {
    let rig = Rig(workers: 3, ipiCapacity: 2)
    let rounds = 3000
    let interrupted = Cell(0)
    rig.run {
      let ports = (0..<2).map { _ in rig.port() }
      for side in 0..<2 {
        var options = ThreadOptions()
        options.cpu = side
        rig.spawn(options) { script, thread in
          while true {
            switch script.receive(ports[side], thread) {
            case .wait: return .wait
            case .over: return .end()
            case .message(let message):
              message.hold(by: thread)
              if message.isAborted {
                _ = message.reply(payload(0), errno: EINTR)
              } else {
                _ = message.forward(to: ports[1 - side])
              }
              message.receiverObject.releaseObject()
              script.count += 1
              if script.count % 16 == 0 { return .yield }
            }
          }
        }
      }
      var options = ThreadOptions()
      options.cpu = 2
      rig.spawn(options) { script, thread in
        while true {
          if let request = script.saved as? MessageRef {
            if script.isWaiting {
              script.isWaiting = false
              XCTAssertEqual(thread.finishWait(), .ready)
            }
            XCTAssertEqual(request.pointee.errno, EINTR)
            interrupted.add()
            request.object.releaseObject()
            script.saved = nil
          }
          if script.count == rounds {
            for port in ports { port.close() }
            return .end()
          }
          script.count += 1
          let request = self.send(script.count, to: ports[script.count % 2], from: thread)
          script.saved = request
          for _ in 0..<(script.count % 200) { lwkt_cpu_pause() }
          request.abort()
          if request.waitForReply(thread, deadline: nil) == .waiting {
            script.isWaiting = true
            return .wait
          }
        }
      }
    }
    XCTAssertEqual(interrupted.value, rounds)
    XCTAssertEqual(rig.deadlocks.count, 0)
  }

  func testAbortOfAReceivedRequestIsSeenByItsReceiver() {
    let rig = Rig(workers: 1)
    rig.run {
      rig.spawn { _, thread in
        let port = rig.port()
        let request = self.send(1, to: port, from: thread)
        let received = self.take(port, thread)!
        XCTAssertFalse(received.isAborted)
        request.abort()
        request.abort()
        XCTAssertTrue(received.isAborted)
        XCTAssertFalse(request.isDone)
        // A wait for the answer may not be aborted any more.
        thread.abort(Payload())
        XCTAssertEqual(request.waitForReply(thread, deadline: nil, poll: true), .wouldWait)
        XCTAssertEqual(request.waitForReply(thread, deadline: nil), .waiting)
        XCTAssertTrue(received.reply(payload(3), errno: EINTR))
        received.receiverObject.releaseObject()
        // Woken before it has switched away.
        XCTAssertTrue(lwktPark(outcome: .waiting))
        XCTAssertEqual(thread.finishWait(), .ready)
        request.abort()
        request.object.releaseObject()
        return .end()
      }
    }
    XCTAssertEqual(rig.deadlocks.count, 0)
  }

  func testTimedOutWaitsForAnswers() {
    let rig = Rig(workers: 1)
    rig.run {
      rig.spawnStraight { thread in
        let port = rig.port()
        let request = self.send(1, to: port, from: thread)
        let result = request.waitForReply(thread, deadline: later(2_000_000))
        XCTAssertEqual(block(thread, result), .timedOut)
        XCTAssertNil(request.pointee.waitable.waiters.first)
        request.object.releaseObject()
        // The answer to a sender that is gone.
        let received = self.take(port, thread)!
        XCTAssertTrue(received.reply(payload(1)))
        received.receiverObject.releaseObject()
        return 0
      }
    }
  }

  // MARK: Notices of ends

  func testExitNotices() {
    let rig = Rig(workers: 2)
    let notices = Log<Int>()
    rig.run {
      let port = rig.port()
      let threads = (0..<10).map { number in
        var options = ThreadOptions()
        options.noStart = true
        options.cpu = number % 2
        return rig.spawn(options) { script, thread in
          script.pc += 1
          if script.pc < number { return .yield }
          return number % 3 == 0 ? .fail(number) : .end(number)
        }
      }
      for thread in threads {
        thread.addNotify(port)
        thread.begin()
      }
      rig.spawn { script, thread in
        while true {
          switch script.receive(port, thread) {
          case .wait: return .wait
          case .over: return .fail()
          case .message(let message):
            XCTAssertTrue(message.pointee.flags.contains(.exitNotice))
            let ended = ObjectRef(bitPattern: UInt(message.pointee.payload.slots.0))!.thread
            XCTAssertTrue(ended.isDead)
            notices.add(ended.pointee.payload.number)
            message.object.releaseObject()
            if notices.count == 10 {
              // Asked for when it is over.
              ended.addNotify(port)
            }
            if notices.count == 11 { return .end() }
          }
        }
      }
    }
    XCTAssertEqual(Set(notices.all), Set(0..<10))
    XCTAssertEqual(rig.deaths.count, 0)
  }
}
