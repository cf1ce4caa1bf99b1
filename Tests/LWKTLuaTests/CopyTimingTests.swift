// CopyTimingTests.swift: what copying costs. Not a test: it says nothing unless asked to.
//
//     LWKT_TIMING=1 swift test -c release -Xswiftc -enable-testing --filter CopyTiming

import CLWKT
import CLua
import XCTest

@testable import LWKTCore
@testable import LWKTLua

final class CopyTimingTests: XCTestCase {
  /// Nanoseconds of one of `count` turns of `body`, the best of five rounds.
  private func measure(_ name: String, _ count: Int, _ body: () -> Void) {
    var best = UInt64.max
    for _ in 0..<5 {
      let start = lwkt_nanotime()
      for _ in 0..<count { body() }
      best = min(best, lwkt_nanotime() - start)
    }
    let tenths = Int(best) * 10 / count
    print("\(name): \(tenths / 10).\(tenths % 10) ns")
  }

  private var isWanted: Bool { ProcessInfo.processInfo.environment["LWKT_TIMING"] != nil }

  private func values(
    _ name: String, _ make: String, _ turns: Int = 1_000_000, per entries: Int = 1
  ) {
    let heap = Heap()
    let L = heap.L
    let count = heap.run(make)
    let context = heap.context
    let payload = UnsafeMutablePointer<Payload>.allocate(capacity: 1)
    payload.initialize(to: Payload())
    var best = (UInt64.max, UInt64.max, UInt64.max)
    for _ in 0..<5 {
      var start = lwkt_nanotime()
      for _ in 0..<turns {
        _ = encodeValues(L, first: 2, count: count, operation: "x", context: context, into: payload)
        payload.dispose()
      }
      best.0 = min(best.0, lwkt_nanotime() - start)
      _ = encodeValues(L, first: 2, count: count, operation: "x", context: context, into: payload)
      start = lwkt_nanotime()
      for _ in 0..<turns {
        _ = decodeValues(L, payload, context: context)
        lwkt_pop(L, count)
      }
      best.1 = min(best.1, lwkt_nanotime() - start)
      payload.dispose()
    }
    payload.deallocate()
    let encode = Double(best.0) / Double(turns * entries)
    let decode = Double(best.1) / Double(turns * entries)
    print("\(name): encode + dispose \(shown(encode)), decode + pop \(shown(decode)) ns")
  }

  private func shown(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }

  func testValues() throws {
    try XCTSkipUnless(isWanted)
    let heap = Heap()
    let L = heap.L
    heap.run("return 7")
    var sum: Int64 = 0
    measure("raw type + isinteger + tointeger", 10_000_000) {
      if lua_type(L, 2) == LUA_TNUMBER, lua_isinteger(L, 2) != 0 {
        sum &+= lua_tointegerx(L, 2, nil)
      }
    }
    measure("raw checkstack + pushinteger + pop", 10_000_000) {
      if lua_checkstack(L, 8) != 0 { lua_pushinteger(L, sum) }
      lwkt_pop(L, 1)
    }
    values("1 integer", "return 7", 10_000_000)
    values("4 integers", "return 7, 8, 9, 10", 5_000_000)
    values("short string", "return 'hello'", 5_000_000)
    values("30 bytes", "return ('x'):rep(30)", 5_000_000)
    values("5 integers", "return 1, 2, 3, 4, 5")
    values("40 bytes", "return ('x'):rep(40)")
    values("empty table", "return {}")
    values("{x = 1, y = 2}", "return {x = 1, y = 2}")
    values("request table", "return 'get', {path = '/index', id = 7, tags = {'a', 'b'}}")
    values("closure", "local n = 1 return function() return n end")
    values("10 MB string", "return ('x'):rep(10 << 20)", 20)
    let million = "local t = {} for i = 1, 1000000 do "
    values(
      "array of a million integers, each", million + "t[i] = i end return t", 3, per: 1_000_000)
    values(
      "map of a million strings to integers, each", million + "t['key' .. i] = i end return t", 3,
      per: 1_000_000)
    values(
      "100 000 records of 3 fields, each field",
      "local t = {} for i = 1, 100000 do t[i] = {name = 'n', value = i, kind = true} end return t",
      3,
      per: 300_000)
    values(
      "list of 100 000 nodes, each", "local t for i = 1, 100000 do t = {next = t} end return t", 3,
      per: 100_000)
  }

  private func thread(
    _ name: String, _ make: String, _ isThread: Bool = false, _ turns: Int = 500_000
  ) {
    let heap = Heap(isThread: isThread)
    let receiver = Heap(isThread: true)
    let L = heap.L
    let count = heap.run(make)
    let payload = UnsafeMutablePointer<Payload>.allocate(capacity: 1)
    payload.initialize(to: Payload())
    var best = (UInt64.max, UInt64.max)
    for _ in 0..<5 {
      var start = lwkt_nanotime()
      for _ in 0..<turns {
        _ = encodeThread(
          L, function: 2, first: 3, count: count - 1, context: heap.context, into: payload)
        payload.dispose()
      }
      best.0 = min(best.0, lwkt_nanotime() - start)
      _ = encodeThread(
        L, function: 2, first: 3, count: count - 1, context: heap.context, into: payload)
      start = lwkt_nanotime()
      for _ in 0..<turns {
        _ = decodeThread(receiver.L, payload, context: receiver.context)
        receiver.clear()
      }
      best.1 = min(best.1, lwkt_nanotime() - start)
      payload.dispose()
    }
    payload.deallocate()
    let encode = Double(best.0) / Double(turns)
    let decode = Double(best.1) / Double(turns)
    print("thread \(name): encode + dispose \(shown(encode)), decode + pop \(shown(decode)) ns")
  }

  func testOne() throws {
    try XCTSkipUnless(isWanted)
    thread(
      "captured table", "local k = {4} return function(n) return k[1] + n, print end, 1", false,
      2_000_000)
  }

  func testThreads() throws {
    try XCTSkipUnless(isWanted)
    thread("without upvalues", "return load(string.dump(function() end)), 1")
    thread("empty function", "return function() end")
    thread("one global, one argument", "return function(n) print(n) end, 1")
    thread("the same, from a thread", "return function(n) print(n) end, 1", true)
    thread("three globals", "return function(n) print(string, n, table) end, 1")
    thread("captured number", "local k = 4 return function(n) return k + n, print end, 1")
    thread("captured table", "local k = {4} return function(n) return k[1] + n, print end, 1")
    thread(
      "captured helper and global",
      "scale = 1 local function help(n) return n end "
        + "return function(n) return help(n) * scale end, 1")
    let heap = Heap()
    heap.run(
      "return function() local k = 1 return function(n) local t = {} for i = 1, n do t[i] = k end "
        + "print(t, k, string.format('%d', n)) end end")
    let payload = UnsafeMutablePointer<Payload>.allocate(capacity: 1)
    payload.initialize(to: Payload())
    measure("thread of a closure made anew: encode + dispose", 200_000) {
      lua_pushvalue(heap.L, 2)
      lua_pcallk(heap.L, 0, 1, 0, 0, nil)
      _ = encodeThread(
        heap.L, function: 3, first: 4, count: 0, context: heap.context, into: payload)
      payload.dispose()
      lwkt_pop(heap.L, 1)
    }
    payload.deallocate()
    measure("index of the standard modules", 200) {
      let L = luaL_newstate()
      luaL_openlibs(L)
      lua_rawgeti(L, registryIndex, lua_Integer(LUA_RIDX_GLOBALS))
      let state = CopyState.open(L.unsafelyUnwrapped, standard: -1)
      state.indexStandardModules(L.unsafelyUnwrapped)
      lua_close(L)
      CopyState.close(state)
    }
    measure("the same heap without", 200) {
      let L = luaL_newstate()
      luaL_openlibs(L)
      lua_close(L)
    }
    measure("CopyState open + close", 100_000) {
      lua_rawgeti(heap.L, registryIndex, lua_Integer(LUA_RIDX_GLOBALS))
      CopyState.close(CopyState.open(heap.L, standard: -1))
      lwkt_pop(heap.L, 1)
    }
  }
}
