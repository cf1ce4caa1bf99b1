// QueueTests.swift: the run queue and the timer heap, against plain models, at all small sizes.

import CLWKT
import XCTest

@testable import LWKTCore

final class QueueTests: CoreTestCase {
  // MARK: Timers

  /// Every way to add up to seven timers with deadlines of a few values, remove one and pop the rest.
  func testTheHeapOfAllSmallSizes() {
    let timers = UnsafeMutablePointer<LWKTCore.Timer>.allocate(capacity: 7)
    defer { timers.deallocate() }
    for size in 1...7 {
      let values = size < 6 ? size : 3
      let combinations = (0..<size).reduce(1) { product, _ in product * values }
      for combination in 0..<combinations {
        for removed in -1..<size {
          check(size, combination, values, removed, timers)
        }
      }
    }
  }

  private func check(
    _ size: Int, _ combination: Int, _ values: Int, _ removed: Int,
    _ timers: UnsafeMutablePointer<LWKTCore.Timer>
  ) {
    var heap = TimerHeap(capacity: 1)
    var model: [UInt64] = []
    var rest = combination
    for index in 0..<size {
      (timers + index).initialize(to: LWKTCore.Timer(.call))
      timers[index].deadline = UInt64(rest % values)
      rest /= values
      heap.add(timers + index)
      if index != removed { model.append(timers[index].deadline) }
    }
    if removed >= 0 {
      heap.remove(timers + removed)
      XCTAssertFalse(timers[removed].isArmed)
    }
    model.sort()
    XCTAssertEqual(heap.count, model.count)
    XCTAssertEqual(heap.earliest, model.first)
    for deadline in model {
      if deadline > 0 { XCTAssertNil(heap.popDue(deadline - 1)) }
      let timer = heap.popDue(deadline)
      XCTAssertEqual(timer?.pointee.deadline, deadline)
      XCTAssertEqual(timer?.pointee.isArmed, false)
    }
    XCTAssertNil(heap.popDue(.max))
  }

  func testALargeHeapAgainstASortedModel() {
    let capacity = 3000
    let timers = UnsafeMutablePointer<LWKTCore.Timer>.allocate(capacity: capacity)
    defer { timers.deallocate() }
    for index in 0..<capacity {
      (timers + index).initialize(to: LWKTCore.Timer(.call))
    }
    var heap = TimerHeap()
    var armed: Set<Int> = []
    var random = Seeded(7)
    for _ in 0..<40_000 {
      let index = Int.random(in: 0..<capacity, using: &random)
      if armed.contains(index) {
        heap.remove(timers + index)
        armed.remove(index)
      } else if Bool.random(using: &random) || armed.isEmpty {
        timers[index].deadline = UInt64.random(in: 0..<1000, using: &random)
        heap.add(timers + index)
        armed.insert(index)
      } else {
        let earliest = armed.map { timers[$0].deadline }.min()!
        let popped = heap.popDue(earliest)!
        XCTAssertEqual(popped.pointee.deadline, earliest)
        armed.remove(popped - timers)
      }
      XCTAssertEqual(heap.count, armed.count)
    }
  }

  // MARK: The run queue

  func testTheRunQueueAgainstAModel() {
    let rig = Rig(workers: 1)
    let capacity = 40
    var options = ThreadOptions()
    options.noStart = true
    let threads = (0..<capacity).map { _ in rig.spawn(options) { _, _ in .end() } }
    for seed in 1...20 {
      var queue = RunQueue()
      var model: [Int: [ThreadRef]] = [:]
      var arrived: [ThreadRef] = []
      var random = Seeded(UInt64(seed))
      for _ in 0..<3000 {
        let thread = threads[Int.random(in: 0..<capacity, using: &random)]
        let isQueued = thread.pointee.flags.contains(.onRunQueue)
        let priority = Int(thread.pointee.priority)
        switch Int.random(in: 0..<5, using: &random) {
        case 0, 1:
          guard !isQueued else { break }
          let priority = Int.random(in: 0..<32, using: &random) & 0b10011
          thread.pointee.priority = UInt8(priority)
          if Bool.random(using: &random) {
            queue.append(thread)
            model[priority, default: []].append(thread)
          } else {
            queue.prepend(thread)
            model[priority, default: []].insert(thread, at: 0)
          }
          arrived.append(thread)
        case 2 where isQueued:
          queue.remove(thread)
          model[priority]!.removeAll { $0 == thread }
          arrived.removeAll { $0 == thread }
        case 3:
          let best = model.filter { !$0.value.isEmpty }.keys.max()
          XCTAssertEqual(queue.bestPriority, best ?? -1)
          let popped = queue.pop()
          XCTAssertEqual(popped, best.map { model[$0]!.removeFirst() })
          arrived.removeAll { $0 == popped }
        default:
          // Those that could leave, in the order they came.
          XCTAssertEqual(Array(queue.strayThreads), arrived)
        }
        XCTAssertEqual(queue.count, model.values.reduce(0) { $0 + $1.count })
        XCTAssertEqual(queue.strays, queue.count)
      }
      while queue.pop() != nil {}
    }
  }
}
