// GatheringTests.swift: threads that talk to each other come together, and spare workers stay asleep.

import CLWKT
import Synchronization
import XCTest

@testable import LWKTCore

final class GatheringTests: CoreTestCase {
  /// A number goes round threads that begin on all workers, piece by piece: in the end they are on one.
  /// Their turns are short by the policy's clock, however slow the machine is.
  func testARingComesToOneWorker() {
    for workers in [2, 4] {
      let clock = Cell<Int>(1)
      let rig = Rig(
        workers: workers, policy: Policy(now: { UInt64(clock.value) }, quantum: 60_000_000_000))
      let size = 12
      let rounds = Cell(0)
      let most = 100_000
      rig.run {
        let ports = (0..<size).map { _ in rig.port() }
        let threads = Log<UInt>()
        let settled = Cell(0)
        for number in 0..<size {
          let thread = rig.spawn { script, thread in
            clock.add(100)
            if script.pc == 0 {
              script.pc = 1
              let home = number * workers / size
              if home != thread.cpu, thread.moveSelf(to: home) { return .wait }
            }
            if script.pc == 1 {
              script.pc = 2
              if settled.add() == size { sendOneWay(1, to: ports[0], from: thread) }
            }
            while true {
              switch script.receive(ports[number], thread) {
              case .wait: return .wait
              case .over: return .fail()
              case .message(let message):
                var isOn = message.takeNumber()
                if number == 0, isOn == 1 {
                  let home = thread.cpu
                  let areTogether = threads.all.allSatisfy {
                    ThreadRef(bitPattern: $0)!.cpu == home
                  }
                  if areTogether || rounds.add() == most { isOn = 0 }
                }
                if isOn == 1 || number < size - 1 {
                  sendOneWay(isOn, to: ports[(number + 1) % size], from: thread)
                }
                if isOn == 0 { return .end() }
              }
            }
          }
          threads.add(UInt(bitPattern: thread))
        }
      }
      XCTAssertLessThan(rounds.value, most, "\(workers) workers")
    }
  }

  /// A thread that computes wakes another worker again and again for short turns. If that one's thread
  /// came to it, it would have to wait for the end of the turn.
  func testNobodyJoinsAWakerThatComputes() {
    let rig = Rig(workers: 2)
    let heard = Cell(0)
    let hasMoved = Cell(0)
    rig.run {
      let port = rig.port()
      let listener = rig.spawn { script, thread in
        if script.pc == 0 {
          script.pc = 1
          if thread.cpu != 1, thread.moveSelf(to: 1) { return .wait }
        }
        while true {
          switch script.receive(port, thread) {
          case .wait: return .wait
          case .over: return .fail()
          case .message(let message):
            if message.takeNumber() == 0 { return .end() }
            heard.add()
          }
        }
      }
      rig.spawn { _, thread in
        // On its worker and waiting: now the turn begins that does not end.
        if listener.cpu != 1 || listener.pointee.waitKind != .receive { return .yield }
        for count in 1...200 {
          sendOneWay(1, to: port, from: thread)
          while heard.value < count, hasMoved.value == 0 {
            if listener.cpu != 1 { hasMoved.set(1) }
            lwkt_cpu_pause()
          }
        }
        sendOneWay(0, to: port, from: thread)
        return .end()
      }
    }
    XCTAssertEqual(hasMoved.value, 0)
  }

  /// Threads whose turns are short, by the policy's clock, are worth no more workers than cores; those
  /// that compute have all.
  func testWorkersBeyondTheCoresAreForLongTurns() {
    for (turn, isLong) in [(100 as UInt64, false), (50_000, true)] {
      let clock = Cell<Int>(1)
      let cores = LWKTCore.Host.usableCPUs
      let workers = cores + 2
      // The monitor, whose clock is another, calls nobody before a thread has run for so long.
      let policy = Policy(
        now: { UInt64(clock.value) }, quantum: isLong ? 4_000_000 : 60_000_000_000)
      let rig = Rig(workers: workers, policy: policy)
      let seen = Cell(0)
      rig.run {
        for _ in 0..<64 {
          rig.spawn { script, _ in
            clock.add(Int(turn))
            seen.set(rig.state.pointee.startedWorkers.load(ordering: .relaxed))
            script.count += 1
            return (isLong ? seen.value == workers : script.count == 3000) ? .end() : .yield
          }
        }
      }
      XCTAssertEqual(seen.value, isLong ? workers : cores)
    }
  }

  /// For one thread that runs for an instant a domain is not moved in which a hundred others wait.
  func testACrowdThatWaitsIsNotMovedForAShortTurn() {
    let clock = Cell<Int>(1)
    let rig = Rig(workers: 2, policy: Policy(now: { UInt64(clock.value) }, quantum: 60_000_000_000))
    var given: UInt64 = 0
    rig.run {
      let ident = SleepIdent(high: 1)
      let ended = Cell(0)
      let crowd = Group()
      for _ in 0..<100 {
        rig.spawn(group: crowd) { script, thread in
          script.pc += 1
          if script.pc > 1 {
            thread.finishWait()
            return .end()
          }
          return thread.tsleep(ident, deadline: nil) == .waiting ? .wait : .fail()
        }
      }
      for group in [crowd, Group()] {
        rig.spawn(group: group) { script, thread in
          clock.add(100)
          script.count += 1
          if script.count < 20_000 { return .yield }
          if ended.add() < 2 { return .end() }
          for cpu in 0..<2 { given += rig.state.shared(cpu).pointee.counters.get(.threadsGiven) }
          rig.state.wakeup(ident)
          return .end()
        }
      }
    }
    XCTAssertLessThan(given, 100)
  }

  /// A pair that has been parted comes together although both workers have others to run.
  func testAPairComesTogetherOnBusyWorkers() {
    let clock = Cell<Int>(1)
    let rig = Rig(workers: 2, policy: Policy(now: { UInt64(clock.value) }, quantum: 60_000_000_000))
    let areTogether = Cell(0)
    let rounds = Cell(0)
    let most = 200_000
    rig.run {
      let ports = [rig.port(), rig.port()]
      var partners: [ThreadRef] = []
      for number in 0..<2 {
        let thread = rig.spawn { script, thread in
          if script.pc == 0 {
            script.pc = 1
            if number != thread.cpu, thread.moveSelf(to: number) { return .wait }
          }
          if script.pc == 1 {
            script.pc = 2
            if number == 0 { sendOneWay(1, to: ports[1], from: thread) }
          }
          while true {
            switch script.receive(ports[number], thread) {
            case .wait: return .wait
            case .over: return .fail()
            case .message(let message):
              var isOn = message.takeNumber()
              clock.add(100)
              if number == 0, isOn == 1 {
                if partners[0].cpu == partners[1].cpu { areTogether.set(1) }
                if areTogether.value == 1 || rounds.add() == most { isOn = 0 }
              }
              if isOn == 1 || number == 0 { sendOneWay(isOn, to: ports[1 - number], from: thread) }
              if isOn == 0 {
                areTogether.add(2)
                return .end()
              }
            }
          }
        }
        partners.append(thread)
      }
      // Two on each that only give way, so that none of the workers is ever idle.
      for number in 0..<4 {
        var options = ThreadOptions()
        options.cpu = number % 2
        rig.spawn(options) { _, _ in
          clock.add(100)
          return areTogether.value >= 2 ? .end() : .yield
        }
      }
    }
    XCTAssertLessThan(rounds.value, most)
  }
}
