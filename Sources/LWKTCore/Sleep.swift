// Sleep.swift: tsleep and wakeup.

/// What a thread sleeps on: a string, an integer or an object, as 128 bits that only equal idents
/// share (strings by two independent hashes).
public struct SleepIdent: Equatable, Sendable {
  public var high: UInt64
  public var low: UInt64
  public init(high: UInt64 = 0, low: UInt64 = 0) {
    self.high = high
    self.low = low
  }
}

/// Sleepers hashed by ident, as in the kernel.
struct SleepTable: ~Copyable {
  static let size = 512
  private let buckets: UnsafeMutablePointer<Waitable>

  init() {
    buckets = .allocate(capacity: SleepTable.size)
    for index in 0..<SleepTable.size { (buckets + index).initialize(to: Waitable(.port)) }
  }

  deinit {
    buckets.deinitialize(count: SleepTable.size)
    buckets.deallocate()
  }

  borrowing func bucket(_ ident: SleepIdent) -> UnsafeMutablePointer<Waitable> {
    let mixed = (ident.high ^ ident.low &* 0x9E37_79B9_7F4A_7C15) >> 32
    return buckets + Int(mixed & UInt64(SleepTable.size - 1))
  }
}

extension UnsafeMutablePointer where Pointee == Thread {
  /// Sleep on `ident` until `wakeup`. The current thread. `isStillWanted` is asked under the bucket's
  /// lock, so that a wakeup after it said yes is not lost.
  public func tsleep(
    _ ident: SleepIdent, kind: WaitKind = .tsleep, deadline: UInt64?,
    isStillWanted: () -> Bool = { true }
  ) -> WaitResult {
    let bucket = pointee.host.pointee.sleepTable.bucket(ident)
    bucket.pointee.lock.lock()
    guard isStillWanted() else {
      bucket.pointee.lock.unlock()
      return .ready
    }
    pointee.sleepIdent = ident
    let ticket = beginWait(kind, on: nil)
    enqueueNode(on: bucket, ticket: ticket)
    bucket.pointee.lock.unlock()
    armWaitTimer(deadline)
    return abortedMeanwhile(ticket: ticket) ? .waitOver : .waiting
  }
}

extension UnsafeMutablePointer where Pointee == HostState {
  /// Wake the sleepers on `ident`: all, or the one that has slept longest. Returns how many. Any
  /// kernel thread, no lock held.
  @discardableResult
  public func wakeup(_ ident: SleepIdent, one: Bool = false) -> Int {
    let bucket = pointee.sleepTable.bucket(ident)
    var woken: ThreadRef?
    var count = 0
    bucket.pointee.lock.lock()
    for node in bucket.pointee.waiters {
      let thread = node.pointee.thread
      guard thread.pointee.sleepIdent == ident else { continue }
      bucket.pointee.waiters.unlink(node)
      guard thread.claim(node.pointee.ticket) else { continue }
      thread.pointee.wakeReason = .ready
      thread.pointee.runNext = woken
      woken = thread
      count += 1
      if one { break }
    }
    bucket.pointee.lock.unlock()
    scheduleChain(woken)
    return count
  }
}
