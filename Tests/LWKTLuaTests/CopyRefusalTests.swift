// CopyRefusalTests.swift: what cannot be copied, and the words for it.

import CLua
import XCTest

@testable import LWKTCore
@testable import LWKTLua

final class CopyRefusalTests: XCTestCase {
  private func expect(
    _ make: String, _ message: String, _ file: StaticString = #filePath, _ line: UInt = #line
  ) {
    XCTAssertEqual(
      refusal(make, file, line), "send: cannot send " + message, file: file, line: line)
  }

  private func refusal(_ make: String, _ file: StaticString, _ line: UInt) -> String {
    LWKTLuaTests.refusal(make, from: Heap(), file, line)
  }

  func testKinds() {
    expect("return io.stdout", "userdata at [1]")
    expect("return 1, coroutine.create(print)", "coroutine at [2]")
    expect("return ('x'):gmatch('x')", "C function at [1]")
    expect("return 1, 2, 3, 4, coroutine.wrap(print)", "C function at [5]")
    let heap = Heap()
    lua_pushlightuserdata(heap.L, heap.state)
    let parcel = Parcel()
    XCTAssertFalse(
      encodeValues(
        heap.L, first: 2, count: 1, operation: "sendmsg", context: heap.context,
        into: parcel.payload))
    XCTAssertEqual(heap.popMessage(), "sendmsg: cannot send light userdata at [1]")
  }

  func testPaths() {
    expect("return 1, {conn = {fd = io.stdout}}", "userdata at [2].conn.fd")
    expect("return {1, 2, io.stdout}", "userdata at [1][3]")
    expect(
      "return {['two words'] = {[1.5] = {[true] = {[false] = io.stdout}}}}",
      "userdata at [1][\"two words\"][1.5][true][false]")
    expect("return {[-7] = {[1 << 40] = io.stdout}}", "userdata at [1][-7][1099511627776]")
    expect("return {[''] = {['9a'] = {_a9 = io.stdout}}}", "userdata at [1][\"\"][\"9a\"]._a9")
    expect("return {[{}] = io.stdout}", "userdata at [1][object]")
    expect("return {[_ENV] = io.stdout}", "userdata at [1][_ENV]")
    expect("return {[io.stdout] = 1}", "userdata at [1](key)")
    expect("return {[{x = io.stdout}] = 1}", "userdata at [1](key).x")
    expect(
      "return {{'again', 'again', again = 1}, {again = {again = io.stdout}}}",
      "userdata at [1][2].again.again")
    expect(
      "return {[('long'):rep(30)] = io.stdout}",
      "userdata at [1]." + String(repeating: "long", count: 15) + "...")
    expect(
      "return setmetatable({}, {__index = {stream = io.stdout}})",
      "userdata at [1](metatable).__index.stream")
  }

  func testFunctions() {
    expect(
      "local fd = io.stdout\nlocal function f() return fd end\nreturn f",
      "userdata at upvalue 'fd' of function [1] (test.lua:2)")
    expect(
      "local fd = {x = {io.stdout}}\nreturn {f = function() return fd end}",
      "userdata at [1].f, upvalue 'fd.x[1]' of function 'f' (test.lua:2)")
    expect(
      "local fd = io.stdout local function a() return fd end\n"
        + "local function b() return a() end return b",
      "userdata at upvalue 'a', upvalue 'fd' of function 'a' (test.lua:1)")
    expect(
      "local x = io.stdout local f = load('return x', '=(loaded)', 't', {x = x}) return f",
      "userdata at upvalue '_ENV.x' of function [1] ((loaded):0)")
    expect(
      "local x = io.stdout local f = load(string.dump(function() return x end, true)) "
        + "debug.setupvalue(f, 1, x) return f",
      "userdata at upvalue '?' of function [1] (?:1)")
    expect(
      "local fd = io.stdout local f = function() return fd end "
        + "for i = 1, 20 do local g = f f = function() return g end end return f",
      "userdata at upvalue 'g', upvalue 'g', ..., upvalue 'g', upvalue 'fd' "
        + "of function 'g' (test.lua:1)")
    XCTAssertEqual(
      threadRefusal("local fd = io.stdout return function() return fd end"),
      "create: cannot send userdata at upvalue 'fd' of the thread function (test.lua:1)")
    XCTAssertEqual(
      threadRefusal(
        "function f() return io.stdout, g end g = {io.stdout} return function() f() end"),
      "create: cannot send userdata at global 'g[1]'")
    XCTAssertEqual(
      threadRefusal(
        "local fd = io.stdout\nfunction f() return fd end return function() f() end"),
      "create: cannot send userdata at upvalue 'fd' of function 'f' (test.lua:2)")
    XCTAssertEqual(
      threadRefusal("return ('x'):gmatch('x')"),
      "create: cannot send C function at the thread function")
    XCTAssertEqual(
      threadRefusal("return print, 1, io.stdout"), "create: cannot send userdata at [2]")
  }

  func testSourceNames() {
    for (chunk, shown) in [
      ("@dir/file.lua", "dir/file.lua"), ("=stdin", "stdin"), ("return 1", "[string \"return 1\"]"),
      ("first\nsecond", "[string \"first...\"]"),
      (
        "@" + String(repeating: "d", count: 80) + "/f.lua",
        "..." + String(repeating: "d", count: 50) + "/f.lua"
      ),
      (
        String(repeating: "s", count: 80),
        "[string \"" + String(repeating: "s", count: 45) + "...\"]"
      ),
      (String(repeating: "t", count: 44), "[string \"" + String(repeating: "t", count: 44) + "\"]"),
      (
        String(repeating: "u", count: 45),
        "[string \"" + String(repeating: "u", count: 45) + "...\"]"
      ),
    ] {
      let heap = Heap()
      heap.load("local n = 0 return function()\n n = n + 1 end", name: chunk)
      heap.call(0)
      // Lua's own idea of it.
      var info = lua_Debug()
      lua_pushvalue(heap.L, -1)
      lua_getinfo(heap.L, ">S", &info)
      let expected = withUnsafeBytes(of: info.short_src) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      let code = pushCodeRecord(heap.L, 2, heap.state)
      XCTAssertEqual(code.map { sourceName(of: $0) }, expected)
      XCTAssertEqual(expected, shown)
    }
  }

  func testInsides() {
    let heap = Heap()
    transfer("return {function() return print end}", "", from: heap)
    XCTAssertEqual(
      LWKTLuaTests.refusal("return debug.getregistry()", from: heap),
      "send: cannot send coroutine at [1][1]")
    // Each table in it, ours too: some can be copied and some not, and none does harm.
    let count = heap.run(
      "local t = {} for _, v in pairs(debug.getregistry()) do if type(v) == 'table' then "
        + "t[#t + 1] = v end end return table.unpack(t)")
    XCTAssertGreaterThan(count, 6)
    var refused = 0
    for index in 2..<(2 + count) {
      let parcel = Parcel()
      if !encodeValues(
        heap.L, first: index, count: 1, operation: "send", context: heap.context,
        into: parcel.payload)
      {
        refused += 1
        lwkt_pop(heap.L, 1)
      }
    }
    XCTAssertGreaterThan(refused, 0)
    heap.clear()
    transfer("return {function() return print end}", "", from: heap)
  }

  /// Whatever is refused, wherever in the message: nothing stays behind.
  func testNothingLeaks() {
    let object = FakeObject()
    let codes = CodeTable.count
    do {
      let heap = Heap()
      heap.setHandle("h", object.ref)
      heap.run(
        """
        function bad(depth, place)
          if depth == 0 then return io.stdout end
          local t = {h, {h}, function() return h, depth end, ('x'):rep(99)}
          if place == 1 then t.field = bad(depth - 1, 2)
          elseif place == 2 then setmetatable(t, {bad(depth - 1, 3)})
          elseif place == 3 then t[bad(depth - 1, 4)] = h
          else local b = bad(depth - 1, 1) t[5] = function() return b, h end end
          return t
        end
        """)
      for depth in 0..<12 {
        for place in 1...4 {
          _ = LWKTLuaTests.refusal("return h, {h}, bad(\(depth), \(place)), h", from: heap)
          _ = threadRefusal(
            "return function() return bad end, h, bad(\(depth), \(place))", from: heap)
          heap.clear()
        }
      }
      XCTAssertEqual(object.references, 1)
      transfer("return {h, {1, 2}}", "", from: heap)
    }
    XCTAssertEqual(object.references, 0)
    XCTAssertEqual(CodeTable.count, codes)
  }
}
