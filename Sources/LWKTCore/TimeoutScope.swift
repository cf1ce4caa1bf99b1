// TimeoutScope.swift: an abort with a time and a place to stop at.

import Synchronization

/// One `timeout` call that a thread is inside of. When its time is up every wait of the thread fails
/// until control is back where the scope was entered. Owner worker of the thread.
public struct TimeoutScope {
  /// First, so that the scope is found from it: see `Timer`.
  var timer = Timer(.scope)
  var thread: ThreadRef
  /// The scope around this one.
  public internal(set) var outer: UnsafeMutablePointer<TimeoutScope>?
  public internal(set) var isExpired = false
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
    pointee.isExpired = true
    mycpu.note(.timeout, pointee.thread.object)
    pointee.thread.cancel(ThreadRef.timeoutBit)
  }
}

extension UnsafeMutablePointer where Pointee == Thread {
  /// Enter a scope that ends at `deadline`. The current thread.
  /// `.max`: it has no time of its own, only `expireNow`.
  public func enterScope(deadline: UInt64) -> TimeoutScopeRef {
    let scope = TimeoutScopeRef.allocate(capacity: 1)
    scope.initialize(to: TimeoutScope(thread: self, outer: pointee.scopes))
    pointee.scopes = scope
    let timer = addressOf(&scope.pointee.timer)
    timer.pointee.deadline = deadline
    if deadline != .max {
      pointee.host.watch()
      mycpu.armTimer(timer)
    }
    return scope
  }

  /// Leave `scope`, and any inside it that an error jumped over. Had its time come? The current
  /// thread.
  public func leaveScope(_ scope: TimeoutScopeRef) -> Bool {
    while let innermost = pointee.scopes {
      let isLast = innermost == scope
      let expired = innermost.pointee.isExpired
      popScope()
      if isLast {
        refreshTimeoutBit()
        return expired
      }
    }
    return false
  }

  /// The outermost scope whose time is up: where control must get back to. The current thread.
  public var expiredScope: TimeoutScopeRef? {
    var found: TimeoutScopeRef?
    var scope = pointee.scopes
    while let current = scope {
      if current.pointee.isExpired { found = current }
      scope = current.pointee.outer
    }
    return found
  }

  func dropScopes() {
    while pointee.scopes != nil { popScope() }
  }

  private func popScope() {
    guard let scope = pointee.scopes else { return }
    pointee.scopes = scope.pointee.outer
    let timer = addressOf(&scope.pointee.timer)
    if timer.pointee.isArmed { mycpu.disarmTimer(timer) }
    scope.deinitialize(count: 1)
    scope.deallocate()
  }

  private func refreshTimeoutBit() {
    guard expiredScope == nil else { return }
    pointee.cancelState.bitwiseAnd(~Self.timeoutBit, ordering: .sequentiallyConsistent)
  }
}
