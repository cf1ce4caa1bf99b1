// HelpTests.swift: the help table: its examples run, and names are found.

import LWKTLua
import Testing

@Suite("Help") struct HelpTests {
  @Test(arguments: Help.subjects.map { "\($0.title)" })
  func examplesPrintWhatTheyShow(subject: String) async throws {
    let entries = Help.subjects.first { "\($0.title)" == subject }?.entries ?? []
    try await withTemporaryFolder { folder in
      for entry in entries where entry.example.utf8CodeUnitCount > 0 {
        let problem = try await Snippet("\(entry.name)", "\(entry.example)\n").problem(in: folder)
        #expect(problem == nil, "\(problem ?? "")")
      }
    }
  }

  @Test func functionsOfTheModuleHaveExamples() {
    for entry in Help.moduleSubjects.flatMap(\.entries) {
      if entry.kind == .function || entry.kind == .method {
        #expect(entry.example.utf8CodeUnitCount > 0, "\(entry.name)")
      }
    }
  }

  @Test func noNameIsThereTwice() {
    var names = Set<String>()
    for entry in Help.entries { #expect(names.insert("\(entry.name)").inserted, "\(entry.name)") }
  }

  @Test func linesFitATerminal() {
    for entry in Help.entries {
      for line in lines("\(entry.text)\n\(entry.example)") {
        #expect(line.count <= 92, "\(entry.name): \(line)")
      }
    }
  }

  private func found(_ name: String) -> [String] {
    switch Help.find(name) {
    case .entry(let entry, _): ["\(entry.name)"]
    case .several(let entries): entries.map { "\($0.name)" }
    case .unknown(let like): ["?"] + like.map { "\($0.name)" }
    }
  }

  @Test func findsByWholeNameAndByItsEnd() {
    #expect(found("lwkt.create") == ["lwkt.create"])
    #expect(found("join") == ["td:join"])
    #expect(found("td:join") == ["td:join"])
    #expect(found("td.join(1)") == ["td:join"])
    #expect(found("string.rep") == ["string.rep"])
    #expect(found("sys.read") == ["lwkt.sys.read"])
    #expect(found("maxmem") == ["lwkt.create{maxmem=}"])
    #expect(found("create{maxmem=}") == ["lwkt.create{maxmem=}"])
    #expect(found("lwkt") == ["lwkt"])
    #expect(found("waited_s") == ["lwkt.threads[].waited_s"])
    #expect(found("rep") == ["string.rep"])
    #expect(found("get").contains("tok:get"))
    #expect(found("get").contains("lwkt.get"))
  }

  @Test func saysWhatIsBelow() {
    func below(_ name: String) -> [String] {
      guard case .entry(_, let below) = Help.find(name) else { return [] }
      return below.map { "\($0.name)" }
    }
    #expect(below("lwkt").contains("lwkt.create"))
    #expect(below("lwkt.create").contains("lwkt.create{pri=}"))
    #expect(below("td").contains("td.wmesg"))
    #expect(below("lwkt.sys").contains("lwkt.sys.read"))
    #expect(below("join").isEmpty)
  }

  @Test func guessesWhatWasMeant() {
    #expect(found("craete") == ["?", "lwkt.create", "scope:create", "coroutine.create"])
    #expect(found("lwkt.jion").first == "?")
    #expect(found("lwkt.jion").contains("td:join"))
    #expect(found("Join").contains("td:join"))
    #expect(found("nothing like this") == ["?"])
    #expect(found("") == ["?"])
    #expect(found("():.") == ["?"])
  }

  @Test func textNamesSignatureAndExample() {
    let join = Help.text(for: "join")
    #expect(join.hasPrefix("td:join(timeout?: number)"))
    #expect(join.contains("print(td:join())"))
    #expect(Help.text(for: "xyzzy").hasPrefix("there is no help for 'xyzzy'"))
    #expect(Help.text(for: nil).contains("lwkt.create"))
    for entry in Help.entries { #expect(Help.text(for: "\(entry.name)").hasSuffix("\n")) }
  }
}
