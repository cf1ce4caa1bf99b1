// Wait.swift: how a thread blocks, and how exactly one of many wakers wakes it.
//
// A wait goes like this.
//   1. The thread, on its own worker, calls `beginWait`: its wait word becomes "waiting", with a new
//      ticket. It links a `WaitNode` that carries the ticket into each object it waits for, under
//      that object's lock, arms its timer, and returns to its worker's loop.
//   2. Wakers (a sender, an expiring timer, an abort, on any worker) compete to `claim` the ticket.
//      One wins: it alone may write the thread's `wake` fields, and then calls `schedule`.
//   3. The thread runs again, calls `finishWait`, which unlinks what is still linked, and reads why
//      it was woken.
// A thread that is claimed before it has left for the loop is fine: `schedule` puts it on the run
// queue, which its worker looks at only afterwards.

import Synchronization

/// What a thread waits for; its raw value indexes `wmesg` strings. The wording is what `td.wmesg`,
/// inspection and the deadlock report show.
public enum WaitKind: UInt8, Sendable {
  case none
  case receive, reply, join, send, sleep, tsleep, token, waitany, lookup, sysport, scope, external

  public var wmesg: StaticString {
    switch self {
    case .none: ""
    case .receive: "waitport"
    case .reply: "waitmsg"
    case .join: "join"
    case .send: "sendlimit"
    case .sleep: "nanosleep"
    case .tsleep: "tsleep"
    case .token: "token"
    case .waitany: "waitany"
    case .lookup: "lookup"
    case .sysport: "sysport"
    case .scope: "scope"
    case .external: "external"
    }
  }
}

/// Why a thread goes on after a wait.
public enum WakeReason: UInt8, Sendable {
  case none
  /// What it waited for has come; `wakeIndex` and `wakeValue` say which and with what.
  case ready
  case timedOut
  /// `abort` or an expired `timeout` scope: see `Thread.abortPending`.
  case aborted
  /// The object went away: port closed, peer exited.
  case gone
}

/// A thread's place in one object's list of waiters.
public struct WaitNode {
  /// Guarded by the object's lock, like `isLinked`.
  fileprivate var links = Links<UnsafeMutablePointer<WaitNode>>()
  /// Constant; nil only before the thread's creation is complete.
  var owner: ThreadRef?
  /// Whose lock guards the list it is in; nil when the node is not in use. Owner of the thread.
  var object: UnsafeMutablePointer<Waitable>?
  var ticket: UInt64 = 0
  /// The position in `waitany`'s list, or -1.
  var index: Int32 = -1
  var mode: Mode = .take
  var isLinked = false
  /// For a token: it is handed over when this node stands first. Guarded by the object's lock.
  var isOverdue = false

  var thread: ThreadRef { owner.unsafelyUnwrapped }

  init(thread: ThreadRef? = nil) { owner = thread }

  enum Mode: UInt8 {
    /// Hand the message over.
    case take
    /// Hand over the message, or the values alone if it is none yet: see `sendLight`.
    case takeValues
    /// Only say that there is something.
    case look
    /// Room for its message: it is in a port's list of senders.
    case room
    /// A token, for itself alone or together with other sharers.
    case exclusive
    case shared
  }
}

extension UnsafeMutablePointer where Pointee == WaitNode {
  /// The list of `object` that this node is in, or is to be.
  @inline(__always)
  func list(of object: UnsafeMutablePointer<Waitable>) -> UnsafeMutablePointer<WaitList> {
    if pointee.mode == .room {
      let port = UnsafeMutableRawPointer(object).port
      return addressOf(&port.pointee.rarities.unsafelyUnwrapped.pointee.senders)
    }
    return addressOf(&object.pointee.waiters)
  }
}

/// Waiters in the order they came. Guarded by the lock of the object it stands in.
struct WaitList: Sequence {
  private enum ByObject: Linkage {
    static func links(of node: UnsafeMutablePointer<WaitNode>) -> UnsafeMutablePointer<
      Links<UnsafeMutablePointer<WaitNode>>
    > {
      addressOf(&node.pointee.links)
    }
  }

  private var nodes = LinkedList<ByObject>()

  var first: UnsafeMutablePointer<WaitNode>? { nodes.first }

  /// - Complexity: O(n)
  var count: Int { nodes.count }

  func makeIterator() -> some IteratorProtocol<UnsafeMutablePointer<WaitNode>> {
    nodes.makeIterator()
  }

  @inline(__always)
  mutating func append(_ node: UnsafeMutablePointer<WaitNode>) {
    node.pointee.isLinked = true
    nodes.append(node)
  }

  mutating func prepend(_ node: UnsafeMutablePointer<WaitNode>) {
    node.pointee.isLinked = true
    nodes.prepend(node)
  }

  @inline(__always)
  mutating func unlink(_ node: UnsafeMutablePointer<WaitNode>) {
    nodes.remove(node)
    node.pointee.isLinked = false
  }

  /// Unlink waiters until one is found that nobody else has woken yet, and claim it. The caller
  /// fills in the wake fields and schedules it after unlocking.
  @inline(__always)
  mutating func popClaimed() -> UnsafeMutablePointer<WaitNode>? {
    while let node = first {
      unlink(node)
      if node.pointee.thread.claim(node.pointee.ticket) { return node }
    }
    return nil
  }
}

/// The beginning of every object that threads can wait for.
public struct Waitable: ~Copyable {
  public var header: ObjectHeader
  /// Guards the waiters and what the object's own comment names.
  let lock = Spinlock()
  var waiters = WaitList()

  init(_ kind: ObjectKind) { header = ObjectHeader(kind) }
}

extension UnsafeMutablePointer where Pointee == Thread {
  // The wait word: ticket in bits 2 and up, bit 1 "an abort may not end this wait", bit 0 "waiting".

  /// Become a waiting thread. The thread itself, on its own worker, before it links itself anywhere.
  /// Returns the ticket for its nodes.
  ///
  /// Sequentially consistent, against `abort`: either the aborter sees the wait, or the thread sees
  /// the abort in `abortedMeanwhile`.
  @inline(__always)
  func beginWait(
    _ kind: WaitKind, on object: ObjectRef?, interruptible: Bool = true
  ) -> UInt64 {
    let ticket = (pointee.waitWord.load(ordering: .relaxed) >> 2) &+ 1
    mycpu.note(.wait, object)
    pointee.waitKind = kind
    pointee.waitObject = object
    pointee.waitSince = mycpu.pointee.coarseNow
    pointee.wakeReason = .none
    pointee.wakeIndex = -1
    pointee.waitWord.store(
      ticket << 2 | (interruptible ? 0 : 2) | 1, ordering: .sequentiallyConsistent)
    return ticket
  }

  /// Win the right to wake this thread out of the wait `ticket` stands for. Any kernel thread that
  /// keeps the thread alive. Acquire: the winner reads what the thread wrote before it waited.
  @inline(__always)
  public func claim(_ ticket: UInt64) -> Bool {
    let word = pointee.waitWord.load(ordering: .relaxed)
    guard word & 1 != 0, word >> 2 == ticket else { return false }
    return pointee.waitWord.compareExchange(
      expected: word, desired: ticket << 2, ordering: .acquiringAndReleasing
    ).exchanged
  }

  /// Link the thread's own node into the object's waiters. The object's lock is held.
  @inline(__always)
  func enqueueNode(
    on object: UnsafeMutablePointer<Waitable>, ticket: UInt64, mode: WaitNode.Mode = .take
  ) {
    let node = ownNode
    node.pointee.object = object
    node.pointee.ticket = ticket
    node.pointee.index = -1
    node.pointee.mode = mode
    node.list(of: object).pointee.append(node)
  }

  @inline(__always)
  var ownNode: UnsafeMutablePointer<WaitNode> { addressOf(&pointee.node) }

  @inline(__always)
  var ownTimer: TimerRef { addressOf(&pointee.timer) }

  /// Arm the timer that ends the present wait. Own worker. `deadline` nil: none.
  @inline(__always)
  func armWaitTimer(_ deadline: UInt64?) {
    guard let deadline else { return }
    ownTimer.pointee.deadline = deadline
    mycpu.armTimer(ownTimer)
  }

  /// After `beginWait` and linking: has an abort or an interrupt come that did not see the wait? Then
  /// the wait is over before it began and the reason is set. Own worker.
  @inline(__always)
  func abortedMeanwhile(ticket: UInt64) -> Bool {
    guard
      pointee.cancelState.load(ordering: .sequentiallyConsistent) != 0
        || pointee.interrupted.load(ordering: .sequentiallyConsistent)
    else { return false }
    return cancelWait(ticket: ticket)
  }

  @inline(never)
  func cancelWait(ticket: UInt64) -> Bool {
    guard pointee.waitWord.load(ordering: .relaxed) & 2 == 0, claim(ticket) else { return false }
    pointee.wakeReason = .aborted
    return true
  }

  /// The wait is over: leave nothing linked or armed behind, and say why it ended. Own worker, the
  /// thread itself, once for each `beginWait` that led to a switch.
  @inline(__always)
  @discardableResult
  public func finishWait() -> WakeReason {
    if pointee.timer.index >= 0 { mycpu.disarmTimer(ownTimer) }
    if pointee.extraNodes != nil {
      unlinkExtraNodes()
    } else if pointee.wakeReason == .ready {
      // Whoever claimed the only node unlinked it; the object may be gone by now.
      pointee.node.object = nil
    } else {
      unlinkNode(ownNode)
    }
    pointee.waitKind = .none
    pointee.waitObject = nil
    return pointee.wakeReason
  }

  /// Undo a `beginWait` whose switch will not happen. Own worker, the thread itself.
  public func cancelBegunWait() {
    let word = pointee.waitWord.load(ordering: .acquiring)
    if word & 1 != 0, claim(word >> 2) {
      pointee.wakeReason = .aborted
    } else {
      // Somebody has claimed it and puts it on a run queue, which it must not be on.
      mycpu.takeBack(self)
    }
    finishWait()
  }

  /// The message that a receive's waker has handed over: its reference is the caller's. Nil when the
  /// values were handed over alone: they are in `start` then.
  @inline(__always)
  public func takeHandedMessage() -> MessageRef? {
    let message = pointee.wakeValue?.assumingMemoryBound(to: Message.self)
    mycpu.note(.receive, message?.object)
    pointee.wakeValue = nil
    return message
  }

  /// Wait until a time. The current thread. `deadline` is on the policy's clock.
  public func sleep(until deadline: UInt64) -> WaitResult {
    let ticket = beginWait(.sleep, on: nil)
    armWaitTimer(deadline)
    return abortedMeanwhile(ticket: ticket) ? .waitOver : .waiting
  }

  /// Own worker; takes the object's lock unless the waker has unlinked the node already.
  @inline(__always)
  func unlinkNode(_ node: UnsafeMutablePointer<WaitNode>) {
    guard let object = node.pointee.object else { return }
    node.pointee.object = nil
    object.pointee.lock.lock()
    if node.pointee.isLinked { node.list(of: object).pointee.unlink(node) }
    object.pointee.lock.unlock()
  }

  @inline(never)
  private func unlinkExtraNodes() {
    guard let nodes = pointee.extraNodes else { return }
    for index in 0..<Int(pointee.extraNodeCount) { unlinkNode(nodes + index) }
    nodes.deallocate()
    pointee.extraNodes = nil
    pointee.extraNodeCount = 0
  }
}
