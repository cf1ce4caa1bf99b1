// HostRoundsTests.swift: hosts that are started, used and shut down one after the other, as a program may
// do for ever: nothing may be left of them.

import Foundation
import XCTest

@testable import LWKTLua

final class HostRoundsTests: XCTestCase {
  func testNothingIsLeftOfHosts() throws {
    func round(_ number: Int) throws {
      let host = try LuaHost(
        workers: 1 + number % 3, functions: ["twice": { .values($0 + $0) }], report: { _ in })
      for chunk in 0..<20 {
        let name = "round \(number).\(chunk)"
        let values = try host.run(
          """
          local td = lwkt.create(function(n) return n + select('#', twice(n)) end, ...)
          lwkt.create(function() error("nobody looks") end)
          lwkt.create({ nostart = true }, function() end)
          lwkt.port("\(name)"):send({ td })
          return select(2, td:join())
          """, name: name, arguments: [.integer(Int64(number))])
        guard case .integer(Int64(number) + 2)? = values.first else {
          return XCTFail("\(values)")
        }
      }
      // One that is still at it when the host ends.
      host.start("lwkt.recv()") { _ in }
      host.shutdown()
    }
    for number in 0..<30 { try round(number) }
    let early = usedKB()
    for number in 30..<90 { try round(number) }
    let late = usedKB()
    XCTAssertLessThan(late, early + 6000, "KB after 30 hosts \(early), after 90 \(late)")
  }

  /// Under a sanitizer what is allocated, since its allocator keeps for long what was freed; else what is
  /// resident.
  private func usedKB() -> Int {
    typealias Count = @convention(c) () -> Int
    if let symbol = dlsym(nil, "__sanitizer_get_current_allocated_bytes") {
      return unsafeBitCast(symbol, to: Count.self)() / 1024
    }
    let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
    let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    return pages * 4
  }
}
