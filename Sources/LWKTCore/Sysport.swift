// Sysport.swift: system calls as messages.
//
// In LWKT the target's own function decides whether a message is answered at once or later. The
// sysport is a target like any other: what does not block it does on the spot (DragonFly's sendsys
// returned the result), the rest it passes to the kernel and answers when that has (EASYNC).
//
// Each worker has a sysport of its own; a call stays with the one it was submitted to, its *home*,
// even if the thread that waits for it moves on. The way of a call:
//
//   submit -> begin -> timers (nanosleep), at once, the pool, or the engine
//                         |
//   reap   -> stepEnded --+-> begin again: interrupted, not ready, or not all written yet
//                         +-> finish: wake the waiter or answer the message
//
// The engine, io_uring's or another, knows only single steps: one system call, or one wait for a
// descriptor to be ready. Everything that makes a call of steps is here, for all engines alike:
// retries, going on after short writes, time limits, cancelling, what to do with files.
//
// Invariants
// - A call is in exactly one place, which its phase names, and only its home moves it.
// - The sysport's own reference keeps the call, and so its buffers, until the step that the kernel or
//   the pool is doing has come back. Cancelling asks for that to be soon; it frees nothing.
// - Completing wakes threads and nothing else: no user code runs in `reap`.
// - `inFlight` counts the calls that will come back by somebody else's doing, the kernel's or the
//   pool's; the deadlock detector relies on it. Sleeping calls are counted by the timer heap.

import CLWKT
import Glibc
import Synchronization

/// Runs the steps of a worker's system calls in the kernel. Everything is its worker's alone, except
/// that anybody may write the wake descriptor (`CPUShared.wakeDescriptor`) that it has made.
protocol SysportEngine: AnyObject {
  /// Steps begun and not given back by `Sysport.stepEnded`.
  var inKernel: Int { get }
  /// Can it do this operation? A wait for readiness it always can.
  func supports(_ operation: SystemCall.Operation) -> Bool
  /// Begin the call's next step: if `awaitedEvents` is set the wait for them, else the operation.
  func start(_ call: SystemCallRef)
  /// Ask for a call that was started to come back soon: with ECANCELED, or with what it has done.
  func cancel(_ call: SystemCallRef)
  /// Give steps that have ended to `Sysport.stepEnded`; do not block.
  func reap()
  /// Block until a step has ended, the wake descriptor is written, or the time is up (negative:
  /// never).
  func wait(timeoutNanoseconds: Int64)
  /// Give back what the kernel holds. No step is under way.
  func close()
}

/// What a host asks of its sysports; tests make edges easy to reach.
public struct SysportOptions: Sendable {
  /// What makes system calls.
  public enum Engine: String, CaseIterable, Sendable {
    /// The best that the kernel lets us have.
    case auto
    /// io_uring.
    case uring
  }
  public var engine = Engine.auto
  /// Operations that an engine can take in before it has to enter the kernel, and unread answers it
  /// can keep.
  public var entries: UInt32 = 256
  public var answers: UInt32 = 4096
  /// Do without the setup flags that only some kernels know.
  public var plain = false
  /// Refuse the ring with this errno, as the kernel does in many containers.
  public var refuse: Int32 = 0
  /// Files: do without what only some file systems can, and leave everything to the pool.
  public var alwaysPool = false
  public init() {}
}

/// The system calls of one worker, their home. Owner only.
final class Sysport {
  let gd: GlobalDataRef
  let host: HostRef
  private(set) var inFlight = 0
  /// Calls that are not over.
  private var active = LinkedList<SystemCall.ByHome>()
  /// Made with the first call that needs it.
  private var engine: (any SysportEngine)?
  /// Why there is no engine, as an errno; 0: not tried yet.
  private var engineErrno: Int32 = 0
  /// Calls to be ended by the next reap with `result`, oldest first.
  private var refused = LinkedList<SystemCall.ByQueue>()
  /// Threads woken in this reap, chained by `runNext`, newest first.
  private var woken: ThreadRef?
  private var wokenCount = 0
  private var isReaping = false
  /// A file has been slow to write to: until then writes to files go to the pool.
  private var slowUntil: UInt64 = 0

  /// With `engine`, or one that is made when it is needed.
  init(_ gd: GlobalDataRef, engine: (any SysportEngine)? = nil) {
    self.gd = gd
    self.engine = engine
    host = gd.pointee.host
  }

  /// Is the engine the place to sleep in?
  var sleepsInEngine: Bool { (engine?.inKernel ?? 0) > 0 }

  // MARK: submitting

  /// Take a call over; a reference to it is kept until it is over, which may be at once. Own worker.
  func submit(_ call: SystemCallRef) {
    call.retain()
    call.pointee.home = Int32(truncatingIfNeeded: gd.pointee.cpu)
    active.prepend(call)
    inFlight += 1
    gd.count(.sysportMessages)
    gd.note(.call, call.object)
    if call.hasDeadline, call.pointee.operation != .nanosleep {
      gd.armTimer(addressOf(&call.pointee.timer))
    }
    begin(call)
  }

  /// Make the next step, or find that there is none to be made.
  private func begin(_ call: SystemCallRef) {
    call.pointee.stepLimit = .max
    if call.pointee.cancelErrno != 0 { return finish(call, -Int(call.pointee.cancelErrno)) }
    if let effect = fault(call.pointee.operation) {
      switch effect {
      case .errno(let errno): return refuse(call, errno)
      case .short(let bytes): call.pointee.stepLimit = bytes
      }
    }
    let entry = call.pointee.entry
    switch entry.pointee.route {
    case .timer:
      call.pointee.phase = .sleeping
      inFlight -= 1
      gd.armTimer(addressOf(&call.pointee.timer))
    case .immediate: stepEnded(call, call.perform())
    case .pool: startInPool(call)
    case .peer, .file: startInEngine(call, entry)
    case .stream:
      if call.pointee.operation == .write, call.descriptor == 1 || call.descriptor == 2 {
        let written = writeToPrompt(call)
        if written >= 0 { return stepEnded(call, written) }
      }
      let kind = lwkt_has_position(call.descriptor)
      if kind > 0 { return startPositional(call) }
      if kind < 0 { return stepEnded(call, Int(kind)) }
      startInEngine(call, entry)
    }
  }

  /// A prompt's terminal gets what is written by way of the prompt, which may have a line on it that is
  /// being typed. How many bytes, or -1: it is not for a prompt.
  private func writeToPrompt(_ call: SystemCallRef) -> Int {
    let bytes = UnsafePointer<CChar>(bitPattern: UInt(call.pointee.arguments[1]))
    guard let bytes else { return -1 }
    return lwkt_tty_write(call.descriptor, bytes, Int(call.pointee.arguments[2]))
  }

  /// The choke point that every step passes: is a test to have it fail?
  @inline(__always)
  private func fault(_ operation: SystemCall.Operation) -> Faults.Effect? {
    guard host.pointee.faults.isArmed.load(ordering: .relaxed) else { return nil }
    return host.pointee.faults.take(operation)
  }

  /// End this step with an errno, but as the kernel would: later.
  private func refuse(_ call: SystemCallRef, _ errno: Int32) {
    call.pointee.phase = .refused
    call.pointee.result = -Int(errno)
    refused.append(call)
    // The loop must not sleep on it.
    gd.pointee.shared.pointee.attention.store(true, ordering: .relaxed)
  }

  private func startInEngine(_ call: SystemCallRef, _ entry: UnsafePointer<SystemCall.Entry>) {
    if let engine = engine ?? makeEngine(), engine.supports(call.pointee.operation) {
      return engine.start(call)
    }
    if entry.pointee.route == .file { return startInPool(call) }
    refuse(call, engineErrno != 0 ? engineErrno : ENOSYS)
  }

  private func startInPool(_ call: SystemCallRef) {
    call.pointee.phase = .inPool
    if !host.pointee.pool.add(call, host) { refuse(call, EAGAIN) }
  }

  private func makeEngine() -> (any SysportEngine)? {
    guard engineErrno == 0 else { return nil }
    switch host.pointee.sysportOptions.engine {
    case .auto, .uring:
      switch RingEngine.make(self, host.pointee.sysportOptions) {
      case .success(let ring): engine = ring
      case .failure(let why): engineErrno = why.errno
      }
    }
    return engine
  }

  // MARK: files

  /// Read at a file's own position, or write to a file.
  ///
  /// Positions are why these do not go through the ring: io_uring takes the position without its
  /// lock, so that of two writes at once, through two rings or by two processes, one overwrites the
  /// other. read(2) and write(2) do it right. They are called here, on the worker, when they will
  /// not block: reads that say so, and writes of moderate size, which only copy to the page cache,
  /// as long as no file has been slow. (For the same reason, and because the ring would have each
  /// write done by a kernel thread, `pwrite` is among them.) Everything else goes to the pool.
  private func startPositional(_ call: SystemCallRef) {
    if host.pointee.sysportOptions.alwaysPool { return startInPool(call) }
    if call.writesAll {
      let begun = lwkt_nanotime()
      guard call.pointee.arguments[2] <= Sysport.mostAtOnce, begun >= slowUntil else {
        return startInPool(call)
      }
      let result = call.perform()
      let ended = lwkt_nanotime()
      if ended - begun > Sysport.slow { slowUntil = ended + Sysport.slowPeriod }
      return stepEnded(call, result)
    }
    while true {
      let wanted = Int(call.stepLength)
      let result = lwkt_read_nowait(
        call.descriptor, UnsafeMutableRawPointer(bitPattern: UInt(call.pointee.arguments[1])),
        wanted)
      // What of it is not in memory, or cannot be had without waiting, the pool waits for.
      if result < 0 { return startInPool(call) }
      if result == 0 || result == wanted { return stepEnded(call, Int(result)) }
      call.advance(Int(result))
    }
  }

  /// Bytes written on the worker; nanoseconds that make a write slow; how long that is remembered.
  private static let mostAtOnce: UInt64 = 256 << 10
  private static let slow: UInt64 = 20_000_000
  private static let slowPeriod: UInt64 = 1_000_000_000

  // MARK: ending

  /// A step is over: -errno, or what the system call returned. Not in the engine or pool any more.
  func stepEnded(_ call: SystemCallRef, _ result: Int) {
    if call.pointee.awaitedEvents != 0 {
      call.pointee.awaitedEvents = 0
      if result >= 0 { return begin(call) }
    }
    guard result >= 0 else { return stepFailed(call, Int32(-result)) }
    guard call.movesBytes else { return finish(call, result) }
    call.advance(result)
    if call.writesAll, result > 0, call.pointee.arguments[2] > 0 { return begin(call) }
    finish(call, call.pointee.progress)
  }

  private func stepFailed(_ call: SystemCallRef, _ errno: Int32) {
    let entry = call.pointee.entry
    switch errno {
    case ECANCELED: return finish(call, -Int(cancelErrno(call)))
    case EINTR:
      // Linux has closed it all the same.
      if call.pointee.operation == .close { return finish(call, 0) }
      return begin(call)
    case EAGAIN where entry.pointee.readiness != 0:
      guard call.pointee.cancelErrno == 0, let engine = engine ?? makeEngine() else { break }
      call.pointee.awaitedEvents = entry.pointee.readiness
      return engine.start(call)
    default: break
    }
    // Part of a read that went wrong later on is a short read.
    if call.pointee.progress > 0, !call.writesAll { return finish(call, call.pointee.progress) }
    finish(call, -Int(errno))
  }

  private func cancelErrno(_ call: SystemCallRef) -> Int32 {
    call.pointee.cancelErrno != 0 ? call.pointee.cancelErrno : EINTR
  }

  /// The call is over. Gives back the sysport's reference.
  private func finish(_ call: SystemCallRef, _ result: Int) {
    if call.pointee.phase != .sleeping { inFlight -= 1 }
    unlink(call)
    let timer = addressOf(&call.pointee.timer)
    if timer.pointee.isArmed { gd.disarmTimer(timer) }
    gd.note(.complete, call.object)
    call.pointee.phase = .done
    call.pointee.result = result
    let message = call.pointee.message
    call.pointee.message = nil
    if message != nil { call.shrink() }
    call.pointee.waitable.lock.lock()
    call.pointee.isDone = true
    while let node = call.pointee.waitable.waiters.popClaimed() {
      let thread = node.pointee.thread
      thread.pointee.wakeReason = .ready
      thread.pointee.wakeIndex = node.pointee.index
      wake(thread)
    }
    call.pointee.waitable.lock.unlock()
    if let message { answer(message, call) }
    call.release()
    if !isReaping { scheduleWoken() }
  }

  private func answer(_ message: MessageRef, _ call: SystemCallRef) {
    if message.claimReply() != nil {
      message.pointee.errno = call.errno
      var next = message.settleReply()
      while let thread = next {
        next = thread.pointee.runNext
        wake(thread)
      }
    }
    message.object.releaseObject()
  }

  private func unlink(_ call: SystemCallRef) {
    active.remove(call)
  }

  private func wake(_ thread: ThreadRef) {
    thread.pointee.runNext = woken
    woken = thread
    wokenCount += 1
  }

  /// Make the woken threads runnable, in the order their calls ended. A few go to the head of the
  /// queue, so that they are on time among hogs; many queue up behind the others, or those would
  /// never have a turn.
  private func scheduleWoken() {
    guard var thread = woken else { return }
    woken = nil
    if let steering = gd.steering, wokenCount > 1 {
      thread = gd.ordered(thread, by: steering) ?? thread
    }
    let isFew = wokenCount <= GlobalData.switchesPerPoll / 2
    wokenCount = 0
    if isFew {
      // Newest first, each before the last.
      while true {
        let next = thread.pointee.runNext
        gd.scheduleFirst(thread)
        guard let next else { return }
        thread = next
      }
    }
    var ordered: ThreadRef?
    var next: ThreadRef? = thread
    while let current = next {
      next = current.pointee.runNext
      current.pointee.runNext = ordered
      ordered = current
    }
    scheduleChain(ordered)
  }

  /// Complete what the kernel and the pool have answered; do not block. Own worker, in the loop.
  /// Returns how many threads that woke.
  @discardableResult
  func reap() -> Int {
    isReaping = true
    engine?.reap()
    gd.pointee.shared.pointee.returnedCalls.takeAll { stepEnded($0, $0.pointee.result) }
    // Some may be refused again: by the next reap.
    let ending = refused
    refused = LinkedList()
    for call in ending { stepEnded(call, call.pointee.result) }
    isReaping = false
    let count = wokenCount
    scheduleWoken()
    return count
  }

  /// Block until there may be something to reap; see `SysportEngine.wait`. Only if `sleepsInEngine`.
  func wait(timeoutNanoseconds: Int64) {
    engine?.wait(timeoutNanoseconds: timeoutNanoseconds)
  }

  // MARK: cancelling and closing

  /// Calls in the kernel that it has not been asked to cancel but should be.
  func forEachUnsentCancel(_ body: (SystemCallRef) -> Void) {
    for call in active
    where call.pointee.cancelErrno != 0 && call.pointee.phase == .inKernel
      && !call.pointee.isCancelSent
    {
      body(call)
    }
  }

  /// Have `call` end soon, with `errno` if it has not come too far. Its home; any phase.
  func cancel(_ call: SystemCallRef, _ errno: Int32) {
    guard call.pointee.phase != .done, call.pointee.cancelErrno == 0 else { return }
    call.pointee.cancelErrno = errno
    switch call.pointee.phase {
    case .sleeping: finish(call, -Int(errno))
    case .queued: engine?.cancel(call)
    case .inKernel: cancelInKernel(call)
    case .inPool:
      if host.pointee.pool.withdraw(call) { finish(call, -Int(errno)) } else { interrupt(call) }
    case .fresh, .refused, .done: break
    }
  }

  /// A kernel thread of the pool makes the call: interrupt it, now and then until it is back.
  private func interrupt(_ call: SystemCallRef) {
    host.pointee.pool.interrupt(call)
    askAgain(call)
  }

  /// The kernel does not find a call that it is just trying again, such as a read of a pipe that something
  /// was written to; and when somebody else was faster the call waits on. So it is asked again too.
  private func cancelInKernel(_ call: SystemCallRef) {
    engine?.cancel(call)
    askAgain(call)
  }

  private func askAgain(_ call: SystemCallRef) {
    let timer = addressOf(&call.pointee.timer)
    if timer.pointee.isArmed { gd.disarmTimer(timer) }
    timer.pointee.deadline = gd.readClock() + Sysport.askingInterval
    gd.armTimer(timer)
  }

  private static let askingInterval: UInt64 = 5_000_000

  /// A sleeping call's time has come, or that of one with a limit, or to cancel it again.
  func timeUp(_ call: SystemCallRef) {
    if call.pointee.operation == .nanosleep { return finish(call, 0) }
    if call.pointee.cancelErrno == 0 { return cancel(call, ETIMEDOUT) }
    switch call.pointee.phase {
    case .inPool: interrupt(call)
    case .inKernel: cancelInKernel(call)
    default: break
    }
  }

  /// Cancel everything and wait until nobody uses a buffer any more. The worker's kernel thread, at
  /// the end; its threads are gone.
  func close() {
    while active.first != nil {
      for call in active {
        if call.pointee.cancelErrno == 0 {
          cancel(call, EINTR)
        } else if call.pointee.phase == .inKernel {
          engine?.cancel(call)
        } else if call.pointee.phase == .inPool {
          host.pointee.pool.interrupt(call)
        }
      }
      reap()
      guard active.first != nil else { break }
      if sleepsInEngine { wait(timeoutNanoseconds: 10_000_000) } else { usleep(1000) }
    }
    engine?.close()
    engine = nil
  }
}

extension UnsafeMutablePointer where Pointee == SystemCall {
  /// The timer has fired. Home, in the loop.
  func timerFired() { mycpu.sysport.timeUp(self) }
}
