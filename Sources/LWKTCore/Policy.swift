// Policy.swift: everything about scheduling that is not determined by the program.
//
// What time it is, and how long a thread may run, are asked here always. The rest (which thread runs
// next, when one is preempted, where a new one begins, who is asked for work and what he gives, which
// system call that has ended is noticed first) the workers decide for themselves, at no cost; a policy
// with a `Steering` is asked instead. A steered host with one worker is one kernel thread that does the
// same in every run, as far as the world outside does: a seeded steering explores schedules, one that has
// taken notes replays them. A steered worker pays a closure for each choice, any other at most a branch
// that it predicts: the flag is `GlobalData.isObserved`, which it shares with the events
// (`Event.swift`).

import CLWKT

/// All nondeterminism of the scheduler passes through here. Chosen when a host is made.
public struct Policy: Sendable {
  /// What time it is: nanoseconds, monotonic.
  public var now: @Sendable () -> UInt64
  /// How long a thread may run while others wait: nanoseconds.
  public var quantum: UInt64
  /// Nil: the workers choose for themselves.
  public var steering: Steering?

  public init(
    now: @escaping @Sendable () -> UInt64 = { lwkt_nanotime() }, quantum: UInt64 = 4_000_000,
    steering: Steering? = nil
  ) {
    self.now = now
    self.quantum = quantum
    self.steering = steering
  }
}

/// The choices of a scheduler. Each is called on the worker that it is for, with that worker's number
/// first, and returns a number below the count that it is given.
public struct Steering: Sendable {
  /// Which of the runnable threads of the best priority runs next, counted from the head of their queue.
  public var next: @Sendable (_ cpu: Int, _ count: Int) -> Int
  /// Is the running thread preempted at this visible step? No clock preempts it.
  public var preempts: @Sendable (_ cpu: Int, _ operation: Event.Operation) -> Bool
  /// The worker where a new thread begins that its creator has not pinned.
  public var place: @Sendable (_ cpu: Int, _ workers: Int) -> Int
  /// Which of the other workers is asked for work, counted from the next one up.
  public var ask: @Sendable (_ cpu: Int, _ others: Int) -> Int
  /// Of how many runnable threads at most an asked worker gives, how many it does: 0 up to that.
  public var give: @Sendable (_ cpu: Int, _ most: Int) -> Int
  /// Which of the threads goes on first whose system calls were found to have ended together.
  public var deliver: @Sendable (_ cpu: Int, _ count: Int) -> Int
  /// Nothing is runnable, and the next timer is due at this time: let the clock get there. False: the
  /// worker sleeps as long as that takes.
  public var pass: @Sendable (_ cpu: Int, _ until: UInt64) -> Bool

  /// The choices that change nothing: first come, first served.
  public init(
    next: @escaping @Sendable (_ cpu: Int, _ count: Int) -> Int = { _, _ in 0 },
    preempts: @escaping @Sendable (_ cpu: Int, _ operation: Event.Operation) -> Bool = { _, _ in
      false
    },
    place: @escaping @Sendable (_ cpu: Int, _ workers: Int) -> Int = { cpu, _ in cpu },
    ask: @escaping @Sendable (_ cpu: Int, _ others: Int) -> Int = { _, _ in 0 },
    give: @escaping @Sendable (_ cpu: Int, _ most: Int) -> Int = { _, most in most },
    deliver: @escaping @Sendable (_ cpu: Int, _ count: Int) -> Int = { _, _ in 0 },
    pass: @escaping @Sendable (_ cpu: Int, _ until: UInt64) -> Bool = { _, _ in false }
  ) {
    self.next = next
    self.preempts = preempts
    self.place = place
    self.ask = ask
    self.give = give
    self.deliver = deliver
    self.pass = pass
  }
}

extension UnsafeMutablePointer where Pointee == GlobalData {
  /// Who chooses for this worker, or nil: it does itself. Own worker.
  @inline(__always)
  var steering: Steering? {
    _slowPath(pointee.isObserved) ? pointee.host.pointee.policy.steering : nil
  }

  /// Somebody listens or steers: bring the thread to run next to the head of the run queue; unless it must
  /// have its tokens first, the switch to it is noted. In the loop, before each switch.
  func prepareSwitch() {
    flushEventsIfMany()
    let count = pointee.runQueue.bestCount
    guard count > 0 else { return }
    var number = 0
    if count > 1, let steering { number = checked(steering.next(pointee.cpu, count), count) }
    guard let thread = pointee.runQueue.popBest(number) else { return }
    pointee.runQueue.prepend(thread)
    // Nor is there one to a thread that is only laid aside: see `Freeze.swift`.
    if let only = pointee.onlyThread, only != thread { return }
    if !thread.pointee.tokensLost { note(.switch, of: thread) }
  }

  /// The threads chained by `runNext` in the order that the steering wants. In the loop.
  func ordered(_ chain: ThreadRef, by steering: Steering) -> ThreadRef? {
    var threads: [ThreadRef] = []
    var next: ThreadRef? = chain
    while let thread = next {
      threads.append(thread)
      next = thread.pointee.runNext
    }
    var last: ThreadRef?
    while !threads.isEmpty {
      let count = threads.count
      let thread = threads.remove(at: checked(steering.deliver(pointee.cpu, count), count))
      thread.pointee.runNext = last
      last = thread
    }
    return last
  }

  /// A choice must be one of those there are.
  func checked(_ choice: Int, _ count: Int) -> Int {
    precondition((0..<count).contains(choice), "a steering chose \(choice) of \(count)")
    return choice
  }
}
