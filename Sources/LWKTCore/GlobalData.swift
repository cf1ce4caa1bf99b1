// GlobalData.swift: what one worker, a virtual cpu, owns.

import CLWKT
import Synchronization

public typealias GlobalDataRef = UnsafeMutablePointer<GlobalData>

/// Everything that only the worker itself touches: no locks, no atomics. What others may touch is in
/// `CPUShared`.
public struct GlobalData: ~Copyable {
  public let cpu: Int
  /// Somebody listens to events or steers: see `Event.swift` and `Policy.swift`. Never changes.
  public let isObserved: Bool
  public let host: HostRef
  let shared: UnsafeMutablePointer<CPUShared>
  var runQueue = RunQueue()
  var timers = TimerHeap()
  /// All threads this worker owns, in no order.
  var allThreads = LinkedList<Thread.ByWorker>()
  /// The domains that live here, newest first.
  var domains = LinkedList<Domain.ByWorker>()
  public internal(set) var domainCount = 0
  /// Those of them that threads have left, the latest first.
  var emptyDomains = LinkedList<Domain.ByEmptiness>()
  /// See `domainToFill`.
  var domainBeingFilled: DomainRef?
  var domainLastLeft: DomainRef?
  /// The clock as last read: nanoseconds.
  public internal(set) var coarseNow: UInt64 = 0
  /// Switches until the loop looks at clock and ring again.
  var switchesToPoll = GlobalData.switchesPerPoll
  /// Threads woken to the head of the run queue, less the turns of others: see `scheduleFirst`.
  var boosts = 0
  /// How many were at the last look at the clock, and how many turns there had been by then.
  var boostsSincePoll = 0
  var turnsAtPoll: UInt64 = 0
  /// IPIs that found their queue full.
  var backlog = IPIBacklog()
  /// The worker that was asked for threads and has not answered; -1 for none.
  var askedCPU = -1
  /// Where the next search for a worker to ask begins.
  var askNext: Int
  /// Questions in a row that were of no use, and when to ask again.
  var refusals = 0
  var nextAsk: UInt64 = 0
  /// When it was given the threads that it has not run out of since; 0: it has.
  var giftSince: UInt64 = 0
  /// When it hints again that there is work here, and how long it pauses after that.
  var nextHint: UInt64 = 0
  var hintPause = GlobalData.shortestPause
  var wakings = Wakings()
  var pace = Pace()
  /// This worker's system calls, made when first needed.
  var sysport: Sysport?
  var stacks = StackPool()
  var pools = ObjectPools()
  var nextThreadID: UInt64
  /// Timers of dead threads' errors: they do not count as something still to come.
  var unnoticedTimers = 0
  /// How the turn of the thread that is being parked ends.
  var parkedOutcome = RunOutcome.waiting
  /// See `moveSelf`.
  var departing: Departure?
  // See `Freeze.swift`.
  /// The only thread that may run, if the others are frozen.
  var onlyThread: ThreadRef?
  /// The others that would run, in order.
  var laidAside = LinkedList<Thread.ByRun>()
  var keepsAccount = false
  /// The thread whose turn is being timed, one reference, and since when.
  var accounted: ThreadRef?
  var accountedSince: UInt64 = 0
  /// Objects that may be in cycles, made here since the last search, and how many bring on the next.
  var holdersMade = 0
  var holdersLimit = 4000
  // See `HeapCollection.swift`.
  /// Where in the list of domains the examination of heaps goes on; nil: at the beginning.
  var examineNext: DomainRef?
  var examineNotBefore: UInt64 = 0
  /// Some of those it has met must be looked at again.
  var leavesUnexamined = false
  /// This worker has told its threads that the program ends.
  var isDraining = false

  static let switchesPerPoll = 32
  /// So many threads that have not started are worth a look at the other workers.
  static let crowd = 16
  /// Nanoseconds between two questions for work, or two hints. Each that leads to nothing doubles the
  /// pause: a worker that has nothing to give should not be kept busy with saying so.
  static let shortestPause: UInt64 = 50_000
  static let longestPause: UInt64 = 3_200_000

  init(cpu: Int, host: HostRef, shared: UnsafeMutablePointer<CPUShared>) {
    self.cpu = cpu
    isObserved = host.pointee.listener != nil || host.pointee.policy.steering != nil
    self.host = host
    self.shared = shared
    askNext = cpu + 1
    nextThreadID = UInt64(cpu) << 48
  }
}

/// What any worker may touch of one worker: atomics, on cache lines of their own.
struct CPUShared: ~Copyable {
  /// Bit s of word s/64: worker s has sent IPIs. Set with acquire-release, taken with acquire.
  let pending: InlineArray<4, Atomic<UInt64>>
  /// Set (release) by whoever leaves something for this worker: IPIs, the monitor's tick, a change
  /// of the host's phase. The loop reads it (relaxed) before each switch and takes it (acquire).
  let attention = Atomic<Bool>(false)
  /// Written to wake a worker that sleeps in its engine: an eventfd, or -1 while there is none.
  let wakeDescriptor = Atomic<Int32>(-1)
  /// `SleepState`. Sequentially consistent against `pending` and the inbox.
  let sleepState = Atomic<UInt32>(SleepState.awake)
  /// IPIs from kernel threads that are no workers.
  let inbox = DropBox<InboxEntry>()
  /// Calls of this worker that the pool has made.
  let returnedCalls = DropBox<SystemCall>()
  private let padding0 = Padding()

  // Written by the owner (relaxed), read by the monitor and by idle workers as hints.

  /// Threads on the run queue.
  let load = Atomic<Int>(0)
  /// Switches so far: tells the monitor whether the same thread is still running.
  let switches = Atomic<UInt64>(0)
  /// The earliest timer, or `.max`.
  let nextDeadline = Atomic<UInt64>(.max)
  /// System calls in flight plus armed timers, published before sleeping: reasons to wake by itself.
  let expected = Atomic<Int>(0)
  /// System calls in flight.
  let inFlight = Atomic<Int>(0)
  /// The worker's `pthread_t`, written before it is announced.
  let kernelThread = Atomic<UInt>(0)
  /// A thread is running.
  let isBusy = Atomic<Bool>(false)
  /// It waits for the world to go on: see `WorldStop.swift`.
  let isStopped = Atomic<Bool>(false)
  /// It is to look through its heaps (set by the monitor, relaxed, with `attention` after it), and how
  /// many switches it had made when it last had: see `HeapCollection.swift`.
  let examinationIsDue = Atomic<Bool>(false)
  let examined = Atomic<UInt64>(0)
  let counters: Counters
  private let padding1 = Padding()

  /// Events that the listener has not been told of: the owner appends, and whoever ends the process may
  /// take them. Guarded by the lock, a leaf, which nobody takes where nobody listens.
  let eventLock = Spinlock()
  var events: [Event] = []

  init() {
    pending = InlineArray { _ in Atomic(0) }
    counters = Counters()
  }

  enum SleepState {
    static let awake: UInt32 = 0
    /// In a futex on `sleepState`.
    static let onWord: UInt32 = 1
    /// In the system call engine.
    static let inEngine: UInt32 = 2
  }
}

/// What is on one side of it shares no cache line with what is on the other.
struct Padding: ~Copyable {
  private let words = InlineArray<16, UInt64>(repeating: 0)
}

/// What `lwkt.stat` shows of one worker. The owner alone writes: a relaxed load and store, no
/// read-modify-write; others read relaxed.
public struct Counters: ~Copyable {
  let values: InlineArray<16, Atomic<UInt64>>
  init() { values = InlineArray { _ in Atomic(0) } }

  public enum Name: Int, CaseIterable, Sendable {
    case switches, ipisSent, ipisAvoided, ipiQueueFull, ipisChased, threadsGiven, threadsTaken
    case preemptions, sysportMessages, tokenCollisions, threadsCreated, threadsEnded
    case stacksParked, idleSleeps, workRequests, threadsJoined

    public var label: StaticString {
      switch self {
      case .switches: "switches"
      case .ipisSent: "ipis_sent"
      case .ipisAvoided: "ipis_avoided"
      case .ipiQueueFull: "ipi_queue_full"
      case .ipisChased: "ipis_chased"
      case .threadsGiven: "threads_given"
      case .threadsTaken: "threads_taken"
      case .preemptions: "preemptions"
      case .sysportMessages: "sysport_messages"
      case .tokenCollisions: "token_collisions"
      case .threadsCreated: "threads_created"
      case .threadsEnded: "threads_ended"
      case .stacksParked: "stacks_parked"
      case .idleSleeps: "idle_sleeps"
      case .workRequests: "work_requests"
      case .threadsJoined: "threads_joined"
      }
    }
  }

  @inline(__always)
  borrowing func add(_ name: Name, _ amount: UInt64 = 1) {
    values[name.rawValue].store(
      values[name.rawValue].load(ordering: .relaxed) &+ amount, ordering: .relaxed)
  }

  borrowing func get(_ name: Name) -> UInt64 { values[name.rawValue].load(ordering: .relaxed) }
}

/// This worker. Only on a worker's kernel thread.
@inline(__always)
public var mycpu: GlobalDataRef {
  lwkt_mygd().unsafelyUnwrapped.assumingMemoryBound(to: GlobalData.self)
}

/// This worker, or nil on any other kernel thread.
@inline(__always)
public var mycpuIfWorker: GlobalDataRef? {
  lwkt_mygd()?.assumingMemoryBound(to: GlobalData.self)
}

extension UnsafeMutablePointer where Pointee == GlobalData {
  /// Own worker.
  @inline(__always)
  public func count(_ name: Counters.Name, _ amount: UInt64 = 1) {
    pointee.shared.pointee.counters.add(name, amount)
  }

  func link(_ domain: DomainRef) {
    pointee.domains.prepend(domain)
    pointee.domainCount += 1
  }

  func unlink(_ domain: DomainRef) {
    if pointee.domainBeingFilled == domain {
      pointee.domainBeingFilled = pointee.domains.next(domain)
    }
    if pointee.domainLastLeft == domain { pointee.domainLastLeft = nil }
    if pointee.examineNext == domain { pointee.examineNext = pointee.domains.next(domain) }
    pointee.domains.remove(domain)
    pointee.domainCount -= 1
  }

  func link(_ thread: ThreadRef) {
    thread.pointee.registry = .linked
    pointee.allThreads.prepend(thread)
  }

  func unlink(_ thread: ThreadRef) {
    thread.pointee.registry = .none
    pointee.allThreads.remove(thread)
  }

  /// Own worker.
  public func armTimer(_ timer: TimerRef) {
    pointee.timers.add(timer)
    publishDeadline()
  }

  /// Own worker.
  public func disarmTimer(_ timer: TimerRef) {
    pointee.timers.remove(timer)
    publishDeadline()
  }

  @inline(__always)
  private func publishDeadline() {
    pointee.shared.pointee.nextDeadline.store(
      pointee.timers.earliest ?? .max, ordering: .relaxed)
  }
}
