// ThreadBody.swift: a thread's turn: its coroutine is resumed until it waits or ends.

import CLWKT
import CLua
import Glibc
import LWKTCore

/// The turn in which the thread ends. In the loop.
@c(lwkt_s_turn_ended)
package func turnEnded(
  _ raw: UnsafeMutableRawPointer?, _ L: OpaquePointer?, _ status: Int32, _ kind: Int32,
  _ results: Int32
) {
  let thread = raw.unsafelyUnwrapped.assumingMemoryBound(to: Thread.self)
  let L = L.unsafelyUnwrapped
  let heap = LuaHeap.of(L)
  end(thread, L, status, kind, results)
  if heap.pointee.domain?.pointee.threadCount == 0, isSurplus(heap) {
    lwkt_percpu().pointee.td = nil
    heap.close()
  }
}

/// Nobody is left in this heap: is it needed no longer? One that a thread had of its own goes with it.
/// After a crowd some of the heaps go, so that memory comes back; one without threads always stays.
private func isSurplus(_ heap: UnsafeMutablePointer<LuaHeap>) -> Bool {
  if heap.pointee.isPrivate { return true }
  let gd = mycpu
  return !heap.pointee.isMain && gd.pointee.domainCount > gd.pointee.host.pointee.ownDomains
    && gd.hasSpareDomains
}

// MARK: The first turn

/// Most threads that share one heap.
private let threadsPerHeap = 2048

/// Build the thread in a heap of the worker that runs it. In the loop.
@c(lwkt_s_first_turn)
package func firstTurn(
  _ raw: UnsafeMutableRawPointer?, _ count: UnsafeMutablePointer<Int32>?
) -> OpaquePointer? {
  let thread = raw.unsafelyUnwrapped.assumingMemoryBound(to: Thread.self)
  if thread.domain != nil { return firstSharingTurn(thread, count) }
  if thread.isAborted {
    endUnstarted(thread)
    return nil
  }
  guard let heap = chooseHeap(thread), let domain = heap.pointee.domain else {
    failUnstarted(thread, "not enough memory for a Lua heap")
    return nil
  }
  let slot = heap.pointee.takeSlot()
  // Nothing fails here: the allocator does not say no while Swift runs. The state's own stack is empty.
  let L = lwkt_newthread(heap.pointee.state, slot, -1).unsafelyUnwrapped
  domain.add(thread)
  thread.pointee.slot = slot
  thread.pointee.machine = UnsafeMutableRawPointer(L)
  applySettings(thread, heap)
  count?.pointee = unpackStart(thread, L)
  return L
}

/// A `sharing` thread has its place in its creator's heap, and its coroutine, since it was created.
private func firstSharingTurn(
  _ thread: ThreadRef, _ count: UnsafeMutablePointer<Int32>?
) -> OpaquePointer? {
  let L = thread.takeSharedStart()
  if thread.isAborted {
    release(thread, L)
    endUnstarted(thread)
    return nil
  }
  thread.pointee.machine = UnsafeMutableRawPointer(L)
  count?.pointee = lua_gettop(L) - 1
  return L
}

/// Put function and arguments on the new coroutine's stack, or a C function that will. Returns the
/// count of arguments. Lua API that allocates: as decoding, and finalisers that this sets off run on behalf
/// of the thread: they may receive, so that what it is to run stands apart meanwhile.
private func unpackStart(_ thread: ThreadRef, _ L: LuaState) -> Int32 {
  var start = thread.takeStart()
  let heap = LuaHeap.of(L)
  let use = heap.pointee.isMain ? .any : useOfGlobals(&start)
  var environment = CopyContext.standardGlobals
  if use == .any {
    lwkt_pushenvironment(L, thread.pointee.slot)
    environment = 1
  }
  let context = CopyContext(state: heap.pointee.copyState, environment: environment)
  switch decodeThread(L, &start, context: context) {
  case .values(let count):
    if use == .any {
      lua_rotate(L, 1, -1)
      lwkt_pop(L, 1)
    } else if use == .standard {
      lwkt_usestandard(L, thread.pointee.slot, 1)
    }
    addressOf(&start).dispose()
    return count - 1
  case .failed, .needsModule:
    // A module must be loaded, which may wait: from inside the thread.
    thread.extras.start = start
    lua_settop_plain(L, 0)
    lwkt_push_starter(L)
    return 0
  }
}

/// Inside the thread: decode the start again, as often as modules are missing. Results: function and
/// arguments.
@c(lwkt_s_start)
package func startInside(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  let thread = currentThread
  var start = thread.extras.takeStart()
  LuaHeap.of(L).pointee.copyState.noteModules(L)
  _ = lua_checkstack(L, 8)
  lwkt_pushenvironment(L, thread.pointee.slot)
  let context = CopyContext(
    state: LuaHeap.of(L).pointee.copyState, environment: lua_gettop(L))
  switch decodeThread(L, &start, context: context) {
  case .values(let count):
    lua_rotate(L, -(count + 1), -1)
    lwkt_pop(L, 1)
    addressOf(&start).dispose()
    return count
  case .failed:
    addressOf(&start).dispose()
    return resultError
  case .needsModule:
    thread.extras.start = start
    lua_rotate(L, -2, 1)
    lwkt_pop(L, 1)
    return requireFirst(L, UnsafeMutableRawPointer(thread), thread.object, 0)
  }
}

/// The heap a new thread is to live in. On the worker that first runs it.
private func chooseHeap(_ thread: ThreadRef) -> UnsafeMutablePointer<LuaHeap>? {
  let gd = mycpu
  if thread.pointee.flags.contains(.ownHeap) {
    guard let heap = LuaHeap.make(isMain: false) else { return nil }
    heap.pointee.allocator.limit = thread.extras.memoryLimit
    heap.pointee.domain?.pointee.isOpen = false
    heap.pointee.isPrivate = true
    return heap
  }
  if thread.pointee.flags.contains(.main) { return LuaHeap.make(isMain: true) }
  if let empty = gd.emptyDomain { return LuaHeap.of(empty) }
  let host = gd.pointee.host
  let ownDomains = host.pointee.ownDomains
  if gd.pointee.domainCount >= host.pointee.restingDomains,
    let domain = gd.domainToFill(
      limit: threadsPerHeap, few: ownDomains, resting: gd.pointee.domainCount < ownDomains)
  {
    return LuaHeap.of(domain)
  }
  return LuaHeap.make(isMain: false)
}

extension LuaHeap {
  static func of(_ domain: DomainRef) -> UnsafeMutablePointer<LuaHeap> {
    domain.pointee.heap.assumingMemoryBound(to: LuaHeap.self)
  }
}

/// `package.path` and the rest as the creator had them.
private func applySettings(_ thread: ThreadRef, _ heap: UnsafeMutablePointer<LuaHeap>) {
  let settings = thread.takeSettings()
  guard heap.pointee.settings !== settings else { return }
  let L = heap.pointee.state
  keepFirstSettings(L, heap)
  heap.pointee.settings = settings
  if let installed = settings ?? heap.pointee.firstSettings {
    installSettings(L, installed, heap.pointee.copyState)
  }
}

// MARK: The end

/// The coroutine has returned, failed or exited. The thread's worker.
private func end(
  _ thread: ThreadRef, _ L: LuaState, _ status: Int32, _ kind: Int32, _ results: Int32
) {
  var payload = Payload()
  var succeeded = true
  if thread.isCancelled { thread.stopUnwinding() }
  let whenEnded = thread.existingExtras?.whenEnded
  if status == LUA_OK { whenEnded?(L, true, results) }
  let percpu = lwkt_percpu().unsafelyUnwrapped
  if status == LUA_OK {
    succeeded = copyResults(L, results, &payload)
  } else if status == LUA_YIELD || lwkt_is_exit(L) {
    payload = thread.takeExitResults()
    if lwkt_closethread(L) != LUA_OK, !lwkt_is_exit(L) {
      let address = addressOf(&payload)
      address.dispose()
      succeeded = copyError(thread, L, address)
    }
  } else {
    noteTraceback(thread, L)
    // Its variables that are to be closed are, which may change the error.
    if lwkt_closethread(L) != LUA_OK, lwkt_is_exit(L) {
      payload = thread.takeExitResults()
    } else {
      succeeded = copyError(thread, L, addressOf(&payload))
    }
  }
  percpu.pointee.td = UnsafeMutableRawPointer(thread)
  if status != LUA_OK { whenEnded?(L, succeeded, 0) }
  thread.existingExtras?.whenEnded = nil
  release(thread, L)
  thread.finish(succeeded: succeeded, result: payload)
}

private func copyResults(
  _ L: LuaState, _ count: Int32, _ payload: UnsafeMutablePointer<Payload>
) -> Bool {
  if count == 0 { return true }
  let first = lua_gettop(L) - count + 1
  if copyOut(L, first, count, "exit", payload) { return true }
  // The results cannot leave: that is the thread's error.
  _ = copyOut(L, lua_gettop(L), 1, "exit", payload)
  return false
}

/// The error value at the top, or as text if it cannot be copied. Always false.
private func copyError(
  _ thread: ThreadRef, _ L: LuaState, _ payload: UnsafeMutablePointer<Payload>
) -> Bool {
  _ = lua_checkstack(L, 8)
  if lua_gettop(L) == 0 { lua_pushnil(L) }
  if !copyOut(L, lua_gettop(L), 1, "exit", payload) {
    lwkt_pop(L, 1)
    lwkt_pusherrortext(L, lua_gettop(L))
    _ = copyOut(L, lua_gettop(L), 1, "exit", payload)
  }
  return false
}

private func noteTraceback(_ thread: ThreadRef, _ L: LuaState) {
  let main = LuaHeap.of(L).pointee.state
  guard lua_checkstack(main, 8) != 0 else { return }
  if lua_checkstack(L, 4) != 0 {
    lwkt_pusherrortext(L, lua_gettop(L))
    lwkt_move(L, main, 1)
  } else {
    pushString(main, "stack overflow")
  }
  lwkt_pushtraceback(main, L, thread.pointee.flags.contains(.main))
  thread.setDeath(message: string(main, -2), traceback: string(main, -1))
  lwkt_pop(main, 2)
}

func string(_ L: LuaState, _ index: Int32) -> String {
  var length = 0
  guard let bytes = lua_tolstring(L, index, &length) else { return "" }
  return String(decoding: UnsafeRawBufferPointer(start: bytes, count: length), as: UTF8.self)
}

/// The thread leaves its heap. The heap stays, for others.
private func release(_ thread: ThreadRef, _ L: LuaState) {
  let heap = LuaHeap.of(L)
  heap.pointee.giveSlot(thread.pointee.slot, coroutine: L)
  thread.pointee.machine = nil
  if let extras = thread.existingExtras {
    thread.closePorts()
    // Its modules could not be loaded.
    var start = extras.takeStart()
    addressOf(&start).dispose()
  }
}

private func endUnstarted(_ thread: ThreadRef) {
  var payload = Payload()
  if let reason = thread.abortReason, reason.pointee.count == 1 {
    payload = reason.pointee
    reason.pointee = Payload()
  }
  finishUnstarted(thread, payload, "aborted")
}

private func failUnstarted(_ thread: ThreadRef, _ text: String) {
  finishUnstarted(thread, Payload(), text)
}

private func finishUnstarted(_ thread: ThreadRef, _ payload: Payload, _ text: String) {
  thread.setDeath(message: text, traceback: "")
  addressOf(&thread.pointee.payload).dispose()
  thread.finish(succeeded: false, result: payload)
}
