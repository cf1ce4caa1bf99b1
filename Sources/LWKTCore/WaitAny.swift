// WaitAny.swift: the first of several things to be ready.

/// Is it ready: a port with a message, an answered request, a dead thread? Lock of the object held.
private func isReady(_ object: ObjectRef) -> Bool {
  switch object.objectKind {
  case .port:
    let port = object.port
    return port.pointee.queuedCount > 0 || port.pointee.isClosed
  case .message: return object.message.pointee.status == .done
  case .thread: return object.thread.isDead
  default: return false
  }
}

extension UnsafeMutablePointer where Pointee == Thread {
  /// Wait until one of `objects` (ports, messages, threads) is ready. The current thread. `index` is
  /// set for `.ready`; after a wait it is in `wakeIndex`.
  public func waitAny(
    _ objects: UnsafeBufferPointer<ObjectRef>, deadline: UInt64?, poll: Bool, index: inout Int
  ) -> WaitResult {
    for (position, object) in objects.enumerated() {
      let waitable = UnsafeMutableRawPointer(object.objectHeader)
        .assumingMemoryBound(to: Waitable.self)
      waitable.pointee.lock.lock()
      defer { waitable.pointee.lock.unlock() }
      if isReady(object) {
        index = position
        return .ready
      }
    }
    if poll { return .wouldWait }
    let nodes = UnsafeMutablePointer<WaitNode>.allocate(capacity: max(1, objects.count))
    nodes.initialize(repeating: WaitNode(thread: self), count: objects.count)
    let ticket = beginWait(.waitany, on: nil)
    pointee.extraNodes = nodes
    pointee.extraNodeCount = Int32(objects.count)
    for (position, object) in objects.enumerated() {
      let waitable = UnsafeMutableRawPointer(object.objectHeader)
        .assumingMemoryBound(to: Waitable.self)
      let node = nodes + position
      node.pointee.object = waitable
      node.pointee.ticket = ticket
      node.pointee.index = Int32(position)
      node.pointee.mode = .look
      waitable.pointee.lock.lock()
      let isReadyNow = isReady(object)
      if !isReadyNow { waitable.pointee.waiters.append(node) }
      waitable.pointee.lock.unlock()
      if isReadyNow {
        node.pointee.object = nil
        // Unless another of them was quicker.
        if claim(ticket) {
          pointee.wakeReason = .ready
          pointee.wakeIndex = Int32(position)
          return .waitOver
        }
        return .waiting
      }
    }
    armWaitTimer(deadline)
    return abortedMeanwhile(ticket: ticket) ? .waitOver : .waiting
  }
}
