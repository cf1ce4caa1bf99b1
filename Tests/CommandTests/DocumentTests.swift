// DocumentTests.swift: documents say what is so.

import Foundation
import LWKTLua
import Testing

@Suite("Documents") struct DocumentTests {
  /// Each document's programs, with the hand-written part of the manual only.
  @Test(arguments: ["README.md", "docs/guide.md", "docs/manual.md"])
  func programsPrintWhatTheyShow(document: String) async throws {
    let whole = try String(
      contentsOf: Place.package.appendingPathComponent(document), encoding: .utf8)
    let text = whole.components(separatedBy: "\n## Reference\n")[0]
    let snippets = blocks(of: text).filter { $0.language == "lua" }.map { Snippet(document, $0) }
    #expect(!snippets.isEmpty)
    try await withTemporaryFolder { folder in
      for snippet in snippets {
        let problem = try await snippet.problem(in: folder)
        #expect(problem == nil, "\(problem ?? "")")
      }
    }
  }

  @Test func generatedFilesAreUpToDate() async throws {
    let ended = try await Child(
      program: "lwkt-docs", arguments: ["--check", Place.package.path]
    ).run()
    #expect(ended.status == 0, "\(ended)")
  }

  @Test func patternsFit() {
    #expect(Snippet.fits("a\tb\n", "a   b"))
    #expect(Snippet.fits("error: x.lua:1: boom\nstack\n", "...:1: boom ..."))
    #expect(Snippet.fits("one\ntwo\nthree\n", "one\n...\nthree"))
    #expect(!Snippet.fits("one\ntwo\n", "one"))
    #expect(!Snippet.fits("one two", "one..two"))
    #expect(!Snippet.fits("xone\n", "one..."))
    #expect(!Snippet.fits("", "one"))
  }
}
