// Monitor.swift: the kernel thread that watches the workers.
//
// It never touches a thread. Every tick it looks at each worker's public words: has the same thread
// run for a whole quantum while others wait, is a timer due, has an IPI gone unanswered? Then it has
// the binding signal that worker. It sleeps when all workers do.

import CLWKT
import Glibc
import Synchronization

/// Constant after `start` but for the atomics.
final class Monitor: Sendable {
  private nonisolated(unsafe) var kernelThread = pthread_t()
  private let isStarted = Atomic<Bool>(false)
  /// 1 while it sleeps without a tick; a futex.
  private nonisolated(unsafe) let sleepWord: UnsafeMutablePointer<Atomic<UInt32>>
  private nonisolated(unsafe) var host: HostRef?

  /// Nanoseconds between two looks.
  static let tick: UInt64 = 2_000_000

  init() {
    sleepWord = .allocate(capacity: 1)
    sleepWord.initialize(to: Atomic(0))
  }

  deinit {
    sleepWord.deinitialize(count: 1)
    sleepWord.deallocate()
  }

  /// The kernel thread that makes the host.
  func start(_ host: HostRef) {
    self.host = host
    let me = Unmanaged.passUnretained(self).toOpaque()
    let error = pthread_create(&kernelThread, nil, { raw in
      Unmanaged<Monitor>.fromOpaque(raw.unsafelyUnwrapped).takeUnretainedValue().watch()
      return nil
    }, me)
    precondition(error == 0, "cannot create the monitor's kernel thread")
    isStarted.store(true, ordering: .releasing)
  }

  /// Wait until it has ended, which it does when the host has stopped and every loop is left: until
  /// then threads may have to be made to let go.
  func join() {
    guard isStarted.exchange(false, ordering: .acquiringAndReleasing) else { return }
    pthread_join(kernelThread, nil)
  }

  /// End its sleep. Any kernel thread; async-signal-safe.
  func wake() {
    if sleepWord.pointee.exchange(0, ordering: .sequentiallyConsistent) == 1 {
      lwkt_futex_wake(sleepWord, 1)
    }
  }

  /// What was last seen of one worker.
  private struct Seen {
    var switches: UInt64 = 0
    var since: UInt64 = 0
  }

  private func watch() {
    lwkt_block_all_signals()
    guard let host else { return }
    var seen = [Seen](repeating: Seen(), count: host.pointee.workerCount)
    var quietTicks = 0
    while host.pointee.loops.load(ordering: .acquiring) > 0
      || host.pointee.phase.load(ordering: .acquiring) != HostPhase.stopped
    {
      if host.pointee.active.load(ordering: .acquiring) == 0 {
        quietTicks += 1
      } else {
        quietTicks = 0
      }
      if quietTicks > 4 {
        sleepDeeply(host)
        continue
      }
      _ = lwkt_futex_wait(sleepWord, 0, Int64(Monitor.tick))
      let now = lwkt_nanotime()
      for cpu in 0..<host.pointee.startedWorkers.load(ordering: .acquiring) {
        look(host, cpu, now, &seen[cpu])
      }
      if now > host.pointee.drainDeadline.load(ordering: .acquiring),
        host.pointee.phase.load(ordering: .acquiring) == HostPhase.draining
      {
        host.stop()
      }
    }
  }

  private func sleepDeeply(_ host: HostRef) {
    sleepWord.pointee.store(1, ordering: .sequentiallyConsistent)
    if host.pointee.active.load(ordering: .sequentiallyConsistent) == 0,
      host.pointee.phase.load(ordering: .sequentiallyConsistent) == HostPhase.running
    {
      _ = lwkt_futex_wait(sleepWord, 1, -1)
    }
    sleepWord.pointee.store(0, ordering: .sequentiallyConsistent)
  }

  private func look(_ host: HostRef, _ cpu: Int, _ now: UInt64, _ seen: inout Seen) {
    let shared = host.shared(cpu)
    let switches = shared.pointee.counters.get(.switches)
    let isDue = shared.pointee.nextDeadline.load(ordering: .relaxed) <= now
    if switches != seen.switches {
      seen.switches = switches
      seen.since = now
      if isDue { shared.pointee.attention.store(true, ordering: .releasing) }
      return
    }
    guard shared.pointee.isBusy.load(ordering: .relaxed) else {
      seen.since = now
      return
    }
    let isAsked = shared.pointee.attention.load(ordering: .relaxed)
    let wanted = host.isDraining || shared.pointee.load.load(ordering: .relaxed) > 0
      || shared.pointee.inFlight.load(ordering: .relaxed) > 0
    if wanted, host.pointee.startedWorkers.load(ordering: .relaxed) < host.pointee.workerCount {
      host.startMoreWorkers()
    }
    if wanted { wakeAnIdleWorker(host, besides: cpu) }
    guard isDue || isAsked || (wanted && now &- seen.since >= host.pointee.policy.quantum) else {
      return
    }
    shared.pointee.attention.store(true, ordering: .releasing)
    host.preemptWorker(cpu)
  }

  /// A worker computes while its threads wait: somebody who sleeps might take some.
  private func wakeAnIdleWorker(_ host: HostRef, besides busy: Int) {
    for cpu in 0..<host.pointee.startedWorkers.load(ordering: .acquiring)
    where cpu != busy
      && host.shared(cpu).pointee.sleepState.load(ordering: .relaxed) != CPUShared.SleepState.awake
    {
      return host.prod(cpu)
    }
  }
}

extension UnsafeMutablePointer where Pointee == HostState {
  /// Signal worker `cpu` that its thread should let go. The monitor.
  func preemptWorker(_ cpu: Int) {
    guard pointee.globalSlot(cpu).pointee.load(ordering: .acquiring) != 0 else { return }
    pointee.binding.preempt(pthread_t(shared(cpu).pointee.kernelThread.load(ordering: .relaxed)))
  }
}
