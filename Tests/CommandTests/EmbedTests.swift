// EmbedTests.swift: the example of an embedder's program does what it says.

import Testing

@Test func embedExample() async throws {
  let ended = try await Child(program: "EmbedExample").run()
  #expect(ended.status == 0, "\(ended)")
  #expect(ended.errors == "", "\(ended)")
  #expect(
    ended.outputLines == [
      "[42]",
      #"["FOUND", 14, 6.0]"#,
      #"{fresh = true, item = "apple", sizes = {3, 5.5, 5}}"#,
      #"[3, 5.5, 5] "apple" nil"#,
      #""\255\000""#,
      "[3] [7]",
      "runtime error: faulty:1: look_up: there is no nothing",
      "runtime error: faulty:1: the answer was dropped",
      "runtime error: faulty:1: attempt to index a nil value (local 't')",
      "load error: faulty:1: unexpected symbol near '='",
      "runtime error: result #1: a table that contains itself has no Swift form",
      "runtime error: faulty:1: shout: a string expected",
      "runtime error: (error object is a table value)",
      #"[nil, "timed out", 110]"#,
      "report: thread 15.1 died: careless:1: unseen",
      #"["quick", "slow"]"#,
      "error: LuaHost: there is a host already; shut it down before making another",
      "error: argument #1: a key of a table is nil or NaN",
      "stopped",
      "error: the host has been shut down",
      "[1]",
      "[2]",
      "[3]",
    ], "\(ended)")
}
