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

  /// Each block of Swift is a part of the embedder's program that the tests build and run.
  @Test(arguments: ["README.md", "Sources/LWKTLua/LWKTLua.docc/Embedding.md"])
  func swiftIsFromTheExample(document: String) throws {
    func squeezed(_ text: String) -> String {
      lines(text).map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
        .joined(separator: "\n")
    }
    let folder = Place.package.appendingPathComponent("Tests/EmbedExample")
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    let program = try names.filter { $0.hasSuffix(".swift") }.sorted().map {
      squeezed(try String(contentsOf: folder.appendingPathComponent($0), encoding: .utf8))
    }.joined(separator: "\n")
    let text = try String(
      contentsOf: Place.package.appendingPathComponent(document), encoding: .utf8)
    let swift = blocks(of: text).filter { $0.language == "swift" }
    #expect(!swift.isEmpty)
    for block in swift {
      let isThere = program.contains(squeezed(block.text))
      #expect(isThere, "\(document):\(block.line) is not in Tests/EmbedExample")
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
