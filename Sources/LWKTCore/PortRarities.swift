// PortRarities.swift: what few ports need, apart from what all have.

import Synchronization

/// The fields of a port that has a name, a limit, or urgent messages: a block that is made with the first
/// of them and goes with the port. A thread's own port mostly has none.
struct PortRarities {
  /// Guarded by the port's lock.
  var urgentQueue = Port.MessageQueue()
  /// Senders that wait for room, in order, with their message in `pendingMessage`. Guarded likewise.
  var senders = WaitList()
  /// Constant, like the name.
  let limit: Int
  let name: UnsafeMutablePointer<CChar>?
}

extension Port {
  /// Nil if none was ever needed. Any kernel thread that holds a reference: acquire, for what the maker
  /// of the block wrote.
  @inline(__always)
  var rarities: UnsafeMutablePointer<PortRarities>? {
    UnsafeMutablePointer(bitPattern: raritiesAtomic.load(ordering: .acquiring))
  }

  /// While the port is made, or with its lock held. Takes over `name`.
  @inline(never)
  @discardableResult
  func makeRarities(
    _ limit: Int = 0, _ name: UnsafeMutablePointer<CChar>? = nil
  ) -> UnsafeMutablePointer<PortRarities> {
    let made = UnsafeMutablePointer<PortRarities>.allocate(capacity: 1)
    made.initialize(to: PortRarities(limit: limit, name: name))
    raritiesAtomic.store(UInt(bitPattern: made), ordering: .releasing)
    return made
  }

  /// The last reference is gone.
  func destroyRarities() {
    guard let rarities else { return }
    rarities.pointee.name?.deallocate()
    rarities.deallocate()
  }

  /// At most so many queued messages before senders wait; 0: no limit.
  public var limit: Int { rarities?.pointee.limit ?? 0 }

  /// NUL-terminated, or nil.
  public var name: UnsafeMutablePointer<CChar>? { rarities?.pointee.name }

  // MARK: With the lock held

  var queuedCount: Int { queue.count + (rarities?.pointee.urgentQueue.count ?? 0) }

  @inline(__always)
  var firstSender: UnsafeMutablePointer<WaitNode>? { rarities?.pointee.senders.first }

  @inline(__always)
  func popUrgent() -> MessageRef? { rarities?.pointee.urgentQueue.pop() }

  /// At the end of the queue that it belongs to.
  @inline(__always)
  mutating func enqueue(_ message: MessageRef) {
    if message.pointee.flags.contains(.urgent) {
      (rarities ?? makeRarities()).pointee.urgentQueue.append(message)
    } else {
      queue.append(message)
    }
  }
}
