// IPITests.swift: workers that ask things of each other, with queues that are always full.

import CLWKT
import Synchronization
import XCTest

@testable import LWKTCore

final class IPITests: CoreTestCase {
  func testTheQueueIsFirstInFirstOutAndKnowsWhenItIsFull() {
    for capacity in [1, 2, 4, 64] {
      let queue = IPIQueue(capacity: capacity)
      var written: UInt = 0
      var read: UInt = 0
      var random = Seeded(UInt64(capacity))
      for _ in 0..<10_000 {
        if Bool.random(using: &random) {
          if queue.push(IPI(.call, nil, written)) {
            written += 1
          } else {
            XCTAssertEqual(written - read, UInt(capacity))
          }
        } else if let ipi = queue.pop() {
          XCTAssertEqual(ipi.value, read)
          read += 1
        } else {
          XCTAssertEqual(written, read)
        }
      }
    }
  }

  func testTheBacklogKeepsTheOrderOfEachTarget() {
    var backlog = IPIBacklog()
    XCTAssertFalse(backlog.holdsBack(0))
    for value in 0..<12 { backlog.append(IPI(.call, nil, UInt(value)), to: value % 3, of: 3) }
    XCTAssertEqual(backlog.count, 12)
    for value in stride(from: 0, to: 12, by: 3) {
      XCTAssertTrue(backlog.holdsBack(0))
      XCTAssertEqual(backlog.first(for: 0)?.value, UInt(value))
      backlog.removeFirst(for: 0)
    }
    XCTAssertFalse(backlog.holdsBack(0))
    var left: [UInt] = []
    backlog.removeAll { left.append($0.value) }
    XCTAssertEqual(left, [1, 4, 7, 10, 2, 5, 8, 11])
    XCTAssertEqual(backlog.count, 0)
  }

  /// Every thread sends to a different other one in each round and receives one: all wait for all.
  func testStorms() {
    for (workers, capacity, spin) in [
      (2, 2, nil), (2, 2, 0), (3, 1, 0), (8, 2, 0), (4, 64, 20_000),
    ] as [(Int, Int, UInt64?)] {
      storm(workers: workers, capacity: capacity, spin: spin, threads: 40, rounds: 400)
    }
  }

  private func storm(workers: Int, capacity: Int, spin: UInt64?, threads: Int, rounds: Int) {
    let rig = Rig(workers: workers, ipiCapacity: capacity, spinNanoseconds: spin)
    let received = Cell(0)
    let ports = (0..<threads).map { _ in rig.port() }
    rig.run {
      for number in 0..<threads {
        var options = ThreadOptions()
        options.cpu = number % workers
        rig.spawn(options) { script, thread in
          while true {
            if !script.isWaiting {
              if script.count == rounds { return .end() }
              let peer = (number + 1 + script.count % (threads - 1)) % threads
              sendOneWay(number, to: ports[peer], from: thread)
            }
            switch script.receive(ports[number], thread) {
            case .wait: return .wait
            case .over: return .fail()
            case .message(let message):
              _ = message.takeNumber()
              received.add()
              script.count += 1
            }
          }
        }
      }
    }
    XCTAssertEqual(received.value, threads * rounds)
    XCTAssertEqual(rig.deadlocks.count, 0)
  }

  /// Threads that move on while others send to them: every wakeup finds them.
  func testWakeupsFindThreadsThatMove() {
    for (workers, capacity) in [(2, 2), (4, 2), (8, 1)] {
      let rig = Rig(workers: workers, ipiCapacity: capacity)
      let movers = 12
      let rounds = 300
      let ports = (0..<movers).map { _ in rig.port() }
      let moves = Cell(0)
      let received = Cell(0)
      rig.run {
        for number in 0..<movers {
          var random = Seeded(UInt64(number + 1))
          rig.spawn { script, thread in
            while true {
              if script.pc == 1 {
                // Just moved.
                script.pc = 0
                moves.add()
              } else if !script.isWaiting, Int.random(in: 0..<3, using: &random) == 0 {
                let cpu = Int.random(in: 0..<workers, using: &random)
                if cpu != thread.cpu, thread.moveSelf(to: cpu) {
                  script.pc = 1
                  return .wait
                }
              }
              switch script.receive(ports[number], thread) {
              case .wait: return .wait
              case .over: return .fail()
              case .message(let message):
                _ = message.takeNumber()
                received.add()
                script.count += 1
                if script.count == rounds { return .end() }
              }
            }
          }
        }
        for cpu in 0..<workers {
          var options = ThreadOptions()
          options.cpu = cpu
          rig.spawn(options) { script, thread in
            for round in 0..<rounds where round % workers == cpu {
              for port in ports { sendOneWay(round, to: port, from: thread) }
            }
            return .end()
          }
        }
      }
      XCTAssertEqual(received.value, movers * rounds)
      XCTAssertGreaterThan(moves.value, 0)
      XCTAssertEqual(rig.deadlocks.count, 0)
    }
  }

  func testPriorityChangesFromOtherWorkersArrive() {
    let rig = Rig(workers: 4, ipiCapacity: 2)
    rig.run {
      let target = rig.spawn { _, thread in
        // Moves about until it has got the highest priority.
        if thread.pointee.priority == 31 { return .end() }
        let cpu = (thread.cpu + 1) % 4
        return thread.moveSelf(to: cpu) ? .wait : .yield
      }
      for cpu in 0..<4 {
        var options = ThreadOptions()
        options.cpu = cpu
        rig.spawn(options) { script, _ in
          script.count += 1
          target.setPriority(UInt8(script.count < 200 ? script.count % 30 : 31))
          return target.isDead ? .end() : .yield
        }
      }
    }
    XCTAssertEqual(rig.deadlocks.count, 0)
  }

  func testSnapshotsOfABusyHost() {
    let rig = Rig(workers: 4, ipiCapacity: 2)
    let complete = Cell(0)
    rig.run {
      let isOver = Cell(0)
      for number in 0..<40 {
        rig.spawn { script, thread in
          if isOver.value == 1 { return .end() }
          if number % 2 == 0 { return .yield }
          return thread.moveSelf(to: Int.random(in: 0..<4)) ? .wait : .yield
        }
      }
      rig.spawnStraight { thread in
        for _ in 0..<50 {
          let snapshot = rig.state.beginSnapshot()
          while !snapshot.isComplete { block(thread, thread.wait(for: snapshot)) }
          let infos = snapshot.threads
          XCTAssertLessThanOrEqual(infos.count, 41)
          XCTAssertTrue(infos.contains { $0.path == thread.pathName && $0.state == "running" })
          complete.add()
        }
        isOver.set(1)
        return 0
      }
    }
    XCTAssertEqual(complete.value, 50)
  }
}
