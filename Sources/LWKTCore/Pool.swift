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

/// The depots of a host.
struct Depots: ~Copyable {
  let threads = Depot(LWKT_BLOCK_THREAD)
  let messages = Depot(LWKT_BLOCK_MESSAGE)
  let ports = Depot(LWKT_BLOCK_PORT)
  let calls = Depot(LWKT_BLOCK_CALL)
}

/// A worker's free lists. Owner only.
struct ObjectPools: ~Copyable {
  var threads = FreeList(LWKT_BLOCK_THREAD, size: MemoryLayout<Thread>.size)
  var messages = FreeList(LWKT_BLOCK_MESSAGE, size: MemoryLayout<Message>.size)
  var ports = FreeList(LWKT_BLOCK_PORT, size: MemoryLayout<Port>.size)
  var calls = FreeList(LWKT_BLOCK_CALL, size: MemoryLayout<SystemCall>.size)

  static func allocateMessage() -> MessageRef {
    guard let gd = mycpuIfWorker else { return newBlock(LWKT_BLOCK_MESSAGE) }
    return gd.pointee.pools.messages.pop(gd.pointee.host.pointee.depots.messages)
      .bindMemory(to: Message.self, capacity: 1)
  }

  static func freeMessage(_ message: MessageRef) {
    guard let gd = mycpuIfWorker else { return giveBlock(LWKT_BLOCK_MESSAGE, message) }
    gd.pointee.pools.messages.push(
      UnsafeMutableRawPointer(message), gd.pointee.host.pointee.depots.messages)
  }

  static func allocateThread() -> ThreadRef {
    guard let gd = mycpuIfWorker else { return newBlock(LWKT_BLOCK_THREAD) }
    return gd.pointee.pools.threads.pop(gd.pointee.host.pointee.depots.threads)
      .bindMemory(to: Thread.self, capacity: 1)
  }

  /// Is there memory for another thread? A worker, for itself.
  @inline(__always)
  static func hasThread(_ gd: GlobalDataRef) -> Bool {
    gd.pointee.pools.threads.hasBlock(gd.pointee.host.pointee.depots.threads)
  }

  static func freeThread(_ thread: ThreadRef) {
    guard let gd = mycpuIfWorker else { return giveBlock(LWKT_BLOCK_THREAD, thread) }
    gd.pointee.pools.threads.push(
      UnsafeMutableRawPointer(thread), gd.pointee.host.pointee.depots.threads)
  }

  static func allocatePort() -> PortRef {
    guard let gd = mycpuIfWorker else { return newBlock(LWKT_BLOCK_PORT) }
    return gd.pointee.pools.ports.pop(gd.pointee.host.pointee.depots.ports)
      .bindMemory(to: Port.self, capacity: 1)
  }

  static func freePort(_ port: PortRef) {
    guard let gd = mycpuIfWorker else { return giveBlock(LWKT_BLOCK_PORT, port) }
    gd.pointee.pools.ports.push(
      UnsafeMutableRawPointer(port), gd.pointee.host.pointee.depots.ports)
  }

  static func allocateCall() -> SystemCallRef {
    guard let gd = mycpuIfWorker else { return newBlock(LWKT_BLOCK_CALL) }
    return gd.pointee.pools.calls.pop(gd.pointee.host.pointee.depots.calls)
      .bindMemory(to: SystemCall.self, capacity: 1)
  }

  static func freeCall(_ call: SystemCallRef) {
    guard let gd = mycpuIfWorker else { return giveBlock(LWKT_BLOCK_CALL, call) }
    gd.pointee.pools.calls.push(UnsafeMutableRawPointer(call), gd.pointee.host.pointee.depots.calls)
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
