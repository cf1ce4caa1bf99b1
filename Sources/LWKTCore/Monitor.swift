// Monitor.swift: the kernel thread that watches the workers.
//
// It never touches a thread. Every tick it looks at each worker's public words: has the same thread
// run for a whole quantum while others wait, has an IPI gone unanswered? Then it has the binding signal
// that worker. When a busy worker has a timer it looks just after that is due: a worker that switches
// has seen to it by then, one that does not is signalled. It sleeps when all workers do.
//
// It costs a short program a tenth of its time to be started and waited for, and is not needed while a
// single thread computes. So it is started by whoever first makes something for it to watch: a second
// thread, a time limit, a system call, a worker that falls asleep, one that wants to be called to its
// loop. Until then Ctrl-C sees to itself: its handler arms the hook of preemption.

import CLWKT
import Glibc
import Synchronization

/// Constant after `start` but for the atomics.
final class Monitor: Sendable {
  private nonisolated(unsafe) var kernelThread = pthread_t()
  private enum Life {
    static let none: UInt32 = 0
    static let starting: UInt32 = 1
    static let started: UInt32 = 2
    /// It has been waited for, or is no more needed: nobody starts it again.
    static let over: UInt32 = 3
  }
  private let life = Atomic<UInt32>(Life.none)
  /// A futex: what it sleeps for.
  private nonisolated(unsafe) let sleepWord: UnsafeMutablePointer<Atomic<UInt32>>
  private nonisolated(unsafe) var host: HostRef?

  /// Nanoseconds between two looks, at most and at least.
  static let tick: UInt64 = 2_000_000
  static let leastTick: UInt64 = 200_000
  /// Nanoseconds for which memory must not have been needed to be given back. Queues that fill and empty by
  /// the quantum keep theirs.
  static let trimInterval: UInt64 = 100_000_000
  /// How many nanoseconds after a timer was due its worker is signalled.
  static let grace: UInt64 = 50_000
  /// For how many nanoseconds after the end of draining workers may still be in a turn.
  static let patience: UInt64 = 1_000_000_000

  private enum Sleep {
    static let awake: UInt32 = 0
    /// For the next tick.
    static let ticking: UInt32 = 1
    /// Until a worker is awake again.
    static let deep: UInt32 = 2
  }

  init() {
    sleepWord = .allocate(capacity: 1)
    sleepWord.initialize(to: Atomic(0))
  }

  deinit {
    sleepWord.deinitialize(count: 1)
    sleepWord.deallocate()
  }

  /// See to it that it runs. Any worker, or the kernel thread that makes the host. Without a kernel
  /// thread to be had the next one who asks tries again.
  @inline(__always)
  func start(_ host: HostRef) {
    if life.load(ordering: .relaxed) == Life.none { startFirst(host) }
  }

  /// A release by whoever starts it, for `join`.
  @inline(never)
  private func startFirst(_ host: HostRef) {
    guard
      life.compareExchange(
        expected: Life.none, desired: Life.starting, ordering: .acquiring
      ).exchanged
    else { return }
    self.host = host
    let me = Unmanaged.passUnretained(self).toOpaque()
    let error = pthread_create(
      &kernelThread, nil,
      { raw in
        Unmanaged<Monitor>.fromOpaque(raw.unsafelyUnwrapped).takeUnretainedValue().watch()
        return nil
      }, me)
    life.store(error == 0 ? Life.started : Life.none, ordering: .releasing)
  }

  /// Wait until it has ended, which it does when the host has stopped and every loop is left: until
  /// then threads may have to be made to let go. After every loop has been left, so that it is started
  /// by nobody but a foreign kernel thread that makes a thread too late, if anybody.
  func join() {
    var last = life.load(ordering: .acquiring)
    while true {
      if last == Life.starting {
        lwkt_thread_yield()
        last = life.load(ordering: .acquiring)
        continue
      }
      let turned = life.compareExchange(
        expected: last, desired: Life.over, ordering: .acquiringAndReleasing)
      if turned.exchanged { break }
      last = turned.original
    }
    if last == Life.started { pthread_join(kernelThread, nil) }
  }

  /// Have it look now. Any kernel thread; async-signal-safe.
  func wake() {
    let sleep = sleepWord.pointee.exchange(Sleep.awake, ordering: .sequentiallyConsistent)
    if sleep != Sleep.awake { lwkt_futex_wake(sleepWord, 1) }
  }

  /// A worker is awake where none was: look at every tick again. Any kernel thread.
  func resumeTicking() {
    if sleepWord.pointee.load(ordering: .sequentiallyConsistent) == Sleep.deep { wake() }
  }

  /// Ctrl-C ends its sleep; before it is started, it calls worker 0 to its loop.
  func catchInterrupt(_ host: HostRef) {
    let attention = withUnsafePointer(to: host.shared(0).pointee.attention) { $0 }
    lwkt_prepare_interruption()
    lwkt_catch_interrupt(sleepWord, UnsafeMutableRawPointer(mutating: attention))
  }

  /// What was last seen of one worker.
  private struct Seen {
    var switches: UInt64 = 0
    /// Since when it has been in the same turn; 0 before the first look.
    var since: UInt64 = 0
    /// When it was last signalled, and the timer that was the earliest then: it is not signalled for
    /// that one again until a tick later.
    var pressed: UInt64 = 0
    var pressedFor: UInt64 = 0
    /// The earliest timer at the last look.
    var due: UInt64 = .max

    /// For how many nanoseconds the worker has been in its present turn.
    func turn(_ shared: UnsafeMutablePointer<CPUShared>, _ now: UInt64) -> UInt64 {
      shared.pointee.isBusy.load(ordering: .relaxed) && since != 0 ? now - since : 0
    }
  }

  /// How soon it looks again if there is a worker to spare while others are busy: soon after threads
  /// have begun to wait there, and after some have moved, then ever later. So a program that begins to
  /// compute has all its workers within the millisecond, and one that cannot be spread costs little.
  private struct Haste {
    private var pause = Monitor.leastTick
    private var someWaited = false
    private var moved: UInt64 = 0

    mutating func pause(_ host: HostRef) -> UInt64 {
      let started = host.pointee.startedWorkers.load(ordering: .acquiring)
      var hasSpare = started < host.pointee.workerCount
      var isBusy = false
      var someWait = false
      var moved: UInt64 = 0
      for cpu in 0..<started {
        let shared = host.shared(cpu)
        if shared.pointee.isBusy.load(ordering: .relaxed) {
          isBusy = true
          if shared.pointee.load.load(ordering: .relaxed) > 0 { someWait = true }
        } else {
          hasSpare = true
        }
        moved += shared.pointee.counters.get(.threadsGiven)
      }
      let isNews = moved != self.moved || (someWait && !someWaited)
      self.moved = moved
      someWaited = someWait
      guard hasSpare, isBusy else { return Monitor.tick }
      pause = isNews ? Monitor.leastTick : min(2 * pause, Monitor.tick / 2)
      return pause
    }
  }

  /// Until every worker has left its loop: one that computes on after `stop` must be told to let go
  /// like any other.
  private func watch() {
    lwkt_block_all_signals()
    lwkt_be_prompt()
    guard let host else { return }
    var seen = [Seen](repeating: Seen(), count: host.pointee.workerCount)
    var quietTicks = 0
    var pause = Monitor.leastTick
    var haste = Haste()
    var wayOut = WayOut()
    var examineAt = lwkt_nanotime() + HostRef.examinationInterval
    var trimAt = lwkt_nanotime() + Monitor.trimInterval
    var hasSpareMemory = true
    while sleep(
      pause, deeply: quietTicks > 4, examineAt, trimAt: hasSpareMemory ? trimAt : .max, host)
    {
      quietTicks = host.pointee.active.load(ordering: .acquiring) == 0 ? quietTicks + 1 : 0
      if quietTicks == 0 { hasSpareMemory = true }
      if lwkt_take_interrupt() { host.interruptMain() }
      let now = lwkt_nanotime()
      if now >= examineAt {
        examineAt = now + HostRef.examinationInterval
        host.askForExamination()
      }
      if now >= trimAt {
        trimAt = now + Monitor.trimInterval
        hasSpareMemory = lwkt_spans_trim()
      }
      var next = now + haste.pause(host)
      for cpu in 0..<host.pointee.startedWorkers.load(ordering: .acquiring) {
        look(host, cpu, now, &seen[cpu])
        next = min(next, whenToLook(host.shared(cpu), now, &seen[cpu]))
      }
      pause = max(next, now + Monitor.leastTick) - now
      let unheard = host.pressInterrupt()
      if let cpu = unheard, now &- seen[cpu].since >= 2 * Monitor.tick { host.endBlocking(cpu) }
      if lwkt_keeps_process(), let cpu = host.interruptibleCpu {
        wayOut.look(now, isUnheard: unheard != nil, stuckFor: seen[cpu].turn(host.shared(cpu), now))
      }
      if now > host.pointee.drainDeadline.load(ordering: .acquiring),
        host.pointee.phase.load(ordering: .acquiring) == HostPhase.draining
      {
        host.stop()
      }
      leaveIfStuck(host, now)
    }
  }

  /// A hook or a finaliser that never ends holds its worker: Lua calls no hook there that could take it
  /// back. A second after the end of draining the process leaves without it.
  private func leaveIfStuck(_ host: HostRef, _ now: UInt64) {
    let deadline = host.pointee.drainDeadline.load(ordering: .acquiring)
    guard deadline != .max, now > deadline + Monitor.patience,
      host.pointee.phase.load(ordering: .acquiring) == HostPhase.stopped, !host.allLoopsEnded,
      let leave = host.pointee.leaveWithout
    else { return }
    let started = host.pointee.startedWorkers.load(ordering: .acquiring)
    let cpu = (0..<started).first { host.shared($0).pointee.isBusy.load(ordering: .relaxed) } ?? 0
    leave(cpu, pthread_t(host.shared(cpu).pointee.kernelThread.load(ordering: .relaxed)))
  }

  /// Sleep for `pause`, or deeply: until a worker wakes, or until `trimAt`, or, if there are heaps to look
  /// through, until `examineAt`. False when there is nothing left to watch. What is asked after the store
  /// to `sleepWord` was changed before a waker's look at it, or is seen.
  private func sleep(
    _ pause: UInt64, deeply: Bool, _ examineAt: UInt64, trimAt: UInt64, _ host: HostRef
  ) -> Bool {
    let kind = deeply ? Sleep.deep : Sleep.ticking
    sleepWord.pointee.store(kind, ordering: .sequentiallyConsistent)
    defer { sleepWord.pointee.store(Sleep.awake, ordering: .relaxed) }
    let phase = host.pointee.phase.load(ordering: .sequentiallyConsistent)
    if phase == HostPhase.stopped, host.allLoopsEnded { return false }
    // Ctrl-C between the last look and the store: its wake-up found nobody asleep.
    if lwkt_was_interrupted() { return true }
    if !deeply {
      _ = lwkt_futex_wait(sleepWord, kind, Int64(pause))
    } else if phase == HostPhase.running,
      host.pointee.active.load(ordering: .sequentiallyConsistent) == 0
    {
      let now = lwkt_nanotime()
      let until = min(trimAt, host.hasUnexaminedHeaps ? examineAt : .max)
      let left = until == .max ? -1 : Int64(until > now ? until - now : 0)
      _ = lwkt_futex_wait(sleepWord, kind, left)
    } else {
      _ = lwkt_futex_wait(sleepWord, kind, Int64(Monitor.tick))
    }
    return true
  }

  private func look(_ host: HostRef, _ cpu: Int, _ now: UInt64, _ seen: inout Seen) {
    let shared = host.shared(cpu)
    let switches = shared.pointee.counters.get(.switches)
    let isBusy = shared.pointee.isBusy.load(ordering: .relaxed)
    let isAsked = shared.pointee.attention.load(ordering: .relaxed)
    let due = shared.pointee.nextDeadline.load(ordering: .relaxed)
    let isLate =
      isBusy && due <= now && (due != seen.pressedFor || now - seen.pressed >= Monitor.tick)
    if isLate { shared.pointee.attention.store(true, ordering: .releasing) }
    if switches != seen.switches || !isBusy || seen.since == 0 {
      seen.switches = switches
      seen.since = now
      if isLate, now - due >= Monitor.grace { press(host, cpu, now, due, &seen) }
      return
    }
    let wanted =
      host.isDraining || shared.pointee.load.load(ordering: .relaxed) > 0
      || shared.pointee.inFlight.load(ordering: .relaxed) > 0
    if wanted { callForHelp(host, cpu, isLong: now &- seen.since >= host.pointee.policy.quantum) }
    // Whoever steers says himself when a thread is preempted.
    guard host.pointee.policy.steering == nil || host.isDraining else { return }
    if isAsked || isLate || (wanted && now &- seen.since >= host.pointee.policy.quantum) {
      shared.pointee.attention.store(true, ordering: .releasing)
      press(host, cpu, now, due, &seen)
    }
  }

  private func press(
    _ host: HostRef, _ cpu: Int, _ now: UInt64, _ due: UInt64, _ seen: inout Seen
  ) {
    seen.pressed = now
    seen.pressedFor = due
    host.preemptWorker(cpu)
  }

  /// When a worker's timers want it looked at: `.max` if it sees to them itself, between two threads
  /// or asleep. Who was just signalled is looked at soon, to learn of the timer that comes next; so is
  /// one that has none any more since that was due, as its thread may be about to sleep again.
  private func whenToLook(
    _ shared: UnsafeMutablePointer<CPUShared>, _ now: UInt64, _ seen: inout Seen
  ) -> UInt64 {
    guard shared.pointee.isBusy.load(ordering: .relaxed) else { return .max }
    let last = seen.due
    seen.due = shared.pointee.nextDeadline.load(ordering: .relaxed)
    if seen.due == .max { return last <= now ? now : .max }
    if seen.due != seen.pressedFor { return seen.due + Monitor.grace }
    return seen.pressed == now ? now : seen.pressed + Monitor.tick
  }

  /// A worker computes while its threads wait: somebody who sleeps might take some. Workers beyond the
  /// cores have time then only if other programs leave it to them: they are called when a thread has
  /// run for a whole quantum.
  private func callForHelp(_ host: HostRef, _ busy: Int, isLong: Bool) {
    let started = host.pointee.startedWorkers.load(ordering: .acquiring)
    let workers = host.pointee.workerCount
    let limit = isLong ? workers : min(host.pointee.cores, workers)
    if started < limit { host.startWorkers(through: limit - 1) }
    guard host.pointee.active.load(ordering: .relaxed) < limit else { return }
    for cpu in 0..<started
    where cpu != busy
      && host.shared(cpu).pointee.sleepState.load(ordering: .relaxed) != CPUShared.SleepState.awake
    {
      return host.prod(cpu)
    }
  }
}

extension UnsafeMutablePointer where Pointee == HostState {
  /// Ctrl-C raises an error in the main thread. Before the program begins; `thread` stays for ever.
  public func catchInterrupt(for thread: ThreadRef) {
    thread.object.retainObject()
    pointee.mainThread.store(UInt(bitPattern: thread), ordering: .releasing)
    pointee.monitor.catchInterrupt(self)
  }

  /// Is this the thread that Ctrl-C is for?
  func isInterruptible(_ thread: ThreadRef) -> Bool {
    pointee.mainThread.load(ordering: .relaxed) == UInt(bitPattern: thread)
  }

  /// The monitor: Ctrl-C has come.
  func interruptMain() {
    guard let thread = ThreadRef(bitPattern: pointee.mainThread.load(ordering: .acquiring)) else {
      return
    }
    thread.interrupt()
    urge(thread)
  }

  /// Ctrl-C is for a thread that may stand behind a thousand others: it goes first until it has taken
  /// note. Any kernel thread; the thread is there for ever.
  private func urge(_ thread: ThreadRef) {
    nonisolated(unsafe) let (host, thread) = (self, thread)
    post(
      InboxEntryBox.ipi {
        guard thread.cpu == mycpu.pointee.cpu else { return host.urge(thread) }
        guard thread.pointee.interrupted.load(ordering: .acquiring) else { return }
        let calm = thread.pointee.calmPriority ?? thread.pointee.priority
        thread.setPriorityLocally(Thread.highestPriority)
        thread.pointee.calmPriority = calm
        thread.pointee.calmAfter = .max
      }, to: thread.cpu)
  }

  /// The monitor: a main thread that computes is reached by preempting its worker until it runs. Which
  /// worker that is; nil if nobody waits to be told of Ctrl-C.
  func pressInterrupt() -> Int? {
    guard let thread = ThreadRef(bitPattern: pointee.mainThread.load(ordering: .acquiring)),
      thread.pointee.interrupted.load(ordering: .acquiring)
    else { return nil }
    let cpu = thread.cpu
    preemptWorker(cpu)
    return cpu
  }

  /// The worker of the thread that Ctrl-C is for.
  var interruptibleCpu: Int? {
    ThreadRef(bitPattern: pointee.mainThread.load(ordering: .acquiring))?.cpu
  }

  /// The monitor: whoever still has the worker that Ctrl-C's thread is on blocks it, in `io.read` perhaps.
  /// That ends with EINTR, as it does in the kernel thread that the signal itself has come to.
  func endBlocking(_ cpu: Int) {
    guard shared(cpu).pointee.isBusy.load(ordering: .relaxed) else { return }
    lwkt_interrupt(shared(cpu).pointee.kernelThread.load(ordering: .relaxed))
  }

  /// Signal worker `cpu` that its thread should let go. The monitor, or another worker in its loop, which
  /// `cpu` waits for before it ends.
  func preemptWorker(_ cpu: Int) {
    guard pointee.globalSlot(cpu).pointee.load(ordering: .acquiring) != 0 else { return }
    pointee.binding.preempt(pthread_t(shared(cpu).pointee.kernelThread.load(ordering: .relaxed)))
  }
}
