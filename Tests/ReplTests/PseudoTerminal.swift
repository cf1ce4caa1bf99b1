// PseudoTerminal.swift: the built command in a pseudo-terminal: keys in, screen out.

import CLWKT
import Glibc
import Support
import Testing

@testable import lwkt_lua

/// A run of the command with a terminal of its own. Everything is waited for by what the screen shows, not
/// by the clock; the limit is for what never comes.
final class PseudoTerminal {
  private let master: Int32
  private let child: pid_t
  private(set) var screen: Screen
  private var status: Int32?

  /// A folder that is removed at the end: the command's state, and a place for files.
  let folder: String

  /// Nanoseconds that anything may take: machines that do much else are slow.
  private static let longestWait = UInt64(30_000_000_000 * patience)

  struct CannotStart: Error {}

  init(
    _ arguments: [String] = [], columns: Int = 80, rows: Int = 24, folder: String? = nil,
    environment extra: [String: String] = [:]
  ) throws {
    screen = Screen(columns: columns, rows: rows)
    var template = Array("/tmp/lwkt-repl-XXXXXX".utf8CString)
    guard let made = folder ?? mkdtemp(&template).map({ String(cString: $0) }) else {
      throw CannotStart()
    }
    self.folder = made
    master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
    var number: Int32 = 0
    var unlocked: Int32 = 0
    guard ioctl(master, Request.unlock, &unlocked) == 0, ioctl(master, Request.number, &number) == 0
    else { throw CannotStart() }
    PseudoTerminal.setSize(of: master, columns, rows)
    var variables = [
      "TERM": "xterm", "PATH": "/usr/bin:/bin", "XDG_STATE_HOME": made, "HOME": made,
    ]
    for name in ["TSAN_OPTIONS", "ASAN_OPTIONS", "LSAN_OPTIONS"] {
      variables[name] = getenv(name).map { String(cString: $0) }
    }
    variables.merge(extra) { $1 }
    child = try spawn(
      products + "/lwkt-lua", arguments, environment: variables,
      descriptors: [.file("/dev/pts/\(number)", O_RDWR), .same(0), .same(0)], ownSession: true)
  }

  deinit {
    if status == nil {
      kill(child, SIGKILL)
      var status: Int32 = 0
      waitpid(child, &status, 0)
    }
    close(master)
  }

  /// A prompt that is ready.
  static func ready(
    _ arguments: [String] = ["--workers", "2"], columns: Int = 80, rows: Int = 24,
    folder: String? = nil, environment: [String: String] = ["NO_COLOR": "1"],
    at location: SourceLocation = #_sourceLocation
  ) throws -> PseudoTerminal {
    let terminal = try PseudoTerminal(
      arguments, columns: columns, rows: rows, folder: folder, environment: environment)
    terminal.wait(lastLine: "> ", at: location)
    return terminal
  }

  /// Leave the prompt by Ctrl-D; the terminal is as it was.
  func leave(keeping: Bool = false, at location: SourceLocation = #_sourceLocation) {
    wait(lastLine: "> ", at: location)
    type("\u{4}")
    #expect(end() == 0, "\(screen.text)", sourceLocation: location)
    #expect(echoes, sourceLocation: location)
    if !keeping { remove() }
  }

  // MARK: keys

  func type(_ text: String) {
    let bytes = Array(text.utf8)
    var done = 0
    while done < bytes.count {
      let count = bytes[done...].withUnsafeBytes { write(master, $0.baseAddress, $0.count) }
      guard count > 0 else { return }
      done += count
    }
  }

  /// Bring the prompt onto an empty screen, with an empty line, and wait for it: what the screen shows from
  /// then on is new.
  func clear(at location: SourceLocation = #_sourceLocation) {
    type("\u{15}\u{c}")
    wait(">", at: location) { $0.lines == [">"] && $0.row == 0 }
  }

  /// Type a line, and wait until the screen shows `shown` from its echo on: what stands above it, perhaps
  /// the same, is from before.
  func enter(
    _ line: String, until shown: String, at location: SourceLocation = #_sourceLocation
  ) {
    type(line)
    var echo: Int?
    wait(line, at: location) { screen in
      echo = screen.rowOfEcho(of: line)
      return echo != nil
    }
    guard let echo else { return }
    type("\r")
    wait(shown, at: location) {
      $0.text.contains(shown) && $0.allLines[echo...].joined(separator: "\n").contains(shown)
    }
  }

  /// Type each line, the prompt on an empty screen, and wait for what it shows.
  func show(
    _ cases: [(line: String, shown: String)], at location: SourceLocation = #_sourceLocation
  ) {
    for (line, shown) in cases {
      clear(at: location)
      enter(line, until: shown, at: location)
      wait(lastLine: "> ", at: location)
    }
  }

  func resize(columns: Int, rows: Int) {
    screen.resize(columns: columns, rows: rows)
    PseudoTerminal.setSize(of: master, columns, rows)
  }

  private static func setSize(of master: Int32, _ columns: Int, _ rows: Int) {
    var size = winsize(
      ws_row: UInt16(rows), ws_col: UInt16(columns), ws_xpixel: 0, ws_ypixel: 0)
    _ = ioctl(master, UInt(TIOCSWINSZ), &size)
  }

  /// Of `ioctl`, where Swift does not see the header's names.
  private enum Request {
    static let number: UInt = 0x8004_5430
    static let unlock: UInt = 0x4004_5431
  }

  func signal(_ number: Int32) { kill(child, number) }

  // MARK: the screen

  /// Read until `condition` holds of the screen. If it never does, that is an issue of the test's.
  func wait(
    _ wanted: String = "", at location: SourceLocation = #_sourceLocation,
    _ condition: (Screen) -> Bool
  ) {
    let limit = lwkt_nanotime() + PseudoTerminal.longestWait
    while !condition(screen) {
      if lwkt_nanotime() < limit, readSome() { continue }
      if condition(screen) { return }
      Issue.record("wanted:\n\(wanted)\nis:\n\(screen.text)", sourceLocation: location)
      return
    }
  }

  func wait(for text: String, at location: SourceLocation = #_sourceLocation) {
    wait(text, at: location) { $0.text.contains(text) }
  }

  /// Wait until the last row is this, with the cursor at its end.
  func wait(lastLine: String, at location: SourceLocation = #_sourceLocation) {
    wait(lastLine, at: location) { screen in
      screen.lines.last == lastLine.trimmingEnd() && screen.column == TextWidth.of(lastLine)
    }
  }

  /// Take in what has come. waiting a little. False at the end.
  private func readSome() -> Bool {
    var entry = pollfd(fd: master, events: Int16(POLLIN), revents: 0)
    guard poll(&entry, 1, 100) > 0 else { return true }
    var buffer = [UInt8](repeating: 0, count: 65536)
    let count = read(master, &buffer, buffer.count)
    guard count > 0 else { return false }
    screen.feed(Array(buffer[..<count]))
    return true
  }

  /// Take in what has come.
  func takeIn() { _ = readSome() }

  /// Wait for the command's end: its exit status, or 128 and the number of the signal that ended it.
  func end() -> Int32? {
    let limit = lwkt_nanotime() + PseudoTerminal.longestWait
    while lwkt_nanotime() < limit {
      _ = readSome()
      var raw: Int32 = 0
      guard waitpid(child, &raw, WNOHANG) == child else { continue }
      while readSome(), lwkt_poll_now(master, Int32(POLLIN)) > 0 {}
      status = raw & 0x7f == 0 ? (raw >> 8) & 0xff : 128 + (raw & 0x7f)
      return status
    }
    return nil
  }

  /// The terminal's modes as the command has left or set them: does it echo?
  var echoes: Bool { has(ECHO) }
  /// Does it make signals of keys?
  var signals: Bool { has(ISIG) }

  private func has(_ mode: Int32) -> Bool {
    var modes = termios()
    tcgetattr(master, &modes)
    return modes.c_lflag & UInt32(mode) != 0
  }

  func remove() { PseudoTerminal.remove(folder) }

  private static func remove(_ path: String) {
    if unlink(path) == 0 { return }
    if let directory = opendir(path) {
      while let entry = readdir(directory) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name != ".", name != ".." { remove(path + "/" + name) }
      }
      closedir(directory)
    }
    rmdir(path)
  }
}
