// TokenTests.swift: who has a token, who may run, and that everybody gets his turn.

import CLWKT
import Synchronization
import XCTest

@testable import LWKTCore

final class TokenTests: CoreTestCase {
  /// Run `body` as the only thread.
  private func alone(_ body: @escaping (Rig, ThreadRef) -> Void) {
    let rig = Rig(workers: 1)
    rig.run {
      rig.spawnStraight { thread in
        body(rig, thread)
        return 0
      }
    }
    XCTAssertEqual(rig.deadlocks.count, 0)
  }

  func testRecursionAndOrderOfRelease() {
    alone { rig, thread in
      let a = rig.token("a")
      let b = rig.token("b")
      get(thread, a)
      get(thread, b)
      get(thread, a)
      XCTAssertEqual(thread.tokenCount, 3)
      guard case .notLatest(let latest) = thread.releaseToken(b) else { return XCTFail("released") }
      XCTAssertEqual(latest, a)
      XCTAssertNil(thread.releaseToken(a))
      XCTAssertEqual(thread.holds(a), .exclusive)
      guard case .notLatest(b) = thread.releaseToken(a) else { return XCTFail("released") }
      XCTAssertNil(thread.releaseToken(b))
      XCTAssertEqual(thread.holds(b), .none)
      XCTAssertNil(thread.releaseToken(a))
      guard case .notLatest(nil) = thread.releaseToken(a) else { return XCTFail("released") }
      XCTAssertNil(a.pointee.owner)
      XCTAssertNil(thread.isStale(a))
    }
  }

  func testSharedAndExclusiveByOneThread() {
    alone { rig, thread in
      let a = rig.token("a")
      get(thread, a, shared: true)
      get(thread, a, shared: true)
      XCTAssertEqual(thread.holds(a), .shared)
      guard case .failure(.upgrade) = thread.getToken(a, shared: false) else {
        return XCTFail("upgraded")
      }
      XCTAssertFalse(thread.tryToken(a))
      XCTAssertNil(thread.releaseToken(a))
      XCTAssertNil(thread.releaseToken(a))
      XCTAssertEqual(a.pointee.sharers, 0)
      get(thread, a)
      get(thread, a, shared: true)
      XCTAssertEqual(thread.holds(a), .exclusive)
      XCTAssertTrue(thread.tryToken(a))
      thread.releaseTokens(downTo: 0)
      XCTAssertNil(a.pointee.owner)
      XCTAssertEqual(a.pointee.depth, 0)
      XCTAssertEqual(a.pointee.sharers, 0)
    }
  }

  func testSwap() {
    alone { rig, thread in
      let a = rig.token("a")
      let b = rig.token("b")
      get(thread, a)
      XCTAssertFalse(thread.swapTokens())
      get(thread, b)
      XCTAssertTrue(thread.swapTokens())
      XCTAssertNil(thread.releaseToken(a))
      XCTAssertNil(thread.releaseToken(b))
    }
  }

  /// Exclusive below shared, swapped, lost over a wait and regained: in the order that can be had.
  func testAllKindsAreRegainedAfterAWait() {
    alone { rig, thread in
      let a = rig.token("a")
      let b = rig.token("b")
      get(thread, a)
      get(thread, a, shared: true)
      XCTAssertTrue(thread.swapTokens())
      get(thread, b, shared: true)
      get(thread, b, shared: true)
      for _ in 0..<3 {
        let result = thread.tsleep(SleepIdent(high: 1), deadline: later(100_000))
        XCTAssertEqual(block(thread, result), .timedOut)
        XCTAssertEqual(thread.holds(a), .exclusive)
        XCTAssertEqual(thread.holds(b), .shared)
        XCTAssertEqual(b.pointee.sharers, 2)
        XCTAssertEqual(thread.isStale(a), false)
      }
      thread.releaseTokens(downTo: 0)
      XCTAssertNil(a.pointee.owner)
      XCTAssertEqual(b.pointee.sharers, 0)
    }
  }

  func testWhatAThreadWasWokenForSurvivesTheRegain() {
    let rig = Rig(workers: 1)
    rig.run {
      let token = rig.token("a")
      let port = rig.port()
      rig.spawnStraight { thread in
        get(thread, token)
        var message: MessageRef?
        let result = port.receive(thread, deadline: nil, into: &message)
        XCTAssertEqual(block(thread, result), .ready)
        XCTAssertEqual(thread.takeHandedMessage()?.takeNumber(), 42)
        XCTAssertEqual(thread.holds(token), .exclusive)
        XCTAssertEqual(thread.isStale(token), true)
        XCTAssertNil(thread.releaseToken(token))
        return 0
      }
      rig.spawnStraight { thread in
        // Lost by the other while it waits; kept over a send, so that the other must wait for it.
        get(thread, token)
        sendOneWay(42, to: port, from: thread)
        pass()
        pass()
        XCTAssertNil(thread.releaseToken(token))
        return 0
      }
    }
    XCTAssertEqual(rig.deadlocks.count, 0)
  }

  func testYieldingKeepsTokens() {
    let rig = Rig(workers: 1)
    rig.run {
      let token = rig.token("a")
      rig.spawnStraight { thread in
        get(thread, token)
        for _ in 0..<5 { pass() }
        XCTAssertEqual(thread.isStale(token), false)
        XCTAssertNil(thread.releaseToken(token))
        return 0
      }
      rig.spawnStraight { thread in
        XCTAssertFalse(thread.tryToken(token))
        pass()
        XCTAssertFalse(thread.tryToken(token))
        get(thread, token)
        XCTAssertNil(thread.releaseToken(token))
        return 0
      }
    }
  }

  /// What it held before it has again; the token that it waited for it has not.
  func testAnAbortEndsAGet() {
    for workers in [1, 2] {
      let rig = Rig(workers: workers)
      rig.run {
        let token = rig.token("a")
        let before = rig.token("b")
        let holder = Cell(0)
        let waiter = rig.spawnStraight { thread in
          get(thread, before)
          while holder.value == 0 { pass() }
          get(thread, token)
          XCTAssertEqual(thread.pointee.wakeReason, .aborted)
          XCTAssertTrue(thread.isAborted)
          XCTAssertEqual(thread.holds(token), .none)
          XCTAssertEqual(thread.holds(before), .exclusive)
          XCTAssertNil(token.pointee.waitable.waiters.first)
          XCTAssertEqual(thread.tsleep(SleepIdent(high: 1), deadline: nil), .waitOver)
          thread.finishWait()
          holder.set(2)
          return 0
        }
        var options = ThreadOptions()
        options.cpu = workers - 1
        rig.spawnStraight(options) { thread in
          get(thread, token)
          holder.set(1)
          while token.glimpse.waiters == 0 { pass() }
          waiter.abort(Payload())
          while holder.value == 1 { pass() }
          XCTAssertNil(thread.releaseToken(token))
          return 0
        }
      }
      XCTAssertEqual(rig.deadlocks.count, 0)
    }
  }

  /// Aborts, releases and other waiters race: nobody is left behind, nothing stays held.
  func testAbortsOfGetsRaceWithReleases() {
    for workers in [1, 2, 4] {
      let rig = Rig(workers: workers, ipiCapacity: 2)
      let rounds = 600
      let got = Cell(0)
      let aborted = Cell(0)
      let token = rig.token("a")
      let other = rig.token("b")
      rig.run {
        for number in 0..<workers {
          var options = ThreadOptions()
          options.cpu = number
          rig.spawn(options) { routine, thread in
            // A round: one that gets both, and is aborted at some moment.
            if routine.count == rounds { return .end() }
            routine.count += 1
            let count = routine.count
            let victim = rig.spawnStraight(options) { thread in
              get(thread, count % 3 == 0 ? other : token, shared: count % 5 == 0)
              if thread.tokenCount == 1 {
                get(thread, count % 3 == 0 ? token : other, shared: count % 7 == 0)
              }
              if thread.tokenCount == 2 { got.add() } else { aborted.add() }
              if count % 4 == 0 { pass() }
              thread.releaseTokens(downTo: 0)
              return 0
            }
            var elsewhere = options
            elsewhere.cpu = (number + count) % workers
            rig.spawn(elsewhere) { routine, _ in
              routine.count += 1
              if routine.count < count % 3 { return .yield }
              victim.abort(Payload())
              return .end()
            }
            return .yield
          }
        }
      }
      XCTAssertEqual(got.value + aborted.value, workers * rounds)
      XCTAssertEqual(rig.deadlocks.count, 0)
      XCTAssertNil(token.pointee.owner)
      XCTAssertEqual(token.pointee.sharers + other.pointee.sharers, 0)
      XCTAssertEqual(token.glimpse.waiters + other.glimpse.waiters, 0)
    }
  }

  func testAnAbortedThreadDoesNotBeginToWaitForAToken() {
    let rig = Rig(workers: 1)
    rig.run {
      let token = rig.token("a")
      rig.spawnStraight { thread in
        get(thread, token)
        for _ in 0..<4 { pass() }
        XCTAssertNil(thread.releaseToken(token))
        return 0
      }
      rig.spawnStraight { thread in
        thread.abort(Payload())
        guard case .success(.waitOver) = thread.getToken(token, shared: false) else {
          XCTFail("waits")
          return 0
        }
        XCTAssertEqual(thread.finishWait(), .aborted)
        XCTAssertEqual(thread.tokenCount, 0)
        return 0
      }
    }
    XCTAssertEqual(rig.deadlocks.count, 0)
  }

  func testTokensOfAThreadThatEndsAreFree() {
    let rig = Rig(workers: 2)
    rig.run {
      let token = rig.token("a")
      for cpu in 0..<2 {
        var options = ThreadOptions()
        options.cpu = cpu
        for _ in 0..<20 {
          rig.spawnStraight(options) { thread in
            get(thread, token)
            get(thread, token)
            return 0
          }
        }
      }
    }
    XCTAssertEqual(rig.deadlocks.count, 0)
  }

  func testADeadlockOverAMessageNamesTheTokensHolder() {
    // Tokens are given up by a wait, so nobody ever waits for one in a deadlock: whoever waited has
    // it by then, or waits for something else.
    let rig = Rig(workers: 1)
    rig.run {
      let token = rig.token("a")
      for _ in 0..<2 {
        rig.spawnStraight { thread in
          get(thread, token)
          XCTAssertEqual(block(thread, thread.tsleep(SleepIdent(high: 1), deadline: nil)), .aborted)
          return 0
        }
      }
    }
    XCTAssertEqual(rig.deadlocks.count, 1)
    XCTAssertTrue(rig.deadlocks.all.first?.contains("[tsleep]") ?? false)
  }

  // MARK: Storms

  /// Threads that get some of the tokens, in any order, and change what those guard. `guarded[i]` is
  /// changed only under token i, in two steps with a chance for others in between.
  private func storm(workers: Int, threads: Int, tokens count: Int, rounds: Int, seed: Int) {
    let rig = Rig(workers: workers, ipiCapacity: 2)
    let guarded = UnsafeMutablePointer<(Int, Int)>.allocate(capacity: count)
    guarded.initialize(repeating: (0, 0), count: count)
    let changes = Cell(0)
    let wrong = Cell(0)
    let progress = (0..<threads).map { _ in Cell(0) }
    rig.run {
      let tokens = (0..<count).map { rig.token("t\($0)") }
      for number in 0..<threads {
        var options = ThreadOptions()
        options.cpu = number % workers
        var random = Seeded(UInt64(seed * 1000 + number + 1))
        rig.spawnStraight(options) { thread in
          for round in 0..<rounds {
            var held: [Int] = []
            for _ in 0..<Int.random(in: 1...min(3, count), using: &random) {
              let index = Int.random(in: 0..<count, using: &random)
              get(thread, tokens[index])
              held.append(index)
            }
            for index in held { guarded[index].0 += 1 }
            switch Int.random(in: 0..<8, using: &random) {
            case 0: pass()
            case 1:
              for index in held { guarded[index].1 += 1 }
              // Others may have them now, and find the two equal.
              let deadline = later(UInt64.random(in: 0..<20_000, using: &random))
              block(thread, thread.tsleep(SleepIdent(high: 99), deadline: deadline))
              for index in held { guarded[index].0 += 1 }
            default: break
            }
            for index in held {
              guarded[index].1 += 1
              changes.add()
            }
            for index in Set(held) where guarded[index].0 != guarded[index].1 { wrong.add() }
            for index in held.reversed() { XCTAssertNil(thread.releaseToken(tokens[index])) }
            progress[number].set(round + 1)
          }
          return 0
        }
      }
    }
    XCTAssertEqual(wrong.value, 0)
    XCTAssertEqual(rig.deadlocks.count, 0)
    for cell in progress { XCTAssertEqual(cell.value, rounds) }
    for index in 0..<count { XCTAssertEqual(guarded[index].0, guarded[index].1) }
    guarded.deallocate()
  }

  func testStormsOfExclusiveTokens() {
    for (workers, threads, tokens) in [(1, 8, 1), (1, 16, 4), (2, 8, 1), (2, 16, 4), (8, 24, 3)] {
      storm(workers: workers, threads: threads, tokens: tokens, rounds: 400, seed: workers)
    }
  }

  /// Writers exclusively, readers shared: readers never see a change half made.
  func testStormsOfSharedTokens() {
    for workers in [1, 2, 8] {
      let rig = Rig(workers: workers, ipiCapacity: 2)
      let value = UnsafeMutablePointer<(Int, Int)>.allocate(capacity: 1)
      value.initialize(to: (0, 0))
      let torn = Cell(0)
      let readers = Cell(0)
      let mostReaders = Cell(0)
      rig.run {
        let token = rig.token("t")
        let other = rig.token("u")
        for number in 0..<16 {
          var options = ThreadOptions()
          options.cpu = number % workers
          rig.spawnStraight(options) { thread in
            for round in 0..<300 {
              if number % 4 == 0 {
                get(thread, token)
                value.pointee.0 += 1
                if round % 8 == 0 { pass() }
                value.pointee.1 += 1
                XCTAssertNil(thread.releaseToken(token))
              } else {
                get(thread, token, shared: true)
                if round % 5 == 0 { get(thread, other) }
                mostReaders.set(max(mostReaders.value, readers.add()))
                if value.pointee.0 != value.pointee.1 { torn.add() }
                if round % 8 == 0 { pass() }
                if value.pointee.0 != value.pointee.1 { torn.add() }
                readers.add(-1)
                thread.releaseTokens(downTo: 0)
              }
            }
            return 0
          }
        }
      }
      XCTAssertEqual(torn.value, 0)
      XCTAssertEqual(value.pointee.0, 4 * 300)
      XCTAssertGreaterThan(mostReaders.value, 1)
      XCTAssertEqual(rig.deadlocks.count, 0)
      value.deallocate()
    }
  }

  /// One thread wants two tokens that others have all the time, one by one: it gets both.
  func testNobodyStarvesWhoWantsSeveral() {
    for workers in [1, 2, 4] {
      let rig = Rig(workers: workers)
      let got = Cell(0)
      rig.run {
        let tokens = [rig.token("a"), rig.token("b")]
        for number in 0..<8 {
          var options = ThreadOptions()
          options.cpu = number % workers
          rig.spawnStraight(options) { thread in
            // Never without one of them for long, and never waiting but for tokens.
            while got.value < 200 {
              get(thread, tokens[number % 2])
              pass()
              XCTAssertNil(thread.releaseToken(tokens[number % 2]))
            }
            return 0
          }
        }
        rig.spawnStraight { thread in
          for _ in 0..<200 {
            get(thread, tokens[0])
            get(thread, tokens[1])
            got.add()
            thread.releaseTokens(downTo: 0)
          }
          return 0
        }
      }
      XCTAssertEqual(got.value, 200)
      XCTAssertEqual(rig.deadlocks.count, 0)
    }
  }

  /// Run `body` as a thread that holds the first token while another, which holds the second, waits for
  /// the first.
  private func whileAnotherWaits(
    _ isAscending: Bool, _ body: @escaping (ThreadRef, _ wanted: TokenRef, _ kept: TokenRef) -> Void
  ) {
    let rig = Rig(workers: 1)
    rig.run {
      let tokens = [rig.token("a"), rig.token("b")].sorted { ($0 < $1) == isAscending }
      let (kept, wanted) = (tokens[0], tokens[1])
      let other = rig.spawnStraight { thread in
        get(thread, kept)
        while wanted.pointee.owner == nil { pass() }
        get(thread, wanted)
        XCTAssertEqual(thread.holds(kept), .exclusive)
        thread.releaseTokens(downTo: 0)
        return 0
      }
      rig.spawnStraight { thread in
        while kept.pointee.owner == nil { pass() }
        get(thread, wanted)
        while other.pointee.waitKind != .token { pass() }
        body(thread, wanted, kept)
        thread.releaseTokens(downTo: 0)
        return 0
      }
    }
    XCTAssertEqual(rig.deadlocks.count, 0)
  }

  /// Who waits for a token has none of the others, whichever stands first.
  func testWhoWaitsForATokenKeepsNone() {
    for isAscending in [true, false] {
      whileAnotherWaits(isAscending) { thread, _, kept in XCTAssertTrue(thread.tryToken(kept)) }
    }
  }

  /// A thread that was passed over too often keeps what it has while it waits for the rest, but not from
  /// one that would never let go otherwise.
  func testWhatIsKeptComesFreeInTime() {
    whileAnotherWaits(true) { thread, wanted, kept in
      for _ in 0...Token.patience {
        XCTAssertNil(thread.releaseToken(wanted))
        get(thread, wanted)
        pass()
      }
      XCTAssertNotNil(kept.pointee.owner, "passed over and patient yet")
      let end = later(10_000_000_000)
      while !thread.tryToken(kept) {
        if mycpu.readClock() > end { return XCTFail("it is kept for ever") }
        pass()
      }
    }
  }

  /// A writer among readers that always overlap.
  func testAWriterGetsItsTurnAmongReaders() {
    for workers in [1, 2, 4] {
      let rig = Rig(workers: workers)
      let got = Cell(0)
      rig.run {
        let token = rig.token("a")
        for number in 0..<6 {
          var options = ThreadOptions()
          options.cpu = number % workers
          rig.spawnStraight(options) { thread in
            while got.value < 100 {
              get(thread, token, shared: true)
              for _ in 0...(number % 3) { pass() }
              XCTAssertNil(thread.releaseToken(token))
            }
            return 0
          }
        }
        rig.spawnStraight { thread in
          for _ in 0..<100 {
            get(thread, token)
            got.add()
            XCTAssertNil(thread.releaseToken(token))
          }
          return 0
        }
      }
      XCTAssertEqual(got.value, 100)
      XCTAssertEqual(rig.deadlocks.count, 0)
    }
  }

  /// Readers that share twice, and lose both over waits, among writers: the second acquisition never
  /// waits behind a writer who waits for the first.
  func testSharingTwiceAmongWriters() {
    for workers in [1, 2, 4] {
      let rig = Rig(workers: workers)
      let left = Cell(6)
      rig.run {
        let token = rig.token("a")
        for number in 0..<6 {
          var options = ThreadOptions()
          options.cpu = number % workers
          rig.spawnStraight(options) { thread in
            for _ in 0..<200 {
              get(thread, token, shared: true)
              pass()
              get(thread, token, shared: true)
              let result = thread.tsleep(SleepIdent(high: 1), deadline: later(0))
              XCTAssertEqual(block(thread, result), .timedOut)
              XCTAssertEqual(thread.holds(token), .shared)
              thread.releaseTokens(downTo: 0)
            }
            left.add(-1)
            return 0
          }
        }
        for number in 0..<3 {
          var options = ThreadOptions()
          options.cpu = number % workers
          rig.spawnStraight(options) { thread in
            while left.value > 0 {
              get(thread, token)
              pass()
              XCTAssertNil(thread.releaseToken(token))
            }
            return 0
          }
        }
      }
      XCTAssertEqual(left.value, 0)
      XCTAssertEqual(rig.deadlocks.count, 0)
    }
  }
}
