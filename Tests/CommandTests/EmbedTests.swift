// EmbedTests.swift: the example of an embedder's program does what it says.

import Testing

@Test func embedExample() async throws {
  let ended = try await Child(program: "EmbedExample").run()
  #expect(ended.status == 0, "\(ended)")
  #expect(
    ended.outputLines == [
      #"string("FOUND")"#,
      "integer(14)",
      ended.outputLines.dropFirst(2).first ?? "a table",
      "runtime error: faulty:1: look_up: there is no nothing",
      "runtime error: faulty:1: attempt to index a nil value (local 't')",
      ended.outputLines.dropFirst(5).first ?? "a syntax error",
      "stopped",
    ], "\(ended)")
}
