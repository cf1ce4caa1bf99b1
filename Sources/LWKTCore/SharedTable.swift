// SharedTable.swift: keys and values that threads share.
//
// A value is copied in as a payload and stays as it is until another takes its place. Key and
// payload are in a counted box: a reader finds the box and retains it under a lock, and decodes
// without one. That the box for a key is still the same tells an update that nobody has changed the
// value meanwhile; who compares holds a reference, so that no other box can have its address.
//
// Updates make their new value without a lock and begin anew when they come too late. One that comes
// too late again and again makes the table *crowded*: for a short time all that change it take turns by
// a token, so that a slow one has its turn too.
//
// The boxes are chained in the buckets of 16 shards, each with a lock of its own. A shard grows by
// one bucket at a time (linear hashing), so that no operation but a snapshot holds a lock for long.

import CLWKT
import Glibc
import Synchronization

public typealias TableRef = UnsafeMutablePointer<SharedTable>
public typealias BoxRef = UnsafeMutablePointer<SharedBox>

/// A key in the form in which equal keys have equal tags and bytes: the binding's affair, except that
/// the box may own a reference to an object that the key stands for.
public struct SharedKey {
  public let tag: UInt8
  public let bytes: UnsafeRawBufferPointer
  /// The object that the bytes name, borrowed.
  public let object: ObjectRef?
  let hash: UInt

  /// `bytes` must stay valid while the key is used.
  public init(tag: UInt8, _ bytes: UnsafeRawBufferPointer, object: ObjectRef? = nil) {
    self.tag = tag
    self.bytes = bytes
    self.object = object
    // Seeded anew in each process: nobody can prepare keys that all collide.
    var hasher = Hasher()
    hasher.combine(tag)
    hasher.combine(bytes: bytes)
    hash = UInt(bitPattern: hasher.finalize())
  }
}

/// One key with its value: immutable, but for the chain it is in. The key's bytes follow it.
public struct SharedBox: ~Copyable {
  let header: ObjectHeader
  let hash: UInt
  public let keyTag: UInt8
  let keyCount: Int
  /// The object that the key stands for, owned.
  let keyObject: ObjectRef?
  /// The id of the thread that stored it.
  let writer: UInt64
  /// Owned. Decoded by any worker, and by several at a time.
  public var payload: Payload
  /// Guarded by the shard's lock.
  var next: BoxRef?
}

extension UnsafeMutablePointer where Pointee == SharedBox {
  public var object: ObjectRef { ObjectRef(self) }

  /// A box with one reference, the caller's; it takes over the payload. Any kernel thread, no lock
  /// held.
  public static func make(_ key: SharedKey, _ payload: Payload, writer: ThreadRef) -> BoxRef {
    let size = MemoryLayout<SharedBox>.stride
    let memory = UnsafeMutableRawPointer.allocate(
      byteCount: size + key.bytes.count, alignment: 16)
    let box = memory.bindMemory(to: SharedBox.self, capacity: 1)
    key.object?.retainObject()
    box.initialize(
      to: SharedBox(
        header: ObjectHeader(.box), hash: key.hash, keyTag: key.tag, keyCount: key.bytes.count,
        keyObject: key.object, writer: writer.pointee.id, payload: payload, next: nil))
    UnsafeMutableRawBufferPointer(start: memory + size, count: key.bytes.count)
      .copyMemory(from: key.bytes)
    return box
  }

  func destroy() {
    let keyObject = pointee.keyObject
    addressOf(&pointee.payload).dispose()
    deinitialize(count: 1)
    UnsafeMutableRawPointer(self).deallocate()
    keyObject?.releaseObject()
  }

  /// The bytes of the key; valid as long as the box.
  public var key: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(
      start: UnsafeRawPointer(self) + MemoryLayout<SharedBox>.stride, count: pointee.keyCount)
  }

  /// What the value is copied from. The caller holds a reference.
  public var payload: UnsafeMutablePointer<Payload> { addressOf(&pointee.payload) }

  @inline(__always)
  fileprivate func has(_ key: SharedKey) -> Bool {
    guard pointee.hash == key.hash, pointee.keyTag == key.tag,
      pointee.keyCount == key.bytes.count,
      let mine = self.key.baseAddress, let other = key.bytes.baseAddress
    else { return false }
    return memcmp(mine, other, key.bytes.count) == 0
  }
}

/// A part of a table: those boxes whose hashes end in the same bits.
struct TableShard: ~Copyable {
  /// Guards everything below, and the `next` of the boxes. Who takes several goes up through the
  /// shards.
  let lock = Spinlock()
  var count = 0
  /// Buckets in use: `1 << level` and those already split.
  var bucketCount = 8
  var level = 3
  /// The buckets, in segments that double; they never move. Segment 0 has 8.
  var segments: UnsafeMutablePointer<UnsafeMutablePointer<BoxRef?>?>

  static let firstLevel = 3
  static let segmentLimit = 48

  init() {
    segments = .allocate(capacity: TableShard.segmentLimit)
    segments.initialize(repeating: nil, count: TableShard.segmentLimit)
    segments[0] = TableShard.makeSegment(1 << TableShard.firstLevel)
  }

  deinit {
    for segment in 0..<TableShard.segmentLimit { free(segments[segment]) }
    segments.deallocate()
  }

  /// Empty buckets: zeros that the kernel provides as they are touched, so that big ones cost nothing
  /// under the lock.
  static func makeSegment(_ count: Int) -> UnsafeMutablePointer<BoxRef?> {
    guard let memory = calloc(count, MemoryLayout<BoxRef?>.stride) else {
      lwkt_out_of_memory(count * MemoryLayout<BoxRef?>.stride)
    }
    return memory.bindMemory(to: BoxRef?.self, capacity: count)
  }

  @inline(__always)
  func bucket(at number: Int) -> UnsafeMutablePointer<BoxRef?> {
    let segment =
      number < 1 << TableShard.firstLevel
      ? 0 : Int.bitWidth - number.leadingZeroBitCount - TableShard.firstLevel
    let start = segment == 0 ? 0 : 1 << (segment + TableShard.firstLevel - 1)
    return segments[segment].unsafelyUnwrapped + (number - start)
  }

  /// Lock held. Where the box for `hash` is or would be.
  @inline(__always)
  func bucket(for hash: UInt) -> UnsafeMutablePointer<BoxRef?> {
    let bits = Int(truncatingIfNeeded: hash >> SharedTable.shardBits) & Int.max
    let number = bits & (2 << level &- 1)
    return bucket(at: number < bucketCount ? number : bits & (1 << level &- 1))
  }

  /// Lock held. Make one bucket more and move to it what belongs there from the one it splits.
  mutating func grow() {
    let added = bucketCount
    let split = added - 1 << level
    if split == 0 {
      segments[level - TableShard.firstLevel + 1] = TableShard.makeSegment(1 << level)
    }
    bucketCount += 1
    let low = bucket(at: split)
    let high = bucket(at: added)
    var box = low.pointee
    low.pointee = nil
    let bit = UInt(1) << level
    while let current = box {
      box = current.pointee.next
      let target = (current.pointee.hash >> SharedTable.shardBits) & bit == 0 ? low : high
      current.pointee.next = target.pointee
      target.pointee = current
    }
    if bucketCount == 2 << level { level += 1 }
  }
}

public struct SharedTable: ~Copyable {
  let head: SharedHead
  let shards: UnsafeMutablePointer<TableShard>
  let host: HostRef
  /// Guarded by the name table's lock.
  fileprivate var hostLinks = Links<TableRef>()

  /// All tables of the host.
  enum ByHost: Linkage {
    static func links(of table: TableRef) -> UnsafeMutablePointer<Links<TableRef>> {
      addressOf(&table.pointee.hostLinks)
    }
  }
  /// When it is no longer crowded, on the workers' coarse clocks; 0 when it has not been lately. Relaxed:
  /// who does not see it yet is late once more.
  let crowdedUntil = Atomic<UInt64>(0)
  /// The token of those that take turns, made when first needed: one reference, or 0. Set once.
  let turns = Atomic<UInt>(0)

  static let shardBits = 4
  static let shardCount = 1 << shardBits
}

extension UnsafeMutablePointer where Pointee == SharedTable {
  public var object: ObjectRef { ObjectRef(self) }

  /// An empty table with one reference, the caller's. Any kernel thread.
  public static func make(guardToken: TokenRef?, host: HostRef) -> TableRef {
    let table = TableRef.allocate(capacity: 1)
    let shards = UnsafeMutablePointer<TableShard>.allocate(capacity: SharedTable.shardCount)
    for shard in 0..<SharedTable.shardCount { (shards + shard).initialize(to: TableShard()) }
    table.initialize(
      to: SharedTable(
        head: SharedHead(.table, guardToken: guardToken), shards: shards, host: host))
    host.register(table)
    return table
  }

  func destroy() {
    pointee.host.unregister(self)
    forEachBox { $0.object.releaseObject() }
    pointee.shards.deinitialize(count: SharedTable.shardCount)
    pointee.shards.deallocate()
    TokenRef(bitPattern: pointee.turns.load(ordering: .acquiring))?.object.releaseObject()
    deinitialize(count: 1)
    deallocate()
  }

  /// Call `body` for each box, which may go with that. Nobody else uses the table.
  func forEachBox(_ body: (BoxRef) -> Void) {
    for number in 0..<SharedTable.shardCount {
      let shard = pointee.shards + number
      for bucket in 0..<shard.pointee.bucketCount {
        var box = shard.pointee.bucket(at: bucket).pointee
        while let current = box {
          box = current.pointee.next
          body(current)
        }
      }
    }
  }

  /// Without anything in it. Nobody else uses the table, but what is let go of may be in others, and so
  /// lead back here.
  func clear() {
    var boxes: BoxRef?
    for number in 0..<SharedTable.shardCount {
      let shard = pointee.shards + number
      for bucket in 0..<shard.pointee.bucketCount {
        let first = shard.pointee.bucket(at: bucket)
        while let box = first.pointee {
          first.pointee = box.pointee.next
          box.pointee.next = boxes
          boxes = box
        }
      }
      shard.pointee.count = 0
    }
    while let box = boxes {
      boxes = box.pointee.next
      box.object.releaseObject()
    }
  }

  @inline(__always)
  private func shard(_ key: SharedKey) -> UnsafeMutablePointer<TableShard> {
    pointee.shards + Int(key.hash & UInt(SharedTable.shardCount - 1))
  }

  /// The box for `key` with a reference for the caller, or nil. Any kernel thread, no lock held.
  public func find(_ key: SharedKey) -> BoxRef? {
    let shard = shard(key)
    shard.pointee.lock.lock()
    defer { shard.pointee.lock.unlock() }
    var box = shard.pointee.bucket(for: key.hash).pointee
    while let current = box {
      if current.has(key) {
        current.object.retainObject()
        return current
      }
      box = current.pointee.next
    }
    return nil
  }

  /// What must be there for an exchange to take place.
  public enum Expectation {
    case anything
    /// This box, or none.
    case box(BoxRef?)
  }

  /// What came of an exchange.
  public enum Exchange: Sendable {
    case stored
    /// It was not what was expected, but what the thread of this id has stored; nil: nothing.
    case late(writer: UInt64?)
  }

  /// Put `new` (whose reference is used up) in the place of what there is for `key`, or remove that.
  /// When late, the reference is given back. Any kernel thread, no lock held.
  public func exchange(_ key: SharedKey, _ expected: Expectation, new: BoxRef?) -> Exchange {
    let shard = shard(key)
    shard.pointee.lock.lock()
    var link = shard.pointee.bucket(for: key.hash)
    while let current = link.pointee, !current.has(key) { link = addressOf(&current.pointee.next) }
    let old = link.pointee
    if case .box(let box) = expected, box != old {
      let writer = old?.pointee.writer
      shard.pointee.lock.unlock()
      new?.object.releaseObject()
      return .late(writer: writer)
    }
    if let new {
      new.pointee.next = old?.pointee.next
      link.pointee = new
      if old == nil { shard.pointee.count += 1 }
      if shard.pointee.count > shard.pointee.bucketCount { shard.pointee.grow() }
    } else if let old {
      link.pointee = old.pointee.next
      shard.pointee.count -= 1
    }
    shard.pointee.lock.unlock()
    old?.object.releaseObject()
    return .stored
  }

  // MARK: Turns

  /// How long a table stays crowded after an update was late too often: nanoseconds. An update that is
  /// late in its turn takes longer than that: it doubles.
  private static var crowdedFor: UInt64 { 20_000_000 }

  /// Do those that change it take turns now? A worker.
  @inline(__always)
  public var isCrowded: Bool {
    let until = pointee.crowdedUntil.load(ordering: .relaxed)
    return until != 0 && until > mycpu.pointee.coarseNow
  }

  /// An update has been late too often, and then so many times in its turn. A worker.
  public func noteCrowd(late: Int) {
    let time = Self.crowdedFor << UInt64(min(max(late, 0), 10))
    let until = max(mycpu.readClock() &+ time, pointee.crowdedUntil.load(ordering: .relaxed))
    pointee.crowdedUntil.store(until, ordering: .relaxed)
  }

  /// The token by which those take turns that change it, borrowed. Any kernel thread.
  public var turns: TokenRef {
    if let token = TokenRef(bitPattern: pointee.turns.load(ordering: .acquiring)) { return token }
    let token = pointee.host.token(named: nil)
    let swap = pointee.turns.compareExchange(
      expected: 0, desired: UInt(bitPattern: token), ordering: .acquiringAndReleasing)
    if swap.exchanged { return token }
    token.object.releaseObject()
    return TokenRef(bitPattern: swap.original).unsafelyUnwrapped
  }

  private func lockAll() {
    for shard in 0..<SharedTable.shardCount { pointee.shards[shard].lock.lock() }
  }

  private func unlockAll() {
    for shard in 0..<SharedTable.shardCount { pointee.shards[shard].lock.unlock() }
  }

  /// All locks held.
  private var lockedCount: Int {
    var count = 0
    for shard in 0..<SharedTable.shardCount { count += pointee.shards[shard].count }
    return count
  }

  /// How many keys there are at this moment. Any kernel thread, no lock held.
  public var count: Int {
    lockAll()
    defer { unlockAll() }
    return lockedCount
  }

  /// All that is in the table at this moment, with one reference for the caller. Any kernel thread,
  /// no lock held; the table is locked for O(count).
  public func snapshot() -> TableSnapshotRef {
    lockAll()
    defer { unlockAll() }
    let snapshot = TableSnapshotRef.make(capacity: lockedCount)
    for number in 0..<SharedTable.shardCount {
      let shard = pointee.shards + number
      for bucket in 0..<shard.pointee.bucketCount {
        var box = shard.pointee.bucket(at: bucket).pointee
        while let current = box {
          current.object.retainObject()
          (snapshot.pointee.boxes + snapshot.pointee.count).initialize(to: current)
          snapshot.pointee.count += 1
          box = current.pointee.next
        }
      }
    }
    return snapshot
  }
}

public typealias TableSnapshotRef = UnsafeMutablePointer<TableSnapshot>

/// The boxes of a table at one moment, and how far one reader has come. That reader only.
public struct TableSnapshot: ~Copyable {
  let header: ObjectHeader
  /// The boxes from `position` on are owned references.
  let boxes: UnsafeMutablePointer<BoxRef>
  var count = 0
  var position = 0
}

extension UnsafeMutablePointer where Pointee == TableSnapshot {
  public var object: ObjectRef { ObjectRef(self) }

  static func make(capacity: Int) -> TableSnapshotRef {
    let snapshot = TableSnapshotRef.allocate(capacity: 1)
    snapshot.initialize(
      to: TableSnapshot(header: ObjectHeader(.tableSnapshot), boxes: .allocate(capacity: capacity)))
    return snapshot
  }

  /// The next box, whose reference is the caller's now, or nil.
  public func next() -> BoxRef? {
    guard pointee.position < pointee.count else { return nil }
    pointee.position += 1
    return pointee.boxes[pointee.position - 1]
  }

  func destroy() {
    while let box = next() { box.object.releaseObject() }
    pointee.boxes.deallocate()
    deinitialize(count: 1)
    deallocate()
  }
}

extension UnsafeMutableRawPointer {
  public var box: BoxRef { assumingMemoryBound(to: SharedBox.self) }
  public var tableSnapshot: TableSnapshotRef { assumingMemoryBound(to: TableSnapshot.self) }
}
