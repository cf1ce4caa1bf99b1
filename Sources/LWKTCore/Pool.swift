// Pool.swift: memory for threads, messages, ports and system calls, recycled worker by worker.
//
// Three levels. A worker has free blocks of its own, which cost it a few instructions. What one worker
// allocates and another frees goes back by the batch, through a depot. What the depots have too many of,
// and what they have not got, is the business of CLWKT's `memory.c`, which keeps blocks in spans and
// gives those away that are empty: a crowd of messages leaves nothing behind.

import CLWKT
import Glibc
import Synchronization

/// Free blocks of one kind, kept by a worker for itself. What is freed here may have been allocated
/// elsewhere: a worker with too many gives a batch to the depot, one with none takes a batch.
struct FreeList: ~Copyable {
  private struct Block {
    var next: UnsafeMutablePointer<Block>?
  }

  private let kind: lwkt_block_kind
  /// Of one block, in bytes.
  private let size: Int
  /// With so many it gives some away.
  private let limit = lwkt_keeps_blocks() ? 2 * FreeList.batch : 1
  private var first: UnsafeMutablePointer<Block>?
  private var count = 0

  static let batch = 256

  init(_ kind: lwkt_block_kind, size: Int) {
    self.kind = kind
    self.size = size
  }

  @inline(__always)
  mutating func pop(_ depot: borrowing Depot) -> UnsafeMutableRawPointer {
    if first == nil { refill(depot) }
    let block = first.unsafelyUnwrapped
    first = block.pointee.next
    count -= 1
    return UnsafeMutableRawPointer(block)
  }

  @inline(never)
  private mutating func refill(_ depot: borrowing Depot) {
    if !tryRefill(depot) { lwkt_out_of_memory(size) }
  }

  /// False without memory.
  private mutating func tryRefill(_ depot: borrowing Depot) -> Bool {
    if let batch = depot.take() {
      first = batch.assumingMemoryBound(to: Block.self)
      count = FreeList.batch
      return true
    }
    guard let blocks = lwkt_blocks_take(kind, size, &count) else { return false }
    first = blocks.assumingMemoryBound(to: Block.self)
    return true
  }

  /// Is there one to be had?
  @inline(__always)
  mutating func hasBlock(_ depot: borrowing Depot) -> Bool { first != nil || tryRefill(depot) }

  @inline(__always)
  mutating func push(_ raw: UnsafeMutableRawPointer, _ depot: borrowing Depot) {
    let block = raw.bindMemory(to: Block.self, capacity: 1)
    block.pointee.next = first
    first = block
    count += 1
    if count >= limit { giveBatch(depot) }
  }

  @inline(never)
  private mutating func giveBatch(_ depot: borrowing Depot) {
    guard let head = first else { return }
    if limit == 1 {
      first = nil
      count = 0
      return lwkt_blocks_give(kind, head)
    }
    var last = head
    for _ in 1..<FreeList.batch {
      guard let next = last.pointee.next else { return }
      last = next
    }
    first = last.pointee.next
    last.pointee.next = nil
    count -= FreeList.batch
    depot.give(UnsafeMutableRawPointer(head))
  }

  deinit { lwkt_blocks_give(kind, first) }
}

/// Full batches on their way between workers.
struct Depot: ~Copyable {
  private let kind: lwkt_block_kind
  private let lock = Spinlock()
  private let batches: UnsafeMutablePointer<UnsafeMutableRawPointer>
  private let used: UnsafeMutablePointer<Int>
  private static let capacity = 8

  init(_ kind: lwkt_block_kind) {
    self.kind = kind
    batches = .allocate(capacity: Depot.capacity)
    used = .allocate(capacity: 1)
    used.initialize(to: 0)
  }

  deinit {
    while let batch = take() { lwkt_blocks_give(kind, batch) }
    batches.deallocate()
    used.deallocate()
  }

  borrowing func take() -> UnsafeMutableRawPointer? {
    lock.lock()
    defer { lock.unlock() }
    guard used.pointee > 0 else { return nil }
    used.pointee -= 1
    return batches[used.pointee]
  }

  borrowing func give(_ batch: UnsafeMutableRawPointer) {
    lock.lock()
    if used.pointee < Depot.capacity {
      (batches + used.pointee).initialize(to: batch)
      used.pointee += 1
      lock.unlock()
      return
    }
    lock.unlock()
    lwkt_blocks_give(kind, batch)
  }
}

/// What lives in blocks: there are a great many of them, made and gone all the time.
protocol Pooled: ~Copyable {
  static var kind: lwkt_block_kind { get }
}

extension Thread: Pooled {
  static var kind: lwkt_block_kind { LWKT_BLOCK_THREAD }
}

extension Message: Pooled {
  static var kind: lwkt_block_kind { LWKT_BLOCK_MESSAGE }
}

extension Port: Pooled {
  static var kind: lwkt_block_kind { LWKT_BLOCK_PORT }
}

extension SystemCall: Pooled {
  static var kind: lwkt_block_kind { LWKT_BLOCK_CALL }
}

/// The depots of a host, by kind.
struct Depots: ~Copyable {
  fileprivate let depots = InlineArray<4, Depot> {
    Depot(lwkt_block_kind(rawValue: UInt32($0)))
  }
}

/// A worker's free lists, by kind. Owner only.
struct ObjectPools: ~Copyable {
  fileprivate var lists = InlineArray<4, FreeList> {
    let kind = lwkt_block_kind(rawValue: UInt32($0))
    return FreeList(kind, size: ObjectPools.size(of: kind))
  }

  private static func size(of kind: lwkt_block_kind) -> Int {
    switch kind {
    case Thread.kind: MemoryLayout<Thread>.size
    case Message.kind: MemoryLayout<Message>.size
    case Port.kind: MemoryLayout<Port>.size
    default: MemoryLayout<SystemCall>.size
    }
  }
}

extension UnsafeMutablePointer where Pointee: Pooled & ~Copyable {
  @inline(__always)
  private static var index: Int { Int(Pointee.kind.rawValue) }

  /// Memory for one, not initialized. Any kernel thread.
  @inline(__always)
  static func allocateBlock() -> Self {
    guard let gd = mycpuIfWorker else { return newBlock(Pointee.kind) }
    return gd.pointee.pools.lists[index].pop(gd.pointee.host.pointee.depots.depots[index])
      .bindMemory(to: Pointee.self, capacity: 1)
  }

  /// Is there memory for another one? A worker, for itself.
  @inline(__always)
  static func hasBlock(_ gd: GlobalDataRef) -> Bool {
    gd.pointee.pools.lists[index].hasBlock(gd.pointee.host.pointee.depots.depots[index])
  }

  /// Deinitialized. Any kernel thread.
  @inline(__always)
  func freeBlock() {
    guard let gd = mycpuIfWorker else { return giveBlock(Pointee.kind, self) }
    gd.pointee.pools.lists[Self.index].push(
      UnsafeMutableRawPointer(self), gd.pointee.host.pointee.depots.depots[Self.index])
  }
}

/// One block, for a kernel thread that is no worker.
private func newBlock<Object: ~Copyable>(_ kind: lwkt_block_kind) -> UnsafeMutablePointer<Object> {
  var count = 0
  let first = newBlocks(kind, MemoryLayout<Object>.size, &count)
  let rest = first.load(as: UnsafeMutableRawPointer?.self)
  lwkt_blocks_give(kind, rest)
  return first.bindMemory(to: Object.self, capacity: 1)
}

private func giveBlock(_ kind: lwkt_block_kind, _ block: UnsafeMutableRawPointer) {
  block.storeBytes(of: nil, as: UnsafeMutableRawPointer?.self)
  lwkt_blocks_give(kind, block)
}

private func newBlocks(
  _ kind: lwkt_block_kind, _ size: Int, _ count: inout Int
) -> UnsafeMutableRawPointer {
  guard let first = lwkt_blocks_take(kind, size, &count) else { lwkt_out_of_memory(size) }
  return first
}
