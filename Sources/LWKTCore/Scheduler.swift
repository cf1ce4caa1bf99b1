// Scheduler.swift: a worker's loop, and how threads become runnable.
//
// The loop is the switch. It takes the best runnable thread, calls the binding's `run`, which comes
// back when the thread yields, is preempted, waits or ends, and looks for the next. Between threads
// it attends to what others have left: IPIs, the clock, completed system calls.

import CLWKT
import Glibc
import Synchronization

/// How a thread's turn ended.
public enum RunOutcome: Int32, Sendable {
  /// It gave way and is runnable still.
  case yielded
  /// Its quantum was over; it is runnable still.
  case preempted
  /// It is registered with what it waits for (and may have been woken already).
  case waiting
  /// It is over: `finish` has been called.
  case ended
}

// MARK: schedule

/// Make a thread runnable whose wait the caller has claimed. Any kernel thread, no lock held.
@inline(__always)
public func lwktSchedule(_ thread: ThreadRef) {
  guard let gd = mycpuIfWorker else { return scheduleFromOutside(thread) }
  if thread.cpu == gd.pointee.cpu {
    gd.scheduleLocally(thread)
  } else {
    gd.sendIPI(IPI(.schedule, thread, UInt(gd.pointee.cpu) + 1), to: thread.cpu)
  }
}

/// Make the threads runnable that are chained by `runNext`, the one that was put in first first.
@inline(__always)
func scheduleChain(_ newest: ThreadRef?) {
  guard let newest else { return }
  if newest.pointee.runNext == nil { return lwktSchedule(newest) }
  scheduleReversed(newest)
}

@inline(never)
private func scheduleReversed(_ newest: ThreadRef) {
  var ordered: ThreadRef?
  var next: ThreadRef? = newest
  while let thread = next {
    next = thread.pointee.runNext
    thread.pointee.runNext = ordered
    ordered = thread
  }
  while let thread = ordered {
    ordered = thread.pointee.runNext
    lwktSchedule(thread)
  }
}

@inline(never)
private func scheduleFromOutside(_ thread: ThreadRef) {
  thread.pointee.host.post(IPI(.schedule, thread), to: thread.cpu)
}

extension UnsafeMutablePointer where Pointee == GlobalData {
  /// Own worker; the thread is this worker's.
  @inline(__always)
  func scheduleLocally(_ thread: ThreadRef) {
    if let domain = thread.domain {
      domain.pointee.farWakings = 0
      if !domain.pointee.isAdopted {
        thread.pointee.flags.insert(.wokenInTransit)
        return
      }
    }
    note(.wake, thread.object)
    pointee.runQueue.append(thread)
    publishLoad()
    if let current = lwktCurrentThread(), thread.pointee.priority > current.pointee.priority {
      pointee.host.pointee.binding.requestSwitch()
    }
  }

  /// The IPI half of schedule. The thread may have moved on: chase it.
  /// `waker` is 1 + the worker that sent it first, 0 for none.
  private func scheduleRemote(_ thread: ThreadRef, waker: UInt) {
    if thread.cpu == pointee.cpu {
      if waker > 0, lwktCurrentThread() == nil {
        if pointee.runQueue.count == 0, joinsWaker(thread, Int(waker) - 1) { return }
        return scheduleFar(thread, Int(waker) - 1)
      }
      scheduleLocally(thread)
    } else {
      count(.ipisChased)
      sendIPI(IPI(.schedule, thread, waker), to: thread.cpu)
    }
  }

  /// A running thread has been scheduled by mistake of a wait that is undone: off the queue again. If
  /// its waker is on another worker the IPI is waited for.
  func takeBack(_ thread: ThreadRef) {
    while !thread.pointee.flags.contains(.onRunQueue) {
      drainIPIs()
      lwkt_cpu_pause()
    }
    pointee.runQueue.remove(thread)
    publishLoad()
  }

  /// A thread woken by the clock or the kernel goes first, so that a ticker is on time among hogs, and
  /// sleepers among thousands with short turns; but not for ever, so that they cannot starve those: only
  /// as often as others have had a turn, and some times more, or until one has run so long that it was
  /// preempted.
  func scheduleFirst(_ thread: ThreadRef) {
    guard thread.cpu == pointee.cpu, thread.domain?.pointee.isAdopted ?? true,
      pointee.boosts < 64
    else { return lwktSchedule(thread) }
    pointee.boosts += 1
    pointee.boostsSincePoll += 1
    note(.wake, thread.object)
    pointee.runQueue.prepend(thread)
    publishLoad()
  }

  @inline(__always)
  func publishLoad() {
    pointee.shared.pointee.load.store(pointee.runQueue.count, ordering: .relaxed)
  }

  // MARK: IPIs

  /// Hand `ipi` to worker `target`; to oneself: act at once. Own worker, no lock held. Never blocks and
  /// serves nothing meanwhile: what finds its queue full goes into a backlog, in order.
  @inline(__always)
  func sendIPI(_ ipi: IPI, to target: Int) {
    if target == pointee.cpu { return act(on: ipi) }
    let queue = pointee.host.queue(from: pointee.cpu, to: target)
    guard !pointee.backlog.holdsBack(target), queue.pointee.push(ipi) else {
      count(.ipiQueueFull)
      return sendLater(ipi, to: target)
    }
    count(.ipisSent)
    notify(target)
  }

  /// While anything is in the backlog this worker does not sleep and tries again in each `attend`.
  @inline(never)
  private func sendLater(_ ipi: IPI, to target: Int) {
    pointee.backlog.append(ipi, to: target, of: pointee.host.pointee.workerCount)
    pointee.shared.pointee.attention.store(true, ordering: .relaxed)
    wake(target)
  }

  /// In the loop: send what has found room.
  private func flushBacklog() {
    for target in 0..<pointee.host.pointee.workerCount where pointee.backlog.holdsBack(target) {
      let queue = pointee.host.queue(from: pointee.cpu, to: target)
      var sent: UInt64 = 0
      while let ipi = pointee.backlog.first(for: target), queue.pointee.push(ipi) {
        pointee.backlog.removeFirst(for: target)
        sent += 1
      }
      guard sent > 0 else { continue }
      count(.ipisSent, sent)
      notify(target)
    }
    if pointee.backlog.count > 0 {
      pointee.shared.pointee.attention.store(true, ordering: .relaxed)
    }
  }

  private func notify(_ target: Int) {
    let shared = pointee.host.shared(target)
    let bit = UInt64(1) << UInt64(pointee.cpu & 63)
    let before = shared.pointee.pending[pointee.cpu >> 6].bitwiseOr(
      bit, ordering: .sequentiallyConsistent
    ).oldValue
    if before & bit != 0 {
      count(.ipisAvoided)
      return
    }
    shared.pointee.attention.store(true, ordering: .releasing)
    wake(target)
  }

  @inline(__always)
  private func wake(_ target: Int) {
    pointee.host.wake(target)
  }

  /// Serve everything that other workers have sent. In the loop, where no thread of this worker runs
  /// and none is between its turn and the queues, or by a running thread in `takeBack`.
  private func drainIPIs() {
    for word in 0..<4 {
      var sources = pointee.shared.pointee.pending[word].exchange(
        0, ordering: .sequentiallyConsistent)
      while sources != 0 {
        let source = word * 64 + sources.trailingZeroBitCount
        sources &= sources - 1
        let queue = pointee.host.queue(from: source, to: pointee.cpu)
        while let ipi = queue.pointee.pop() { act(on: ipi) }
      }
    }
    drainInbox { act(on: $0) }
  }

  /// In the order they were posted.
  @inline(__always)
  private func drainInbox(_ handle: (IPI) -> Void) {
    pointee.shared.pointee.inbox.takeAll { entry in
      let ipi = entry.pointee.ipi
      entry.deallocate()
      handle(ipi)
    }
  }

  private func act(on ipi: IPI) {
    switch ipi.kind {
    case .schedule:
      scheduleRemote(ipi.pointer.unsafelyUnwrapped.thread, waker: ipi.value)
    case .begin:
      beginLocally(ipi.pointer.unsafelyUnwrapped.thread)
    case .wantWork:
      giveWork(to: ipi.value)
    case .giveWork:
      takeWork(ipi.pointer?.assumingMemoryBound(to: WorkPackage.self), from: Int(ipi.value))
    case .setPriority:
      let thread = ipi.pointer.unsafelyUnwrapped.thread
      setPriorityRemote(thread, UInt8(ipi.value))
    case .snapshot:
      answerSnapshot(ipi.pointer.unsafelyUnwrapped)
    case .call:
      let function = unsafeBitCast(
        ipi.value, to: (@convention(c) (UnsafeMutableRawPointer?) -> Void).self)
      function(ipi.pointer)
    }
  }

  /// The host has stopped, every worker has left its loop: what is still in the queues to this one.
  /// Nobody is woken; what was under way is taken in or given back.
  func takeLastIPIs() {
    for source in 0..<pointee.host.pointee.workerCount {
      guard let queue = pointee.host.existingQueue(from: source, to: pointee.cpu) else { continue }
      while let ipi = queue.pointee.pop() { actAfterLoop(on: ipi) }
    }
    pointee.backlog.removeAll { actAfterLoop(on: $0) }
    drainInbox { actAfterLoop(on: $0) }
  }

  private func actAfterLoop(on ipi: IPI) {
    switch ipi.kind {
    case .schedule, .wantWork: break
    case .begin:
      // If its domain has moved on with it, it is in nobody's list and nobody will look for it.
      let thread = ipi.pointer.unsafelyUnwrapped.thread
      if thread.cpu == pointee.cpu { link(thread) }
    case .giveWork:
      takeWork(ipi.pointer?.assumingMemoryBound(to: WorkPackage.self), from: Int(ipi.value))
    case .setPriority: ipi.pointer.unsafelyUnwrapped.releaseObject()
    case .snapshot: Unmanaged<Snapshot>.fromOpaque(ipi.pointer.unsafelyUnwrapped).release()
    case .call:
      if !SystemCallRef.discardCancel(ipi) { InboxEntryBox.discard(ipi) }
    }
  }

  private func setPriorityRemote(_ thread: ThreadRef, _ priority: UInt8) {
    if thread.cpu == pointee.cpu {
      thread.setPriorityLocally(priority)
      thread.object.releaseObject()
    } else {
      count(.ipisChased)
      sendIPI(IPI(.setPriority, thread, UInt(priority)), to: thread.cpu)
    }
  }

  // MARK: The loop

  /// Run threads until the host stops. The worker's kernel thread, on its own or a spare stack.
  func loop() {
    while true {
      if pointee.shared.pointee.attention.load(ordering: .relaxed) || pointee.switchesToPoll <= 0 {
        attend()
        if pointee.host.pointee.phase.load(ordering: .acquiring) == HostPhase.stopped { return }
        if pointee.isObserved { prepareSwitch() }
      }
      guard let thread = pointee.runQueue.pop() else {
        if !idle() { return }
        continue
      }
      publishLoad()
      if pointee.onlyThread != nil, laysAside(thread) { continue }
      if thread.pointee.tokensLost {
        if !thread.regainTokens() { continue }
        note(.switch, of: thread)
      }
      runOnce(thread)
    }
  }

  @inline(__always)
  private func runOnce(_ thread: ThreadRef) {
    let percpu = lwkt_percpu().unsafelyUnwrapped
    if pointee.keepsAccount { openAccount(thread) }
    percpu.pointee.td = UnsafeMutableRawPointer(thread)
    pointee.switchesToPoll -= 1
    let shared = pointee.shared
    shared.pointee.counters.add(.switches)
    if let parked = thread.pointee.parkedStack { lwkt_unpark(parked) }
    // Only the first turn of a thread that was given its machine has arguments.
    let count = thread.pointee.startCount
    thread.pointee.startCount = 0
    let outcome = pointee.host.pointee.binding.run(
      UnsafeMutableRawPointer(thread), thread.pointee.machine, count)
    // The thread may have parked this stack and come back on it: nothing read before is trusted.
    percpu.pointee.td = nil
    settle(thread, RunOutcome(rawValue: outcome).unsafelyUnwrapped)
  }

  /// What becomes of a thread whose turn has ended. In the loop.
  @inline(__always)
  func settle(_ thread: ThreadRef, _ outcome: RunOutcome) {
    switch outcome {
    case .yielded:
      note(.yield, of: thread)
      pointee.runQueue.append(thread)
      publishLoad()
    case .preempted:
      count(.preemptions)
      note(.preempt, of: thread)
      if thread.pointee.calmPriority != nil { thread.calmDown() }
      pointee.boosts = 0
      pointee.runQueue.append(thread)
      publishLoad()
      pointee.switchesToPoll = 0
    case .waiting:
      if thread.pointee.tokens != nil { thread.loseTokens() }
      if pointee.departing != nil { departIfAsked(thread) }
    case .ended:
      break
    }
  }

  /// Between two threads: what others left, the clock, completed system calls, the end.
  @inline(never)
  func attend() {
    // Where somebody watches, each switch is prepared.
    pointee.switchesToPoll = pointee.isObserved ? 0 : GlobalData.switchesPerPoll
    _ = pointee.shared.pointee.attention.exchange(false, ordering: .sequentiallyConsistent)
    countOrdinaryTurns()
    stopIfAsked()
    collectCyclesIfDue()
    examineHeapsIfDue()
    readClock()
    if lwkt_was_interrupted() { pointee.host.watch() }
    watchOver()
    drainIPIs()
    if pointee.backlog.count > 0 { flushBacklog() }
    checkTimers()
    if let sysport = pointee.sysport {
      if sysport.inFlight > 0 { sysport.reap() }
      pointee.shared.pointee.inFlight.store(sysport.inFlight, ordering: .relaxed)
    }
    if pointee.host.pointee.phase.load(ordering: .acquiring) != HostPhase.running { drainThreads() }
    if pointee.runQueue.count > 1 { hintIdleWorkers() }
  }

  /// The threads that were sent first since the last time have run by now, or are about to; the other
  /// turns were ordinary ones.
  private func countOrdinaryTurns() {
    let turns = pointee.shared.pointee.counters.get(.switches)
    let ordinary = Int(turns &- pointee.turnsAtPoll) - pointee.boostsSincePoll
    if ordinary > 0 { pointee.boosts = max(0, pointee.boosts - ordinary) }
    pointee.turnsAtPoll = turns
    pointee.boostsSincePoll = 0
  }

  func checkTimers() {
    guard pointee.timers.count > 0 else { return }
    var fired = false
    while let timer = pointee.timers.popDue(pointee.coarseNow) {
      fired = true
      fire(timer)
    }
    if fired {
      pointee.shared.pointee.nextDeadline.store(
        pointee.timers.earliest ?? .max, ordering: .relaxed)
    }
  }

  /// The policy's clock. Own worker.
  @discardableResult
  public func readClock() -> UInt64 {
    pointee.coarseNow = pointee.host.pointee.policy.now()
    return pointee.coarseNow
  }

  private func fire(_ timer: TimerRef) {
    switch timer.pointee.kind {
    case .wait:
      let thread = timer.thread
      let ticket = thread.pointee.waitWord.load(ordering: .relaxed) >> 2
      if thread.claim(ticket) {
        thread.pointee.wakeReason = .timedOut
        scheduleFirst(thread)
      }
    case .scope:
      timer.scope.expire()
    case .unnoticed:
      timer.thread.reportIfUnnoticed()
    case .call:
      timer.systemCall.timerFired()
    }
  }

  // MARK: Idle

  /// Nothing to run: ask for threads, spin a little, sleep. False when the worker is to end.
  private func idle() -> Bool {
    pointee.shared.pointee.isBusy.store(false, ordering: .relaxed)
    defer { pointee.shared.pointee.isBusy.store(true, ordering: .relaxed) }
    noteWaking()
    attend()
    if pointee.runQueue.count > 0 { return true }
    if pointee.host.pointee.phase.load(ordering: .acquiring) == HostPhase.stopped { return false }
    if pointee.backlog.count > 0 {
      // A queue is full: its worker computes, or waits for this core.
      lwkt_thread_yield()
      return true
    }
    if let steering, let due = pointee.timers.earliest, steering.pass(pointee.cpu, due) {
      return true
    }
    flushEvents()
    askForWork()
    let began = pointee.coarseNow
    if !spin() { sleep() }
    pointee.pace.leaveOut(readClock() &- began)
    return true
  }

  /// Watch for work for some microseconds. True if something came.
  private func spin() -> Bool {
    let limit = pointee.host.pointee.spinNanoseconds
    guard limit > 0, mayBeLeftSomething else { return false }
    let end = lwkt_nanotime() + limit
    repeat {
      for _ in 0..<32 {
        if pointee.shared.pointee.attention.load(ordering: .relaxed) { return true }
        lwkt_cpu_pause()
      }
      if let sysport = pointee.sysport, sysport.inFlight > 0, sysport.reap() > 0 { return true }
      if let due = pointee.timers.earliest, due <= readClock() { return true }
    } while lwkt_nanotime() < end
    pressAsked()
    return false
  }

  /// Is there anybody who could have something for this worker within some microseconds? Not a crowd of
  /// sleepers: see `leastSleep`.
  private var mayBeLeftSomething: Bool {
    if let sysport = pointee.sysport, sysport.inFlight > 0 { return true }
    if let due = pointee.timers.earliest, leastSleep > 0, due < readClock() + leastSleep {
      return false
    }
    return pointee.host.pointee.startedWorkers.load(ordering: .relaxed) > 1
  }

  /// Nanoseconds that a sleep takes at least that the clock is to end. When many threads sleep, some
  /// are due at nearly any time: then they are woken in lots.
  private var leastSleep: UInt64 { pointee.timers.count >= 64 ? 100_000 : 0 }

  /// Sleep in the kernel until there is something to do. See `HostState.active` for how the last
  /// one to fall asleep notices that nobody will ever wake.
  private func sleep() {
    let host = pointee.host
    let shared = pointee.shared
    host.watch()
    let inFlight = pointee.sysport?.inFlight ?? 0
    let state =
      pointee.sysport?.sleepsInEngine ?? false
      ? CPUShared.SleepState.inEngine : CPUShared.SleepState.onWord
    shared.pointee.sleepState.store(state, ordering: .sequentiallyConsistent)
    if hasBeenLeftSomething {
      let turned = shared.pointee.sleepState.compareExchange(
        expected: state, desired: CPUShared.SleepState.awake, ordering: .sequentiallyConsistent)
      // A waker was quicker, and counted this worker in although it had not been counted out.
      if !turned.exchanged { host.pointee.active.subtract(1, ordering: .acquiringAndReleasing) }
      return
    }
    let expected = pointee.timers.count - pointee.unnoticedTimers + inFlight
    shared.pointee.expected.store(expected, ordering: .releasing)
    count(.idleSleeps)
    if host.pointee.active.subtract(1, ordering: .acquiringAndReleasing).newValue == 0,
      host.isQuiescent
    {
      wakeMyself(from: state)
      return host.nothingLeft()
    }
    let timeout = sleepNanoseconds()
    if state == CPUShared.SleepState.inEngine {
      pointee.sysport?.wait(timeoutNanoseconds: timeout)
    } else {
      _ = lwkt_futex_wait(shared.sleepWord, state, timeout)
    }
    wakeMyself(from: state)
    if hasBeenProdded { pointee.nextAsk = 0 }
  }

  /// Woken for nothing in particular: somebody has work.
  private var hasBeenProdded: Bool {
    pointee.shared.pointee.attention.load(ordering: .relaxed) && !hasPendingIPIs
  }

  private var hasPendingIPIs: Bool {
    (0..<4).contains {
      pointee.shared.pointee.pending[$0].load(ordering: .sequentiallyConsistent) != 0
    }
  }

  /// Has anybody left something here? Sequentially consistent: whoever left it before this looked finds
  /// the worker asleep. The IPI bits are asked for besides `attention`, which is set after them and
  /// without a barrier.
  private var hasBeenLeftSomething: Bool {
    let shared = pointee.shared
    if shared.pointee.attention.load(ordering: .sequentiallyConsistent) { return true }
    if hasPendingIPIs {
      shared.pointee.attention.store(true, ordering: .relaxed)
      return true
    }
    return shared.pointee.inbox.hasSomething()
  }

  private func sleepNanoseconds() -> Int64 {
    guard let earliest = pointee.timers.earliest else { return -1 }
    let now = readClock()
    return Int64(clamping: max(earliest > now ? earliest - now : 0, leastSleep))
  }

  /// Awake again. Whoever turns the state over has counted this worker in: a waker, or itself.
  private func wakeMyself(from state: UInt32) {
    pointee.host.countActive()
    let turned = pointee.shared.pointee.sleepState.compareExchange(
      expected: state, desired: CPUShared.SleepState.awake, ordering: .sequentiallyConsistent)
    if !turned.exchanged {
      pointee.host.pointee.active.subtract(1, ordering: .acquiringAndReleasing)
    }
  }
}
