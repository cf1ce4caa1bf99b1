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
  fileprivate var threads = LinkedList<Thread.ByDomain>()
  public internal(set) var threadCount = 0
  /// How many of them are on the run queue.
  var runnable = 0
  /// How many may not leave this worker: pinned, or with a parked native stack.
  public internal(set) var anchored = 0
  /// Wakings of its threads in a row by one other worker and nobody else: see `Gathering.swift`.
  var farWakings = 0
  var farWaker = -1
  /// False between the giver's letting go and the taker's adopting.
  var isAdopted = true
  fileprivate var workerLinks = Links<DomainRef>()
  fileprivate var emptyLinks = Links<DomainRef>()
  var isListedEmpty = false
  /// Room for one more thread, as the binding sees it: it takes no strangers when false.
  public var isOpen = true
  /// See `HeapCollection.swift`.
  var collection = CollectionState()

  init(heap: UnsafeMutableRawPointer) { self.heap = heap }

  /// All domains of a worker, or those in a package on their way to another.
  enum ByWorker: Linkage {
    static func links(of domain: DomainRef) -> UnsafeMutablePointer<Links<DomainRef>> {
      addressOf(&domain.pointee.workerLinks)
    }
  }

  /// The owner's open domains that threads have left; nobody moves those.
  enum ByEmptiness: Linkage {
    static func links(of domain: DomainRef) -> UnsafeMutablePointer<Links<DomainRef>> {
      addressOf(&domain.pointee.emptyLinks)
    }
  }
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
    if pointee.isListedEmpty { mycpu.unlistEmpty(self) }
    mycpu.unlink(self)
    deinitialize(count: 1)
    deallocate()
  }

  /// `thread` lives here from now on. Owner of both.
  public func add(_ thread: ThreadRef) {
    if pointee.isListedEmpty { mycpu.unlistEmpty(self) }
    thread.pointee.domainAtomic.store(UInt(bitPattern: self), ordering: .relaxed)
    pointee.threads.prepend(thread)
    pointee.threadCount += 1
    // On the run queue it was nobody's.
    pointee.collection.turns &+= 1
    if thread.pointee.flags.contains(.pinned) { pointee.anchored += 1 }
  }

  /// `thread` is dead. Owner.
  func remove(_ thread: ThreadRef) {
    pointee.threads.remove(thread)
    thread.pointee.domainAtomic.store(0, ordering: .relaxed)
    pointee.threadCount -= 1
    if thread.pointee.flags.contains(.pinned) { pointee.anchored -= 1 }
    guard pointee.isOpen else { return }
    let gd = mycpu
    gd.pointee.domainLastLeft = self
    if pointee.threadCount == 0 { gd.listEmpty(self) }
  }

  /// For a new thread: fewer than `limit` are there, and if `resting` none that wants to run. Owner.
  fileprivate func hasRoom(_ limit: Int, _ resting: Bool) -> Bool {
    pointee.isOpen && pointee.threadCount < limit && (!resting || pointee.runnable == 0)
  }

  /// Call `body` for each thread. Owner.
  func forEachThread(_ body: (ThreadRef) -> Void) {
    for thread in pointee.threads { body(thread) }
  }
}

// MARK: Which domain a new thread goes to

extension UnsafeMutablePointer where Pointee == GlobalData {
  fileprivate func listEmpty(_ domain: DomainRef) {
    domain.pointee.isListedEmpty = true
    pointee.emptyDomains.prepend(domain)
  }

  fileprivate func unlistEmpty(_ domain: DomainRef) {
    domain.pointee.isListedEmpty = false
    pointee.emptyDomains.remove(domain)
  }

  /// A domain that lives here, or nil. Own worker.
  public var anyDomain: DomainRef? { pointee.domains.first }

  /// The domain that threads have left last, if nobody has come into it since. Own worker.
  public var emptyDomain: DomainRef? { pointee.emptyDomains.first }

  /// Are there several domains without threads? Own worker.
  public var hasSpareDomains: Bool { pointee.emptyDomains.first != pointee.emptyDomains.last }

  /// An open domain with fewer than `limit` threads, or nil; if `resting`, one whose threads all wait. The
  /// place that was left last is taken first: a crowd of threads that are over at once does not go through
  /// the caches of dozens of heaps, and those that stay are as evenly spread as before. Else the first `few`
  /// domains get threads by turns, so that they can move apart; later ones are filled one after the other.
  /// Own worker, while it runs none of their threads.
  ///
  /// - Complexity: O(1) but for each domain that was found full or not at rest.
  public func domainToFill(limit: Int, few: Int, resting: Bool = false) -> DomainRef? {
    if let left = pointee.domainLastLeft {
      pointee.domainLastLeft = nil
      if left.hasRoom(limit, resting) { return left }
    }
    var candidate = pointee.domainBeingFilled ?? pointee.domains.first
    for _ in 0...pointee.domainCount {
      guard let domain = candidate else { return nil }
      if domain.hasRoom(limit, resting) {
        pointee.domainBeingFilled =
          pointee.domainCount > few ? domain : pointee.domains.next(domain)
        return domain
      }
      candidate = pointee.domains.next(domain) ?? pointee.domains.first
    }
    return nil
  }
}
