// CopyFunctionTests.swift: functions, the variables they share, and the caches of code.

import CLua
import XCTest

@testable import LWKTCore
@testable import LWKTLua

final class CopyFunctionTests: XCTestCase {
  func testCode() {
    transfer("return function(a, b) return a + b end", "assert((...)(1, 2) == 3)")
    transfer(
      "local n, t = 5, {1} return function() n = n + 1 t[1] = t[1] + n return n, t[1] end",
      "local f = ... local a, b = f() assert(a == 6 and b == 7) "
        + "a, b = f() assert(a == 7 and b == 14)"
    )
    transfer(
      "return load('local a, b = ... return a .. b', '=loaded')", "assert((...)('x', 'y') == 'xy')")
    transfer(
      "return function(...) local log = {} do local v <close> = setmetatable({}, {__close = "
        + "function() log[1] = 'closed' end}) end return select('#', ...), log[1] end",
      "local n, c = (...)(1, nil, nil) assert(n == 3 and c == 'closed')")
    // Stripped code.
    transfer(
      "local x = 4 local f = load(string.dump(function() return x, y end, true)) "
        + "debug.setupvalue(f, 1, 7) return f, 1, 2, 3",
      "y = 8 debug.setupvalue(..., 2, _ENV) local a, b = (...)() assert(a == 7 and b == 8)")
  }

  func testDebugInformation() {
    transfer(
      "return function()\n  local named = 1\n  error('here')\nend",
      """
      local f = ...
      local ok, message = pcall(f)
      assert(message == 'test.lua:3: here', message)
      local info = debug.getinfo(f, 'S')
      assert(info.source == '@test.lua' and info.linedefined == 1)
      """)
  }

  func testEarlyAndLateUpvalues() {
    // Every kind of value, made before or after the function that has it.
    transfer(
      """
      local a, b, c, d, e, f, g = nil, true, false, 1, 1.5, 'text', ('x'):rep(100)
      local h, i, j, k = {1}, function() return 'i' end, print, _ENV
      local function get() return a, b, c, d, e, f, g, h, i, j, k end
      return get, h, i
      """,
      """
      local get, h, i = ...
      local r = table.pack(get())
      assert(r.n == 11 and r[1] == nil and r[2] == true and r[3] == false and r[4] == 1)
      assert(r[5] == 1.5 and r[6] == 'text' and r[7] == ('x'):rep(100))
      assert(r[8] == h) assert(r[9] == i)
      assert(r[10] == print)
      assert(r[11] == _ENV)
      """)
  }

  func testRecursion() {
    transfer(
      "local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end return fib",
      "assert((...)(15) == 610)")
    transfer(
      """
      local even, odd
      function even(n) return n == 0 or odd(n - 1) end
      function odd(n) return n ~= 0 and even(n - 1) end
      return even, {odd}
      """, "local even, t = ... assert(even(10) and t[1](7) and not even(3))")
    transfer(
      "local m = {} function m.down(n) return n == 0 and m or m.down(n - 1) end return m",
      "local m = ... assert(m.down(3) == m)")
  }

  func testSharedVariables() {
    let make = """
      local balance = 10
      return function(n) balance = balance + n end, function() return balance end
      """
    transfer(
      make, "local add, get = ... assert(get() == 10) add(5) assert(get() == 15)")
    transfer(
      "local a, g = (function() \(make) end)() return {add = a, {get = g}}",
      "local t = ... t.add(9) assert(t[1].get() == 19)")
    // A variable shared through a function that is only captured.
    transfer(
      """
      local n = 0
      local function bump() n = n + 1 end
      local function get() return n end
      return function() bump() bump() return get(), n end
      """, "local a, b = (...)() assert(a == 2 and b == 2)")
    // Variables of one name, but not the same.
    transfer(
      "local fs = {} for i = 1, 3 do fs[i] = function() i = i + 10 return i end end return fs",
      "local fs = ... for i = 1, 3 do assert(fs[i]() == i + 10) end")
    // The variable that a function is in.
    transfer(
      "local f, g f = function() return f end g = function(x) f = x end return f, g",
      "local f, g = ... assert(f() == f) g(1) assert(f() == 1)")
  }

  func testIdentity() {
    transfer(
      "local function f() end local function make(n) return function() return n end end "
        + "return f, {f, [f] = f}, make(1), make(2)",
      "local f, t, one, two = ... assert(f == t[1] and t[f] == f and one() == 1 and two() == 2)")
  }

  func testLongChain() {
    transfer(
      "local chain = function() return 'end' end for _ = 1, 20000 do local following = chain "
        + "chain = function() return following end end return chain",
      "local got, n = ..., 0 while type(got) == 'function' do got = got() n = n + 1 end "
        + "assert(n == 20001 and got == 'end')")
  }

  func testManyUpvalues() {
    for count in [199, 200, 201, 250] {
      let half = count / 2
      // Variables of two functions: one may have no more than 200 locals.
      transfer(
        """
        local first, second, sum = {}, {}, {}
        for i = 1, \(half) do first[i] = 'local a' .. i .. ' = ' .. i sum[#sum + 1] = 'a' .. i end
        for i = 1, \(count - half) do
          second[i] = 'local b' .. i .. ' = {' .. i .. '}' sum[#sum + 1] = 'b' .. i .. '[1]'
        end
        local source = table.concat(first, '\\n') .. '\\nreturn (function()\\n'
          .. table.concat(second, '\\n') .. '\\nreturn function() return '
          .. table.concat(sum, '+') .. ' end end)()'
        return assert(load(source))()
        """,
        "local half, count = \(half), \(count) "
          + "assert((...)() == half * (half + 1) // 2 + (count - half) * (count - half + 1) // 2)")
    }
  }

  func testGlobalsAreTheReceivers() {
    transfer(
      "where = 'there' return function() return where end, {1}",
      "where = 'here' assert((...)() == 'here')", to: Heap(isThread: true))
    // An environment of its own comes along.
    transfer(
      "local f = load('word = (word or 0) + 1 return word', 'boxed', 't', {word = 4}) return f",
      "local f = ... assert(f() == 5 and f() == 6 and word == nil)")
  }

  func testHooks() {
    // A hook set before the first function arrives, and one set after.
    hooks(Heap())
    let receiver = Heap()
    transfer("return function() end", "", to: receiver)
    hooks(receiver)
  }

  private func hooks(_ receiver: Heap) {
    receiver.run(
      "calls = {} "
        + "debug.sethook(function() local s = debug.getinfo(2, 'S').source "
        + "calls[s] = (calls[s] or 0) + 1 end, 'crl', 1)"
    )
    transfer(
      "local n = 3 return function(a) return a + n end", "assert((...)(1) == 4)", to: receiver)
    receiver.run(
      "debug.sethook() for source in pairs(calls) do "
        + "assert(source == '@test.lua' or source == '=[C]', source) end "
        + "assert(calls['@test.lua'] > 1)")
  }

  // MARK: Caches

  func testSameFunctionIsDumpedOnce() {
    let heap = Heap()
    heap.run("local x = 'unlikely constant 1' function f() return x, print end")
    let codes = CodeTable.count
    for _ in 0..<3 {
      transfer("return f", "assert((...)() == 'unlikely constant 1')", from: heap)
      XCTAssertEqual(CodeTable.count, codes + 1)
    }
  }

  func testEqualCodeIsOne() {
    let codes = CodeTable.count
    let first = Heap()
    let second = Heap()
    let make =
      "local t = {} for i = 1, 50 do t[i] = function() return i, 'unlikely 2' end end return t"
    transfer(make, "assert(({(...)[7]()})[1] == 7)", from: first, to: second)
    transfer(make, "assert(({(...)[8]()})[1] == 8)", from: second, to: first)
    XCTAssertEqual(CodeTable.count, codes + 1)
  }

  func testCodeIsGivenBack() {
    let codes = CodeTable.count
    autoreleasepool {
      let heap = Heap()
      let receiver = Heap()
      receiver.state.pointee.factories.limit = 4
      for i in 1...20 {
        transfer(
          "return load('return \(i), ...')", "assert((...)() == \(i))", from: heap, to: receiver)
      }
      heap.collect()
      XCTAssertEqual(CodeTable.count, codes + 4, "those in the receiver's cache")
      // Again the same ones, some of them in the cache.
      for i in 10...20 {
        transfer(
          "return load('return \(i), ...')", "assert((...)() == \(i))", from: heap, to: receiver)
      }
      XCTAssertTrue(
        refusal("return {load('return 100'), io.stdout}", from: heap).hasPrefix("send: cannot"))
    }
    XCTAssertEqual(CodeTable.count, codes)
  }

  func testUnreadCodeIsGivenBack() {
    let codes = CodeTable.count
    autoreleasepool {
      let heap = Heap()
      for make in [
        "return function() return 'unlikely 3' end", "return function() x = 'unlikely 4' end, 1",
      ] {
        for isThread in [false, true] {
          let parcel = Parcel()
          let count = heap.run(make)
          XCTAssertTrue(
            isThread
              ? encodeThread(
                heap.L, function: 2, first: 3, count: count - 1, context: heap.context,
                into: parcel.payload)
              : encodeValues(
                heap.L, first: 2, count: count, operation: "send", context: heap.context,
                into: parcel.payload))
          heap.clear()
        }
      }
    }
    XCTAssertEqual(CodeTable.count, codes)
  }

  func testOnePayloadReadByMany() {
    let object = FakeObject()
    let sender = Heap()
    sender.setHandle("h", object.ref)
    let parcel = Parcel()
    sender.run(
      "local n = 1 return function() n = n + 1 return n end, {h, h}, ('x'):rep(1000), string.format"
    )
    XCTAssertTrue(
      encodeValues(
        sender.L, first: 2, count: 4, operation: "send", context: sender.context,
        into: parcel.payload))
    nonisolated(unsafe) let shared = parcel
    DispatchQueue.concurrentPerform(iterations: 4) { _ in
      let heap = Heap()
      for _ in 0..<200 {
        heap.load(
          "local f, t, s, g = ... assert(f() == 2 and t[1] == t[2] and #s == 1000) "
            + "assert(g == string.format)")
        heap.call(decode(shared, heap))
        heap.clear()
      }
    }
    XCTAssertEqual(object.references, 2)
  }

  func testCodeTableFromManyThreads() {
    let codes = CodeTable.count
    DispatchQueue.concurrentPerform(iterations: 4) { _ in
      let heap = Heap()
      for round in 0..<200 {
        transfer(
          "return load('return \(round % 17) + ' .. 1)", "assert((...)() == \(round % 17) + 1)",
          from: heap, to: heap)
        if round % 50 == 0 { heap.collect() }
      }
    }
    XCTAssertEqual(CodeTable.count, codes)
  }
}

func autoreleasepool(_ body: () -> Void) { body() }
