// TraceTests.swift: `--trace`.

import Foundation
import Testing

@Suite("--trace") struct TraceTests {
  /// The lines that a program leaves, less number and time.
  private func trace(_ statement: String, workers: Int) async throws -> [[String]] {
    let file = FileManager.default.temporaryDirectory
      .appendingPathComponent("lwkt-trace-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: file) }
    let ended = try await Child(
      arguments: ["--workers", String(workers), "--trace", file.path, "-e", statement]
    ).run()
    #expect(ended.status == 0, "\(ended)")
    let rows = lines(try String(contentsOf: file, encoding: .utf8))
      .filter { !$0.isEmpty }.map { $0.split(separator: "\t").map(String.init) }
    #expect(rows.allSatisfy { $0.count == 7 })
    let sorted = rows.sorted { Int($0[0])! < Int($1[0])! }
    #expect(sorted.map { Int($0[0])! } == Array(1...max(1, rows.count)))
    return sorted.map { Array($0[3...]) }
  }

  @Test func showsEachStepInOrderWithItsPlace() async throws {
    let rows = try await trace(
      """
      local p = lwkt.port("jobs")
      local td = lwkt.create(function(p)
        local msg = p:wait()
        lwkt.token("t"):with(function() lwkt.shared.counter():add(1) end)
        msg:reply(1)
      end, p)
      p:domsg("x")
      td:join()
      """, workers: 1)
    let start = try #require(rows.firstIndex { $0[1] == "create" && $0[2] == "thread 1.1" })
    let wanted = [
      "1 create thread 1.1 (command line):2", "1 begin thread 1.1 (command line):2",
      "1 wake thread 1.1 (command line):2", "1 send port 1 (jobs) (command line):7",
      "1 wait message from thread 1 (command line):7", "1.1 switch - -",
      "1.1 receive message from thread 1 (command line):3", "1.1 get token t (command line):4",
      "1.1 write shared counter (command line):4", "1.1 release token t (command line):4",
      "1.1 reply message from thread 1 (command line):5", "1.1 wake thread 1 (command line):5",
      "1.1 end - -", "1 switch - -",
    ]
    let got = rows[start...].prefix(wanted.count).map { $0.joined(separator: " ") }
    #expect(got == wanted)
  }

  @Test(arguments: [1, 2, 8]) func tracesManyThreads(workers: Int) async throws {
    let rows = try await trace(
      """
      local list = {}
      for i = 1, 200 do list[i] = lwkt.create(function() lwkt.yield() lwkt.sleep(0.001) end) end
      for i = 1, 200 do list[i]:join() end
      """, workers: workers)
    for operation in ["create", "begin", "end"] {
      #expect(rows.count { $0[1] == operation } == 201, "\(operation)")
    }
  }

  /// A worker that is in the middle of a turn has handed on nothing of it.
  @Test func losesNothingWhenAnotherWorkerEndsTheProcess() async throws {
    let rows = try await trace(
      """
      local p, q = lwkt.port(), lwkt.port()
      lwkt.create({ cpu = 1 }, function()
        for i = 1, 50 do p:send(i) end
        q:send("sent")
        while true do end
      end)
      repeat until q:get()
      os.exit(true)
      """, workers: 2)
    #expect(rows.count { $0[0] == "1.1" && $0[1] == "send" } == 51)
  }

  @Test func saysWhyItCannot() async throws {
    let ended = try await Child(arguments: ["--trace", "/nonexistent/file", "-e", ""]).run()
    #expect(ended.status == 1)
    #expect(ended.errors.contains("cannot open trace '/nonexistent/file': No such file"))
  }
}
