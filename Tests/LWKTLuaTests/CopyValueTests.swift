// CopyValueTests.swift: scalars, strings, tables and handles from one heap to another.

import CLua
import XCTest

@testable import LWKTCore
@testable import LWKTLua

final class CopyValueTests: XCTestCase {
  func testScalars() {
    transfer("return 1", "assert(... == 1 and math.type(...) == 'integer')", isLight: true)
    transfer(
      "return nil, true, false, 1.5",
      "local a, b, c, d = ... assert(select('#', ...) == 4); "
        + "assert(a == nil and b == true and c == false and d == 1.5)", isLight: true)
    transfer("return", "assert(select('#', ...) == 0)", isLight: true)
    transfer("return nil, nil", "assert(select('#', ...) == 2)", isLight: true)
    transfer(
      "return math.maxinteger, math.mininteger, 1.0, -0.0",
      "local a, b, c, d = ... assert(a == math.maxinteger and b == math.mininteger); "
        + "assert(math.type(c) == 'float' and 1 / d == -math.huge)", isLight: true)
    transfer(
      "return 0/0, math.huge, -math.huge",
      "local a, b, c = ... assert(a ~= a and b == math.huge and c == -math.huge)", isLight: true)
  }

  func testScalarsInBuffers() {
    transfer(
      "return nil, true, false, 1, 1.5, math.maxinteger, math.mininteger, -0.0, 0/0, nil",
      """
      assert(select('#', ...) == 10)
      local a, b, c, d, e, f, g, h, i = ...
      assert(a == nil and b == true and c == false and d == 1 and math.type(d) == 'integer')
      assert(e == 1.5 and f == math.maxinteger and g == math.mininteger)
      assert(1 / h == -math.huge and i ~= i)
      """, isLight: false)
  }

  func testStringsInSlots() {
    for length in [0, 1, 7, 8, 9, 16, 17, 24, 25, 31, 32] {
      transfer(
        "return ('\\0ab'):rep(20):sub(1, \(length))",
        "assert(... == ('\\0ab'):rep(20):sub(1, \(length)))", isLight: true)
    }
    transfer(
      "return 'twelve bytes', 'sixteen bytes...'",
      "local a, b = ... assert(a == 'twelve bytes' and b == 'sixteen bytes...')", isLight: true)
    transfer(
      "return 1, 'x', 2, ''",
      "local a, b, c, d = ... assert(a == 1 and b == 'x' and c == 2 and d == '')",
      isLight: true)
    transfer("return ('x'):rep(33)", "assert(... == ('x'):rep(33))", isLight: false)
    transfer(
      "return 1, 2, ('y'):rep(17)", "assert(select(3, ...) == ('y'):rep(17))", isLight: false)
  }

  func testStringsInBuffers() {
    for length in [0, 1, 3, 4, 39, 40, 41, 63, 64, 65, 66, 1000, 100_000] {
      transfer(
        "local s = ('\\0\\255ab'):rep(1 + \(length) // 4):sub(1, \(length)) "
          + "return {s, s, [s] = s}",
        "local t = ... local s = ('\\0\\255ab'):rep(1 + \(length) // 4):sub(1, \(length)) "
          + "assert(t[1] == s and t[2] == s and t[s] == s)")
    }
    transfer(
      "local t = {} for i = 0, 255 do t[i] = string.char(i):rep(i) end return t",
      "local t = ... for i = 0, 255 do assert(t[i] == string.char(i):rep(i)) end")
  }

  func testHugeString() {
    let sender = Heap()
    let receiver = Heap()
    sender.run("return ('0123456789abcdef'):rep(7 << 20)")
    let parcel = Parcel()
    XCTAssertTrue(
      encodeValues(
        sender.L, first: 2, count: 1, operation: "send", context: sender.context,
        into: parcel.payload))
    receiver.load("assert(... == ('0123456789abcdef'):rep(7 << 20))")
    receiver.call(decode(parcel, receiver))
  }

  func testTables() {
    transfer("return {}", "assert(next((...)) == nil)")
    transfer(
      "return {1, 2, nil, 4, {5, {6}}, name = 'x', [1.5] = true, [true] = 1.5, [-1] = {}, "
        + "[''] = 0}",
      """
      local t = ...
      assert(t[1] == 1 and t[2] == 2 and t[3] == nil and t[4] == 4)
      assert(t[5][1] == 5 and t[5][2][1] == 6 and t.name == 'x')
      assert(t[1.5] == true and t[true] == 1.5 and next(t[-1]) == nil and t[''] == 0)
      local n = 0
      for _ in pairs(t) do n = n + 1 end
      assert(n == 9)
      """)
    transfer(
      "local t = {} for i = 1, 1000 do t[i] = i end for i = 2, 1000, 3 do t[i] = nil end return t",
      "local t = ... for i = 1, 1000 do if i % 3 == 2 then assert(t[i] == nil) else "
        + "assert(t[i] == i) end end")
    transfer(
      "return {[1] = 'a', [2^53] = 'b', [1 << 40] = 'c', [3] = 'd'}",
      "local t = ... assert(t[1] == 'a' and t[2^53] == 'b' and t[1 << 40] == 'c' and t[3] == 'd')")
  }

  func testIdentity() {
    transfer(
      """
      local loop = {}
      loop.self, loop[1] = loop, {up = loop}
      local shared = {1}
      return loop, {shared, shared}, shared, {[shared] = 'key'}
      """,
      """
      local loop, two, shared, keys = ...
      assert(loop.self == loop and loop[1].up == loop)
      assert(two[1] == shared and two[2] == shared and keys[shared] == 'key')
      """)
  }

  func testDepth() {
    transfer(
      "local deep = 'bottom' for i = 1, 300000 do deep = {deep, i} end return deep",
      "local t, n = ..., 0 while type(t) == 'table' do t = t[1] n = n + 1 end "
        + "assert(n == 300000 and t == 'bottom')")
    transfer(
      "local deep = true for i = 1, 100000 do deep = {[deep] = true} end return deep",
      "local t, n = ..., 0 while type(t) == 'table' do t = next(t) n = n + 1 end "
        + "assert(n == 100000 and t == true)")
  }

  func testWidth() {
    transfer(
      "local t = {} for i = 1, 200000 do t[i] = {i} end return t",
      "local t = ... assert(#t == 200000) for i = 1, #t do assert(t[i][1] == i) end")
    transfer(
      "local t = {} for i = 1, 20000 do t[i] = {name = 'n' .. i, value = i, kind = 'record'} end "
        + "return t",
      "local t = ... for i = 1, 20000 do "
        + "assert(t[i].name == 'n' .. i and t[i].value == i and t[i].kind == 'record') end")
  }

  func testMetatables() {
    transfer(
      """
      local Class = {}
      Class.__index = Class
      function Class:double() return self.n * 2 end
      return setmetatable({n = 4}, Class), setmetatable({n = 5}, Class), Class
      """,
      """
      local a, b, Class = ...
      assert(a:double() == 8 and b:double() == 10)
      assert(getmetatable(a) == Class and getmetatable(b) == Class and Class.__index == Class)
      """)
    transfer(
      "return setmetatable({1}, {__metatable = 'locked', __len = function() return 77 end})",
      "assert(#... == 77 and getmetatable(...) == 'locked')")
    // Raw access only.
    transfer(
      """
      local function never() error 'a metamethod ran' end
      return setmetatable({1, 2}, {__index = never, __pairs = never, __len = never,
        __newindex = never, __eq = never})
      """, "assert(rawlen(...) == 2 and not pcall(function(t) return t.x end, ...))")
    transfer("return setmetatable({}, _G)", "assert(getmetatable(...) == _ENV)")
    // A chain of metatables, and a table that is its own.
    transfer(
      "local t = setmetatable({}, setmetatable({}, {__index = {x = 1}})) "
        + "local own = {} return t, setmetatable(own, own)",
      "local t, own = ... assert(getmetatable(t).x == 1 and getmetatable(own) == own)")
  }

  func testFinalisersAndWeakTables() {
    transfer(
      "return setmetatable({}, {__gc = function() gone = (gone or 0) + 1 end, __mode = 'k'})",
      "local t = ... assert(getmetatable(t).__mode == 'k') t = nil")
    let receiver = Heap()
    transfer(
      "return {setmetatable({name = 'x'}, {__gc = function(t) gone = t.name end})}",
      "", to: receiver)
    receiver.collect()
    receiver.run("assert(gone == 'x')")
  }

  func testEnvironment() {
    let thread = Heap(isThread: true)
    transfer(
      "return _G, {_ENV}, 1, 2, 3", "assert((...) == _ENV and select(2, ...)[1] == _ENV)",
      to: thread)
    // In a thread `_G` is the standard table: it is the environment over there too.
    transfer(
      "return _ENV, {[_G] = 1}", "local g, t = ... assert(g == _ENV and t[_ENV])", from: thread)
  }

  func testHandles() {
    let sender = Heap()
    let receiver = Heap()
    let object = FakeObject()
    let other = FakeObject()
    sender.setHandle("a", object.ref)
    sender.setHandle("b", other.ref)
    receiver.setHandle("a", object.ref)
    XCTAssertEqual(object.references, 2)
    transfer("return a, 1, b", "assert(... == a)", from: sender, to: receiver, isLight: true)
    transfer(
      "return {a, {a, [a] = b}, b}",
      "local t = ... assert(t[1] == a and t[2][1] == a and t[2][a] == t[3])", from: sender,
      to: receiver)
    receiver.collect()
    XCTAssertEqual(object.references, 2)
    XCTAssertEqual(other.references, 1)
    // Unread.
    for make in ["return a, b, a", "return {a, b, {a}}"] {
      let count = sender.run(make)
      let parcel = Parcel()
      XCTAssertTrue(
        encodeValues(
          sender.L, first: 2, count: count, operation: "send", context: sender.context,
          into: parcel.payload))
      XCTAssertGreaterThan(object.references, 2)
      sender.clear()
    }
    sender.collect()
    XCTAssertEqual(object.references, 2)
    XCTAssertEqual(other.references, 1)
    // Refused.
    XCTAssertEqual(refusal("return a, print, io.stdout", from: sender).suffix(3), "[3]")
    XCTAssertEqual(refusal("return {a}, b, {io.stdout}", from: sender).suffix(6), "[3][1]")
    XCTAssertEqual(object.references, 2)
    XCTAssertEqual(other.references, 1)
  }

  func testManyValues() {
    transfer(
      "local t = {} for i = 1, 5000 do t[i] = i % 3 == 0 and {i} or i end return table.unpack(t)",
      "assert(select('#', ...) == 5000) local t = {...} assert(t[3][1] == 3 and t[5000] == 5000)")
  }

  /// A finaliser that sends while something is being encoded and decoded.
  func testReentrance() {
    let heap = Heap()
    lua_pushlightuserdata(heap.L, Unmanaged.passUnretained(heap).toOpaque())
    lua_pushvalue(heap.L, heap.environment)
    lua_pushcclosure(
      heap.L,
      { L in
        let box = lua_touserdata(L, registryIndex - 1).unsafelyUnwrapped
        let heap = Unmanaged<Heap>.fromOpaque(box).takeUnretainedValue()
        let parcel = Parcel()
        let context = CopyContext(state: heap.state, environment: registryIndex - 2)
        guard let L,
          encodeValues(
            L, first: 1, count: 1, operation: "send", context: context,
            into: parcel.payload)
        else {
          XCTFail("refused")
          return 0
        }
        withExtendedLifetime(parcel) {
          XCTAssertEqual(decodeValues(L, parcel.payload, context: context), .values(1))
        }
        return 1
      }, 2)
    lua_pushvalue(heap.L, heap.environment)
    lua_rotate(heap.L, -2, 1)
    lua_pushstring(heap.L, "copy")
    lua_rotate(heap.L, -2, 1)
    lua_rawset(heap.L, -3)
    heap.clear()
    heap.run(
      """
      warn('@on')
      local function again()
        setmetatable({}, {__gc = function()
          local t = copy({1, {2}, function() return again end, ('x'):rep(100)})
          assert(t[2][1] == 2)
          count = (count or 0) + 1
          again()
        end})
      end
      again()
      collectgarbage('incremental', 100, 800, 8)
      for i = 1, 100 do
        local list = {}
        for j = 1, 20 do
          list[j] = load('return ' .. i .. ', ' .. j)
          list['k' .. j] = {j, function() return list end}
        end
        local got = copy(list)
        for j = 1, 20 do
          local a, b = got[j]()
          assert(a == i and b == j and got['k' .. j][1] == j and got['k' .. j][2]() == got)
        end
      end
      assert(count and count > 10, count)
      """)
    heap.clear()
    XCTAssertEqual(heap.state.pointee.pendingCount, 0)
  }
}
