// Message.swift: a request and its reply in one.
//
// Life of a request: the sender makes it (one reference, its own), the port queues it (one more),
// the receiver takes the queue's reference over as a *receiver's* reference. The receiver answers,
// passes it on, or loses its last receiver's reference, which answers EPIPE for it. So no request
// is lost. The answer wakes who waits on the message, or goes to the reply port.
//
// Whoever holds a receiver's handle may answer, and one answer wins. To forward a request is to give
// that up, for oneself and all who had the handle: see `Forward.swift`.
//
// The values of a request are read by its receivers, each in its own time. So an answer takes their
// place only if nobody else can be reading them, and is put beside them otherwise.
//
// A receiver's reference is an ObjectRef with `receiverBit` set in the pointer: the sender's and
// the receiver's view of one message are different handles even in one heap.

import CLWKT
import Synchronization

public typealias MessageRef = UnsafeMutablePointer<Message>

public struct Message: ~Copyable {
  /// Who waits for the answer. Its lock guards the fields marked *locked*.
  public var waitable: Waitable
  private let flagBits: Atomic<UInt8>
  /// *Locked.* Set once.
  var status: Status = .pending
  /// *Locked.* For a request on its way: the port it was sent or forwarded to. No reference, or a port
  /// that nobody can reach any more would live on its own messages: whoever takes the request, and a
  /// port that closes, clears it, so under the lock the port's memory is there, if perhaps not for long.
  var target: PortRef?
  /// The port on whose queue it is, or 0. Written under that port's lock; under any port's lock it says
  /// whether it is on that one's. Relaxed.
  let queuedOn = Atomic<UInt>(0)
  /// *Locked.* The hop that a forwarded request is on, one reference, until it is answered; or, set once,
  /// the request that a hop stands for, one reference.
  var link: MessageRef?
  /// *Locked.* The thread that has it to answer; no reference, a dying thread lets go first.
  var holder: ThreadRef?
  /// Guarded by the holder's lock.
  var heldNext: MessageRef?
  var heldPrevious: MessageRef?
  /// The queue's link; guarded by the port's lock.
  var next: MessageRef?
  /// What was sent; after the answer, what was answered, unless that is in `answerApart`. Written by the
  /// sender before it is queued and by the one answerer before `status` changes; read by the receivers
  /// and then by the sender. A hop's is empty.
  public var payload: Payload
  /// The answer of a message with the flag of that name: owned. Written like the other.
  var answerApart: UnsafeMutablePointer<Payload>?
  /// The answer's errno for a failed one; the words are in `payload`. 0: success.
  public internal(set) var errno: Int32 = 0
  /// Who sent it: one reference, or nil for a sender that is no thread.
  public let sender: ThreadRef?
  /// Where the answer goes instead of waking a waiter: one reference.
  var replyPort: PortRef?
  /// How many receiver's references there are. Acquire-release like the header's count.
  @usableFromInline let receivers = Atomic<Int32>(0)
  /// For a message to the sysport: the system call, one reference.
  public internal(set) var systemCall: SystemCallRef?

  public struct Flags: OptionSet, Sendable {
    public let rawValue: UInt8
    @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }
    /// Nobody waits for an answer.
    @inlinable public static var oneWay: Flags { Flags(rawValue: 1) }
    /// To the port's head queue.
    @inlinable public static var urgent: Flags { Flags(rawValue: 2) }
    /// It has come back to its reply port.
    @inlinable public static var isReply: Flags { Flags(rawValue: 4) }
    /// Its sender has asked the target to give up.
    @inlinable public static var aborted: Flags { Flags(rawValue: 8) }
    /// What a forwarded request travels as. Constant.
    static var hop: Flags { Flags(rawValue: 32) }
    /// The answer is not in the place of the request.
    static var answerApart: Flags { Flags(rawValue: 64) }
    /// A receiver has sent the handle on: others may still answer when it has ended.
    static var shared: Flags { Flags(rawValue: 128) }
    /// The word of a thread's end that `notify` asked for; its one value is the thread.
    @inlinable public static var exitNotice: Flags { Flags(rawValue: 16) }
  }

  enum Status: UInt8 { case pending, replying, done }

  init(sender: ThreadRef?, payload: Payload, flags: Flags) {
    waitable = Waitable(.message)
    self.sender = sender
    self.payload = payload
    flagBits = Atomic(flags.rawValue)
  }

  /// Relaxed: a flag orders nothing.
  public var flags: Flags { Flags(rawValue: flagBits.load(ordering: .relaxed)) }

  borrowing func set(_ flag: Flags) { flagBits.bitwiseOr(flag.rawValue, ordering: .relaxed) }
}

extension UnsafeMutablePointer where Pointee == Message {
  /// A message with one reference, the caller's. `payload` is moved in. Own worker or any kernel
  /// thread (slower).
  public static func make(
    sender: ThreadRef?, payload: Payload, flags: Message.Flags = []
  ) -> MessageRef {
    let message = MessageRef.allocateBlock()
    message.initialize(to: Message(sender: sender, payload: payload, flags: flags))
    sender?.object.retainObject()
    return message
  }

  public var object: ObjectRef { ObjectRef(self) }
  /// Before it is sent: where it goes.
  public func setTarget(_ port: PortRef) { pointee.target = port }

  /// Before it is sent: where its answer is queued, one reference taken.
  public func setReplyPort(_ port: PortRef) {
    port.object.retainObject()
    pointee.replyPort = port
  }

  /// Somebody outside the workers will answer with `completeOutside`, once.
  public func expectOutside() {
    _ = claimReply()
    pointee.sender?.pointee.host.pointee.external.add(1, ordering: .relaxed)
  }

  /// The answer has come. Any kernel thread.
  public func completeOutside() {
    let host = pointee.sender?.pointee.host
    completeReply()
    host?.pointee.external.subtract(1, ordering: .acquiringAndReleasing)
  }

  /// This message as its receiver sees it.
  public var receiverObject: ObjectRef { ObjectRef(self) + 1 }
  var waitable: UnsafeMutablePointer<Waitable> {
    UnsafeMutableRawPointer(self).assumingMemoryBound(to: Waitable.self)
  }

  /// The last reference is gone.
  func destroy() {
    addressOf(&pointee.payload).dispose()
    pointee.sender?.object.releaseObject()
    pointee.replyPort?.object.releaseObject()
    pointee.systemCall?.release()
    pointee.link?.object.releaseObject()
    if let answer = pointee.answerApart {
      answer.dispose()
      answer.deallocate()
    }
    deinitialize(count: 1)
    freeBlock()
  }

  /// Has the answer come? Any holder of a reference.
  public var isDone: Bool {
    pointee.waitable.lock.lock()
    defer { pointee.waitable.lock.unlock() }
    return pointee.status == .done
  }

  /// Does its sender wait for an answer, or may he? Any holder of a reference.
  var isUnanswered: Bool {
    pointee.waitable.lock.lock()
    defer { pointee.waitable.lock.unlock() }
    return pointee.status == .pending && !pointee.flags.contains(.oneWay)
  }

  /// Was it asked for abort?
  public var isAborted: Bool {
    pointee.waitable.lock.lock()
    defer { pointee.waitable.lock.unlock() }
    return pointee.flags.contains(.aborted)
  }

  /// What was answered. The sender, once it is done.
  public var answer: UnsafeMutablePointer<Payload> {
    pointee.flags.contains(.answerApart)
      ? pointee.answerApart.unsafelyUnwrapped : addressOf(&pointee.payload)
  }

  /// The sender wants to read what it sent: from now on it stays where it is. False if it has been
  /// answered.
  public func keepRequest() -> Bool {
    while true {
      pointee.waitable.lock.lock()
      let status = pointee.status
      if status == .pending { keepRequestLocked() }
      pointee.waitable.lock.unlock()
      if status == .done { return false }
      if pointee.flags.contains(.answerApart) { return true }
      // Somebody puts the answer in its place.
      lwkt_cpu_pause()
    }
  }

  /// Lock held, pending: the answer will be put apart.
  func keepRequestLocked() {
    guard pointee.answerApart == nil else { return }
    let answer = UnsafeMutablePointer<Payload>.allocate(capacity: 1)
    answer.initialize(to: Payload())
    pointee.answerApart = answer
    pointee.set(.answerApart)
  }

  /// Answer with `payload` (moved) and `errno`. False if it was answered before, or is one-way, or has
  /// been forwarded: then the caller keeps the payload. A receiver, no lock held.
  public func reply(_ payload: Payload, errno: Int32 = 0) -> Bool {
    guard let root = claimReply() else { return false }
    let answer = root.answer
    answer.dispose()
    answer.pointee = payload
    if answer.holdsMessages { root.pointee.sender?.pointee.host.registerAnswered(root) }
    root.pointee.errno = errno
    mycpuIfWorker?.note(.reply, root.object)
    root.completeReply()
    return true
  }

  /// Answer with a system call's words for `errno`. False as `reply`. Any kernel thread, no lock held.
  @discardableResult
  public func fail(_ failure: MessageFailure) -> Bool {
    reply(Payload(), errno: failure.rawValue)
  }

  /// Win the right to answer, which one caller does: the request to be answered, or nil. No lock held.
  func claimReply() -> MessageRef? {
    if pointee.flags.contains(.hop) { return claimReplyOfHop() }
    pointee.waitable.lock.lock()
    guard pointee.status == .pending, !pointee.flags.contains(.oneWay), pointee.link == nil else {
      pointee.waitable.lock.unlock()
      return nil
    }
    if pointee.receivers.load(ordering: .acquiring) > 1 { keepRequestLocked() }
    pointee.status = .replying
    pointee.target = nil
    if let holder = pointee.holder { letGo(of: holder) }
    pointee.waitable.lock.unlock()
    return self
  }

  /// The answer is in place: tell whoever waits. The one who claimed the reply, no lock held.
  func completeReply() { scheduleChain(settleReply()) }

  /// The same, but leaves it to the caller to schedule the threads that waited, chained by `runNext`.
  func settleReply() -> ThreadRef? {
    let replyPort = pointee.replyPort
    if replyPort != nil { object.retainObject() }
    pointee.waitable.lock.lock()
    pointee.status = .done
    pointee.replyPort = nil
    var woken: ThreadRef?
    while let node = pointee.waitable.waiters.popClaimed() {
      let thread = node.pointee.thread
      thread.pointee.wakeReason = .ready
      thread.pointee.wakeIndex = node.pointee.index
      thread.pointee.runNext = woken
      woken = thread
    }
    pointee.waitable.lock.unlock()
    if let replyPort {
      pointee.set(.isReply)
      if !replyPort.enqueueReply(self) { object.releaseObject() }
      replyPort.object.releaseObject()
    }
    return woken
  }

  /// Lock held. Forget who was to answer it.
  func letGo(of holder: ThreadRef) {
    holder.pointee.waitable.lock.lock()
    let next = pointee.heldNext
    let previous = pointee.heldPrevious
    if let previous {
      previous.pointee.heldNext = next
    } else {
      holder.pointee.heldFirst = next
    }
    if let next { next.pointee.heldPrevious = previous }
    holder.pointee.waitable.lock.unlock()
    pointee.holder = nil
  }

  /// `thread`, which runs this, has received the request: it owes the answer from now on.
  public func hold(by thread: ThreadRef) {
    pointee.waitable.lock.lock()
    defer { pointee.waitable.lock.unlock() }
    guard pointee.status == .pending, !pointee.flags.contains(.oneWay) else { return }
    pointee.target = nil
    if let holder = pointee.holder {
      if holder == thread { return }
      letGo(of: holder)
    }
    pointee.holder = thread
    thread.pointee.waitable.lock.lock()
    pointee.heldPrevious = nil
    pointee.heldNext = thread.pointee.heldFirst
    thread.pointee.heldFirst?.pointee.heldPrevious = self
    thread.pointee.heldFirst = self
    thread.pointee.waitable.lock.unlock()
  }

  /// Ask the target to give up. A request still in a queue comes back with EINTR at once; a system
  /// call is cancelled; else the receiver sees `aborted`. The sender, no lock held.
  public func abort() {
    pointee.waitable.lock.lock()
    guard pointee.status == .pending else {
      pointee.waitable.lock.unlock()
      return
    }
    pointee.set(.aborted)
    let hop = pointee.flags.contains(.hop) ? nil : pointee.link
    hop?.object.retainObject()
    var port = pointee.target
    if let found = port, !found.object.tryRetain() { port = nil }
    let call = pointee.systemCall
    pointee.waitable.lock.unlock()
    if let call { call.cancel() }
    if let port {
      if port.withdraw(self) {
        fail(.interrupted)
        receiverObject.releaseObject()
      }
      port.object.releaseObject()
    }
    if let hop {
      hop.abort()
      hop.object.releaseObject()
    }
  }

  /// The last receiver's reference is gone: nobody is left to answer.
  func receiversGone() { fail(.peerExited) }

  /// Wait for the answer. The current thread, on its worker. `.ready` when it is there already.
  public func waitForReply(_ thread: ThreadRef, deadline: UInt64?, poll: Bool = false)
    -> WaitResult
  {
    pointee.waitable.lock.lock()
    if pointee.status == .done {
      pointee.waitable.lock.unlock()
      return .ready
    }
    if poll {
      pointee.waitable.lock.unlock()
      return .wouldWait
    }
    let interruptible = !pointee.flags.contains(.aborted) || thread.owesInterrupt
    let ticket = thread.beginWait(.reply, on: object, interruptible: interruptible)
    thread.enqueueNode(on: waitable, ticket: ticket)
    pointee.waitable.lock.unlock()
    thread.armWaitTimer(deadline)
    return thread.abortedMeanwhile(ticket: ticket) ? .waitOver : .waiting
  }
}

/// What an operation that may wait answers at once.
public enum WaitResult: Sendable {
  /// Nothing to wait for.
  case ready
  /// The thread is registered; it must switch away and then look at `finishWait`.
  case waiting
  /// The wait was over before it began: no switch, but `finishWait` says why.
  case waitOver
  /// It would have to wait and was told not to.
  case wouldWait
}

/// Why a request came back without its receiver's answer. Raw values are errnos.
public enum MessageFailure: Int32, Sendable {
  case interrupted = 4
  case peerExited = 32
  case notConnected = 107
  case alreadyAnswered = 114

  /// The words a script reads.
  public var message: StaticString {
    switch self {
    case .interrupted: "interrupted"
    case .peerExited: "peer exited"
    case .notConnected: "port is closed"
    case .alreadyAnswered: "already answered"
    }
  }
}
