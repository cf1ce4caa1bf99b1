// RunQueue.swift: the runnable threads of one worker.

/// 32 priorities, 31 the highest, round robin within one. Owner worker only.
struct RunQueue: ~Copyable {
  /// Bit p set: there are threads of priority p.
  private(set) var occupied: UInt32 = 0
  private(set) var count = 0
  /// How many of them could leave one by one: they have no domain yet and are not pinned.
  private(set) var strays = 0
  /// These, in the order they came: so they are at hand however many others stand before and behind them.
  private(set) var strayThreads = LinkedList<Thread.ByDomain>()
  private let queues: Queue

  init() {
    queues = .allocate(capacity: 32)
    queues.initialize(repeating: LinkedList(), count: 32)
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
      if change > 0 { strayThreads.append(thread) } else { strayThreads.remove(thread) }
    }
  }

  @inline(__always)
  mutating func append(_ thread: ThreadRef) {
    queueComing(thread).pointee.append(thread)
    note(thread, 1)
  }

  /// To the head of its priority: for threads that the clock or the kernel has woken.
  mutating func prepend(_ thread: ThreadRef) {
    queueComing(thread).pointee.prepend(thread)
    note(thread, 1)
  }

  /// The threads of a priority. (By `queues[priority]` the thread sanitizer's compiler breaks.)
  private typealias Queue = UnsafeMutablePointer<LinkedList<Thread.ByRun>>

  @inline(__always)
  private func queue(_ priority: Int) -> Queue { queues + priority }

  /// The queue that the thread is to be put into.
  @inline(__always)
  private mutating func queueComing(_ thread: ThreadRef) -> Queue {
    thread.pointee.flags.insert(.onRunQueue)
    occupied |= 1 << UInt32(thread.pointee.priority)
    return queue(Int(thread.pointee.priority))
  }

  /// It has been taken out of the queue of its priority.
  @inline(__always)
  private mutating func noteGoing(_ thread: ThreadRef, _ priority: Int) {
    if queue(priority).pointee.first == nil { occupied &= ~(1 << UInt32(priority)) }
    thread.pointee.flags.remove(.onRunQueue)
    note(thread, -1)
  }

  /// The thread that is to run next, taken out.
  @inline(__always)
  mutating func pop() -> ThreadRef? {
    guard occupied != 0 else { return nil }
    let priority = bestPriority
    let thread = queue(priority).pointee.popFirst().unsafelyUnwrapped
    noteGoing(thread, priority)
    return thread
  }

  /// How many threads have the best priority that waits here.
  /// - Complexity: O(n)
  var bestCount: Int { occupied == 0 ? 0 : queue(bestPriority).pointee.count }

  /// One of the threads of the best priority, counted from the head of their queue, taken out.
  /// - Complexity: O(n)
  mutating func popBest(_ number: Int) -> ThreadRef? {
    guard occupied != 0 else { return nil }
    let thread = queue(bestPriority).pointee.dropFirst(number).first { _ in true }
    if let thread { remove(thread) }
    return thread
  }

  mutating func remove(_ thread: ThreadRef) {
    let priority = Int(thread.pointee.priority)
    queue(priority).pointee.remove(thread)
    noteGoing(thread, priority)
  }
}
