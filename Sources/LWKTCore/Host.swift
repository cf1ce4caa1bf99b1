// Host.swift: the workers together: starting, counting who is awake, stopping.

import CLWKT
import Glibc
import Synchronization

public typealias HostRef = UnsafeMutablePointer<HostState>

/// What the language binding does for the core. Called with the context each comment names.
public struct Binding: Sendable {
  /// Run a thread until it yields, waits or ends; returns a `RunOutcome`'s raw value. `machine` and
  /// `count` are the thread's `machine` and `startCount`. In the loop of its worker. A C function:
  /// this call is in every switch.
  public typealias Run =
    @convention(c) (
      _ thread: UnsafeMutableRawPointer?, _ machine: UnsafeMutableRawPointer?, _ count: Int32
    ) -> Int32
  public var run: Run
  /// The running thread should let a better one run soon. On its worker, while it runs.
  public var requestSwitch: @convention(c) () -> Void
  /// Signal worker's kernel thread so that the running thread lets go. The monitor.
  public var preempt: @Sendable (_ kernelThread: pthread_t) -> Void
  /// A thread died of an error that nobody took notice of. Its owner.
  public var reportDeath: @Sendable (ThreadRef) -> Void
  /// Nobody will ever wake: `report` says who waits for what. Any worker, all others asleep.
  public var reportDeadlock: @Sendable (_ report: String) -> Void
  /// Then the program does not end: the main thread, if it can be, is interrupted as by Ctrl-C.
  public var outlivesDeadlocks: Bool
  /// Does this domain's heap hold an object that `holdsOthersUp`? In the loop of its worker.
  public var holdsOthersUp: @Sendable (DomainRef) -> Bool
  /// Start a thread in the domain that collects its heap and says so, by `collectionBegins` and
  /// `collectionEnds`: at once, or a little at a time. False if there is none to be had. In the loop of its
  /// worker.
  public var collect: @Sendable (_ domain: DomainRef, _ atOnce: Bool) -> Bool
  /// Where in its script the running thread is: `file:line`, or nothing. Its worker, while it runs.
  public var place: @Sendable () -> String
  /// The worker ends: give back what the binding keeps for it. Its kernel thread, after the loop.
  public var workerEnds: @Sendable () -> Void

  public init(
    run: @escaping Run,
    requestSwitch: @escaping @convention(c) () -> Void,
    preempt: @escaping @Sendable (_ kernelThread: pthread_t) -> Void,
    reportDeath: @escaping @Sendable (ThreadRef) -> Void,
    reportDeadlock: @escaping @Sendable (_ report: String) -> Void,
    holdsOthersUp: @escaping @Sendable (DomainRef) -> Bool = { _ in false },
    collect: @escaping @Sendable (_ domain: DomainRef, _ atOnce: Bool) -> Bool = { _, _ in false },
    outlivesDeadlocks: Bool = false,
    place: @escaping @Sendable () -> String = { "" },
    workerEnds: @escaping @Sendable () -> Void
  ) {
    self.holdsOthersUp = holdsOthersUp
    self.collect = collect
    self.place = place
    self.run = run
    self.requestSwitch = requestSwitch
    self.preempt = preempt
    self.reportDeath = reportDeath
    self.reportDeadlock = reportDeadlock
    self.outlivesDeadlocks = outlivesDeadlocks
    self.workerEnds = workerEnds
  }
}

/// Where a host stands.
enum HostPhase {
  static let running: UInt32 = 0
  /// The program is over: every thread left has been aborted and is let run to its end.
  static let draining: UInt32 = 1
  /// Workers leave their loops.
  static let stopped: UInt32 = 2
}

/// The state all workers share. Constant after start except for the atomics and what names a lock.
public struct HostState: ~Copyable {
  public let workerCount: Int
  let binding: Binding
  let policy: Policy
  /// Who is told of events, or nil.
  let listener: (any EventListener)?
  /// Events so far. Acquire-release: an event that follows from another has the higher number.
  let steps = Atomic<UInt64>(0)
  /// How many cpus there are for them.
  let cores: Int
  /// How many domains a worker makes before threads must share: enough of them to be moved one by one,
  /// but with workers beyond the cores no more in all, for each takes its part of the caches.
  public let ownDomains: Int
  /// With so many domains a new thread goes to one whose threads all wait, if there is such a one: what
  /// waits need not be moved one by one.
  public let restingDomains: Int
  let spinNanoseconds: UInt64
  let ipiCapacity: Int
  private let sharedBlocks: UnsafeMutablePointer<CPUShared>
  /// workerCount squared: created by the source before its first send, release; read acquire.
  private let queues: UnsafeMutablePointer<Atomic<UInt>>
  /// The workers' GlobalData, stored (release) when one starts.
  private let globals: UnsafeMutablePointer<Atomic<UInt>>
  private let kernelThreads: UnsafeMutablePointer<pthread_t>

  /// Workers 0..<startedWorkers run. Release by the starter, under `lifeLock`.
  let startedWorkers = Atomic<Int>(0)
  /// How many workers are not asleep in the kernel, at least. A worker counts itself out before it
  /// sleeps; whoever wakes it counts it in before he turns `sleepState` over: it may notice that by
  /// itself, run, and count itself out again before he goes on. So when it falls to 0 no IPI is under
  /// way, and everything all workers did happened before (acquire-release).
  let active = Atomic<Int>(0)
  /// See `HeapCollection.swift`. The last worker awake.
  var collectedSoFar = CollectedSoFar()
  /// Operations that somebody outside the workers will complete.
  let external = Atomic<Int>(0)
  let phase = Atomic<UInt32>(HostPhase.running)
  /// Workers that have aborted their threads because the host drains.
  let drainedWorkers = Atomic<UInt32>(0)
  /// Workers that have left their loops, and those that have ended their threads' waits too: see
  /// `endThreads`. Futexes.
  let endedLoops = Atomic<UInt32>(0)
  let endedWaits = Atomic<UInt32>(0)
  let population = Population()
  /// When draining must be over: nanoseconds.
  let drainDeadline = Atomic<UInt64>(.max)
  /// Ends the process although a worker does not leave its loop; it is told which one, by its kernel
  /// thread. Set before the host runs, called by the monitor. Without it, as in an embedder's process, the
  /// host waits.
  public var leaveWithout: (@Sendable (_ cpu: Int, _ kernelThread: pthread_t) -> Void)?
  /// Some thread's error went unnoticed.
  public let hadUnnoticedErrors = Atomic<Bool>(false)
  public let isDeadlocked = Atomic<Bool>(false)
  private let portIDs = Atomic<UInt64>(1)
  private let foreignThreadIDs = Atomic<UInt64>(1 << 63)
  private let roots = Atomic<UInt32>(0)
  let placement = Atomic<UInt32>(0)
  let lifeLock = Spinlock()
  /// 1 while some worker wants the others to stand still: see `WorldStop.swift`. A futex.
  let worldStop = Atomic<UInt32>(0)
  /// The thread that Ctrl-C is for, one reference, or 0. Release by whoever starts the program.
  let mainThread = Atomic<UInt>(0)
  /// See `oweInterrupt`. The main thread's, as it runs.
  var owesInterrupt = false
  var evaluation = Evaluation()

  /// The one thread that is not frozen, or 0; and whether run times are noted. See `Freeze.swift`.
  let onlyThread = Atomic<UInt>(0)
  let keepsAccount = Atomic<Bool>(false)

  let depots = Depots()
  let sleepTable = SleepTable()
  let names: NameTable
  let monitor: Monitor
  /// The same, for `watch`, which every create calls: counting references would have all workers write
  /// to one cache line.
  fileprivate let uncountedMonitor: Unmanaged<Monitor>
  let pool = BlockingPool()
  let sysportOptions: SysportOptions
  /// The port that stands for the sysport, made for whoever first asks: one reference, or 0.
  let sysportPort = Atomic<UInt>(0)
  /// For tests.
  public let faults = Faults()
  /// Keeps the program running although it has no thread: an embedder's host between chunks.
  let isBackground: Bool

  init(
    workers: Int, binding: Binding, policy: Policy, background: Bool, ipiCapacity: Int,
    spinNanoseconds: UInt64, sysport: SysportOptions, listener: (any EventListener)?
  ) {
    self.listener = listener
    sysportOptions = sysport
    workerCount = workers
    cores = Host.usableCPUs
    ownDomains = max(48 * min(workers, cores) / workers, 8)
    restingDomains = max(ownDomains / 3, 8)
    self.binding = binding
    self.policy = policy
    self.spinNanoseconds = spinNanoseconds
    self.ipiCapacity = ipiCapacity
    isBackground = background
    sharedBlocks = .allocate(capacity: workers)
    for cpu in 0..<workers { (sharedBlocks + cpu).initialize(to: CPUShared()) }
    queues = .allocate(capacity: workers * workers)
    for index in 0..<(workers * workers) { (queues + index).initialize(to: Atomic(0)) }
    globals = .allocate(capacity: workers)
    for cpu in 0..<workers { (globals + cpu).initialize(to: Atomic(0)) }
    kernelThreads = .allocate(capacity: workers)
    names = NameTable()
    monitor = Monitor()
    uncountedMonitor = Unmanaged.passUnretained(monitor)
  }

  deinit {
    for index in 0..<(workerCount * workerCount) {
      if let queue = UnsafeMutablePointer<IPIQueue>(
        bitPattern: queues[index].load(ordering: .relaxed))
      {
        queue.deinitialize(count: 1)
        queue.deallocate()
      }
    }
    (queues).deinitialize(count: workerCount * workerCount)
    queues.deallocate()
    for cpu in 0..<workerCount {
      let descriptor = sharedBlocks[cpu].wakeDescriptor.load(ordering: .relaxed)
      if descriptor >= 0 { close(descriptor) }
    }
    sharedBlocks.deinitialize(count: workerCount)
    sharedBlocks.deallocate()
    globals.deinitialize(count: workerCount)
    globals.deallocate()
    kernelThreads.deallocate()
  }

  borrowing func sharedBlock(_ cpu: Int) -> UnsafeMutablePointer<CPUShared> { sharedBlocks + cpu }
  borrowing func queueSlot(_ index: Int) -> UnsafeMutablePointer<Atomic<UInt>> { queues + index }
  borrowing func globalSlot(_ cpu: Int) -> UnsafeMutablePointer<Atomic<UInt>> { globals + cpu }
  borrowing func kernelThreadSlot(_ cpu: Int) -> UnsafeMutablePointer<pthread_t> {
    kernelThreads + cpu
  }
  /// Thread ids: a worker counts in its own part of the range; others share the last.
  borrowing func takeThreadID(_ gd: GlobalDataRef?) -> UInt64 {
    guard let gd else { return foreignThreadIDs.add(1, ordering: .relaxed).oldValue }
    gd.pointee.nextThreadID += 1
    return gd.pointee.nextThreadID
  }
  borrowing func takeRootNumber() -> UInt32 {
    UInt32(truncatingIfNeeded: roots.add(1, ordering: .relaxed).newValue)
  }
  borrowing func takePortID() -> UInt64 { portIDs.add(1, ordering: .relaxed).oldValue }
}

/// An IPI from a kernel thread that is no worker.
struct InboxEntry: Droppable {
  var boxNext: UnsafeMutablePointer<InboxEntry>?
  var ipi: IPI
}
typealias InboxEntryRef = UnsafeMutablePointer<InboxEntry>

extension UnsafeMutablePointer where Pointee == HostState {
  /// See to it that the monitor runs, now that there is something to watch. Any kernel thread.
  @inline(__always)
  func watch() { pointee.uncountedMonitor._withUnsafeGuaranteedRef { $0.start(self) } }

  func shared(_ cpu: Int) -> UnsafeMutablePointer<CPUShared> { pointee.sharedBlock(cpu) }

  func nextPortID() -> UInt64 { pointee.takePortID() }

  func existingQueue(from source: Int, to target: Int) -> UnsafeMutablePointer<IPIQueue>? {
    let slot = pointee.queueSlot(source * pointee.workerCount + target)
    return UnsafeMutablePointer<IPIQueue>(bitPattern: slot.pointee.load(ordering: .acquiring))
  }

  /// The queue between two workers. Made by the source when it first sends.
  func queue(from source: Int, to target: Int) -> UnsafeMutablePointer<IPIQueue> {
    if let queue = existingQueue(from: source, to: target) { return queue }
    let slot = pointee.queueSlot(source * pointee.workerCount + target)
    let queue = UnsafeMutablePointer<IPIQueue>.allocate(capacity: 1)
    queue.initialize(to: IPIQueue(capacity: pointee.ipiCapacity))
    slot.pointee.store(UInt(bitPattern: queue), ordering: .releasing)
    return queue
  }

  // MARK: Waking

  /// If worker `cpu` sleeps, wake it. Any kernel thread.
  @inline(__always)
  func wake(_ cpu: Int) {
    if shared(cpu).pointee.sleepState.load(ordering: .sequentiallyConsistent)
      != CPUShared.SleepState.awake
    {
      wakeSleeper(cpu)
    }
  }

  @inline(never)
  private func wakeSleeper(_ cpu: Int) {
    let target = shared(cpu)
    let state = target.pointee.sleepState.load(ordering: .sequentiallyConsistent)
    guard state != CPUShared.SleepState.awake else { return }
    countActive()
    guard
      target.pointee.sleepState.compareExchange(
        expected: state, desired: CPUShared.SleepState.awake, ordering: .sequentiallyConsistent
      ).exchanged
    else { return uncountActive() }
    if state == CPUShared.SleepState.onWord {
      lwkt_futex_wake(target.sleepWord, 1)
    } else {
      lwkt_eventfd_signal(target.pointee.wakeDescriptor.load(ordering: .acquiring))
    }
  }

  /// Make worker `cpu` look around, asleep or not. Any kernel thread.
  func prod(_ cpu: Int) {
    shared(cpu).pointee.attention.store(true, ordering: .sequentiallyConsistent)
    wake(cpu)
  }

  func countActive() {
    if pointee.active.add(1, ordering: .sequentiallyConsistent).oldValue == 0 {
      pointee.monitor.resumeTicking()
    }
  }

  /// Undo a `countActive` for a worker that another one has woken. Any kernel thread. If all have fallen
  /// asleep meanwhile none of them was the last: one of them is to look again.
  private func uncountActive() {
    if pointee.active.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 { prod(0) }
  }

  /// Post an IPI from a kernel thread that is no worker.
  func post(_ ipi: IPI, to cpu: Int) {
    let entry = InboxEntryRef.allocate(capacity: 1)
    entry.initialize(to: InboxEntry(ipi: ipi))
    shared(cpu).pointee.inbox.leave(entry)
    prod(cpu)
  }

  // MARK: Workers

  /// Start workers up to and including `cpu`. A worker, or the kernel thread that made the host.
  func startWorkers(through cpu: Int) {
    guard pointee.startedWorkers.load(ordering: .acquiring) <= cpu else { return }
    pointee.lifeLock.lock()
    var next = pointee.startedWorkers.load(ordering: .relaxed)
    while next <= min(cpu, pointee.workerCount - 1),
      pointee.phase.load(ordering: .relaxed) == HostPhase.running
    {
      pointee.active.add(1, ordering: .acquiringAndReleasing)
      let arguments = UnsafeMutablePointer<WorkerStart>.allocate(capacity: 1)
      arguments.initialize(to: WorkerStart(host: self, cpu: next))
      let error = pthread_create(pointee.kernelThreadSlot(next), nil, workerMain, arguments)
      guard error == 0 else {
        pointee.active.subtract(1, ordering: .acquiringAndReleasing)
        arguments.deallocate()
        break
      }
      next += 1
      pointee.startedWorkers.store(next, ordering: .releasing)
    }
    pointee.lifeLock.unlock()
  }

  /// Be worker `cpu` on this kernel thread until the host stops.
  func runWorker(_ cpu: Int) {
    let gd = GlobalDataRef.allocate(capacity: 1)
    gd.initialize(to: GlobalData(cpu: cpu, host: self, shared: shared(cpu)))
    shared(cpu).pointee.kernelThread.store(UInt(pthread_self()), ordering: .relaxed)
    let percpu = lwkt_percpu().unsafelyUnwrapped
    percpu.pointee.gd = UnsafeMutableRawPointer(gd)
    gd.readClock()
    // The signals of preemption and of Ctrl-C where something blocks: whoever started this kernel thread
    // (the monitor, say) may block them.
    lwkt_unblock_signal(SIGURG)
    lwkt_unblock_signal(lwkt_interruption())
    pointee.globalSlot(cpu).pointee.store(UInt(bitPattern: gd), ordering: .releasing)
    shared(cpu).pointee.isBusy.store(true, ordering: .relaxed)
    if let left = lwkt_run_loop(workerLoop) { StackPool.free(left) }
    gd.pointee.stacks.drain()
    meetAfterLoop()
    gd.endThreads()
    pointee.binding.workerEnds()
    gd.flushEvents()
    pointee.globalSlot(cpu).pointee.store(0, ordering: .releasing)
    gd.pointee.sysport?.close()
    percpu.pointee.gd = nil
    gd.deinitialize(count: 1)
    gd.deallocate()
  }

  /// Wait for the kernel threads of workers `first` and up. After `stop`.
  func joinWorkers(from first: Int) {
    pointee.lifeLock.lock()
    let started = pointee.startedWorkers.load(ordering: .acquiring)
    pointee.lifeLock.unlock()
    for cpu in first..<max(first, started) {
      pthread_join(pointee.kernelThreadSlot(cpu).pointee, nil)
    }
  }
}

struct WorkerStart {
  var host: HostRef
  var cpu: Int
}

private func workerMain(_ raw: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  let arguments = raw.unsafelyUnwrapped.assumingMemoryBound(to: WorkerStart.self)
  let start = arguments.pointee
  arguments.deallocate()
  lwkt_be_usual()
  start.host.runWorker(start.cpu)
  return nil
}

/// The loop as C starts it on a spare stack.
private func workerLoop() { mycpu.loop() }

extension UnsafeMutablePointer where Pointee == CPUShared {
  /// `sleepState` as the word a futex sleeps on.
  var sleepWord: UnsafeRawPointer {
    withUnsafePointer(to: pointee.sleepState) { UnsafeRawPointer($0) }
  }
}

/// The workers and what they share, for an embedder or the command.
public final class Host: Sendable {
  public nonisolated(unsafe) let state: HostRef
  private let isShutDown = Atomic<Bool>(false)

  /// - Parameters:
  ///   - workers: how many, 1 to 256.
  ///   - background: worker 0 gets a kernel thread of its own, and the host lives on when no thread
  ///     is left, until `shutdown`. Else `runOnCallingThread` is worker 0.
  ///   - listener: who is told of events.
  ///   - ipiCapacity: slots of a queue between two workers, a power of two.
  public init(
    workers: Int, binding: Binding, policy: Policy = Policy(), background: Bool = false,
    ipiCapacity: Int = 64, spinNanoseconds: UInt64? = nil,
    sysport: SysportOptions = SysportOptions(), listener: (any EventListener)? = nil
  ) {
    precondition((1...256).contains(workers), "workers must be 1 to 256")
    let spin = spinNanoseconds ?? (workers <= Host.usableCPUs ? 20_000 : 0)
    state = .allocate(capacity: 1)
    state.initialize(
      to: HostState(
        workers: workers, binding: binding, policy: policy, background: background,
        ipiCapacity: ipiCapacity, spinNanoseconds: spin, sysport: sysport,
        listener: listener))
    if background {
      state.watch()
      state.startWorkers(through: 0)
    } else {
      state.pointee.startedWorkers.store(1, ordering: .releasing)
      state.pointee.active.store(1, ordering: .releasing)
    }
  }

  deinit {
    if state.pointee.phase.load(ordering: .acquiring) != HostPhase.stopped { endUnrun() }
    state.dropNames()
    state.dropAnswered()
    state.dropSysportPort()
    state.deinitialize(count: 1)
    state.deallocate()
  }

  /// Nobody has ended it: it was never run, or is a background host that nobody shut down.
  private func endUnrun() {
    if state.pointee.isBackground { return shutdown() }
    state.pointee.startedWorkers.store(0, ordering: .releasing)
    state.stop()
    state.pointee.monitor.join()
  }

  /// Be worker 0 until the program ends, then join the others. Not for a background host. `prepare`
  /// runs first, on worker 0: it creates the main thread.
  public func runOnCallingThread(prepare: @escaping @Sendable () -> Void) {
    state.post(InboxEntryBox.ipi(prepare), to: 0)
    state.runWorker(0)
    state.pointee.monitor.join()
    state.joinWorkers(from: 1)
    state.pointee.pool.stop()
  }

  /// Run `body` on worker `cpu`, between two threads. Any kernel thread.
  public func onWorker(_ cpu: Int, _ body: @escaping @Sendable () -> Void) {
    state.post(InboxEntryBox.ipi(body), to: cpu)
  }

  /// End a background host: abort all threads, let them run to their ends, join the workers. Not from
  /// a worker; the second time it does nothing.
  public func shutdown() {
    guard !isShutDown.exchange(true, ordering: .acquiringAndReleasing) else { return }
    state.drain()
    state.meetLoops()
    state.pointee.monitor.join()
    state.joinWorkers(from: 0)
    state.pointee.pool.stop()
  }

  /// How many cpus this process may really use: its affinity mask and its cgroup's quota.
  public static let usableCPUs = max(1, min(256, Int(lwkt_usable_cpus())))
}

/// A closure on its way to a worker.
final class InboxEntryBox: Sendable {
  let body: @Sendable () -> Void
  init(_ body: @escaping @Sendable () -> Void) { self.body = body }

  /// What has a worker call `body`.
  static func ipi(_ body: @escaping @Sendable () -> Void) -> IPI {
    IPI(
      .call, Unmanaged.passRetained(InboxEntryBox(body)).toOpaque(),
      unsafeBitCast(fire, to: UInt.self))
  }

  static let fire: @convention(c) (UnsafeMutableRawPointer?) -> Void = { raw in
    Unmanaged<InboxEntryBox>.fromOpaque(raw.unsafelyUnwrapped).takeRetainedValue().body()
  }

  /// Release the closure of a `call` IPI that came too late.
  static func discard(_ ipi: IPI) {
    guard ipi.value == unsafeBitCast(fire, to: UInt.self), let raw = ipi.pointer else { return }
    Unmanaged<InboxEntryBox>.fromOpaque(raw).release()
  }
}
