// MessagePort.swift: where messages are sent to and received from.
//
// A port is a queue under a spinlock. LWKT's two kinds differ in who may receive: a *thread port*'s
// owner alone, any thread from a *spin port*. Messages of one sender arrive in the order sent
// because they enter the queue, or a waiting receiver's hands, under the port's lock.

import CLWKT
import Synchronization

public typealias PortRef = UnsafeMutablePointer<Port>

public struct Port: ~Copyable {
  /// Receivers wait here. Its lock guards every `var` below.
  public var waitable: Waitable
  var queue = MessageQueue()
  var isClosed = false
  /// Why it is closed: its owner's end, or `close`.
  var closure = MessageFailure.notConnected
  /// The thread that alone may receive; no reference; nil for a spin port or once it has exited.
  public fileprivate(set) var owner: ThreadRef?
  public let kind: Kind
  /// What few ports need: see `PortRarities`. 0 until then; written under the lock.
  let raritiesAtomic = Atomic<UInt>(0)
  /// Unique in the host's life.
  public let id: UInt64
  public let host: HostRef
  /// Guarded by the name table's lock.
  fileprivate var hostLinks = Links<PortRef>()

  /// All ports of the host.
  enum ByHost: Linkage {
    static func links(of port: PortRef) -> UnsafeMutablePointer<Links<PortRef>> {
      addressOf(&port.pointee.hostLinks)
    }
  }

  public enum Kind: UInt8, Sendable {
    case spin, thread
    /// Messages are system calls: never queued here.
    case sysport
  }

  struct MessageQueue {
    var first: MessageRef?
    var last: MessageRef?
    var count = 0

    @inline(__always)
    mutating func append(_ message: MessageRef) {
      message.pointee.next = nil
      if let last { last.pointee.next = message } else { first = message }
      last = message
      count += 1
    }

    @inline(__always)
    mutating func pop() -> MessageRef? {
      guard let message = first else { return nil }
      first = message.pointee.next
      if first == nil { last = nil }
      count -= 1
      return message
    }

    /// - Complexity: O(n)
    mutating func remove(_ wanted: MessageRef) -> Bool {
      var previous: MessageRef?
      var current = first
      while let message = current {
        if message == wanted {
          if let previous {
            previous.pointee.next = message.pointee.next
          } else {
            first = message.pointee.next
          }
          if last == message { last = previous }
          count -= 1
          return true
        }
        previous = message
        current = message.pointee.next
      }
      return false
    }
  }

  init(kind: Kind, owner: ThreadRef?, id: UInt64, host: HostRef) {
    self.host = host
    waitable = Waitable(.port)
    self.kind = kind
    self.owner = owner
    self.id = id
  }
}

extension UnsafeMutablePointer where Pointee == Port {
  /// A port with one reference, the caller's.
  public static func make(
    kind: Port.Kind, owner: ThreadRef? = nil, limit: Int = 0, name: Name? = nil, host: HostRef,
    id: UInt64? = nil
  ) -> PortRef {
    let port = PortRef.allocateBlock()
    port.initialize(
      to: Port(kind: kind, owner: owner, id: id ?? host.nextPortID(), host: host))
    if limit > 0 || name != nil { port.pointee.makeRarities(limit, name?.copy()) }
    host.register(port)
    return port
  }

  public var object: ObjectRef { ObjectRef(self) }
  /// Its head queue, as a script's `port.urgent`.
  public var urgentObject: ObjectRef { ObjectRef(self) + 2 }
  var waitable: UnsafeMutablePointer<Waitable> {
    UnsafeMutableRawPointer(self).assumingMemoryBound(to: Waitable.self)
  }

  /// The last reference is gone: nobody can send or receive any more.
  func destroy() {
    close(.peerExited)
    pointee.host.unregister(self)
    pointee.destroyRarities()
    deinitialize(count: 1)
    freeBlock()
  }

  /// How reports name it: `port 12 (jobs)`.
  public var displayName: String {
    guard let name = pointee.name else { return "port " + String(pointee.id) }
    return "port " + String(pointee.id) + " (" + String(cString: name) + ")"
  }

  /// Messages queued now.
  public var count: Int {
    pointee.waitable.lock.lock()
    defer { pointee.waitable.lock.unlock() }
    return pointee.queuedCount
  }

  /// Why it takes nothing any more. Closed.
  public var closure: MessageFailure {
    pointee.waitable.lock.lock()
    defer { pointee.waitable.lock.unlock() }
    return pointee.closure
  }

  public var isClosed: Bool {
    pointee.waitable.lock.lock()
    defer { pointee.waitable.lock.unlock() }
    return pointee.isClosed
  }

  // MARK: Sending

  /// What became of a message that was sent.
  public enum SendResult: Sendable {
    /// Queued or handed over.
    case sent
    /// The port is closed; the caller still owns the message's reference.
    case closed
    /// The port is full. The thread is registered, as for `WaitResult`; the message will be queued
    /// before it goes on, unless the wait ends otherwise: see `finishSend`.
    case waiting, waitOver
  }

  /// Queue `message`, or hand it to a thread that waits for one. The reference that the receiver
  /// gets is the caller's, given away if it is sent. `thread` is the current thread; nil for a
  /// sender that cannot wait, for which a limit does not hold. No lock held.
  @inline(__always)
  public func send(_ message: MessageRef, from thread: ThreadRef?) -> SendResult {
    pointee.waitable.lock.lock()
    if pointee.isClosed {
      pointee.waitable.lock.unlock()
      return .closed
    }
    if let thread, pointee.rarities != nil, isFull {
      return waitForRoom(message, thread)
    }
    let woken = deliver(message)
    pointee.waitable.lock.unlock()
    mycpuIfWorker?.note(.send, object)
    scheduleChain(woken)
    return .sent
  }

  /// `send` for a one-way message whose values all stand in the payload's slots: what small messages
  /// are. A receiver that waits for values is handed them, and no message is ever made. `payload` is
  /// moved if it was sent; else `message` is what `send` answers about. The current thread is the
  /// sender. No lock held.
  @inline(__always)
  public func sendLight(
    _ payload: UnsafeMutablePointer<Payload>, from thread: ThreadRef, flags: Message.Flags,
    message: inout MessageRef?
  ) -> SendResult {
    pointee.waitable.lock.lock()
    if let node = pointee.waitable.waiters.first, node.pointee.mode == .takeValues {
      pointee.waitable.waiters.unlink(node)
      let receiver = node.pointee.thread
      if receiver.claim(node.pointee.ticket) {
        receiver.pointee.payload = payload.pointee
        receiver.pointee.wakeReason = .ready
        pointee.waitable.lock.unlock()
        lwktSchedule(receiver)
        return .sent
      }
    }
    pointee.waitable.lock.unlock()
    let made = MessageRef.make(sender: thread, payload: payload.pointee, flags: flags)
    message = made
    return send(made, from: thread)
  }

  private var isFull: Bool {
    pointee.limit > 0
      && (pointee.queuedCount >= pointee.limit || pointee.firstSender != nil)
  }

  /// Lock held. To the first receiver that takes it, else to the queue. Returns the threads to
  /// schedule once the lock is free, chained by `runNext`.
  @inline(__always)
  private func deliver(_ message: MessageRef) -> ThreadRef? {
    var woken: ThreadRef?
    while let node = pointee.waitable.waiters.popClaimed() {
      let thread = node.pointee.thread
      thread.pointee.wakeReason = .ready
      thread.pointee.wakeIndex = node.pointee.index
      thread.pointee.runNext = woken
      woken = thread
      if node.pointee.mode != .look {
        thread.pointee.wakeValue = UnsafeMutableRawPointer(message)
        return woken
      }
    }
    message.pointee.queuedOn.store(UInt(bitPattern: self), ordering: .relaxed)
    pointee.enqueue(message)
    return woken
  }

  /// Lock held on entry, free on return.
  @inline(never)
  private func waitForRoom(_ message: MessageRef, _ thread: ThreadRef) -> SendResult {
    thread.pointee.pendingMessage = message
    thread.pointee.sendingMessage = message
    let ticket = thread.beginWait(.send, on: object)
    thread.enqueueNode(on: waitable, ticket: ticket, mode: .room)
    pointee.waitable.lock.unlock()
    return thread.abortedMeanwhile(ticket: ticket) ? .waitOver : .waiting
  }

  /// The end of a send that had to wait. `.sent`, or `.closed` (port closed) or `.waitOver`
  /// (aborted), and then the caller owns the message again. Own worker, the sender.
  public func finishSend(_ thread: ThreadRef) -> SendResult {
    let reason = thread.finishWait()
    if reason == .ready {
      mycpu.note(.send, object)
      return .sent
    }
    thread.pointee.pendingMessage = nil
    return reason == .gone ? .closed : .waitOver
  }

  /// A received request passed on, or an answer come back: limits do not hold. False if closed.
  func enqueueForwarded(_ message: MessageRef) -> Bool {
    pointee.waitable.lock.lock()
    if pointee.isClosed {
      pointee.waitable.lock.unlock()
      return false
    }
    let woken = deliver(message)
    pointee.waitable.lock.unlock()
    scheduleChain(woken)
    return true
  }

  /// Does `thread` alone receive from it?
  public func belongs(to thread: ThreadRef) -> Bool {
    pointee.waitable.lock.lock()
    defer { pointee.waitable.lock.unlock() }
    return pointee.owner == thread
  }

  /// What inspection shows.
  public var glimpse: (queued: Int, receivers: Int, senders: Int, isClosed: Bool) {
    pointee.waitable.lock.lock()
    defer { pointee.waitable.lock.unlock() }
    return (
      pointee.queuedCount, pointee.waitable.waiters.count,
      pointee.rarities?.pointee.senders.count ?? 0, pointee.isClosed
    )
  }

  /// Is there a message in its queues? For `Cycles.swift`, like the next, and `HeapCollection.swift`.
  var hasQueue: Bool {
    pointee.waitable.lock.lock()
    defer { pointee.waitable.lock.unlock() }
    return pointee.queuedCount > 0
  }

  /// Call `body`, which takes no lock, for each queued message.
  func forEachQueued(_ body: (MessageRef) -> Void) {
    pointee.waitable.lock.lock()
    defer { pointee.waitable.lock.unlock() }
    for first in [pointee.queue.first, pointee.rarities?.pointee.urgentQueue.first] {
      var message = first
      while let current = message {
        message = current.pointee.next
        body(current)
      }
    }
  }

  func enqueueReply(_ message: MessageRef) -> Bool { enqueueForwarded(message) }

  /// Take `message` out of the queue again if it is still there. The queue's reference is then the
  /// caller's.
  func withdraw(_ message: MessageRef) -> Bool {
    pointee.waitable.lock.lock()
    guard message.pointee.queuedOn.load(ordering: .relaxed) == UInt(bitPattern: self) else {
      pointee.waitable.lock.unlock()
      return false
    }
    message.pointee.queuedOn.store(0, ordering: .relaxed)
    if !pointee.queue.remove(message) {
      _ = pointee.rarities?.pointee.urgentQueue.remove(message)
    }
    let woken = pointee.firstSender == nil ? nil : admitSender()
    pointee.waitable.lock.unlock()
    if let woken { lwktSchedule(woken) }
    return true
  }

  // MARK: Receiving

  /// Take the next message, or register the thread as a receiver. The message's reference is the
  /// caller's; after a wait it is in the thread's `wakeValue`. `thread` is the current thread. With
  /// `valuesOnly` the sender may have handed over values without a message: see `sendLight`.
  @inline(__always)
  public func receive(
    _ thread: ThreadRef, deadline: UInt64?, poll: Bool = false, valuesOnly: Bool = false,
    into message: inout MessageRef?
  ) -> WaitResult {
    pointee.waitable.lock.lock()
    if let next = pointee.popUrgent() ?? pointee.queue.pop() {
      next.pointee.queuedOn.store(0, ordering: .relaxed)
      let woken = pointee.firstSender == nil ? nil : admitSender()
      pointee.waitable.lock.unlock()
      if let woken { lwktSchedule(woken) }
      mycpu.note(.receive, next.object)
      message = next
      return .ready
    }
    if poll || pointee.isClosed {
      pointee.waitable.lock.unlock()
      return .wouldWait
    }
    let ticket = thread.beginWait(.receive, on: object)
    thread.enqueueNode(on: waitable, ticket: ticket, mode: valuesOnly ? .takeValues : .take)
    pointee.waitable.lock.unlock()
    thread.armWaitTimer(deadline)
    return thread.abortedMeanwhile(ticket: ticket) ? .waitOver : .waiting
  }

  /// Lock held, room was just made: the first waiting sender's message comes in.
  @inline(never)
  private func admitSender() -> ThreadRef? {
    guard let node = pointee.rarities?.pointee.senders.popClaimed() else { return nil }
    let thread = node.pointee.thread
    let message = thread.pointee.pendingMessage.unsafelyUnwrapped
    thread.pointee.pendingMessage = nil
    thread.pointee.wakeReason = .ready
    message.pointee.queuedOn.store(UInt(bitPattern: self), ordering: .relaxed)
    pointee.enqueue(message)
    return thread
  }

  // MARK: The end

  /// Refuse more: waiting receivers and senders are told, queued requests fail with ENOTCONN.
  /// Received requests stay their receivers'. Any worker, no lock held; idempotent.
  public func close(_ failure: MessageFailure = .notConnected) {
    pointee.waitable.lock.lock()
    if !pointee.isClosed {
      pointee.closure = failure
      mycpuIfWorker?.note(.close, object)
    }
    pointee.isClosed = true
    pointee.owner = nil
    var woken: ThreadRef?
    while let node = pointee.waitable.waiters.popClaimed()
      ?? pointee.rarities?.pointee.senders.popClaimed()
    {
      let thread = node.pointee.thread
      thread.pointee.wakeReason = .gone
      thread.pointee.wakeIndex = node.pointee.index
      thread.pointee.runNext = woken
      woken = thread
    }
    var orphans: MessageRef?
    while let message = pointee.queue.pop() ?? pointee.popUrgent() {
      message.pointee.queuedOn.store(0, ordering: .relaxed)
      message.pointee.next = orphans
      orphans = message
    }
    pointee.waitable.lock.unlock()
    scheduleChain(woken)
    while let message = orphans {
      orphans = message.pointee.next
      if message.pointee.flags.contains(.oneWay) || message.pointee.flags.contains(.isReply) {
        message.object.releaseObject()
      } else {
        message.fail(failure)
        message.receiverObject.releaseObject()
      }
    }
  }
}
