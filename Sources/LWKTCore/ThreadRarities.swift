// ThreadRarities.swift: what few threads need, apart from what all have.

import Synchronization

/// The fields of a thread that most threads never use: a block that is made with the first of them and
/// goes with the thread. `Thread` has each under its name. Who may touch what is said as there.
struct ThreadRarities: ~Copyable {
  // MARK: Owner

  /// The parked native stack it goes on with, or nil.
  var parkedStack: UnsafeMutableRawPointer?
  /// `waitany`'s nodes.
  var extraNodes: UnsafeMutablePointer<WaitNode>?
  var extraNodeCount: Int32 = 0
  /// It is urgent, because of Ctrl-C or `beUrgent`: the priority it goes back to, and when. Others read it
  /// for inspection.
  var calmPriority: UInt8?
  var calmAfter = UInt64.max
  /// How many preemptions it has yet to see before that.
  var calmTurns: Int32 = 0
  /// The chain of `timeout` scopes it is in, innermost first.
  var scopes: UnsafeMutablePointer<TimeoutScope>?
  /// Identity of a `tsleep`. Also wakers under the bucket's lock.
  var sleepIdent = SleepIdent()
  /// The binding's: the system call that the thread makes and waits for plainly, one reference.
  var systemCall: SystemCallRef?
  /// The message of the send under way: the reference is the sender's until it is queued.
  var sendingMessage: MessageRef?
  /// Its name for its children, made with the first of them: one reference.
  var pathForChildren: ThreadPathRef?
  /// How long it has run, while its host kept account: nanoseconds.
  var runNanoseconds: UInt64 = 0
  /// What the binding passes on to the thread's first run besides, which takes it: a Swift object, one
  /// reference.
  var inheritance: UnsafeMutableRawPointer?
  /// What the binding keeps for the thread: one reference. Owner; read by others once it is dead.
  var extras: Unmanaged<AnyObject>?

  // MARK: Constant

  /// The `name` option: NUL-terminated, owned, or nil.
  var name: UnsafeMutablePointer<CChar>?

  // MARK: Atomic

  /// The token it waits for, or 0: the thread has a reference to that as long as it says so here. The
  /// owner stores, relaxed; read under the lock of the host's names, which a token's end takes too.
  let waitToken = Atomic<UInt>(0)

  // MARK: Locked

  /// Requests received and not answered yet.
  var heldFirst: MessageRef?
  /// The message that waits for room in a limited port. Guarded by the port's lock.
  var pendingMessage: MessageRef?
  /// What a `tsleep` was told to show: NUL-terminated, owned, or nil.
  var waitText: UnsafeMutablePointer<CChar>?
  /// Ports to tell of the end: one reference each.
  var notify: UnsafeMutablePointer<Thread.NotifyEntry>?
}

extension Thread {
  /// Nil if none was ever needed. Any kernel thread that holds a reference: acquire, for what the maker
  /// of the block wrote.
  @inline(__always)
  var rarities: UnsafeMutablePointer<ThreadRarities>? {
    UnsafeMutablePointer(bitPattern: raritiesAtomic.load(ordering: .acquiring))
  }

  /// The block, made if need be. Any kernel thread that holds a reference: whoever needs it first.
  @inline(__always)
  var madeRarities: UnsafeMutablePointer<ThreadRarities> { rarities ?? makeRarities() }

  @inline(never)
  private func makeRarities() -> UnsafeMutablePointer<ThreadRarities> {
    let made = UnsafeMutablePointer<ThreadRarities>.allocate(capacity: 1)
    made.initialize(to: ThreadRarities())
    let (exchanged, other) = raritiesAtomic.compareExchange(
      expected: 0, desired: UInt(bitPattern: made), ordering: .acquiringAndReleasing)
    if exchanged { return made }
    made.deallocate()
    return UnsafeMutablePointer(bitPattern: other).unsafelyUnwrapped
  }

  /// The last reference is gone.
  func destroyRarities() {
    guard let rarities else { return }
    if let inheritance = rarities.pointee.inheritance {
      Unmanaged<AnyObject>.fromOpaque(inheritance).release()
    }
    rarities.pointee.extras?.release()
    rarities.pointee.systemCall?.release()
    rarities.pointee.pathForChildren?.release()
    rarities.pointee.waitText?.deallocate()
    rarities.pointee.name?.deallocate()
    var entry = rarities.pointee.notify
    while let current = entry {
      entry = current.pointee.next
      current.pointee.port.object.releaseObject()
      current.deallocate()
    }
    rarities.deinitialize(count: 1)
    rarities.deallocate()
  }

  var parkedStack: UnsafeMutableRawPointer? {
    @inline(__always) get { rarities?.pointee.parkedStack }
    nonmutating set { madeRarities.pointee.parkedStack = newValue }
  }

  var extraNodes: UnsafeMutablePointer<WaitNode>? {
    @inline(__always) get { rarities?.pointee.extraNodes }
    nonmutating set { madeRarities.pointee.extraNodes = newValue }
  }

  var extraNodeCount: Int32 {
    get { rarities?.pointee.extraNodeCount ?? 0 }
    nonmutating set { madeRarities.pointee.extraNodeCount = newValue }
  }

  var calmPriority: UInt8? {
    @inline(__always) get { rarities?.pointee.calmPriority }
    nonmutating set {
      if newValue != nil || rarities != nil { madeRarities.pointee.calmPriority = newValue }
    }
  }

  var calmTurns: Int32 {
    get { rarities?.pointee.calmTurns ?? 0 }
    nonmutating set { madeRarities.pointee.calmTurns = newValue }
  }

  var calmAfter: UInt64 {
    get { rarities?.pointee.calmAfter ?? .max }
    nonmutating set { madeRarities.pointee.calmAfter = newValue }
  }

  public internal(set) var scopes: UnsafeMutablePointer<TimeoutScope>? {
    @inline(__always) get { rarities?.pointee.scopes }
    nonmutating set { madeRarities.pointee.scopes = newValue }
  }

  var sleepIdent: SleepIdent {
    get { rarities?.pointee.sleepIdent ?? SleepIdent() }
    nonmutating set { madeRarities.pointee.sleepIdent = newValue }
  }

  public var systemCall: SystemCallRef? {
    get { rarities?.pointee.systemCall }
    nonmutating set { madeRarities.pointee.systemCall = newValue }
  }

  public internal(set) var sendingMessage: MessageRef? {
    get { rarities?.pointee.sendingMessage }
    nonmutating set { madeRarities.pointee.sendingMessage = newValue }
  }

  var pathForChildren: ThreadPathRef? {
    @inline(__always) get { rarities?.pointee.pathForChildren }
    nonmutating set { madeRarities.pointee.pathForChildren = newValue }
  }

  public var inheritance: UnsafeMutableRawPointer? {
    @inline(__always) get { rarities?.pointee.inheritance }
    nonmutating set { madeRarities.pointee.inheritance = newValue }
  }

  public var extras: Unmanaged<AnyObject>? {
    @inline(__always) get { rarities?.pointee.extras }
    nonmutating set { madeRarities.pointee.extras = newValue }
  }

  /// Whoever makes the thread sets it.
  public internal(set) var name: UnsafeMutablePointer<CChar>? {
    get { rarities?.pointee.name }
    nonmutating set { madeRarities.pointee.name = newValue }
  }

  /// Who may call: see there.
  var waitToken: TokenRef? {
    get { TokenRef(bitPattern: rarities?.pointee.waitToken.load(ordering: .relaxed) ?? 0) }
    nonmutating set {
      if newValue == nil, rarities == nil { return }
      madeRarities.pointee.waitToken.store(UInt(bitPattern: newValue), ordering: .relaxed)
    }
  }

  public internal(set) var runNanoseconds: UInt64 {
    get { rarities?.pointee.runNanoseconds ?? 0 }
    nonmutating set { madeRarities.pointee.runNanoseconds = newValue }
  }

  var heldFirst: MessageRef? {
    @inline(__always) get { rarities?.pointee.heldFirst }
    nonmutating set { madeRarities.pointee.heldFirst = newValue }
  }

  var pendingMessage: MessageRef? {
    get { rarities?.pointee.pendingMessage }
    nonmutating set { madeRarities.pointee.pendingMessage = newValue }
  }

  var waitText: UnsafeMutablePointer<CChar>? {
    get { rarities?.pointee.waitText }
    nonmutating set { madeRarities.pointee.waitText = newValue }
  }

  var notify: UnsafeMutablePointer<NotifyEntry>? {
    @inline(__always) get { rarities?.pointee.notify }
    nonmutating set { madeRarities.pointee.notify = newValue }
  }
}
