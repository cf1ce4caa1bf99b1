// ThreadLife.swift: create, schedule, abort, exit, join.

import CLWKT
import Glibc
import Synchronization

extension UnsafeMutablePointer where Pointee == Thread {
  // MARK: create

  /// Is there memory for another? A worker, before `make`.
  public static var canBeMade: Bool { ThreadRef.hasBlock(mycpu) }

  /// A thread with one reference, the caller's, in nobody's queue until `begin`. `parent` names it;
  /// on the parent's worker while the parent runs, or with nil for a host's first threads. One of the
  /// `host`'s own is called 0.
  public static func make(
    host: HostRef, parent: ThreadRef?, options: ThreadOptions, isOwn: Bool = false
  ) -> ThreadRef {
    let thread = ThreadRef.allocateBlock()
    let number = parent?.nextChild() ?? (isOwn ? 0 : host.pointee.takeRootNumber())
    let parentPath = parent?.pointee.pathForChildren
    parentPath?.retain()
    let gd = mycpuIfWorker
    var home = options.cpu ?? gd?.pointee.cpu ?? 0
    if options.cpu == nil, !options.sharing, let gd, let steering = gd.steering {
      let workers = host.pointee.workerCount
      home = gd.checked(steering.place(home, workers), workers)
    }
    thread.initialize(
      to: Thread(
        host: host, id: host.pointee.takeThreadID(gd), parentPath: parentPath, pathNumber: number,
        cpu: home, priority: options.priority))
    if let name = options.name { thread.pointee.name = copyCString(name) }
    thread.pointee.node = WaitNode(thread: thread)
    if options.cpu != nil { thread.pointee.flags.insert(.pinned) }
    if options.daemon { thread.pointee.flags.insert(.daemon) }
    if options.sharing { thread.pointee.flags.insert(.sharing) }
    if options.memoryLimit > 0 { thread.pointee.flags.insert(.ownHeap) }
    gd?.count(.threadsCreated)
    gd?.note(.create, thread.object)
    return thread
  }

  /// The number of its next child. On its worker while it runs.
  private func nextChild() -> UInt32 {
    let path: ThreadPathRef
    if let made = pointee.pathForChildren {
      path = made
    } else {
      pointee.parentPath?.retain()
      path = .make(parent: pointee.parentPath, number: pointee.pathNumber)
      pointee.pathForChildren = path
    }
    path.pointee.children += 1
    return path.pointee.children
  }

  /// Start it: from now on it is some worker's. False if it was started before. Any worker, no lock
  /// held; takes a reference of its own.
  @discardableResult
  public func begin() -> Bool {
    guard
      pointee.lifecycleAtomic.compareExchange(
        expected: Thread.Lifecycle.unborn.rawValue, desired: Thread.Lifecycle.alive.rawValue,
        ordering: .acquiringAndReleasing
      ).exchanged
    else { return false }
    object.retainObject()
    mycpuIfWorker?.note(.begin, object)
    let host = pointee.host
    if host.pointee.population.add(isLive: !pointee.flags.contains(.daemon)) > 0 { host.watch() }
    let home = cpu
    if home != 0 { host.startWorkers(through: home) }
    guard let gd = mycpuIfWorker else {
      host.post(IPI(.begin, self), to: home)
      return true
    }
    gd.sendIPI(IPI(.begin, self), to: home)
    return true
  }

  /// It runs a program: before `begin`.
  public func markMain() { pointee.flags.insert(.main) }

  // MARK: priority

  /// Change the priority: at once on its own worker, else by IPI. Any worker, holding a reference.
  public func setPriority(_ priority: UInt8) {
    guard let gd = mycpuIfWorker, lifecycle == .alive else { return }
    object.retainObject()
    gd.sendIPI(IPI(.setPriority, self, UInt(priority)), to: cpu)
  }

  /// Owner.
  func setPriorityLocally(_ priority: UInt8) {
    pointee.calmPriority = nil
    if pointee.flags.contains(.onRunQueue) {
      mycpu.pointee.runQueue.remove(self)
      pointee.priority = priority
      mycpu.pointee.runQueue.append(self)
    } else {
      pointee.priority = priority
    }
  }

  /// The one it was given, whatever it is for the moment.
  public var priority: UInt8 { pointee.calmPriority ?? pointee.priority }

  /// Go first for so long, and then at this priority, when the next quantum ends: what somebody waits
  /// for is not to stand in line, but it is not to hold up others for good either. The current thread.
  public func beUrgent(nanoseconds: UInt64, then calm: UInt8) {
    pointee.priority = Thread.highestPriority
    pointee.calmPriority = calm
    pointee.calmAfter = mycpu.readClock() &+ nanoseconds
    let quantum = max(pointee.host.pointee.policy.quantum, 1)
    pointee.calmTurns = Int32(clamping: nanoseconds / quantum)
  }

  /// Before `begin`.
  public func setInitialPriority(_ priority: UInt8) { pointee.priority = priority }

  // MARK: abort

  public static var abortBit: UInt8 { 1 }
  public static var timeoutBit: UInt8 { 2 }
  public static var swallowedBit: UInt8 { 4 }
  public static var exitBit: UInt8 { 8 }

  /// Ask the thread to stop: an error at its present or next wait. `reason` (moved) is the error's
  /// value; the first one counts. Any kernel thread that holds a reference, no lock held.
  public func abort(_ reason: Payload) {
    let box = UnsafeMutablePointer<Payload>.allocate(capacity: 1)
    box.initialize(to: reason)
    guard
      pointee.abortReason.compareExchange(
        expected: 0, desired: UInt(bitPattern: box), ordering: .acquiringAndReleasing
      ).exchanged
    else {
      box.dispose()
      box.deallocate()
      return
    }
    mycpuIfWorker?.note(.abort, object)
    cancel(Self.abortBit)
    if isDead, box.holdsObjects { pointee.host.registerEnded(self) }
  }

  /// Abort it because the program is over: that it ends by this is no error of its own. Owner.
  func abortForDrain() {
    markNoticed()
    abort(Payload())
  }

  /// Set a cancel bit and end the present wait, if one may be ended: was there one? Any kernel thread.
  @discardableResult
  func cancel(_ bit: UInt8) -> Bool {
    pointee.cancelState.bitwiseOr(bit, ordering: .sequentiallyConsistent)
    let word = pointee.waitWord.load(ordering: .sequentiallyConsistent)
    guard word & 3 == 1, claim(word >> 2) else { return false }
    pointee.wakeReason = .aborted
    lwktSchedule(self)
    return true
  }

  public var isAborted: Bool {
    pointee.cancelState.load(ordering: .acquiring) & Self.abortBit != 0
  }
  /// It has caught its abort and waited again for so long that computing is no longer left alone either.
  public var hasSwallowedAbort: Bool {
    pointee.cancelState.load(ordering: .relaxed) & Self.swallowedBit != 0
  }

  /// It has been told to exit, by itself, and may have caught what carries that out where it cannot
  /// yield.
  public var isExiting: Bool {
    pointee.cancelState.load(ordering: .relaxed) & Self.exitBit != 0
  }

  /// The current thread.
  public func noteExiting() {
    pointee.cancelState.bitwiseOr(Self.exitBit, ordering: .relaxed)
  }

  /// From now on it is. The current thread.
  public func noteSwallowedAbort() {
    pointee.cancelState.bitwiseOr(Self.swallowedBit, ordering: .relaxed)
  }

  public var isCancelled: Bool { pointee.cancelState.load(ordering: .relaxed) != 0 }

  /// The reason of the abort; the thread keeps it.
  public var abortReason: UnsafeMutablePointer<Payload>? {
    UnsafeMutablePointer<Payload>(bitPattern: pointee.abortReason.load(ordering: .acquiring))
  }

  /// Ctrl-C: `interrupted` is set; end the present wait. Any kernel thread that holds a reference.
  public func interrupt() {
    pointee.interrupted.store(true, ordering: .sequentiallyConsistent)
    let word = pointee.waitWord.load(ordering: .sequentiallyConsistent)
    guard word & 3 == 1, claim(word >> 2) else { return }
    pointee.wakeReason = .aborted
    lwktSchedule(self)
  }

  /// Has Ctrl-C come for this thread, by way of the monitor or while there is none? Once for each; the
  /// thread itself.
  public func takeInterrupt() -> Bool {
    let hasBeenTold = pointee.interrupted.exchange(false, ordering: .acquiringAndReleasing)
    // Both are taken: one error tells of the first Ctrl-C and of the one that ended the wait for an answer.
    let hasBeenOwed = takeOwedInterrupt()
    guard
      hasBeenTold || hasBeenOwed
        || lwkt_was_interrupted() && pointee.host.isInterruptible(self) && lwkt_take_interrupt()
    else { return false }
    noteInterruptRaised()
    // Now it tells somebody, who waits for that. It may not have been made urgent yet, if it was running
    // when Ctrl-C came.
    beUrgent(nanoseconds: 50_000_000, then: priority)
    return true
  }

  /// Ctrl-C has ended the wait for an answer. Its sender is asked to give up, and is waited for: the error
  /// is still to come, and another Ctrl-C is to end that wait too. The thread itself, before it asks.
  public func oweInterrupt() {
    guard pointee.host.isInterruptible(self),
      pointee.interrupted.exchange(false, ordering: .acquiringAndReleasing)
    else { return }
    pointee.host.pointee.owesInterrupt = true
  }

  var owesInterrupt: Bool {
    pointee.host.isInterruptible(self) && pointee.host.pointee.owesInterrupt
  }

  private func takeOwedInterrupt() -> Bool {
    guard owesInterrupt else { return false }
    pointee.host.pointee.owesInterrupt = false
    return true
  }

  /// Its quantum is over: has it been urgent for long enough? By the clock and by its quanta: on a machine
  /// that does much else the worker may have had no cpu all the time. Owner, while it is on no queue.
  @inline(never)
  func calmDown() {
    pointee.calmTurns -= 1
    guard let calm = pointee.calmPriority, pointee.calmTurns <= 0,
      mycpu.readClock() >= pointee.calmAfter
    else { return }
    pointee.calmPriority = nil
    pointee.priority = calm
  }

  // MARK: exit and join

  /// The running thread is over, with its results or its error (moved in). Its worker, from the
  /// binding, as the last thing of `run`.
  public func finish(succeeded: Bool, result: Payload) {
    let gd = mycpu
    gd.note(.end, of: self)
    pointee.waitKind = .none
    if pointee.tokens != nil { endTokens() }
    dropScopes()
    failHeldRequests()
    let hadPort = closePort()
    addressOf(&pointee.payload).dispose()
    pointee.payload = result
    pointee.succeeded = succeeded
    pointee.waitable.lock.lock()
    pointee.lifecycleAtomic.store(
      Thread.Lifecycle.dead.rawValue, ordering: .sequentiallyConsistent)
    var woken: ThreadRef?
    while let node = pointee.waitable.waiters.popClaimed() {
      let thread = node.pointee.thread
      // Who joins it is about to see how it ended.
      if node.pointee.mode != .look { markNoticed() }
      thread.pointee.wakeReason = .ready
      thread.pointee.wakeIndex = node.pointee.index
      thread.pointee.runNext = woken
      woken = thread
    }
    let notify = pointee.notify
    if notify != nil { pointee.notify = nil }
    pointee.waitable.lock.unlock()
    if holdsObjects { pointee.host.registerEnded(self) }
    // One that was made meanwhile is closed here, or by its maker: see `messagePort`.
    if !hadPort { closePort() }
    scheduleChain(woken)
    tellPorts(notify)
    if !succeeded, !pointee.noticed.load(ordering: .acquiring) {
      object.retainObject()
      pointee.timer = Timer(.unnoticed)
      ownTimer.pointee.deadline = gd.readClock() &+ 1_000_000_000
      gd.armTimer(ownTimer)
      gd.pointee.unnoticedTimers += 1
    }
    gd.unlink(self)
    if gd.pointee.departing?.thread == self { gd.pointee.departing = nil }
    if let domain { domain.remove(self) }
    gd.count(.threadsEnded)
    let keptAlive = !pointee.flags.contains(.daemon)
    let host = pointee.host
    object.releaseObject()
    host.threadEnded(keptAlive: keptAlive)
  }

  /// Wait for the end. The current thread is `waiter`. `.ready`: it is dead.
  public func waitForEnd(
    _ waiter: ThreadRef, deadline: UInt64?, poll: Bool, interruptible: Bool = true
  ) -> WaitResult {
    if isDead { return .ready }
    if poll { return .wouldWait }
    pointee.waitable.lock.lock()
    if isDead {
      pointee.waitable.lock.unlock()
      return .ready
    }
    let ticket = waiter.beginWait(.join, on: object, interruptible: interruptible)
    waiter.enqueueNode(on: waitable, ticket: ticket)
    pointee.waitable.lock.unlock()
    waiter.armWaitTimer(deadline)
    return waiter.abortedMeanwhile(ticket: ticket) ? .waitOver : .waiting
  }

  /// Somebody has seen how it ended. Any kernel thread that holds a reference.
  public func markNoticed() {
    pointee.noticed.store(true, ordering: .releasing)
    // What waits to report it keeps it alive: elsewhere until then, here no longer.
    if isDead, let gd = mycpuIfWorker, gd.pointee.cpu == cpu { gd.forgetUnnoticed(self) }
  }

  /// Send word of the end to `port`; at once if it is over. Any worker; takes a reference to `port`.
  public func addNotify(_ port: PortRef, urgent: Bool = false) {
    let entry = UnsafeMutablePointer<Thread.NotifyEntry>.allocate(capacity: 1)
    port.object.retainObject()
    pointee.waitable.lock.lock()
    if isDead {
      pointee.waitable.lock.unlock()
      entry.initialize(to: Thread.NotifyEntry(port: port, isUrgent: urgent, next: nil))
      return tellPorts(entry)
    }
    entry.initialize(
      to: Thread.NotifyEntry(port: port, isUrgent: urgent, next: pointee.notify))
    pointee.notify = entry
    pointee.waitable.lock.unlock()
  }

  private func tellPorts(_ first: UnsafeMutablePointer<Thread.NotifyEntry>?) {
    var entry = first
    while let current = entry {
      entry = current.pointee.next
      let port = current.pointee.port
      var flags: Message.Flags = [.oneWay, .exitNotice]
      if current.pointee.isUrgent { flags.insert(.urgent) }
      current.deallocate()
      var payload = Payload()
      payload.count = 1
      payload.tags[0] = Payload.handleTag
      payload.slots.0 = UInt64(UInt(bitPattern: object))
      object.retainObject()
      let message = MessageRef.make(sender: self, payload: payload, flags: flags)
      if port.send(message, from: nil) == .sent {
        markNoticed()
      } else {
        message.object.releaseObject()
      }
      port.object.releaseObject()
    }
  }

  /// Requests it received and did not answer: EPIPE, unless another heap or a message under way still
  /// refers to them.
  private func failHeldRequests() {
    while true {
      pointee.waitable.lock.lock()
      guard let message = pointee.heldFirst else {
        pointee.waitable.lock.unlock()
        return
      }
      message.object.retainObject()
      pointee.waitable.lock.unlock()
      message.holderExits(self)
      message.object.releaseObject()
    }
  }

  /// Its error has been lying there for a second, or the program is over. Its last owner.
  func reportIfUnnoticed() {
    mycpu.pointee.unnoticedTimers -= 1
    if !pointee.noticed.exchange(true, ordering: .acquiringAndReleasing) {
      pointee.host.pointee.hadUnnoticedErrors.store(true, ordering: .releasing)
      pointee.host.pointee.binding.reportDeath(self)
    }
    object.releaseObject()
  }

  /// The last reference is gone.
  func destroy() {
    if domain != nil, !leavesDomainUnbegun() { return }
    if pointee.isEndedHolder { pointee.host.unregisterEnded(self) }
    addressOf(&pointee.payload).dispose()
    if let reason = abortReason {
      reason.dispose()
      reason.deallocate()
    }
    if let port = PortRef(bitPattern: pointee.portAtomic.load(ordering: .relaxed)) {
      port.object.releaseObject()
    }
    pointee.destroyRarities()
    pointee.request?.object.releaseObject()
    pointee.parentPath?.release()
    pointee.createdAt?.release()
    deinitialize(count: 1)
    freeBlock()
  }

  /// The last reference to a thread is gone that has a place in a domain and was never begun, so that
  /// nobody can begin it any more. The place is its worker's to take back: it is begun, to end at once.
  /// True: the host has stopped, its worker has taken it back already. False: the thread has yet to go.
  @inline(never)
  private func leavesDomainUnbegun() -> Bool {
    if pointee.host.pointee.phase.load(ordering: .sequentiallyConsistent) == HostPhase.stopped {
      return giveUpUnbegun()
    }
    markNoticed()
    abort(Payload())
    begin()
    return false
  }

  /// Of its worker and of the holder of the last reference, after the host has stopped, the second one to
  /// come frees a thread that was not begun: is this that one? Acquire and release: what the first has
  /// done to it has happened.
  fileprivate func giveUpUnbegun() -> Bool {
    pointee.lifecycleAtomic.exchange(
      Thread.Lifecycle.dead.rawValue, ordering: .acquiringAndReleasing)
      == Thread.Lifecycle.dead.rawValue
  }

  // MARK: the built-in port

  /// `td.msgport`, made when first asked for. Any kernel thread that holds a reference. Sequentially
  /// consistent against `finish`: either that finds the port or this finds the thread dead.
  @inlinable public var messagePort: PortRef {
    PortRef(bitPattern: pointee.portAtomic.load(ordering: .acquiring)) ?? makeMessagePort()
  }

  @usableFromInline @inline(never)
  func makeMessagePort() -> PortRef {
    let port = PortRef.make(kind: .thread, owner: self, host: pointee.host)
    let swap = pointee.portAtomic.compareExchange(
      expected: 0, desired: UInt(bitPattern: port), ordering: .sequentiallyConsistent)
    guard swap.exchanged else {
      port.object.releaseObject()
      return PortRef(bitPattern: swap.original).unsafelyUnwrapped
    }
    let lifecycle = pointee.lifecycleAtomic.load(ordering: .sequentiallyConsistent)
    if lifecycle == Thread.Lifecycle.dead.rawValue { port.close(.peerExited) }
    return port
  }

  /// False if there is none.
  @discardableResult
  private func closePort() -> Bool {
    let address = pointee.portAtomic.load(ordering: .sequentiallyConsistent)
    guard let port = PortRef(bitPattern: address) else { return false }
    port.close(.peerExited)
    return true
  }

  // MARK: critical sections

  /// The current thread.
  public func critEnter() { pointee.critCount += 1 }

  /// The current thread. Nil if it is in none; else whether a preemption was put off and is due.
  public func critExit() -> Bool? {
    guard pointee.critCount > 0 else { return nil }
    pointee.critCount -= 1
    guard pointee.critCount == 0, pointee.flags.contains(.preemptionDue) else { return false }
    pointee.flags.remove(.preemptionDue)
    return true
  }

  /// May the running thread be preempted now? If not, the end of the critical section will. Its worker.
  public func mayBePreempted() -> Bool {
    if pointee.critCount == 0 { return true }
    pointee.flags.insert(.preemptionDue)
    return false
  }
}

extension UnsafeMutablePointer where Pointee == Message {
  /// The thread that held it is ending.
  func holderExits(_ thread: ThreadRef) {
    pointee.waitable.lock.lock()
    if pointee.holder == thread { letGo(of: thread) }
    let isLost =
      pointee.receivers.load(ordering: .acquiring) <= 1 && !pointee.flags.contains(.shared)
    pointee.waitable.lock.unlock()
    if isLost { fail(.peerExited) }
  }
}

extension UnsafeMutablePointer where Pointee == GlobalData {
  /// The begin IPI: a new thread of this worker, unless its domain has moved on with it.
  func beginLocally(_ thread: ThreadRef) {
    guard thread.cpu == pointee.cpu else {
      count(.ipisChased)
      return sendIPI(IPI(.begin, thread), to: thread.cpu)
    }
    link(thread)
    if pointee.isDraining { thread.abortForDrain() }
    if let domain = thread.domain, !domain.pointee.isAdopted {
      thread.pointee.flags.insert(.wokenInTransit)
      return
    }
    scheduleLocally(thread)
    // A crowd is being made: the loop is to see at once whether there is somebody to share it with.
    if pointee.runQueue.strays == GlobalData.crowd { pointee.switchesToPoll = 0 }
  }

  /// The program is over: abort all threads here, once. In the loop.
  func drainThreads() {
    guard !pointee.isDraining else { return }
    pointee.isDraining = true
    for thread in pointee.allThreads { thread.abortForDrain() }
    pointee.host.pointee.drainedWorkers.add(1, ordering: .acquiringAndReleasing)
  }

  /// No worker runs threads any more: whatever is left here will not run again. The worker's kernel
  /// thread. In two steps: first no thread waits for anything any more, on any worker, and so nothing
  /// that happens in the second can wake one whose memory its own worker is giving back.
  func endThreads() {
    pointee.isDraining = false
    takeLastIPIs()
    for thread in pointee.allThreads { thread.abandonWait() }
    pointee.host.meetAfterWaits()
    while let timer = pointee.timers.popDue(.max) {
      if timer.pointee.kind == .unnoticed { fireUnnoticed(timer) }
    }
    while let thread = pointee.allThreads.first {
      unlink(thread)
      thread.abandon()
    }
    for domain in pointee.domains {
      // Those that are left have never been begun.
      domain.forEachThread { thread in
        domain.remove(thread)
        if thread.giveUpUnbegun() { thread.destroy() }
      }
    }
  }

  private func fireUnnoticed(_ timer: TimerRef) {
    timer.thread.reportIfUnnoticed()
  }

  /// How `thread`, which is dead and was this worker's last, ended is known: there is nothing to report.
  /// The caller has a reference. Own worker.
  fileprivate func forgetUnnoticed(_ thread: ThreadRef) {
    let timer = thread.ownTimer
    guard timer.pointee.kind == .unnoticed, timer.pointee.isArmed else { return }
    disarmTimer(timer)
    pointee.unnoticedTimers -= 1
    thread.object.releaseObject()
  }
}

extension UnsafeMutablePointer where Pointee == Thread {
  /// The host has stopped while this thread was waiting, perhaps. Owner, after its loop.
  func abandonWait() {
    if pointee.flags.contains(.onRunQueue) { mycpu.pointee.runQueue.remove(self) }
    let word = pointee.waitWord.load(ordering: .acquiring)
    if word & 1 != 0, claim(word >> 2) { pointee.wakeReason = .aborted }
    finishWait()
  }

  /// The host has stopped before this thread ended: undo what others could still see of it. Owner,
  /// when no thread waits any more.
  func abandon() {
    if pointee.tokens != nil { endTokens() }
    dropScopes()
    failHeldRequests()
    pointee.lifecycleAtomic.store(
      Thread.Lifecycle.dead.rawValue, ordering: .sequentiallyConsistent)
    closePort()
    if let parked = pointee.parkedStack {
      pointee.parkedStack = nil
      if let stack = lwkt_parked_stack(parked) { StackPool.free(stack) }
    }
    if let domain { domain.remove(self) }
    object.releaseObject()
  }
}

/// A C copy of `text`, the caller's to deallocate.
func copyCString(_ text: UnsafePointer<CChar>) -> UnsafeMutablePointer<CChar> {
  let count = strlen(text) + 1
  let copy = UnsafeMutablePointer<CChar>.allocate(capacity: count)
  copy.initialize(from: text, count: count)
  return copy
}

func copyCString(_ text: String) -> UnsafeMutablePointer<CChar> {
  var text = text
  return text.withUTF8 { bytes in
    let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count + 1)
    for (index, byte) in bytes.enumerated() {
      (copy + index).initialize(to: CChar(bitPattern: byte))
    }
    (copy + bytes.count).initialize(to: 0)
    return copy
  }
}
