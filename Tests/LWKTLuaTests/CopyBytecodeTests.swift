// CopyBytecodeTests.swift: the analyser of dumped functions.

import CLua
import Synchronization
import XCTest

@testable import LWKTLua

final class CopyBytecodeTests: XCTestCase {
  /// The dump of the function that `chunk` returns.
  private func dump(_ chunk: String) -> [UInt8] {
    let heap = Heap()
    heap.run(chunk)
    var bytes = lwkt_bytes()
    defer { freeBytes(&bytes) }
    XCTAssertTrue(lwkt_dump(heap.L, -1, &bytes))
    return Array(UnsafeRawBufferPointer(start: bytes.data, count: bytes.count))
  }

  fileprivate struct Summary: Equatable {
    var names: [String] = []
    var assigned: [String] = []
    var taken: [String] = []
  }

  private func analyse(_ chunk: String) throws -> Summary {
    let bytes = dump(chunk)
    return try bytes.withUnsafeBytes { bytes in
      let analysis = try BytecodeAnalysis(bytes)
      func text(_ span: ByteSpan) -> String {
        String(
          decoding: bytes[Int(span.offset)..<Int(span.offset + span.count)], as: UTF8.self)
      }
      var summary = Summary()
      summary.names = analysis.names.map {
        text(analysis.upvalues[Int($0.upvalue)].name) + "." + text($0.name)
      }
      for upvalue in analysis.upvalues {
        if upvalue.isAssigned {
          summary.assigned.append("\(text(upvalue.name)):\(upvalue.assignedLine)")
        }
        if upvalue.isTaken { summary.taken.append(text(upvalue.name)) }
      }
      return summary
    }
  }

  func testNames() throws {
    XCTAssertEqual(
      try analyse("return function() a = b; return c(d.e, a) end"),
      Summary(names: ["_ENV.b", "_ENV.a", "_ENV.c", "_ENV.d"]))
    XCTAssertEqual(
      try analyse("local t = {} return function() return t.x, t.y, function() t.z = w end end"),
      Summary(names: ["t.x", "t.y", "_ENV.w", "t.z"]))
    XCTAssertEqual(
      try analyse("return function() local _ENV = {} return x, function() return y end end"),
      Summary())
    XCTAssertEqual(
      try analyse("return function() return _ENV, _G.x end"),
      Summary(names: ["_ENV._G"], taken: ["_ENV"]))
  }

  func testAssigned() throws {
    XCTAssertEqual(
      try analyse(
        "local a, b, c = 1\nreturn function()\n local x = a\n x = 2\n b = 3\n\n"
          + "return function() local b = b return function()\n a = 1 c = b\n end end end"),
      Summary(assigned: ["a:8", "b:5", "c:8"], taken: ["a", "b"]))
  }

  func testAssignedFarAway() throws {
    // Past 255 lines the differences are absolute lines.
    let gap = String(repeating: "\n", count: 1000)
    XCTAssertEqual(
      try analyse("local a\nreturn function() local x = 1 \(gap) x = 2 \(gap) a = x end").assigned,
      ["a:2002"])
  }

  func testEqualHashesAreRare() {
    var seen = Set<UInt64>()
    for i in 0..<20_000 {
      var bytes = Array("return \(i)".utf8)
      bytes += Array(repeating: 0, count: i % 7)
      seen.insert(bytes.withUnsafeBytes { contentHash($0) })
    }
    XCTAssertEqual(seen.count, 20_000)
  }

  private let sample = """
    local a, b, c = 1, {}, 'c'
    return function(...)
      local x, y = ..., 1.5
      a = x
      for i = 1, 10 do b[i] = function() c = c .. i g = h.i return a, nil, true, 1 << 40 end end
      return _ENV, (' '):rep(100), function() return select('#', x, y) end
    end
    """

  func testTruncated() {
    let bytes = dump(sample)
    XCTAssertNoThrow(try bytes.withUnsafeBytes { try BytecodeAnalysis($0) })
    for count in 0..<bytes.count {
      let part = Array(bytes[..<count])
      XCTAssertThrowsError(try part.withUnsafeBytes { try BytecodeAnalysis($0) }, "\(count)")
    }
  }

  func testDamaged() {
    let bytes = dump(sample)
    var random = Random(seed: 1)
    for _ in 0..<20_000 {
      var damaged = bytes
      for _ in 0...random.below(3) {
        damaged[random.below(damaged.count)] = UInt8(random.below(256))
      }
      if random.below(4) == 0 { damaged.removeLast(random.below(damaged.count)) }
      // Into memory of its own, so that reading past the end is found out.
      _ = damaged.withUnsafeBytes { try? BytecodeAnalysis($0) }
    }
    // Only its own header.
    for index in BytecodeFormat.header.indices {
      var damaged = bytes
      damaged[index] ^= 1
      XCTAssertThrowsError(try damaged.withUnsafeBytes { try BytecodeAnalysis($0) })
    }
  }

  func testFormatCheck() {
    let heap = Heap()
    XCTAssertTrue(BytecodeFormat.check(heap.L))
    XCTAssertEqual(lua_gettop(heap.L), 1)
  }

  func testFunctionsOfAnotherFormatAreRefusedByName() {
    BytecodeFormat.support.store(BytecodeFormat.Support.bad, ordering: .relaxed)
    defer { BytecodeFormat.support.store(BytecodeFormat.Support.unknown, ordering: .relaxed) }
    let heap = Heap()
    heap.run("return { function() end }")
    let parcel = Parcel()
    XCTAssertFalse(
      encodeValues(
        heap.L, first: lua_gettop(heap.L), count: 1, operation: "send", context: heap.context,
        into: parcel.payload))
    let message = heap.popMessage()
    XCTAssertTrue(message.hasPrefix("send: cannot send function of unknown code at [1][1]"))
    XCTAssertTrue(message.contains("Lua 5.4."), message)
  }
}

/// A small random generator that gives the same numbers in every run.
struct Random {
  private var state: UInt64

  init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state
  }

  mutating func below(_ limit: Int) -> Int { Int(next() >> 11) % limit }
}
