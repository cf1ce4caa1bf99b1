// TimeoutScope.swift: an abort with a time and a place to stop at.

import CLWKT
import Synchronization

/// One `timeout` call that a thread is inside of. When its time is up every wait of the thread fails
/// until control is back where the scope was entered. Owner worker of the thread.
///
/// A thread that computes instead of waiting is told by the preemption hook. Its scope is *due* from its
/// time on until the error has been raised once, be it by a wait or by the hook. Then the thread has a
/// second to tidy up undisturbed, and if it has not come back by then the scope is due for good. As long
/// as a scope is due its timer is armed again, so that the monitor goes on signalling a worker on which
/// the thread computes.
public struct TimeoutScope {
  /// First, so that the scope is found from it: see `Timer`.
  var timer = Timer(.scope)
  var thread: ThreadRef
  /// The machine that entered it, if that is not the thread's own.
  let machine: UnsafeMutableRawPointer?
  /// The scope around this one.
  public internal(set) var outer: UnsafeMutablePointer<TimeoutScope>?
  public internal(set) var isExpired = false
  /// It has a time, so it ends computations too.
  var isTimed: Bool
  var isDue = false
  var hasBeenRaised = false
  /// Nanoseconds until its timer fires again while it is due.
  var pause: UInt64 = 1_000_000

  static let longestPause: UInt64 = 64_000_000
  public static let timeToTidyUp: UInt64 = 1_000_000_000
}

public typealias TimeoutScopeRef = UnsafeMutablePointer<TimeoutScope>

extension UnsafeMutablePointer where Pointee == TimeoutScope {
  /// Its time comes now instead of by the clock. The owner of the thread that is inside it.
  public func expireNow() {
    let timer = addressOf(&pointee.timer)
    if timer.pointee.isArmed { mycpu.disarmTimer(timer) }
    expire()
  }

  /// The timer has fired. The thread's owner.
  func expire() {
    if !pointee.isExpired { mycpu.note(.timeout, pointee.thread.object) }
    pointee.isExpired = true
    pointee.isDue = pointee.isTimed
    let thread = pointee.thread
    // Its present wait raises the error, or it is one for an answer, after which it is raised.
    if thread.cancel(ThreadRef.timeoutBit) || thread.waitsForAnother { return }
    guard pointee.isDue else { return }
    arm(after: pointee.pause)
    pointee.pause = Swift.min(pointee.pause * 2, TimeoutScope.longestPause)
  }

  /// The error is raised.
  fileprivate func noteRaised() {
    guard !pointee.hasBeenRaised else { return }
    pointee.hasBeenRaised = true
    guard pointee.isTimed else { return }
    pointee.isDue = false
    pointee.pause = 1_000_000
    let timer = addressOf(&pointee.timer)
    if timer.pointee.isArmed { mycpu.disarmTimer(timer) }
    arm(after: TimeoutScope.timeToTidyUp)
  }

  private func arm(after nanoseconds: UInt64) {
    let timer = addressOf(&pointee.timer)
    timer.pointee.deadline = mycpu.readClock() &+ nanoseconds
    mycpu.armTimer(timer)
  }
}

extension UnsafeMutablePointer where Pointee == Thread {
  /// Enter a scope that ends at `deadline`. The current thread.
  /// `.max`: it has no time of its own, only `expireNow`. A time that is not after now polls: waits fail
  /// from the first one on, and a computation has the time that others have to tidy up.
  public func enterScope(deadline: UInt64, machine: UnsafeMutableRawPointer? = nil)
    -> TimeoutScopeRef
  {
    let scope = TimeoutScopeRef.allocate(capacity: 1)
    scope.initialize(
      to: TimeoutScope(
        thread: self, machine: machine == pointee.machine ? nil : machine, outer: pointee.scopes,
        isTimed: deadline != .max))
    pointee.scopes = scope
    if scope.pointee.machine != nil { lwkt_count_scoped_coroutine(1) }
    guard deadline != .max else { return scope }
    pointee.host.watch()
    let timer = addressOf(&scope.pointee.timer)
    timer.pointee.deadline = deadline
    let now = mycpu.readClock()
    if deadline <= now {
      timer.pointee.deadline = now &+ TimeoutScope.timeToTidyUp
      scope.pointee.isExpired = true
      pointee.cancelState.bitwiseOr(Self.timeoutBit, ordering: .sequentiallyConsistent)
    }
    mycpu.armTimer(timer)
    return scope
  }

  /// Leave the innermost scope. The current thread.
  public func leaveScope() {
    popScope()
    guard innermostExpired({ _ in true }) == nil else { return }
    pointee.cancelState.bitwiseAnd(~Self.timeoutBit, ordering: .sequentiallyConsistent)
  }

  /// Has the time of the innermost scope come? The current thread.
  public var isInExpiredScope: Bool { pointee.scopes?.pointee.isExpired ?? false }

  /// Has `machine`, which is not the thread's own, entered a scope that the thread is inside of? The
  /// current thread.
  public func isScoped(by machine: UnsafeMutableRawPointer) -> Bool {
    var scope = pointee.scopes
    while let current = scope {
      if current.pointee.machine == machine { return true }
      scope = current.pointee.outer
    }
    return false
  }

  /// A wait raises the error of an expired scope: the innermost one will have it. The current thread.
  public func noteTimeoutRaised() { innermostExpired { _ in true }?.noteRaised() }

  /// It is told by the hook that its time is up. True: it has had its time to tidy up, and is to be told
  /// at every instruction. The current thread.
  public func takeTimeout() -> Bool {
    guard let scope = dueScope else { return false }
    let isLasting = scope.pointee.hasBeenRaised
    scope.noteRaised()
    return isLasting
  }

  /// The thread computes: is it to be told to stop nevertheless? Because its time is up, or because it
  /// has swallowed its abort, Ctrl-C or its own exit. Not in a critical section. The current thread.
  public var mustUnwind: Bool {
    guard pointee.critCount == 0, isCancelled else { return false }
    return isExiting || hasSwallowedAbort || isInterruptedForGood || dueScope != nil
  }

  /// It is over: what its variables do that are to be closed is ended at waits alone. The current thread.
  public func stopUnwinding() {
    pointee.cancelState.bitwiseAnd(
      ~(Self.swallowedBit | Self.exitBit), ordering: .relaxed)
    var scope = pointee.scopes
    while let current = scope {
      current.pointee.isTimed = false
      current.pointee.isDue = false
      scope = current.pointee.outer
    }
  }

  private var dueScope: TimeoutScopeRef? {
    guard pointee.cancelState.load(ordering: .relaxed) & Self.timeoutBit != 0,
      let scope = innermostExpired({ $0.pointee.isTimed }), scope.pointee.isDue
    else { return nil }
    return scope
  }

  private func innermostExpired(_ isMeant: (TimeoutScopeRef) -> Bool) -> TimeoutScopeRef? {
    var scope = pointee.scopes
    while let current = scope {
      if current.pointee.isExpired, isMeant(current) { return current }
      scope = current.pointee.outer
    }
    return nil
  }

  /// It waits for what no abort ends, other than tokens: see `WaitKind`. Owner.
  var waitsForAnother: Bool {
    pointee.waitWord.load(ordering: .relaxed) & 1 != 0 && pointee.waitKind != .token
  }

  func dropScopes() {
    while pointee.scopes != nil { popScope() }
  }

  private func popScope() {
    guard let scope = pointee.scopes else { return }
    pointee.scopes = scope.pointee.outer
    let timer = addressOf(&scope.pointee.timer)
    if timer.pointee.isArmed { mycpu.disarmTimer(timer) }
    if scope.pointee.machine != nil { lwkt_count_scoped_coroutine(-1) }
    scope.deinitialize(count: 1)
    scope.deallocate()
  }
}
