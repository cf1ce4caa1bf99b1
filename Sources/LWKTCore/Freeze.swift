// Freeze.swift: all threads but one stand still, and how long each has run.
//
// For whoever looks at a running program. A frozen worker takes each thread that would run next off
// its run queue and lays it aside, in order; timers fire and messages arrive as ever, so more come.
// Thawing puts them back. The flag is the host's; each worker follows it between two threads, and
// the monitor makes a computing one let go.

import CLWKT
import Synchronization

extension UnsafeMutablePointer where Pointee == HostState {
  /// Stop all threads but the one that calls, or let them go on. Any worker, the current thread. Each
  /// worker follows when it next attends to what others have left: an IPI after this comes later.
  public func setFrozen(_ frozen: Bool) {
    let awake = frozen ? UInt(bitPattern: lwktCurrentThread()) : 0
    pointee.onlyThread.store(awake, ordering: .releasing)
    prodAll()
  }

  /// From now on each worker notes how long its threads run. Any worker.
  public func keepAccount() {
    pointee.keepsAccount.store(true, ordering: .releasing)
    prodAll()
  }

  public var isFrozen: Bool { pointee.onlyThread.load(ordering: .acquiring) != 0 }
}

extension UnsafeMutablePointer where Pointee == GlobalData {
  /// Follow the host's flags. In the loop, no thread running.
  func watchOver() {
    closeAccount()
    let host = pointee.host
    let running = host.pointee.phase.load(ordering: .relaxed) == HostPhase.running
    pointee.onlyThread =
      running ? ThreadRef(bitPattern: host.pointee.onlyThread.load(ordering: .acquiring)) : nil
    pointee.keepsAccount = host.pointee.keepsAccount.load(ordering: .relaxed)
    if pointee.onlyThread == nil { thaw() }
  }

  /// The thread's turn begins, and whoever ran before has had his. In the loop.
  @inline(never)
  func openAccount(_ thread: ThreadRef) {
    let now = closeAccount()
    thread.object.retainObject()
    pointee.accounted = thread
    pointee.accountedSince = now
  }

  /// Before its thread may belong to another worker. In the loop. Not at the end of the turn: that may
  /// be on another native stack than its beginning, or find the thread gone.
  @discardableResult
  func closeAccount() -> UInt64 {
    let now = pointee.keepsAccount ? lwkt_nanotime() : 0
    if let thread = pointee.accounted {
      thread.pointee.runNanoseconds &+= now &- pointee.accountedSince
      pointee.accounted = nil
      thread.object.releaseObject()
    }
    return now
  }

  /// The account goes on, and shows what the thread has run until now. In the loop, or the current thread.
  /// Answers the time, 0 when no account is kept.
  func bringAccountUpToDate() -> UInt64 {
    guard pointee.keepsAccount else { return 0 }
    let now = lwkt_nanotime()
    if let thread = pointee.accounted {
      thread.pointee.runNanoseconds &+= now &- pointee.accountedSince
      pointee.accountedSince = now
    }
    return now
  }

  /// The thread is next: is it to be laid aside? In the loop.
  func laysAside(_ thread: ThreadRef) -> Bool {
    guard let only = pointee.onlyThread, only != thread else { return false }
    pointee.laidAside.append(thread)
    return true
  }

  private func thaw() {
    while let thread = pointee.laidAside.popFirst() { pointee.runQueue.append(thread) }
  }
}
