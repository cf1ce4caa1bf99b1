// Child.swift: run the built command (or another program beside it) and see what it does.

import Dispatch
import Foundation
import Support
import Synchronization

/// Where things are.
enum Place {
  /// The folder that Package.swift is in.
  static let package = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
  static let scripts = package.appendingPathComponent("scripts")
  /// The standalone interpreter of stock Lua.
  static let stockLua = "/usr/bin/lua5.4"
  static let luaTests = package.appendingPathComponent("Tests/lua")

  static let products = URL(fileURLWithPath: Support.products)

  /// The names of the Lua files in `folder`, in order.
  static func luaFiles(in folder: URL) -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return names.filter { $0.hasSuffix(".lua") }.sorted()
  }
}

/// How a child ended and what it wrote.
struct Ended: CustomStringConvertible {
  var command: String
  /// The exit status, or 128 and the number of the signal that ended it.
  var status: Int32
  var outputBytes: Data
  var errorBytes: Data
  var tookTooLong: Bool

  var output: String { String(decoding: outputBytes, as: UTF8.self) }
  var errors: String { String(decoding: errorBytes, as: UTF8.self) }

  var outputLines: [String] { lines(output) }

  var description: String {
    """
    \(command)
    \(tookTooLong ? "took too long and was killed" : "ended with status \(status)")
    --- standard output
    \(output.suffix(8000))
    --- standard error
    \(errors.suffix(8000))
    ---
    """
  }
}

/// The lines of `text`; an end of line at its end begins no further one.
func lines(_ text: String) -> [String] {
  var lines = text.components(separatedBy: "\n")
  if lines.last == "" { lines.removeLast() }
  return lines
}

/// At most so many children at a time, whatever the number of tests that run.
private actor Gate {
  private var free: Int
  private var waiting: [CheckedContinuation<Void, Never>] = []

  init(_ count: Int) { free = count }

  func enter() async {
    if free > 0 {
      free -= 1
    } else {
      await withCheckedContinuation { waiting.append($0) }
    }
  }

  func leave() {
    if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() }
  }
}

/// One run of a program.
struct Child {
  /// A built product, or the path of another program.
  var program = "lwkt-lua"
  var arguments: [String] = []
  var input = ""
  var directory = Place.luaTests
  var environment = Child.environment
  /// Standard output and standard error are one.
  var mergesErrors = false
  /// How long it may take. A child that takes longer is ended with SIGABRT, so that it leaves a
  /// core to look at where the system keeps them.
  var seconds = 60.0

  private static let gate = Gate(2)

  /// The tests' modules are found whatever the working directory; nothing else of the caller's Lua
  /// settings has a say.
  private static let environment: [String: String] = {
    var environment = ProcessInfo.processInfo.environment
    for name in environment.keys where name.hasPrefix("LUA_") { environment[name] = nil }
    let folder = Place.luaTests.path
    environment["LUA_PATH"] = "\(folder)/?.lua;\(folder)/modules/?.lua;;"
    return environment
  }()

  func run() async throws -> Ended {
    await Child.gate.enter()
    do {
      let ended = try await runAtOnce()
      await Child.gate.leave()
      return ended
    } catch {
      await Child.gate.leave()
      throw error
    }
  }

  private func runAtOnce() async throws -> Ended {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("lwkt-lua-test-" + UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let files = ["in", "out", "err"].map { folder.appendingPathComponent($0) }
    try Data(input.utf8).write(to: files[0])
    try Data().write(to: files[1])
    try Data().write(to: files[2])

    let child = try spawn(files.map(\.path))
    let (status, tookTooLong) = await waitForEnd(of: child)
    return Ended(
      command: ([program] + arguments).joined(separator: " "), status: status,
      outputBytes: try Data(contentsOf: files[1]), errorBytes: try Data(contentsOf: files[2]),
      tookTooLong: tookTooLong)
  }

  private func spawn(_ files: [String]) throws -> pid_t {
    let path = URL(fileURLWithPath: program, relativeTo: Place.products).path
    // `env` changes to the directory and becomes the program: one process, one id.
    return try Support.spawn(
      "/usr/bin/env", ["--chdir=" + directory.path, path] + arguments, environment: environment,
      descriptors: [
        .file(files[0], O_RDONLY), .file(files[1], O_WRONLY),
        mergesErrors ? .same(1) : .file(files[2], O_WRONLY),
      ])
  }

  /// The exit status, or 128 and the signal that ended it; and was it killed for taking too long?
  private func waitForEnd(of child: pid_t) async -> (status: Int32, tookTooLong: Bool) {
    let watch = Watch()
    watch.start(child, seconds: seconds * patience)
    return await withCheckedContinuation { continuation in
      Thread.detachNewThread {
        // It stays a zombie until it is known not to be killed any more: its id is not used again.
        var ended = siginfo_t()
        while waitid(P_PID, id_t(child), &ended, WEXITED | WNOWAIT) != 0, errno == EINTR {}
        watch.ended()
        var raw: Int32 = 0
        while waitpid(child, &raw, 0) < 0, errno == EINTR {}
        let status = raw & 0x7f == 0 ? (raw >> 8) & 0xff : 128 + (raw & 0x7f)
        continuation.resume(returning: (status, watch.hasKilled))
      }
    }
  }
}

/// Ends a child that takes too long: SIGABRT, and when that does not help SIGKILL.
private final class Watch: Sendable {
  private struct State {
    var hasEnded = false
    var hasKilled = false
  }
  private let state = Mutex(State())

  var hasKilled: Bool { state.withLock { $0.hasKilled } }

  func ended() { state.withLock { $0.hasEnded = true } }

  func start(_ pid: pid_t, seconds: Double) {
    send(SIGABRT, to: pid, after: seconds)
    send(SIGKILL, to: pid, after: seconds + 15)
  }

  private func send(_ signal: Int32, to pid: pid_t, after seconds: Double) {
    DispatchQueue.global().asyncAfter(deadline: .now() + seconds) {
      self.state.withLock { state in
        guard !state.hasEnded else { return }
        state.hasKilled = true
        kill(pid, signal)
      }
    }
  }
}
