// RunQueue.swift: the runnable threads of one worker.

/// 32 priorities, 31 the highest, round robin within one. Owner worker only.
struct RunQueue: ~Copyable {
  private typealias Ends = (first: ThreadRef?, last: ThreadRef?)

  /// Bit p set: there are threads of priority p.
  private(set) var occupied: UInt32 = 0
  private(set) var count = 0
  /// How many of them could leave one by one: they have no domain yet and are not pinned.
  private(set) var strays = 0
  /// These, in the order they came, linked by `domainNext` and `domainPrevious`: so they are at hand
  /// however many others stand before and behind them.
  private(set) var firstStray: ThreadRef?
  private var lastStray: ThreadRef?
  private let queues: UnsafeMutablePointer<Ends>

  init() {
    queues = .allocate(capacity: 32)
    queues.initialize(repeating: (nil, nil), count: 32)
  }

  deinit { queues.deallocate() }

  /// The best priority that waits here, or -1.
  var bestPriority: Int { 31 - occupied.leadingZeroBitCount }

  /// A thread has come (1) or gone (-1).
  @inline(__always)
  private mutating func note(_ thread: ThreadRef, _ change: Int) {
    count += change
    if let domain = thread.domain {
      domain.pointee.runnable += change
      domain.pointee.collection.turns &+= 1
    } else if !thread.pointee.flags.contains(.pinned) {
      strays += change
      if change > 0 { linkStray(thread) } else { unlinkStray(thread) }
    }
  }

  @inline(__always)
  private mutating func linkStray(_ thread: ThreadRef) {
    thread.pointee.domainNext = nil
    thread.pointee.domainPrevious = lastStray
    if let last = lastStray { last.pointee.domainNext = thread } else { firstStray = thread }
    lastStray = thread
  }

  @inline(__always)
  private mutating func unlinkStray(_ thread: ThreadRef) {
    let next = thread.pointee.domainNext
    let previous = thread.pointee.domainPrevious
    if let next { next.pointee.domainPrevious = previous } else { lastStray = previous }
    if let previous { previous.pointee.domainNext = next } else { firstStray = next }
  }

  @inline(__always)
  mutating func append(_ thread: ThreadRef) {
    let priority = Int(thread.pointee.priority)
    thread.pointee.flags.insert(.onRunQueue)
    thread.pointee.runNext = nil
    let last = queues[priority].last
    thread.pointee.runPrevious = last
    if let last {
      last.pointee.runNext = thread
    } else {
      queues[priority].first = thread
      occupied |= 1 << UInt32(priority)
    }
    queues[priority].last = thread
    note(thread, 1)
  }

  /// To the head of its priority: for threads that the clock or the kernel has woken.
  mutating func prepend(_ thread: ThreadRef) {
    let priority = Int(thread.pointee.priority)
    thread.pointee.flags.insert(.onRunQueue)
    thread.pointee.runPrevious = nil
    let first = queues[priority].first
    thread.pointee.runNext = first
    if let first {
      first.pointee.runPrevious = thread
    } else {
      queues[priority].last = thread
      occupied |= 1 << UInt32(priority)
    }
    queues[priority].first = thread
    note(thread, 1)
  }

  /// The thread that is to run next, taken out.
  @inline(__always)
  mutating func pop() -> ThreadRef? {
    guard occupied != 0 else { return nil }
    let priority = 31 - occupied.leadingZeroBitCount
    let thread = queues[priority].first.unsafelyUnwrapped
    let next = thread.pointee.runNext
    queues[priority].first = next
    if let next {
      next.pointee.runPrevious = nil
    } else {
      queues[priority].last = nil
      occupied &= ~(1 << UInt32(priority))
    }
    thread.pointee.flags.remove(.onRunQueue)
    note(thread, -1)
    return thread
  }

  /// How many threads have the best priority that waits here.
  /// - Complexity: O(n)
  var bestCount: Int {
    guard occupied != 0 else { return 0 }
    var count = 0
    var thread = queues[bestPriority].first
    while let current = thread {
      count += 1
      thread = current.pointee.runNext
    }
    return count
  }

  /// One of the threads of the best priority, counted from the head of their queue, taken out.
  /// - Complexity: O(n)
  mutating func popBest(_ number: Int) -> ThreadRef? {
    guard occupied != 0 else { return nil }
    var thread = queues[bestPriority].first
    for _ in 0..<number { thread = thread?.pointee.runNext }
    if let thread { remove(thread) }
    return thread
  }

  mutating func remove(_ thread: ThreadRef) {
    let priority = Int(thread.pointee.priority)
    let next = thread.pointee.runNext
    let previous = thread.pointee.runPrevious
    if let previous { previous.pointee.runNext = next } else { queues[priority].first = next }
    if let next { next.pointee.runPrevious = previous } else { queues[priority].last = previous }
    if queues[priority].first == nil { occupied &= ~(1 << UInt32(priority)) }
    thread.pointee.flags.remove(.onRunQueue)
    note(thread, -1)
  }
}
