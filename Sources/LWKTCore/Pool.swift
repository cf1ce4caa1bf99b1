// Pool.swift: memory for threads and messages, recycled worker by worker.

import CLWKT
import Glibc
import Synchronization

/// Free blocks of one size, kept by a worker for itself. What is freed here may have been allocated
/// elsewhere: a worker with too many gives a batch to the depot, one with none takes a batch.
struct FreeList: ~Copyable {
  private struct Block {
    var next: UnsafeMutablePointer<Block>?
  }

  private var first: UnsafeMutablePointer<Block>?
  private var count = 0

  static let batch = 256

  mutating func pop(_ depot: borrowing Depot) -> UnsafeMutableRawPointer? {
    if first == nil {
      guard let batch = depot.take() else { return nil }
      first = batch.assumingMemoryBound(to: Block.self)
      count = FreeList.batch
    }
    guard let block = first else { return nil }
    first = block.pointee.next
    count -= 1
    return UnsafeMutableRawPointer(block)
  }

  mutating func push(_ raw: UnsafeMutableRawPointer, _ depot: borrowing Depot) {
    let block = raw.bindMemory(to: Block.self, capacity: 1)
    block.pointee.next = first
    first = block
    count += 1
    if count >= 2 * FreeList.batch { giveBatch(depot) }
  }

  private mutating func giveBatch(_ depot: borrowing Depot) {
    guard let head = first else { return }
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

  deinit {
    var next = first
    while let block = next {
      next = block.pointee.next
      free(block)
    }
  }
}

/// Full batches on their way between workers.
struct Depot: ~Copyable {
  private let lock = Spinlock()
  private let batches: UnsafeMutablePointer<UnsafeMutableRawPointer>
  private let used: UnsafeMutablePointer<Int>
  private static let capacity = 1024

  init() {
    batches = .allocate(capacity: Depot.capacity)
    used = .allocate(capacity: 1)
    used.initialize(to: 0)
  }

  deinit {
    while let batch = take() { Depot.freeBatch(batch) }
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
    Depot.freeBatch(batch)
  }

  private static func freeBatch(_ batch: UnsafeMutableRawPointer) {
    var next: UnsafeMutableRawPointer? = batch
    while let block = next {
      next = block.load(as: UnsafeMutableRawPointer?.self)
      free(block)
    }
  }
}

/// A worker's free lists. Owner only.
struct ObjectPools: ~Copyable {
  var threads = FreeList()
  var messages = FreeList()
  var calls = FreeList()

  static func allocateMessage() -> MessageRef {
    let size = MemoryLayout<Message>.size
    guard let gd = mycpuIfWorker else {
      return newBlock(size).bindMemory(to: Message.self, capacity: 1)
    }
    let block =
      gd.pointee.pools.messages.pop(gd.pointee.host.pointee.messageDepot) ?? newBlock(size)
    return block.bindMemory(to: Message.self, capacity: 1)
  }

  static func freeMessage(_ message: MessageRef) {
    guard let gd = mycpuIfWorker else { return free(message) }
    gd.pointee.pools.messages.push(
      UnsafeMutableRawPointer(message), gd.pointee.host.pointee.messageDepot)
  }

  static func allocateThread() -> ThreadRef {
    let size = MemoryLayout<Thread>.size
    guard let gd = mycpuIfWorker else {
      return newBlock(size).bindMemory(to: Thread.self, capacity: 1)
    }
    let block = gd.pointee.pools.threads.pop(gd.pointee.host.pointee.threadDepot) ?? newBlock(size)
    return block.bindMemory(to: Thread.self, capacity: 1)
  }

  static func freeThread(_ thread: ThreadRef) {
    guard let gd = mycpuIfWorker else { return free(thread) }
    gd.pointee.pools.threads.push(
      UnsafeMutableRawPointer(thread), gd.pointee.host.pointee.threadDepot)
  }

  static func allocateCall() -> SystemCallRef {
    let size = MemoryLayout<SystemCall>.size
    guard let gd = mycpuIfWorker else {
      return newBlock(size).bindMemory(to: SystemCall.self, capacity: 1)
    }
    let block = gd.pointee.pools.calls.pop(gd.pointee.host.pointee.callDepot) ?? newBlock(size)
    return block.bindMemory(to: SystemCall.self, capacity: 1)
  }

  static func freeCall(_ call: SystemCallRef) {
    guard let gd = mycpuIfWorker else { return free(call) }
    gd.pointee.pools.calls.push(UnsafeMutableRawPointer(call), gd.pointee.host.pointee.callDepot)
  }

  /// 16-byte aligned, as object pointers must be.
  private static func newBlock(_ size: Int) -> UnsafeMutableRawPointer {
    guard let block = malloc(size) else { fatalError("out of memory") }
    return block
  }
}
