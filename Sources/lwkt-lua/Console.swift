// Console.swift: the one place where output reaches the terminal while a prompt is open.
//
// Threads go on printing while a line is half typed. So their output is not allowed to fall into it:
// `stdout` and `stderr` are streams (fopencookie) whose bytes come here. While a block is being
// edited it is taken off the screen, the output is written where it stood, and the block is drawn
// again below.
//
// Why not a pipe or a second terminal in place of descriptors 1 and 2, with somebody who copies? Then
// `isatty` and the window's size would have to be faked for scripts and child processes, each line
// would cost two more switches, and output and prompt would not be in order without a handshake. Here a
// line's way is one call, in order by a lock. The sysport hands `lwkt.sys.write` to descriptors 1 and 2
// over. The price: who else writes to descriptor 1 past the C library is not seen. For child processes
// `os.execute` and `io.popen` say when they begin and end; what others overwrite (C modules with a
// write(2) of their own) is there again after Ctrl-L.

import CLWKT
import Glibc
import Synchronization

/// Shared by all kernel threads that print and the prompt's thread. The lock is held while the terminal
/// takes what is written: whoever prints to a terminal waits for it anyhow.
final class Console: Sendable {
  static let shared = Console()

  private struct State {
    enum Mode {
      /// Output goes straight to the terminal.
      case plain
      /// `frame` is on the screen.
      case editing
      /// Another screen is shown: output is kept for later.
      case held
    }
    var mode = Mode.plain
    /// While a block is edited: it is off the screen, for a child that writes where it stood.
    var isHidden = false
    var frame = Frame()
    /// The unfinished line of output that stands above the block.
    var partial: [UInt8] = []
    /// Is the cursor at the left edge, as far as is known?
    var isAtEdge = true
    var held: [UInt8] = []
    var columns = 80
  }

  private let state = Mutex(State())

  /// Beyond this an unfinished line is taken as finished, and held output is let through.
  private static let mostPartial = 4096
  private static let mostHeld = 1 << 20

  /// Send what the process prints through here. Once, before a Lua heap is made.
  func divert() {
    lwkt_tty_divert { descriptor, bytes, count in
      guard let bytes else { return 0 }
      Console.shared.write(
        UnsafeRawBufferPointer(start: bytes, count: count), descriptor: descriptor)
      return count
    }
    lwkt_tty_watch_children({ Console.shared.hide() }, { Console.shared.drawAfterOthers() })
  }

  // MARK: output

  /// Output of the program. Any kernel thread.
  func write(_ bytes: UnsafeRawBufferPointer, descriptor: Int32 = 1) {
    guard let last = bytes.last else { return }
    state.withLock { state in
      switch state.mode {
      case .plain:
        writeAll(descriptor, Array(bytes))
        state.isAtEdge = last == 0x0a
      case .editing where state.isHidden: writeAll(descriptor, Array(bytes))
      case .editing: writeAll(descriptor, Self.above(&state, bytes))
      case .held:
        state.held += bytes
        if state.held.count > Self.mostHeld { state.held.removeFirst(Self.mostHeld / 2) }
      }
    }
  }

  /// Text of the prompt itself, above the block if there is one.
  func write(_ text: String) {
    var text = text
    text.withUTF8 { write(UnsafeRawBufferPointer($0)) }
  }

  /// What writes `bytes` above the block and draws the block again.
  private static func above(_ state: inout State, _ bytes: UnsafeRawBufferPointer) -> [UInt8] {
    var out = erase(state.frame)
    if !state.partial.isEmpty {
      // Go on where the unfinished line ended: it is written once more.
      out += up(rows(of: state.partial, state.columns)) + Array("\r\u{1b}[J".utf8) + state.partial
    }
    out += bytes
    let tail = bytes.split(separator: 0x0a, omittingEmptySubsequences: false).last ?? bytes[...]
    if bytes.contains(0x0a) { state.partial = [] }
    state.partial += tail
    if state.partial.count > mostPartial { state.partial = [] }
    if bytes.last != 0x0a { out += Array("\r\n".utf8) }
    return out + draw(state.frame)
  }

  /// How many rows an unfinished line takes.
  private static func rows(of line: [UInt8], _ columns: Int) -> Int {
    let text = String(decoding: line, as: UTF8.self)
    let shown = text.split(separator: "\r", omittingEmptySubsequences: false)
    let width = shown.map { LineLayout.width(ofPrompt: String($0)) }.max() ?? 0
    return max(1, (width + columns - 1) / columns)
  }

  // MARK: at the end

  /// What brings the terminal back if the process ends while a block, or another screen, is shown.
  private static let editingFarewell: StaticString = "\u{1b}[?2004l\r\n"
  private static let screenFarewell: StaticString = "\u{1b}[?25h\u{1b}[?1049l"

  private static func setFarewell(_ text: StaticString) {
    lwkt_tty_farewell(UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self))
  }

  // MARK: the block

  private static func up(_ rows: Int) -> [UInt8] {
    rows > 0 ? Array("\u{1b}[\(rows)A".utf8) : []
  }

  private static func erase(_ frame: Frame) -> [UInt8] {
    up(frame.cursorRow) + Array("\r\u{1b}[J".utf8)
  }

  private static func draw(_ frame: Frame) -> [UInt8] {
    var out = Array(frame.rows.joined(separator: "\r\n").utf8)
    out += up(frame.rows.count - 1 - frame.cursorRow) + Array("\r".utf8)
    if frame.cursorColumn > 0 { out += Array("\u{1b}[\(frame.cursorColumn)C".utf8) }
    return out
  }

  /// Begin a block below what is on the screen. A line that something left unfinished, perhaps a
  /// child process, is not overwritten: spaces up to the right edge end it if there is one.
  func begin(_ frame: Frame, columns: Int) {
    state.withLock { state in
      Self.setFarewell(Self.editingFarewell)
      state.columns = columns
      state.mode = .editing
      state.frame = frame
      writeAll(1, Array("\u{1b}[?2004h".utf8))
      if !state.isAtEdge { writeAll(1, Array("\r\n".utf8)) }
      Self.drawOnFreeRow(&state)
    }
  }

  /// Draw the block in a row of its own, wherever the cursor is: spaces up to the right edge end a line
  /// that is there, and an empty one stays.
  private static func drawOnFreeRow(_ state: inout State) {
    let spaces = [UInt8](repeating: 0x20, count: max(0, state.columns - 1))
    state.isHidden = false
    state.partial = []
    writeAll(1, spaces + Array("\r\u{1b}[J".utf8) + draw(state.frame))
  }

  // MARK: children

  /// A child process is about to write: take the block off the screen. Any kernel thread.
  private func hide() {
    lwkt_tty_flush()
    state.withLock { state in
      guard state.mode == .editing, !state.isHidden else { return }
      var out = Self.erase(state.frame)
      if !state.partial.isEmpty {
        out += Self.up(Self.rows(of: state.partial, state.columns)) + Array("\r\u{1b}[J".utf8)
        out += state.partial
      }
      state.isHidden = true
      writeAll(1, out)
    }
  }

  /// A child process has ended: draw the block below what it wrote. Any kernel thread.
  private func drawAfterOthers() {
    state.withLock { state in
      switch state.mode {
      case .editing: Self.drawOnFreeRow(&state)
      // Where the cursor is nobody knows; `begin` copes with that.
      case .plain: state.isAtEdge = true
      case .held: break
      }
    }
  }

  /// Draw the block anew.
  func show(_ frame: Frame) {
    state.withLock { state in
      guard state.mode == .editing, frame != state.frame else { return }
      if state.isHidden {
        state.frame = frame
        return Self.drawOnFreeRow(&state)
      }
      let out = Self.erase(state.frame) + Self.draw(frame)
      state.frame = frame
      writeAll(1, out)
    }
  }

  /// The window has another size: terminals wrap the rows that no longer fit.
  func resize(columns: Int, _ frame: Frame) {
    state.withLock { state in
      guard state.mode == .editing else { return }
      state.columns = columns
      if state.isHidden {
        state.frame = frame
        return
      }
      let old = state.frame
      let above = old.widths[..<old.cursorRow].reduce(0) {
        $0 + max(1, ($1 + columns - 1) / columns)
      }
      state.frame = frame
      let top = above + old.cursorColumn / columns
      writeAll(1, Self.up(top) + Array("\r\u{1b}[J".utf8) + Self.draw(frame))
    }
  }

  /// An empty screen but for the block.
  func clear() {
    state.withLock { state in
      state.partial = []
      state.isHidden = false
      writeAll(1, Array("\u{1b}[H\u{1b}[2J".utf8) + Self.draw(state.frame))
    }
  }

  /// The screen is unknown: draw the block where the cursor is.
  func redraw() {
    state.withLock { state in
      guard state.mode == .editing else { return }
      state.isHidden = false
      writeAll(1, Array("\r\u{1b}[J\u{1b}[?2004h".utf8) + Self.draw(state.frame))
    }
  }

  /// The block is done: it stays as it is, and output goes on below it. With `frame` it is drawn like
  /// this once more; `after` stands behind it.
  func end(_ frame: Frame, after: String = "") {
    state.withLock { state in
      guard state.mode == .editing else { return }
      if state.isHidden { Self.drawOnFreeRow(&state) }
      var out = Self.erase(state.frame) + Array(frame.rows.joined(separator: "\r\n").utf8)
      out += Array((after + "\u{1b}[?2004l\r\n").utf8)
      state.mode = .plain
      state.isAtEdge = true
      state.partial = []
      writeAll(1, out)
    }
  }

  /// End an unfinished line of output, if it is known that there is one.
  func finishLine() {
    lwkt_tty_flush()
    state.withLock { state in
      guard state.mode == .plain, !state.isAtEdge else { return }
      writeAll(1, Array("\n".utf8))
      state.isAtEdge = true
    }
  }

  // MARK: another screen

  /// Show `text` on a screen of its own; output is held back until `closeScreen`.
  func showScreen(_ text: String) {
    state.withLock { state in
      let opens = state.mode != .held
      state.mode = .held
      Self.setFarewell(Self.screenFarewell)
      let rows = text.split(separator: "\n", omittingEmptySubsequences: false)
      let out = rows.map { $0 + "\u{1b}[K" }.joined(separator: "\r\n") + "\u{1b}[J"
      writeAll(1, Array(((opens ? "\u{1b}[?1049h\u{1b}[?25l" : "") + "\u{1b}[H" + out).utf8))
    }
  }

  func closeScreen() {
    state.withLock { state in
      guard state.mode == .held else { return }
      state.mode = .plain
      writeAll(1, Array("\u{1b}[?25h\u{1b}[?1049l".utf8) + state.held)
      if let last = state.held.last { state.isAtEdge = last == 0x0a }
      state.held = []
    }
  }
}
