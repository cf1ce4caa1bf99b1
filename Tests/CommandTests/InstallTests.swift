// InstallTests.swift: what `make install` puts in place: the command, its page, its completion.

import Foundation
import Testing

@Suite("Installation") struct InstallTests {
  private func make(_ target: String, _ settings: String...) async throws {
    let ended = try await Child(
      program: "/usr/bin/make", arguments: ["-s", target] + settings, directory: Place.package
    ).run()
    #expect(ended.status == 0, "\(ended)")
  }

  /// The files in a folder and in those in it, by their paths from there.
  private func files(in folder: URL) -> Set<String> {
    let paths = FileManager.default.enumerator(atPath: folder.path)?.allObjects as? [String] ?? []
    return Set(
      paths.filter { path in
        var isFolder: ObjCBool = false
        let whole = folder.appendingPathComponent(path).path
        return FileManager.default.fileExists(atPath: whole, isDirectory: &isFolder)
          && !isFolder.boolValue
      })
  }

  @Test func installsAndUninstalls() async throws {
    let binary = Place.products.appendingPathComponent("lwkt-lua").path
    try await withTemporaryFolder { folder in
      let settings = ["DESTDIR=" + folder.path, "PREFIX=/opt/lua", "BINARY=" + binary]
      try await make("install-files", settings[0], settings[1], settings[2])
      let share = "opt/lua/share/"
      let examples = Place.luaFiles(in: Place.scripts).map { share + "lwkt-lua/examples/" + $0 }
      #expect(
        files(in: folder)
          == Set(
            examples + [
              "opt/lua/bin/lwkt-lua", share + "man/man1/lwkt-lua.1",
              share + "lwkt-lua/library/lwkt.lua", share + "doc/lwkt-lua/README.md",
              share + "doc/lwkt-lua/LICENSE", share + "doc/lwkt-lua/CHANGELOG.md",
              share + "doc/lwkt-lua/guide.md", share + "doc/lwkt-lua/manual.md",
              share + "bash-completion/completions/lwkt-lua",
              share + "zsh/site-functions/_lwkt-lua",
            ]))
      let page = folder.appendingPathComponent(share + "man/man1/lwkt-lua.1")
      let text = try String(contentsOf: page, encoding: .utf8)
      #expect(text.contains("/opt/lua/share/lwkt-lua/examples"))
      #expect(!text.contains("PREFIX"))

      let hello = try await Child(
        program: folder.path + "/opt/lua/bin/lwkt-lua",
        arguments: [folder.path + "/" + share + "lwkt-lua/examples/hello.lua", "1"],
        directory: folder
      ).run()
      #expect(hello.status == 0 && hello.output.hasPrefix("hello from thread 1.1"), "\(hello)")

      try await make("uninstall", settings[0], settings[1])
      #expect(files(in: folder).isEmpty)
    }
  }

  private static let page = Place.package.appendingPathComponent("docs/lwkt-lua.1")
  private static let completion = Place.package.appendingPathComponent("scripts/completion")

  /// What `--help` lists: each option is in the page and in both completions.
  @Test func everyOptionIsDescribed() async throws {
    let help = try await Child(arguments: ["--help"]).run().output
    let options = Set(help.matches(of: /\n +(-[-a-zA-Z]*)/).map { String($0.1) })
    #expect(options.isSuperset(of: ["-e", "--workers", "--help", "-"]))
    let page = try String(contentsOf: InstallTests.page, encoding: .utf8)
    let bash = try String(
      contentsOf: InstallTests.completion.appendingPathComponent("lwkt-lua.bash"), encoding: .utf8)
    let zsh = try String(
      contentsOf: InstallTests.completion.appendingPathComponent("_lwkt-lua"), encoding: .utf8)
    let offered = Set(
      bash.firstMatch(of: /local options='(.*)'/)?.1.split(separator: " ").map(String.init) ?? [])
    #expect(offered == options)
    for option in options {
      let item = "\n.It Fl" + (option == "-" ? "\n" : " " + option.dropFirst())
      #expect(page.contains(item), "\(option)")
      // These two end the options, which zsh is told in another way.
      if option != "-", option != "--" {
        #expect(
          zsh.contains(option + "[") || zsh.contains(option + "=["), "\(option) is not in _lwkt-lua"
        )
      }
    }
  }

  /// Both formatters have nothing to say about it, where they are installed. That a page it refers to
  /// is not there is no fault of its own.
  @Test(arguments: [
    ["/usr/bin/mandoc", "-Tlint", "-W", "style"],
    ["/usr/bin/man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"],
  ])
  func pageIsClean(formatter: [String]) async throws {
    guard FileManager.default.isExecutableFile(atPath: formatter[0]) else { return }
    let ended = try await Child(
      program: formatter[0], arguments: formatter.dropFirst() + [InstallTests.page.path]
    ).run()
    let complaints = lines(ended.errors + (formatter[0].hasSuffix("mandoc") ? ended.output : ""))
      .filter { !$0.contains("outdated mandoc.db") && !$0.contains("referenced manual not found") }
    #expect(complaints == [], "\(ended)")
  }

  @Test func bashCompletes() async throws {
    let cases = [
      ("--wor", "--workers"), ("--workers ''", "1 2 4 8"), ("--workers = 4", "4"),
      ("--sysport = u", "uring"), ("--sysport a", "auto"), ("--no", "--no-bytecode"),
      ("-e ''", ""), ("-l ''", ""), ("scripts/hel", "scripts/hello.lua"), ("Makef", ""),
      ("scripts/hello.lua Makef", "Makefile"), ("scripts/hello.lua -", ""),
      ("--workers = 2 --st", "--stat"), ("--workers 2 scripts/hello.lua Makef", "Makefile"),
      ("-e x -l y -v scripts/hel", "scripts/hello.lua"), ("-- scripts/hel", "scripts/hello.lua"),
      ("-- scripts/hello.lua Makef", "Makefile"), ("- Makef", "Makefile"),
    ]
    let ended = try await Child(
      program: "/bin/bash",
      arguments: [
        "Tests/completion/bash.sh", InstallTests.completion.path + "/lwkt-lua.bash",
      ],
      input: cases.map { $0.0 + "\n" }.joined(), directory: Place.package
    ).run()
    #expect(ended.errors == "", "\(ended)")
    for (line, wanted) in zip(cases, ended.outputLines) {
      #expect(wanted == line.1, "lwkt-lua \(line.0)")
    }
    #expect(ended.outputLines.count == cases.count)
  }

  @Test func zshReadsItsCompletion() async throws {
    guard FileManager.default.isExecutableFile(atPath: "/usr/bin/zsh") else { return }
    let ended = try await Child(
      program: "/usr/bin/zsh", arguments: ["-n", InstallTests.completion.path + "/_lwkt-lua"]
    ).run()
    #expect(ended.status == 0 && ended.errors == "", "\(ended)")
  }
}
