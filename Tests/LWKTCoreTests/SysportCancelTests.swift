// SysportCancelTests.swift: calls that are given up, wherever they are, and the memory they use.

import CLWKT
import Glibc
import XCTest

@testable import LWKTCore

final class SysportCancelTests: SysportTestCase {
  func testInKernel() {
    eachThread(Self.withRing) { thread in
      let (read, write) = makePipe()
      let message = send(Calls.read(read, 10), thread)
      XCTAssertEqual(
        block(thread, message.waitForReply(thread, deadline: later(2_000_000))), .timedOut)
      message.abort()
      XCTAssertEqual(answer(message, thread).result, -Int(EINTR))
      // Nothing was taken.
      put(write, "kept")
      XCTAssertEqual(makeRead(Calls.read(read, 10), thread), Outcome(4, "kept"))
      close(read)
      close(write)
    }
  }

  /// The kernel has not even seen it.
  func testBeforeTheKernel() {
    eachThread(Self.withRing) { thread in
      let (read, write) = makePipe()
      let messages = (0..<20).map { _ in send(Calls.read(read, 10), thread) }
      for message in messages { message.abort() }
      for message in messages { XCTAssertEqual(answer(message, thread).result, -Int(EINTR)) }
      close(read)
      close(write)
    }
  }

  /// A call that the ring has no room for: a ring that lets nothing in is hard to come by, so the
  /// engine is given none.
  func testQueued() {
    run { rig in
      rig.spawnStraight { thread in
        let (read, write) = makePipe()
        let engine = StuckEngine()
        let sysport = Sysport(mycpu, engine: engine)
        engine.sysport = sysport
        mycpu.pointee.sysport = sysport
        let messages = (0..<3).map { _ in send(Calls.read(read, 10), thread) }
        XCTAssertEqual(messages[1].pointee.systemCall?.pointee.phase, .queued)
        XCTAssertEqual(sysport.inFlight, 3)
        for index in [1, 2, 0] { messages[index].abort() }
        XCTAssertEqual(sysport.inFlight, 0)
        for message in messages { XCTAssertEqual(answer(message, thread).result, -Int(EINTR)) }
        close(read)
        close(write)
        return 0
      }
    }
  }

  func testCompleted() {
    eachThread(Self.withRing) { thread in
      let (read, write) = makePipe()
      put(write, "done")
      let call = Calls.read(read, 10)
      call.retain()
      XCTAssertEqual(makeRead(call, thread), Outcome(4, "done"))
      call.cancel()
      XCTAssertEqual(call.pointee.result, 4)
      call.release()
      // And one that has never been submitted.
      let fresh = Calls.read(read, 10)
      fresh.cancel()
      fresh.release()
      // Data that was there when the abort came is not lost, whoever was first.
      put(write, "late")
      let message = send(Calls.read(read, 10), thread)
      message.abort()
      let outcome = answer(message, thread)
      if outcome.result < 0 {
        XCTAssertEqual(outcome.result, -Int(EINTR))
        XCTAssertEqual(makeRead(Calls.read(read, 10), thread), Outcome(4, "late"))
      } else {
        XCTAssertEqual(outcome, Outcome(4, "late"))
      }
      close(read)
      close(write)
    }
  }

  func testSleeping() {
    eachThread { thread in
      let sleeps = (0..<100).map { _ in send(Calls.nanosleep(3600 * 1_000_000_000), thread) }
      let short = send(Calls.nanosleep(1_000_000), thread)
      for message in sleeps { message.abort() }
      for message in sleeps { XCTAssertEqual(answer(message, thread).result, -Int(EINTR)) }
      XCTAssertEqual(answer(short, thread).result, 0)
    }
  }

  /// Five calls for four kernel threads: the fifth is taken back, the first interrupted.
  func testInPool() {
    let name = path("fifo")
    mkfifo(name, 0o600)
    run(Self.refused) { rig in
      rig.spawnStraight { thread in
        let opens = (0..<5).map { _ in send(Calls.open(name, O_RDONLY), thread) }
        make(Calls.nanosleep(20_000_000), thread)
        XCTAssertEqual(mycpu.sysport.inFlight, 5)
        opens[4].abort()
        XCTAssertEqual(answer(opens[4], thread).result, -Int(EINTR))
        opens[0].abort()
        XCTAssertEqual(answer(opens[0], thread).result, -Int(EINTR))
        let writer = open(name, O_WRONLY)
        for message in opens[1...3] {
          let fd = answer(message, thread).result
          XCTAssertGreaterThan(fd, 2)
          close(Int32(fd))
        }
        close(writer)
        return 0
      }
    }
    unlink(name)
  }

  /// The kernel waits on a thread of its own, for another process to open the other end.
  func testBlockedOpen() {
    let name = path("fifo")
    mkfifo(name, 0o600)
    eachThread { thread in
      let message = send(Calls.open(name, O_RDONLY), thread)
      XCTAssertEqual(
        block(thread, message.waitForReply(thread, deadline: later(5_000_000))), .timedOut)
      message.abort()
      XCTAssertEqual(answer(message, thread).result, -Int(EINTR))
    }
    unlink(name)
  }

  /// A write that has written part when it is cancelled ends with the error.
  func testPartOfAWrite() {
    eachThread(Self.withRing) { thread in
      let (read, write) = makePipe()
      let message = send(Calls.write(write, [UInt8](repeating: 1, count: 1_000_000)), thread)
      XCTAssertEqual(
        block(thread, message.waitForReply(thread, deadline: later(2_000_000))), .timedOut)
      message.abort()
      XCTAssertEqual(answer(message, thread).result, -Int(EINTR))
      XCTAssertGreaterThan(make(Calls.read(read, 1_000_000), thread), 0)
      close(read)
      close(write)
    }
  }

  /// A non-blocking descriptor: cancelled while it waits for readiness.
  func testWaitingToTryAgain() {
    eachThread(Self.withRing) { thread in
      let (read, write) = makePipe()
      _ = fcntl(read, F_SETFL, fcntl(read, F_GETFL) | O_NONBLOCK)
      let message = send(Calls.read(read, 10), thread)
      XCTAssertEqual(
        block(thread, message.waitForReply(thread, deadline: later(2_000_000))), .timedOut)
      message.abort()
      XCTAssertEqual(answer(message, thread).result, -Int(EINTR))
      close(read)
      close(write)
    }
  }

  /// Aborted threads: a read is given up, a close is not.
  func testAbortedThreads() {
    each(Self.withRing) { rig in
      let (read, write) = makePipe()
      let reader = rig.spawnStraight { thread in
        XCTAssertEqual(make(Calls.read(read, 10), thread), -Int(EINTR))
        // It is aborted still.
        XCTAssertEqual(make(Calls.read(read, 10), thread), -Int(EINTR))
        XCTAssertEqual(make(Calls.nanosleep(3600 * 1_000_000_000), thread), -Int(EINTR))
        XCTAssertEqual(make(Calls.descriptor(.fsync, read), thread), -Int(EINVAL))
        XCTAssertEqual(make(Calls.descriptor(.close, read), thread), 0)
        return 0
      }
      rig.spawnStraight { thread in
        make(Calls.nanosleep(2_000_000), thread)
        reader.abort(Payload())
        XCTAssertEqual(block(thread, reader.waitForEnd(thread, deadline: nil, poll: false)), .ready)
        XCTAssertEqual(fcntl(read, F_GETFD), -1)
        close(write)
        return 0
      }
    }
  }

  /// The call lives on one worker, who cancels it on another; both at once, a thousand times.
  func testFromAnotherWorker() {
    each(Self.withRing, workers: 2) { rig in
      let port = rig.port()
      rig.spawnStraight(pinned(0)) { thread in
        let (read, write) = makePipe()
        for round in 0..<1000 {
          let message = send(Calls.read(read, 1), thread)
          message.object.retainObject()
          let order = MessageRef.make(
            sender: nil, payload: payload(Int(bitPattern: message)), flags: .oneWay)
          XCTAssert(port.send(order, from: nil) == .sent)
          if round % 3 == 0 { put(write, "x") }
          let outcome = answer(message, thread)
          XCTAssert(outcome == Outcome(1, "x") || outcome.result == -Int(EINTR), "\(outcome)")
          if round % 3 == 0, outcome.result < 0 {
            XCTAssertEqual(makeRead(Calls.read(read, 1), thread), Outcome(1, "x"))
          }
        }
        port.close()
        close(read)
        close(write)
        return 0
      }
      rig.spawnStraight(pinned(1)) { thread in
        while true {
          var order: MessageRef?
          let result = port.receive(thread, deadline: nil, into: &order)
          if result == .wouldWait { return 0 }
          if result != .ready {
            guard block(thread, result) == .ready else { return 0 }
            order = thread.takeHandedMessage()
          }
          let message = MessageRef(bitPattern: order!.pointee.payload.number)!
          message.abort()
          message.object.releaseObject()
          order!.object.releaseObject()
        }
      }
    }
  }

  /// Messages that everybody has forgotten: the kernel may still write to their buffers.
  func testForgotten() {
    each(Self.withRing) { rig in
      let (read, write) = makePipe()
      rig.spawnStraight { thread in
        for _ in 0..<50 { send(Calls.read(read, 4096), thread).object.releaseObject() }
        let kept = send(Calls.read(read, 4096), thread)
        make(Calls.nanosleep(2_000_000), thread)
        for _ in 0..<51 {
          put(write, "0123456789")
          make(Calls.nanosleep(100_000), thread)
        }
        XCTAssertEqual(answer(kept, thread), Outcome(10, "0123456789"))
        // And cancelled and forgotten.
        for _ in 0..<50 {
          let message = send(Calls.read(read, 4096), thread)
          message.abort()
          message.object.releaseObject()
        }
        XCTAssertEqual(make(Calls.nanosleep(2_000_000), thread), 0)
        close(write)
        close(read)
        return 0
      }
    }
  }

  /// The program ends while calls are everywhere.
  func testTheEnd() {
    let name = path("fifo")
    mkfifo(name, 0o600)
    each(workers: 2) { rig in
      let (read, write) = makePipe()
      for cpu in 0..<2 {
        rig.spawnStraight(pinned(cpu)) { thread in
          for _ in 0..<20 {
            for call in [
              Calls.read(read, 100), Calls.nanosleep(3600 * 1_000_000_000),
              Calls.poll(read, PollEvents.input),
              Calls.poll(read, PollEvents.input, within: 1 << 50),
              Calls.path(.readdir, "/"), Calls.open(name, O_RDONLY),
            ] {
              send(call, thread).object.releaseObject()
            }
          }
          return 0
        }
        var daemon = pinned(cpu)
        daemon.daemon = true
        rig.spawnStraight(daemon) { thread in
          make(Calls.read(read, 100), thread)
          return 0
        }
      }
      self.afterRun = {
        close(read)
        close(write)
      }
    }
    unlink(name)
  }

  /// Ten thousand calls at once, on two workers, and every byte arrives.
  func testTenThousand() {
    each([("ring", SysportOptions()), ("tiny", Self.tiny)], workers: 2) { rig in
      let pipes = (0..<100).map { _ in makePipe() }
      let total = Cell(0)
      let left = Cell(2)
      for cpu in 0..<2 {
        rig.spawnStraight(pinned(cpu)) { thread in
          var messages: [MessageRef] = []
          for index in 0..<5000 {
            messages.append(send(Calls.read(pipes[index % 100].read, 1), thread))
          }
          XCTAssertEqual(mycpu.sysport.inFlight, 5000)
          for pipe in pipes {
            make(Calls.write(pipe.write, [UInt8](repeating: 1, count: 50)), thread)
          }
          for message in messages { total.add(answer(message, thread).result) }
          if left.add(-1) == 0 {
            for pipe in pipes {
              close(pipe.read)
              close(pipe.write)
            }
          }
          return 0
        }
      }
      self.afterRun = { XCTAssertEqual(total.value, 10_000) }
    }
  }
}
