// Forward.swift: a received request passed on.
//
// A forwarded request travels as a *hop*: a message of its own whose `link` is the request and whose
// receivers are those that may answer from now on. The request's `link` is its latest hop. So the
// handles of those that had the request before are good for nothing but reading it, wherever they are,
// and a receiver that goes away unanswered is noticed although they are still there. The sender knows
// of none of this: it has the request, aborts that, and finds the answer there.
//
// Lock order: the request, then a hop of it, then the thread that owes the answer.

import Synchronization

extension UnsafeMutablePointer where Pointee == Message {
  /// The request that this is, or is a hop of. Any holder of a reference.
  public var request: MessageRef {
    pointee.flags.contains(.hop) ? pointee.link.unsafelyUnwrapped : self
  }

  /// Has it been passed on, so that its present receiver has it to answer? A receiver, no lock held.
  public var isPassedOn: Bool {
    let root = request
    root.pointee.waitable.lock.lock()
    defer { root.pointee.waitable.lock.unlock() }
    return root.pointee.status == .pending && root.pointee.link != (root == self ? nil : self)
  }

  /// A receiver sends the handle on in a message. Any kernel thread.
  public func noteShared() { pointee.set(.shared) }

  /// Pass a received request on; the answer goes to the original sender. Nil when done, else why not,
  /// and then the caller still has it to answer. A receiver, the current thread, no lock held.
  public func forward(to port: PortRef, urgent: Bool = false) -> MessageFailure? {
    let root = request
    let hop = MessageRef.make(
      sender: root.pointee.sender, payload: Payload(), flags: urgent ? [.hop, .urgent] : .hop)
    hop.pointee.link = root
    root.object.retainObject()
    hop.pointee.target = port
    guard root.replaceHop(by: hop, instead: root == self ? nil : self) else {
      hop.object.releaseObject()
      return .alreadyAnswered
    }
    // The link has the first reference to the hop, the queue the second.
    hop.receiverObject.retainObject()
    let holder = endHolding()
    mycpu.note(.forward, port.object)
    if port.enqueueForwarded(hop) {
      if root != self { object.releaseObject() }
      return nil
    }
    takeBack(hop, holder)
    return .notConnected
  }

  /// The request: `hop` is the latest from now on. False if it has been answered, or passed on by another.
  private func replaceHop(by hop: MessageRef?, instead old: MessageRef?) -> Bool {
    pointee.waitable.lock.lock()
    defer { pointee.waitable.lock.unlock() }
    guard pointee.status == .pending, pointee.link == old else { return false }
    keepRequestLocked()
    if let hop, pointee.flags.contains(.aborted) { hop.pointee.set(.aborted) }
    pointee.link = hop
    return true
  }

  /// Nobody owes this message's answer any more; who did.
  private func endHolding() -> ThreadRef? {
    pointee.waitable.lock.lock()
    defer { pointee.waitable.lock.unlock() }
    let holder = pointee.holder
    if let holder { letGo(of: holder) }
    return holder
  }

  /// The port took nothing: without the hop, then, as far as nobody has answered meanwhile.
  private func takeBack(_ hop: MessageRef, _ holder: ThreadRef?) {
    let root = request
    let isBack = root.replaceHop(by: root == self ? nil : self, instead: hop)
    if isBack {
      if hop.pointee.flags.contains(.aborted) { pointee.set(.aborted) }
      if let holder { hold(by: holder) }
    } else if root != self {
      object.releaseObject()
    }
    hop.receiverObject.releaseObject()
    if isBack { hop.object.releaseObject() }
  }

  /// `claimReply` of a hop: only the latest wins, and no other than the request is answered.
  func claimReplyOfHop() -> MessageRef? {
    let root = request
    root.pointee.waitable.lock.lock()
    let isMine = root.pointee.status == .pending && root.pointee.link == self
    if isMine {
      root.pointee.status = .replying
      root.pointee.link = nil
    }
    root.pointee.waitable.lock.unlock()
    // In any case: the port that it was sent to may be about to go.
    pointee.waitable.lock.lock()
    pointee.target = nil
    if isMine { pointee.status = .done }
    if let holder = pointee.holder { letGo(of: holder) }
    pointee.waitable.lock.unlock()
    guard isMine else { return nil }
    // The link's reference. Whoever claims has another one.
    object.releaseObject()
    return root
  }

  /// Call `body` with the message whose receiver has this request to answer, locked. Any holder of a
  /// reference, no lock held.
  func withLatestHop<Result>(_ body: (MessageRef) -> Result) -> Result {
    pointee.waitable.lock.lock()
    defer { pointee.waitable.lock.unlock() }
    guard !pointee.flags.contains(.hop), let hop = pointee.link else { return body(self) }
    hop.pointee.waitable.lock.lock()
    defer { hop.pointee.waitable.lock.unlock() }
    return body(hop)
  }
}
