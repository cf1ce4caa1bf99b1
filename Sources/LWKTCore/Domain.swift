// Domain.swift: threads that can only run by turns, and move together.

import Synchronization

public typealias DomainRef = UnsafeMutablePointer<Domain>

/// A set of threads that share one language heap. It runs on one worker at a time and is the unit
/// that moves between workers: all its threads, runnable or waiting, with their timers.
///
/// All fields are the owner worker's, except as said.
public struct Domain: ~Copyable {
  /// The binding's heap.
  public let heap: UnsafeMutableRawPointer
  var firstThread: ThreadRef?
  public internal(set) var threadCount = 0
  /// How many of them are on the run queue.
  var runnable = 0
  /// How many may not leave this worker: pinned, or with a parked native stack.
  public internal(set) var anchored = 0
  /// False between the giver's letting go and the taker's adopting.
  var isAdopted = true
  /// The owner's list of domains.
  public internal(set) var next: DomainRef?
  public internal(set) var previous: DomainRef?
  /// Room for one more thread, as the binding sees it: it takes no strangers when false.
  public var isOpen = true

  init(heap: UnsafeMutableRawPointer) { self.heap = heap }
}

extension UnsafeMutablePointer where Pointee == Domain {
  /// Make a domain on this worker around a language heap. Own worker.
  public static func make(heap: UnsafeMutableRawPointer) -> DomainRef {
    let domain = DomainRef.allocate(capacity: 1)
    domain.initialize(to: Domain(heap: heap))
    mycpu.link(domain)
    return domain
  }

  /// Own worker, no threads left in it. The heap is the binding's to close.
  public func destroy() {
    precondition(pointee.threadCount == 0, "domain still has threads")
    mycpu.unlink(self)
    deinitialize(count: 1)
    deallocate()
  }

  /// `thread` lives here from now on. Owner of both.
  public func add(_ thread: ThreadRef) {
    thread.pointee.domainAtomic.store(UInt(bitPattern: self), ordering: .relaxed)
    thread.pointee.domainPrevious = nil
    thread.pointee.domainNext = pointee.firstThread
    if let first = pointee.firstThread { first.pointee.domainPrevious = thread }
    pointee.firstThread = thread
    pointee.threadCount += 1
    if thread.pointee.flags.contains(.pinned) { pointee.anchored += 1 }
  }

  /// `thread` is dead. Owner.
  func remove(_ thread: ThreadRef) {
    if let next = thread.pointee.domainNext {
      next.pointee.domainPrevious = thread.pointee.domainPrevious
    }
    if let previous = thread.pointee.domainPrevious {
      previous.pointee.domainNext = thread.pointee.domainNext
    } else {
      pointee.firstThread = thread.pointee.domainNext
    }
    thread.pointee.domainAtomic.store(0, ordering: .relaxed)
    pointee.threadCount -= 1
    if thread.pointee.flags.contains(.pinned) { pointee.anchored -= 1 }
  }

  /// Call `body` for each thread. Owner.
  func forEachThread(_ body: (ThreadRef) -> Void) {
    var thread = pointee.firstThread
    while let current = thread {
      thread = current.pointee.domainNext
      body(current)
    }
  }
}
