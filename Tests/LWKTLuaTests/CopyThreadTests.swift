// CopyThreadTests.swift: thread functions: what they bring along and what is refused.

import CLua
import XCTest

@testable import LWKTCore
@testable import LWKTLua

final class CopyThreadTests: XCTestCase {
  func testLight() {
    thread("return function() return 1 end", "assert(... == 1)", isLight: true)
    thread(
      "return function(a, b) return a + b, print end, 1, 2",
      "local n, p = ... assert(n == 3 and p == print)", isLight: true)
    thread(
      "local n, s = 5, 'text' return function(a) return n, s, a end, 'x'",
      "local n, s, a = ... assert(n == 5 and s == 'text' and a == 'x')", isLight: true)
    thread(
      "local n = 5 return function(...) return n, string.format('%d', n), select('#', ...) end, "
        + "nil",
      "local n, s, c = ... assert(n == 5 and s == '5' and c == 1)", isLight: true)
    thread(
      "return function(...) return ... end, 'twenty characters..'", "assert(#... == 19)",
      isLight: true)
    thread(
      "return function(...) return select('#', ...) end, 1, 2, 3, 4, 5", "assert(... == 5)",
      isLight: false)
    thread(
      "local t = {1} return function(...) return t[1] end", "assert(... == 1)", isLight: false)
    // A thread creates a thread.
    thread(
      "return function() return print, 1 end", "assert(... == print)", from: Heap(isThread: true),
      isLight: true)
  }

  func testLightHandles() {
    let object = FakeObject()
    let sender = Heap()
    let receiver = Heap(isThread: true)
    sender.setHandle("h", object.ref)
    receiver.setHandle("h", object.ref)
    thread(
      "local h = h return function(x) return h, x end, h",
      "local a, b = ... assert(a == h and b == h)",
      from: sender, to: receiver, isLight: true)
    XCTAssertEqual(object.references, 2)
    XCTAssertTrue(
      threadRefusal("local h = h return function() return h end, h, io.stdout", from: sender)
        .hasPrefix("create: cannot send userdata at [2]"))
    XCTAssertEqual(object.references, 2)
  }

  func testFunctionsOfModules() {
    thread("return print", "", isLight: false)
    thread("return math.floor, 2.5", "assert(... == 2)", isLight: false)
    let heaps = (Heap(), Heap(isThread: true))
    for heap in [heaps.0, heaps.1] {
      heap.addModule("m", "local n = 0 return {f = function(x) n = n + x return n end}")
    }
    heaps.0.require("m")
    heaps.0.run("require('m').f(100)")
    thread("return require('m').f, 1", "assert(... == 1)", from: heaps.0, to: heaps.1)
  }

  func testGlobals() {
    let receiver = Heap(isThread: true)
    thread(
      """
      limit, unused = 3, 'unused'
      function inner(n) return n > limit and 'big' or settings.small() end
      function outer(n) return inner(n) end
      settings = {small = function() return label end}
      label = 'small'
      return function() return outer(5), outer(1) end
      """, "local a, b = ... assert(a == 'big' and b == 'small')", to: receiver)
    receiver.run(
      "assert(rawget(_ENV, 'limit') == 3 and unused == nil and rawget(_ENV, 'print') == nil)")
    thread(
      "function factorial(n) return n < 2 and 1 or n * factorial(n - 1) end return factorial, 10",
      "assert(... == 3628800)")
    // In nested functions, assigned, not there.
    thread(
      """
      config = {level = 1}
      return function()
        local function nested()
          return function() config.level = config.level + 1 mark = missing end
        end
        nested()()
        return config.level, mark
      end
      """, "local l, m = ... assert(l == 2 and m == nil)")
    // One table by three ways.
    thread(
      "config = {} local captured = config return function(given) "
        + "return config == captured and captured == given end, config", "assert(... == true)")
    // Named by a function that comes as an argument or in a table.
    thread(
      "function helper() return 7 end return function(f, t) return f() + t.f() end, "
        + "function() return helper() end, {f = function() return helper() end}",
      "assert(... == 14)")
    // False is a value.
    thread("flag = false return function() return flag end", "assert(... == false)")
  }

  func testGlobalsOfThreads() {
    let sender = Heap(isThread: true)
    thread(
      "depth = 1 function down() depth = depth + 1 return depth, print end return down",
      "local d, p = ... assert(d == 2 and p == print)", from: sender, isLight: false)
    thread(
      "return function() return depth, type end", "local d, t = ... assert(d == 1 and t == type)",
      from: sender, isLight: false)
  }

  func testChangedStandardGlobals() {
    // What the program has put in the place of a standard global travels.
    thread(
      "function print(x) return 'mine ' .. x end return function() return print('x') end",
      "assert(... == 'mine x')")
    thread(
      "print = io.write fmt = string.format return function() return print, fmt, io, type end",
      "local p, f = ... assert(p == io.write and f == string.format)")
    thread(
      "string = {mine = 1} return function() return string.mine end", "assert(... == 1)")
  }

  func testLongGlobalNames() {
    let name = String(repeating: "x", count: 60)
    thread(
      "\(name) = 5 return function() return \(name) end",
      "assert(... == 5)")
  }

  func testManyGlobals() {
    // Past 255 constants, names are loaded by instructions of their own.
    thread(
      """
      local names = {}
      for i = 1, 400 do
        _G['g' .. i] = i
        names[i] = 'sum = sum + g' .. i
      end
      sum = 0
      return load('return function() ' .. table.concat(names, '\\n') .. ' return sum end')()
      """, "assert(... == 80200)")
  }

  func testGuessedGlobals() {
    let receiver = Heap(isThread: true)
    thread(
      """
      a, b, c, d = 1, {2}, 3, io.stdout
      bad = {deep = {io.stdout}, fine = {1}}
      e = {io.stdout, b}
      return function()
        local g, name = _ENV, 'a'
        return g[name], g['b'][1], g.c, g.d, g.bad, g.e, 'c', 'b'
      end
      """,
      "local a, b, c, d, bad, e = ... assert(a == 1 and b == 2 and c == 3) "
        + "assert(d == nil and bad == nil and e == nil)", to: receiver)
    thread(
      "word = 'w' local k = 'word' return function() return _G[k], _G['word'] end",
      "local a, b = ... assert(a == nil or a == 'w')")
    // A captured globals table under another name.
    thread(
      "local G = _ENV x1 = 5 return function() return G.x1 end", "assert(... == 5)")
  }

  func testGuessesAreAllOrNothing() {
    // What a failed guess brought along is tried again for the next one.
    thread(
      """
      shared = {1}
      first = {shared, function() return shared end, {shared}, io.stdout, ('long'):rep(50),
        'word', 'word'}
      second = {shared, {shared}, ('long'):rep(50), 'word', 'word', function() return third end}
      third = {shared, second}
      return function()
        local g = _ENV
        return g.second, g.first, g.shared, 'third'
      end
      """,
      """
      local second, first, shared = ...
      assert(first == nil and second[1] == shared and second[2][1] == shared and shared[1] == 1)
      assert(second[3] == ('long'):rep(50) and second[4] == 'word')
      """)
    let object = FakeObject()
    let sender = Heap()
    sender.setHandle("h", object.ref)
    thread(
      "bad = {h, io.stdout} good = {1} return function() local g = _ENV return g.good, g.bad end",
      "local good, bad = ... assert(good[1] == 1 and bad == nil)", from: sender)
    XCTAssertEqual(object.references, 1)
  }

  func testRefusedGlobals() {
    let sender = Heap()
    XCTAssertEqual(
      threadRefusal("outfile = io.stderr return function() outfile:write('x') end", from: sender),
      "create: cannot send userdata at global 'outfile'")
    XCTAssertEqual(
      threadRefusal(
        "cfg = {log = {io.stderr}} return function() return cfg end", from: sender),
      "create: cannot send userdata at global 'cfg.log[1]'")
    XCTAssertEqual(
      threadRefusal(
        "co = coroutine.create(print) function user() return co end "
          + "return function() return user() end", from: sender),
      "create: cannot send coroutine at global 'co'")
  }

  func testAssignedLocals() {
    let heap = Heap()
    heap.setCreate()
    heap.run(
      """
      local count, list, fine = 0, {}, 0
      local function refused(name, line, fn, ...)
        local ok, message = pcall(create, fn, ...)
        assert(not ok, 'not refused')
        assert(message == "create: thread function assigns '" .. name
          .. "', a local of its creator (test.lua:" .. line
          .. "); each thread has its own copy: use lwkt.shared, a message, or sharing=true",
          message)
        assert(count == 0 and fine == 0)
      end
      refused('count', 12, function()
        count = count + 1
      end)
      refused('count', 14, function() local function f() return function() count = 1 end end end)
      refused('count', 15, function() if false then count = 1 end end, 1, 2)
      local function deeper()
        local mine = 1
        refused('mine', 18, function() mine = 2 end)
        refused('mine', 19, function() mine, count = nil end)
        local function helper() count = 1 end
        create(function() helper() end)
        create(function() local count = count count = 1 end)
        create(function(mine) mine = 2 return function() mine = 3 end end)
        create(function() list[1] = 1 end)
        create(function() globally = 1 end)
        return mine
      end
      deeper()
      local function generator(n) return function() n = n + 1 return n end end
      create(generator(4))
      local g = generator(5)
      create(g)
      create(function() return g() end)
      do
        local gone = 1
        fine = function() gone = 2 end
      end
      create(fine)
      fine = 0
      -- In a coroutine: its own locals, and those of whoever resumed it.
      local co = coroutine.wrap(function()
        local here = 1
        refused('here', 43, function() here = 2 end)
        create(function() count = 2 end, 'alone')
        local ok, message = pcall(create_over, function() count = 2 end)
        assert(not ok and message:find("assigns 'count'"), message)
        return here
      end)
      assert(co() == 1 and count == 0)
      """.replacingOccurrences(of: "create_over", with: "create"))
  }

  func testDeepStack() {
    let heap = Heap()
    heap.setCreate()
    heap.run(
      """
      local outer = 0
      local function down(n, mine)
        if n == 0 then
          assert(not pcall(create, function() outer = 1 end))
          assert(not pcall(create, function() mine = 1 end))
          return 1
        end
        return down(n - 1, n) + 0
      end
      down(10, 0)
      down(3990, 0)
      down(20000, 0)
      down(150000, 0)
      """)
  }
}

extension Heap {
  /// Make the global `create` a function that encodes a thread, decodes it, and says why not. The
  /// call stack includes the main coroutine, unless the last argument is "alone".
  func setCreate() {
    lua_pushvalue(L, environment)
    lua_pushstring(L, "create")
    lua_pushlightuserdata(L, Unmanaged.passUnretained(self).toOpaque())
    lua_pushvalue(L, environment)
    lua_pushcclosure(L, { $0.map(createThread) ?? 0 }, 2)
    // Raises what the function returned: [ok, message].
    load(
      "local c = ... return function(...) local ok, m = c(...) if not ok then error(m, 0) end end")
    lua_rotate(L, -2, 1)
    lua_pcallk(L, 1, 1, 0, 0, nil)
    lua_rawset(L, -3)
    clear()
  }
}

private func createThread(_ L: LuaState) -> Int32 {
  let box = lua_touserdata(L, registryIndex - 1).unsafelyUnwrapped
  let heap = Unmanaged<Heap>.fromOpaque(box).takeUnretainedValue()
  let count = lua_gettop(L)
  var size = 0
  let isAlone = lua_type(L, -1) == LUA_TSTRING && lua_tolstring(L, -1, &size) != nil && size == 5
  let context = CopyContext(state: heap.state, environment: registryIndex - 2)
  let parcel = Parcel()
  let isDone = encodeThread(
    L, function: 1, first: 2, count: count - 1, context: context,
    enclosing: { running, others, _ in
      guard !isAlone, running != heap.L else { return 0 }
      others?.pointee = heap.L
      return 1
    }, into: parcel.payload)
  guard isDone else {
    lua_pushboolean(L, 0)
    lua_rotate(L, -2, 1)
    return 2
  }
  withExtendedLifetime(parcel) {
    XCTAssertEqual(decodeThread(L, parcel.payload, context: context), .values(count))
  }
  lua_pushboolean(L, 1)
  return 1
}
