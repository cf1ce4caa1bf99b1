// CopyModuleTests.swift: what is part of a module travels as a reference to it.

import CLua
import XCTest

@testable import LWKTCore
@testable import LWKTLua

private let shape = """
  local Shape = {}
  Shape.__index = Shape
  Shape.origin = {x = 0}
  Shape.list = {{1}, {2}}
  function Shape.new(n) return setmetatable({n = n, at = Shape.origin}, Shape) end
  function Shape:area() return self.n end
  local Square = setmetatable({}, {__index = Shape})
  Square.__index = Square
  Shape.Square = Square
  function Square.new(n) return setmetatable(Shape.new(n), Square) end
  function Square:area() return self.n * self.n end
  return Shape
  """

private let hidden = """
  local methods = {}
  local mt = {__index = methods, __eq = function() return true end}
  function methods.get(self) return self.v end
  local data = {1}
  local function make(v) return setmetatable({v = v}, mt) end
  local function is(o) return getmetatable(o) == mt end
  return {new = function(v) return make(v) end, is = is, data = function() return data end}
  """

final class CopyModuleTests: XCTestCase {
  private func heaps() -> (Heap, Heap) {
    let pair = (Heap(), Heap(isThread: true))
    for heap in [pair.0, pair.1] {
      heap.addModule("shape", shape)
      heap.addModule("hidden", hidden)
      heap.addModule("answer", "return function() return 42 end")
    }
    return pair
  }

  func testStandardLibraries() {
    transfer(
      "return string, table.insert, print, {io.write, coroutine.wrap, [math.floor] = utf8.char}, "
        + "string.format, package, package.loaded.string, debug, require, load",
      """
      local s, insert, p, t, format, package_, s2, debug_, require_, load_ = ...
      assert(s == string and insert == table.insert and p == print and t[1] == io.write)
      assert(t[2] == coroutine.wrap and t[math.floor] == utf8.char and format == string.format)
      assert(package_ == package and s2 == string and debug_ == debug and require_ == require)
      assert(load_ == load)
      """, to: Heap(isThread: true))
    transfer(
      "local insert = table.insert return function(t, x) insert(t, x) return t end",
      "assert((...)({}, 5)[1] == 5)")
  }

  func testStandardFunctionsUnderOtherNames() {
    // They go by their own names, not by those that the script has given them.
    let sender = Heap()
    sender.run("print = io.write; write = io.write; string = nil; iterator = ('x'):gmatch('x')")
    transfer(
      "return print, write, package.loaded.string",
      "local p, w, s = ... assert(p == io.write and w == io.write and s == string)", from: sender)
    XCTAssertEqual(refusal("return iterator", from: sender), "send: cannot send C function at [1]")
  }

  func testClass() {
    let (sender, receiver) = heaps()
    sender.require("shape")
    transfer(
      """
      local Shape = require 'shape'
      return Shape.new(3), Shape.Square.new(4), Shape, Shape.list[2], Shape.new, {Shape.origin}
      """,
      """
      local a, b, Shape, two, new, t = ...
      assert(rawequal(Shape, require 'shape'))
      assert(getmetatable(a) == Shape and getmetatable(b) == Shape.Square)
      assert(a:area() == 3 and b:area() == 16 and a.at == Shape.origin and t[1] == a.at)
      assert(two == Shape.list[2] and new == Shape.new)
      """, from: sender, to: receiver)
    // And in a heap that has never been told of it, where the first copy finds it.
    let (third, fourth) = heaps()
    transfer(
      "return require('shape')", "assert(... == package.loaded.shape)", from: third, to: fourth)
    transfer("return require 'answer'", "assert((...)() == 42)", from: third, to: fourth)
    receiver.run("assert(package.loaded.answer == nil)")
  }

  func testHiddenClass() {
    let (sender, receiver) = heaps()
    sender.require("hidden")
    transfer(
      "local hidden = require 'hidden' return hidden.new(5), hidden.data()",
      """
      local object, data = ...
      local hidden = require 'hidden'
      assert(hidden.is(object) and object:get() == 5)
      assert(data ~= hidden.data() and data[1] == 1)
      """, from: sender, to: receiver)
  }

  func testLaterAdditionsAreData() {
    let (sender, receiver) = heaps()
    sender.require("shape")
    sender.run("local s = require 'shape' s.later = {7} s.f = function() return 8 end")
    transfer(
      "local s = require 'shape' return s.later, s.f, s",
      """
      local later, f, s = ...
      assert(later[1] == 7 and f() == 8 and s == require 'shape' and s.later == nil)
      """, from: sender, to: receiver)
  }

  func testReplacedParts() {
    // What a module held when it was loaded stays part of it, wherever it is now.
    let (sender, receiver) = heaps()
    sender.require("shape")
    transfer(
      "local s = require 'shape' local old = s.new s.new = 1 return old",
      "assert(... == require('shape').new)", from: sender, to: receiver)
    // And an address that is used again is not taken for what was there.
    sender.run(
      """
      local s = require 'shape'
      for i = 1, 100 do
        s.list, s.origin, s.Square = nil
      end
      collectgarbage()
      """)
    transfer(
      "local t = {} for i = 1, 1000 do t[i] = {i} end return t",
      "for i, t in ipairs(...) do assert(t[1] == i) end", from: sender, to: receiver)
  }

  func testMissingPart() {
    let sender = Heap()
    let receiver = Heap()
    sender.addModule("m", "return {f = {g = function() end}}")
    receiver.addModule("m", "return {f = 1}")
    receiver.addModule("n", "return 5")
    sender.require("m")
    sender.run("return require('m').f.g")
    let parcel = Parcel()
    XCTAssertTrue(
      encodeValues(
        sender.L, first: 2, count: 1, operation: "send", context: sender.context,
        into: parcel.payload))
    XCTAssertEqual(
      decodeValues(receiver.L, parcel.payload, context: receiver.context), .needsModule)
    XCTAssertEqual(receiver.popMessage(), "m")
    receiver.require("m")
    XCTAssertEqual(decodeValues(receiver.L, parcel.payload, context: receiver.context), .failed)
    XCTAssertEqual(
      receiver.popMessage(), "module 'm' has no 'f.g' here, as it has where it was sent")
    XCTAssertEqual(lua_gettop(receiver.L), 1)
  }

  func testModuleTablesDoNotBringGlobalsAlong() {
    let sender = Heap()
    sender.addModule(
      "g", "return {env = _ENV, loaded = package.loaded, sub = setmetatable({}, {__index = _G})}")
    sender.require("g")
    sender.run("data = {1} function user() return 1 end")
    transfer(
      "return data, user", "local d, u = ... assert(d[1] == 1 and u() == 1)", from: sender,
      to: Heap(isThread: true))
  }

  func testLibraryFoundLater() {
    let sender = Heap()
    sender.run("return {1}")
    transfer("return {1}", "", from: sender)
    sender.run("package.loaded.fresh = {find = ('x').find, iterator = ('x'):gmatch('.')}")
    let receiver = Heap()
    receiver.run("package.loaded.fresh = {iterator = ('y'):gmatch('.')}")
    transfer(
      "return package.loaded.fresh.iterator", "assert(... == package.loaded.fresh.iterator)",
      from: sender, to: receiver)
  }

  /// A module that is in `package.loaded` before it is complete, and requires another.
  func testModuleThatRegistersItselfEarly() {
    let heaps = (Heap(), Heap(isThread: true))
    for heap in [heaps.0, heaps.1] {
      heap.addModule("inner", "return {}")
      heap.addModule(
        "early",
        "local M = {a = {}} package.loaded.early = M require 'inner' note 'inner' M.b = {} return M"
      )
      lua_pushstring(heap.L, "note")
      lua_pushlightuserdata(heap.L, Unmanaged.passUnretained(heap).toOpaque())
      lua_pushcclosure(
        heap.L,
        { L in
          let box = lua_touserdata(L, registryIndex - 1).unsafelyUnwrapped
          let heap = Unmanaged<Heap>.fromOpaque(box).takeUnretainedValue()
          heap.state.noteModule(L.unsafelyUnwrapped, name: 1)
          return 0
        }, 1)
      lua_rawgeti(heap.L, registryIndex, lua_Integer(LUA_RIDX_GLOBALS))
      lua_rotate(heap.L, -3, 1)
      lua_rawset(heap.L, -3)
      heap.clear()
    }
    heaps.0.require("early")
    transfer(
      "local m = require 'early' return m.a, m.b",
      "local m = require 'early' local a, b = ... assert(a == m.a and b == m.b)",
      from: heaps.0, to: heaps.1)
  }

  func testModuleWithManyLevels() {
    let sender = Heap()
    sender.addModule("deep", "local t = {'bottom'} for i = 1, 100 do t = {t} end return t")
    sender.require("deep")
    let receiver = Heap()
    receiver.addModule("deep", "local t = {'bottom'} for i = 1, 100 do t = {t} end return t")
    transfer(
      "local t = require 'deep' local a, b = t, t for i = 1, 20 do a = a[1] end "
        + "for i = 1, 50 do b = b[1] end return a, b",
      "local a, b = ... local t = require 'deep' for i = 1, 20 do t = t[1] end assert(t == a) "
        + "for i = 1, 50 do b = b[1] end assert(b[1] == 'bottom')", from: sender, to: receiver)
  }
}
