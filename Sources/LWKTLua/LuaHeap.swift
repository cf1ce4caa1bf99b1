// LuaHeap.swift: one Lua state, the binding's half of a domain.

import CLWKT
import CLua
import Glibc
import LWKTCore

/// A Lua heap and the threads' places in it. Plain memory; its worker's alone.
struct LuaHeap {
  /// Handed to the allocator, so it is the first field and never moves.
  var allocator = lwkt_heap()
  /// The state's own main thread. It runs no LWKT thread.
  var state: LuaState
  var domain: DomainRef?
  var copyState: UnsafeMutablePointer<CopyState>
  /// Free places with a coroutine that waits for its next thread, and those without. Stacks.
  private var restingSlots = Vector<Int32>()
  private var freeSlots = Vector<Int32>()
  private var nextSlot: Int32 = 0
  let isMain: Bool
  /// Made for one thread, because of `maxmem`.
  var isPrivate = false
  /// The `package` settings its threads were created with; nil: those it began with, which are kept
  /// beside them once there are others.
  var settings: PackageSettings?
  var firstSettings: PackageSettings?

  /// The locals of a prompt's earlier lines: what identifies each variable (`lua_upvalueid`).
  var promptLocals: Set<UInt> = []

  /// The chunks whose threads were created last.
  var sourceNames = SourceNames()

  private init(state: LuaState, copyState: UnsafeMutablePointer<CopyState>, isMain: Bool) {
    self.state = state
    self.copyState = copyState
    self.isMain = isMain
  }

  /// A heap on this worker, with a domain. Nil without memory.
  static func make(isMain: Bool) -> UnsafeMutablePointer<LuaHeap>? {
    let heap = UnsafeMutablePointer<LuaHeap>.allocate(capacity: 1)
    let allocator = UnsafeMutableRawPointer(heap).assumingMemoryBound(to: lwkt_heap.self)
    var empty = lwkt_heap()
    empty.swift = UnsafeMutableRawPointer(heap)
    allocator.initialize(to: empty)
    guard let L = lwkt_newheap(allocator, isMain) else {
      lwkt_heap_dispose(allocator)
      heap.deallocate()
      return nil
    }
    let used = allocator.pointee
    lwkt_pushstandard(L)
    let copyState = CopyState.open(L, standard: lua_gettop(L))
    lwkt_pop(L, 1)
    heap.initialize(to: LuaHeap(state: L, copyState: copyState, isMain: isMain))
    heap.pointee.allocator = used
    LuaHost.current?.registerFunctions(L)
    heap.pointee.domain = DomainRef.make(heap: UnsafeMutableRawPointer(heap))
    return heap
  }

  /// The heap that `L` belongs to.
  @inline(__always)
  static func of(_ L: LuaState) -> UnsafeMutablePointer<LuaHeap> {
    var ud: UnsafeMutableRawPointer?
    _ = lua_getallocf(L, &ud)
    return ud.unsafelyUnwrapped.assumingMemoryBound(to: LuaHeap.self)
  }

  /// How many coroutines are kept for threads to come.
  private static let restingLimit = 16

  /// A place for one more thread.
  @inline(__always)
  mutating func takeSlot() -> Int32 {
    if restingSlots.count > 0 { return restingSlots.popLast() }
    if freeSlots.count > 0 { return freeSlots.popLast() }
    nextSlot += 1
    return nextSlot - 1
  }

  /// A thread's coroutine, if it had one, is over: its place is free.
  @inline(__always)
  mutating func giveSlot(_ slot: Int32, coroutine: LuaState) {
    let keep = restingSlots.count < Self.restingLimit
    if lwkt_dropthread(coroutine, slot, keep) {
      restingSlots.append(slot)
    } else {
      freeSlots.append(slot)
    }
  }

  fileprivate mutating func freeSlotStacks() {
    restingSlots.free()
    freeSlots.free()
  }
}

extension UnsafeMutablePointer where Pointee == LuaHeap {
  /// Close the state: finalisers run, handles give their references back. Its worker, no thread in it.
  func close() {
    pointee.allocator.limit = 0
    lua_close(pointee.state)
    CopyState.close(pointee.copyState)
    pointee.freeSlotStacks()
    pointee.sourceNames.free()
    pointee.domain?.destroy()
    lwkt_heap_dispose(addressOf(&pointee.allocator))
    deinitialize(count: 1)
    deallocate()
  }
}

/// `package.path`, `cpath` and `preload` as a creator had them. Shared by many threads; immutable.
final class PackageSettings: @unchecked Sendable {
  let path: [UInt8]
  let cpath: [UInt8]
  /// Copies of the functions in `package.preload`.
  nonisolated(unsafe) let preload: UnsafeMutablePointer<Payload>

  init(path: [UInt8], cpath: [UInt8], preload: Payload) {
    self.path = path
    self.cpath = cpath
    self.preload = .allocate(capacity: 1)
    self.preload.initialize(to: preload)
  }

  deinit {
    preload.dispose()
    preload.deallocate()
  }
}
