// WorldStop.swift: an instant in which no worker touches what threads share.
//
// One worker asks, from its loop; every other one either sleeps on its word, and will look around
// before it does anything else when it wakes, or stops in its own loop until the asker is done. One that
// cannot be had soon, because its thread is deep in some C function, is not waited for: the asker lets
// the others go and comes back another time.

import CLWKT
import Synchronization

/// How long to wait for the others: nanoseconds.
private let patience: UInt64 = 5_000_000

extension UnsafeMutablePointer where Pointee == GlobalData {
  /// Run `body` while no other worker runs a thread or serves its queues. False, and nothing done, if
  /// they could not be stopped. Own worker, in the loop.
  func withWorldStopped(_ body: () -> Void) -> Bool {
    let host = pointee.host
    // Nobody starts a worker meanwhile.
    host.pointee.lifeLock.lock()
    defer { host.pointee.lifeLock.unlock() }
    guard host.pointee.phase.load(ordering: .acquiring) == HostPhase.running,
      host.pointee.worldStop.compareExchange(
        expected: 0, desired: 1, ordering: .sequentiallyConsistent
      ).exchanged
    else { return false }
    defer {
      host.pointee.worldStop.store(0, ordering: .sequentiallyConsistent)
      lwkt_futex_wake(host.worldStopWord, Int32.max)
    }
    let started = host.pointee.startedWorkers.load(ordering: .acquiring)
    for cpu in 0..<started where cpu != pointee.cpu { host.askToStop(cpu) }
    let end = lwkt_nanotime() + patience
    for cpu in 0..<started where cpu != pointee.cpu {
      while !host.hasStopped(cpu) {
        if lwkt_nanotime() > end { return false }
        lwkt_thread_yield()
      }
    }
    body()
    return true
  }

  /// Somebody wants the world to stop: until it goes on, this worker does nothing. Own worker, in the
  /// loop, between two threads.
  @inline(__always)
  func stopIfAsked() {
    let host = pointee.host
    if host.pointee.worldStop.load(ordering: .sequentiallyConsistent) != 0 { stopUntilTold() }
  }

  @inline(never)
  private func stopUntilTold() {
    let host = pointee.host
    let isStopped = withUnsafePointer(to: pointee.shared.pointee.isStopped) { $0 }
    repeat {
      isStopped.pointee.store(true, ordering: .sequentiallyConsistent)
      while host.pointee.worldStop.load(ordering: .sequentiallyConsistent) != 0 {
        _ = lwkt_futex_wait(host.worldStopWord, 1, -1)
      }
      isStopped.pointee.store(false, ordering: .sequentiallyConsistent)
      // Another may have asked before that was seen, and counts on it.
    } while host.pointee.worldStop.load(ordering: .sequentiallyConsistent) != 0
  }
}

extension UnsafeMutablePointer where Pointee == HostState {
  fileprivate var worldStopWord: UnsafeRawPointer {
    withUnsafePointer(to: pointee.worldStop) { UnsafeRawPointer($0) }
  }

  /// A worker that sleeps on its word is left asleep.
  fileprivate func askToStop(_ cpu: Int) {
    let target = shared(cpu)
    target.pointee.attention.store(true, ordering: .sequentiallyConsistent)
    if target.pointee.sleepState.load(ordering: .sequentiallyConsistent)
      != CPUShared.SleepState.onWord
    {
      wake(cpu)
      if target.pointee.isBusy.load(ordering: .relaxed) { preemptWorker(cpu) }
    }
  }

  /// Sequentially consistent: what the worker did before is done, and see `stopUntilTold`. One that sleeps on its word is asked by an exchange
  /// with the same value, so that when it wakes it sees the `attention` that was set before.
  fileprivate func hasStopped(_ cpu: Int) -> Bool {
    let target = shared(cpu)
    if target.pointee.isStopped.load(ordering: .sequentiallyConsistent) { return true }
    let asleep = CPUShared.SleepState.onWord
    return target.pointee.sleepState.compareExchange(
      expected: asleep, desired: asleep, ordering: .sequentiallyConsistent
    ).exchanged
  }
}
