// Timer.swift: the timers of one worker.

/// One thing that is to happen at a time. Embedded in whatever waits for it, at a place that its kind
/// says, so that it need not say whose it is; the owner keeps the memory alive while the timer is armed.
public struct Timer {
  public enum Kind: UInt8, Sendable {
    /// The end of a thread's present wait.
    case wait
    /// The end of a `timeout` scope.
    case scope
    /// A dead thread's error that nobody has noticed. It holds one reference to the thread.
    case unnoticed
    /// A system call's: its end, or the limit of what it waits for.
    case call
  }

  /// Nanoseconds of the policy's clock.
  public var deadline: UInt64 = 0
  /// Where the timer is in its worker's heap; -1 when not armed.
  var index: Int32 = -1
  public let kind: Kind

  public init(_ kind: Kind) { self.kind = kind }

  public var isArmed: Bool { index >= 0 }

  /// The `index` of a timer that was armed and moves with its thread to another worker.
  static let inTransit: Int32 = -2
}

public typealias TimerRef = UnsafeMutablePointer<Timer>

extension UnsafeMutablePointer where Pointee == Timer {
  /// Where the timer is in objects that threads can wait for: it is their second field.
  private static var offset: Int {
    (MemoryLayout<Waitable>.size + MemoryLayout<Timer>.alignment - 1)
      & ~(MemoryLayout<Timer>.alignment - 1)
  }

  private var object: ObjectRef { UnsafeMutableRawPointer(self) - Self.offset }

  /// Whose it is, of kind `wait` or `unnoticed`.
  var thread: ThreadRef {
    assert(pointee.kind != .call && pointee.kind != .scope && object.thread.ownTimer == self)
    return object.thread
  }

  /// Whose it is, of kind `call`.
  var systemCall: SystemCallRef {
    let call = object.assumingMemoryBound(to: SystemCall.self)
    assert(pointee.kind == .call && addressOf(&call.pointee.timer) == self)
    return call
  }

  /// Whose it is, of kind `scope`. There it comes first.
  var scope: TimeoutScopeRef {
    UnsafeMutableRawPointer(self).assumingMemoryBound(to: TimeoutScope.self)
  }
}

/// A heap of four children a node: the earliest deadline first. Deadlines stand beside the pointers
/// so that sifting reads one line of memory a level. Owner worker only.
struct TimerHeap: ~Copyable {
  private struct Entry {
    var deadline: UInt64
    var timer: TimerRef
  }

  private var entries: UnsafeMutablePointer<Entry>
  private var capacity: Int
  private(set) var count = 0

  init(capacity: Int = 16) {
    self.capacity = capacity
    entries = .allocate(capacity: capacity)
  }

  deinit { entries.deallocate() }

  /// The earliest deadline, or nil.
  var earliest: UInt64? { count > 0 ? entries[0].deadline : nil }

  /// - Complexity: O(log n), nearly always O(1): new deadlines tend to be late ones.
  mutating func add(_ timer: TimerRef) {
    if count == capacity {
      let larger = UnsafeMutablePointer<Entry>.allocate(capacity: capacity * 2)
      larger.moveInitialize(from: entries, count: count)
      entries.deallocate()
      entries = larger
      capacity *= 2
    }
    count += 1
    siftUp(Entry(deadline: timer.pointee.deadline, timer: timer), from: count - 1)
  }

  /// - Complexity: O(log n)
  mutating func remove(_ timer: TimerRef) {
    let hole = Int(timer.pointee.index)
    precondition(hole >= 0 && hole < count && entries[hole].timer == timer, "timer is not armed")
    timer.pointee.index = -1
    count -= 1
    guard hole < count else { return }
    let last = entries[count]
    if hole > 0, last.deadline < entries[(hole - 1) / 4].deadline {
      siftUp(last, from: hole)
    } else {
      siftDown(last, from: hole)
    }
  }

  /// The earliest timer, taken out, if it is due at `now`.
  mutating func popDue(_ now: UInt64) -> TimerRef? {
    guard count > 0, entries[0].deadline <= now else { return nil }
    let timer = entries[0].timer
    remove(timer)
    return timer
  }

  private func place(_ entry: Entry, at index: Int) {
    entries[index] = entry
    entry.timer.pointee.index = Int32(truncatingIfNeeded: index)
  }

  private func siftUp(_ entry: Entry, from start: Int) {
    var hole = start
    while hole > 0 {
      let parent = (hole - 1) / 4
      if entries[parent].deadline <= entry.deadline { break }
      place(entries[parent], at: hole)
      hole = parent
    }
    place(entry, at: hole)
  }

  private func siftDown(_ entry: Entry, from start: Int) {
    var hole = start
    while true {
      let first = hole * 4 + 1
      guard first < count else { break }
      var least = first
      for child in (first + 1)..<max(first + 1, min(first + 4, count))
      where entries[child].deadline < entries[least].deadline {
        least = child
      }
      if entry.deadline <= entries[least].deadline { break }
      place(entries[least], at: hole)
      hole = least
    }
    place(entry, at: hole)
  }
}
