// Thread.swift: what LWKT knows of one light weight thread.

import CLWKT
import Synchronization

public typealias ThreadRef = UnsafeMutablePointer<Thread>

/// A light weight thread: something a worker can run until it waits or ends.
///
/// Who may touch what
/// - *Constant*: written before the thread is visible to anybody else.
/// - *Owner*: the worker in `cpu`, from its loop or from the thread itself while it runs. Ownership
///   passes with `cpu`: the giver's release store there orders all that it wrote.
/// - *Atomic*: any kernel thread that holds a reference; the order is said at the field.
/// - *Locked*: under `waitable.lock`.
///
/// States: a thread is *unborn* (`nostart`, in nobody's queue), *runnable* (on its worker's run
/// queue), *running* (in its worker's `curthread`, on no queue), *waiting* (wait word odd, in the
/// lists of what it waits for), or *dead*. The run queue it is on belongs to its owner.
public struct Thread: ~Copyable {
  // The order leaves no gaps: a program may have a million of these.

  /// Joiners wait here.
  public var waitable: Waitable
  /// Second, so that the thread is found from it: see `Timer`.
  var timer = Timer(.wait)
  /// Has anybody seen the result? Atomic.
  let noticed = Atomic<Bool>(false)
  /// It ended well. Set with `payload`.
  public internal(set) var succeeded = false
  /// It is in the host's list of threads that are over and hold objects: see `Cycles.swift`. Under the
  /// lock of the host's names, like the links, which are those that took it to run queues before.
  var isEndedHolder = false

  // MARK: Owner, touched by every switch

  /// The run queue's links.
  var runLinks = Links<ThreadRef>()
  public internal(set) var priority: UInt8
  public internal(set) var flags: Flags = []
  public var wakeReason: WakeReason = .none
  var tokensLost = false
  /// Which of several things became ready; -1 when there was one.
  public var wakeIndex: Int32 = -1
  /// What the waker hands over: a message (one reference) for a receive; nil when it hands over
  /// values alone, in `payload`.
  public var wakeValue: UnsafeMutableRawPointer?
  /// The binding's machine to run: a coroutine, opaque here. Nil before the first run.
  public var machine: UnsafeMutableRawPointer?
  /// The binding's note of how to go on after a wait.
  public var resumption: Int32 = 0
  /// How many arguments wait on the machine's stack for the first turn.
  public var startCount: Int32 = 0
  /// The binding's key to what it keeps for this thread in `domain`.
  public var slot: Int32 = -1
  /// How deep the thread is in critical sections.
  public internal(set) var critCount: Int32 = 0
  /// See `Wait.swift` for its bits. Atomic.
  let waitWord = Atomic<UInt64>(0)
  /// The tokens it holds or will have again. Owner.
  public internal(set) var tokens: UnsafeMutablePointer<TokenStack>?

  // MARK: Atomic

  /// The worker that owns it. Stored with release by the present owner when it gives the thread
  /// away, loaded with acquire by wakers.
  let cpuAtomic: Atomic<UInt32>
  /// A `WaitKind`. The owner stores, others read for inspection: relaxed.
  let waitKindAtomic = Atomic<UInt8>(0)
  /// `Lifecycle`. Release by whoever moves it on.
  let lifecycleAtomic: Atomic<UInt8>
  /// Bit 0 aborted, bit 1 a timeout scope expired, bit 2 the abort was swallowed,
  /// bit 3 it exits, bit 4 Ctrl-C lasts. Sequentially consistent against `waitWord`.
  let cancelState = Atomic<UInt8>(0)
  /// Ctrl-C for this thread. Set by the monitor, taken by the thread.
  public let interrupted = Atomic<Bool>(false)
  /// The abort's reason: a payload owned by the thread, written once before `cancelState` bit 0.
  let abortReason = Atomic<UInt>(0)
  /// The built-in port, made by whoever needs it first: a `Port` with one reference, or 0.
  @usableFromInline let portAtomic = Atomic<UInt>(0)

  // MARK: Owner, colder

  public internal(set) var waitObject: ObjectRef?
  /// When the present wait began, on the worker's coarse clock: nanoseconds.
  public internal(set) var waitSince: UInt64 = 0
  var node: WaitNode
  /// In the owner's list of all its threads?
  var registry = Registry.none
  /// The line where it was created. Constant.
  public var createdLine: Int32 = 0
  /// Its name by descent: `1.4` is `parentPath` and `pathNumber`. Constant.
  let pathNumber: UInt32
  /// The heap it lives in, nil before its first run. Atomic because inspection reads it.
  let domainAtomic = Atomic<UInt>(0)
  /// The links of its domain's threads, and before it has one those of the run queue's strays.
  var domainLinks = Links<ThreadRef>()
  /// What it is to run, in neutral memory, until the first run takes it. Later the values of a message
  /// that its sender hands over without making one: written by the one that claimed the wait. At last
  /// how it ended: written before `lifecycle` becomes dead, read freely after that. Owner.
  public var payload = Payload()
  /// The binding's: the request that the thread makes and whose answer it waits for plainly, one
  /// reference. Owner.
  public var request: MessageRef?
  var workerLinks = Links<ThreadRef>()
  /// What few threads need: see `ThreadRarities`. 0 until then.
  let raritiesAtomic = Atomic<UInt>(0)

  // MARK: Constant

  public let host: HostRef
  /// Unique in the host's life.
  public let id: UInt64
  /// See `pathNumber`. One reference, nil for a root.
  let parentPath: ThreadPathRef?
  /// Where it was created: one reference, or nil.
  public var createdAt: SourceNameRef?

  // MARK: Locked

  @inline(__always)
  public internal(set) var waitKind: WaitKind {
    get { WaitKind(rawValue: waitKindAtomic.load(ordering: .relaxed)).unsafelyUnwrapped }
    nonmutating set { waitKindAtomic.store(newValue.rawValue, ordering: .relaxed) }
  }

  /// Threads on no run queue that are to be scheduled, the newest first, are chained by this.
  @inline(__always)
  var runNext: ThreadRef? {
    get { runLinks.next }
    set { runLinks.next = newValue }
  }

  /// Runnable threads; and threads that are over, which do not run any more, among the host's `Holders`.
  enum ByRun: Linkage {
    static func links(of thread: ThreadRef) -> UnsafeMutablePointer<Links<ThreadRef>> {
      addressOf(&thread.pointee.runLinks)
    }
  }

  /// The threads of a domain, or the run queue's strays.
  enum ByDomain: Linkage {
    static func links(of thread: ThreadRef) -> UnsafeMutablePointer<Links<ThreadRef>> {
      addressOf(&thread.pointee.domainLinks)
    }
  }

  /// All threads of a worker.
  enum ByWorker: Linkage {
    static func links(of thread: ThreadRef) -> UnsafeMutablePointer<Links<ThreadRef>> {
      addressOf(&thread.pointee.workerLinks)
    }
  }

  init(
    host: HostRef, id: UInt64, parentPath: ThreadPathRef?, pathNumber: UInt32,
    cpu: Int, priority: UInt8
  ) {
    waitable = Waitable(.thread)
    self.host = host
    self.id = id
    self.parentPath = parentPath
    self.pathNumber = pathNumber
    self.priority = priority
    cpuAtomic = Atomic(UInt32(cpu))
    lifecycleAtomic = Atomic(Lifecycle.unborn.rawValue)
    node = WaitNode()
  }

  public struct Flags: OptionSet, Sendable {
    public let rawValue: UInt8
    @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }
    @inlinable public static var onRunQueue: Flags { Flags(rawValue: 1) }
    /// Stays on its worker.
    @inlinable public static var pinned: Flags { Flags(rawValue: 2) }
    /// Does not keep the program alive.
    @inlinable public static var daemon: Flags { Flags(rawValue: 4) }
    /// Lives in its creator's heap.
    @inlinable public static var sharing: Flags { Flags(rawValue: 8) }
    /// Its preemption was held off by a critical section and is due at the end of it.
    @inlinable public static var preemptionDue: Flags { Flags(rawValue: 16) }
    /// Woken while its domain was between two workers; adoption makes it runnable.
    @inlinable public static var wokenInTransit: Flags { Flags(rawValue: 32) }
    /// A heap of its own, because of `maxmem`.
    @inlinable public static var ownHeap: Flags { Flags(rawValue: 64) }
    /// The thread that runs the program.
    @inlinable public static var main: Flags { Flags(rawValue: 128) }
  }

  public enum Lifecycle: UInt8, Sendable {
    case unborn, alive, dead
  }

  /// Where the thread stands with its owner's list. Owner.
  enum Registry: UInt8 {
    /// In no list: not begun, or over.
    case none
    case linked
    /// Its giver has taken it out, its taker will put it in.
    case inTransit
  }

  struct NotifyEntry {
    var port: PortRef
    /// To its head queue.
    var isUrgent: Bool
    var next: UnsafeMutablePointer<NotifyEntry>?
  }

  public static let defaultPriority: UInt8 = 8
  public static let highestPriority: UInt8 = 31
}

/// What `create` may ask for.
public struct ThreadOptions {
  /// Copied by `make`; whoever sets it keeps it until then. No String: threads are made in streams.
  public var name: UnsafePointer<CChar>?
  /// Pin to this worker.
  public var cpu: Int?
  public var priority = Thread.defaultPriority
  public var noStart = false
  public var daemon = false
  public var sharing = false
  public var memoryLimit = 0
  public init() {}
}

extension UnsafeMutablePointer where Pointee == Thread {
  public var object: ObjectRef { ObjectRef(self) }
  var waitable: UnsafeMutablePointer<Waitable> {
    UnsafeMutableRawPointer(self).assumingMemoryBound(to: Waitable.self)
  }

  /// The worker it belongs to. Any kernel thread; may be out of date at once.
  public var cpu: Int { Int(pointee.cpuAtomic.load(ordering: .acquiring)) }

  public var lifecycle: Thread.Lifecycle {
    Thread.Lifecycle(rawValue: pointee.lifecycleAtomic.load(ordering: .acquiring))!
  }
  public var isDead: Bool { lifecycle == .dead }

  public var domain: DomainRef? {
    DomainRef(bitPattern: pointee.domainAtomic.load(ordering: .relaxed))
  }

  /// Its name by descent, such as `1.4`. Any kernel thread that holds a reference.
  public var pathName: String {
    ThreadPath.text(parent: pointee.parentPath, number: pointee.pathNumber)
  }

  /// Is it there for the host's own purposes? Constant.
  var isHostsOwn: Bool { pointee.parentPath == nil && pointee.pathNumber == 0 }

  /// How the thread is named in reports: `1.4 (fetcher)`, `1.4`.
  public var displayName: String {
    guard let name = pointee.name else { return pathName }
    return pathName + " (" + String(cString: name) + ")"
  }

  /// What `td.state` says. Exact on the owner, else a glimpse.
  public var stateName: StaticString {
    switch lifecycle {
    case .unborn: "nostart"
    case .dead: "dead"
    case .alive:
      if pointee.waitWord.load(ordering: .relaxed) & 1 != 0 {
        "waiting"
      } else if lwktCurrentThread() == self {
        "running"
      } else {
        "runnable"
      }
    }
  }
}

/// The current thread, or nil on a kernel thread that is no worker or in a worker's loop.
@inlinable @inline(__always)
public func lwktCurrentThread() -> ThreadRef? {
  lwkt_curtd()?.assumingMemoryBound(to: Thread.self)
}
