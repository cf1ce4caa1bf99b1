// Repl.swift: the prompt on a terminal: the Swift functions that its driver, in Lua, is made of.
//
// The prompt is the program's main thread. Its driver (ReplDriver.swift) waits for keys as for
// anything else, by messages to the sysport; `feed` turns bytes into keys, lets the line editor
// handle them, draws, and says what is to be done.

import CLWKT
import Glibc
import LWKTLua
import Synchronization

/// A prompt. All but `deaths` and `deadlock` is touched by the prompt's thread alone, on whichever worker it runs:
/// moving from one to another orders what it does.
final class Repl: @unchecked Sendable {
  private let console = Console.shared
  private var decoder = KeyDecoder()
  private var editor: LineEditor
  /// The prompts of the block being edited.
  private var prompts = (first: "> ", rest: ">> ")
  private let hasColours: Bool
  /// No cursor movement: lines are read as the terminal gives them.
  private let isDumb: Bool
  private var columns = 80
  private var rows = 24
  private let wake: Int32
  private let deaths = Mutex<[Death]>([])
  private let deadlock = Mutex<String?>(nil)

  private struct Death {
    var thread: String
    var message: String
    var traceback: String
  }

  /// Are descriptors 0 and 1 a terminal, so that there can be a prompt?
  private static var isPossible: Bool { isatty(0) == 1 && isatty(1) == 1 }

  /// What makes a program's main thread a prompt in the end; nil where there can be none. Once a
  /// process, before its first Lua heap is made.
  static func makePrompt() -> LuaPrompt? {
    guard isPossible else { return nil }
    let repl = Repl()
    lwkt_keep_process()
    if !repl.isDumb { Console.shared.divert() }
    return LuaPrompt(
      driver: ReplDriver.chunk, functions: repl.functions,
      reportDeath: { repl.note(Death(thread: $0, message: $1, traceback: $2)) },
      reportDeadlock: { report in repl.deadlock.withLock { $0 = report } })
  }

  private init() {
    let terminal = environment("TERM") ?? "dumb"
    isDumb = terminal == "dumb" || terminal == "unknown"
    hasColours = !isDumb && environment("NO_COLOR") == nil
    editor = LineEditor(history: History(path: isDumb ? nil : History.defaultPath()))
    wake = isDumb ? -1 : lwkt_tty_open()
    measure()
  }

  private func measure() {
    var (width, height): (Int32, Int32) = (0, 0)
    if lwkt_tty_size(&width, &height) { (columns, rows) = (Int(width), Int(height)) }
  }

  // MARK: errors of other threads

  /// Any worker.
  private func note(_ death: Death) {
    let number = deaths.withLock { deaths in
      deaths.append(death)
      return deaths.count
    }
    let first = death.message.split(separator: "\n").first.map(String.init) ?? ""
    let text = visibleText("[\(number)] thread \(death.thread) died: \(first)")
    console.write(styled(text, .error, hasColours) + "\n")
  }

  /// `death(n)`: the whole of background error n, or nothing; without n how many there are.
  private func death(_ arguments: [LuaValue]) -> LuaAnswer {
    deaths.withLock { deaths in
      guard let number = arguments.integer(0) else {
        return .values([.integer(Int64(deaths.count))])
      }
      guard deaths.indices.contains(number - 1) else { return .values([]) }
      let death = deaths[number - 1]
      let trace = death.traceback.isEmpty ? "" : "\n" + death.traceback
      return .values([.string("thread \(death.thread) died: \(death.message)\(trace)")])
    }
  }

  /// `deadlock()`: why the evaluation was interrupted, if not by Ctrl-C. Once.
  private func deadlock(_: [LuaValue]) -> LuaAnswer {
    let report = deadlock.withLock { report in
      defer { report = nil }
      return report
    }
    return .values(report.map { [.string($0)] } ?? [])
  }

  // MARK: the block on the screen

  private var frame: Frame {
    let text = editor.buffer.text
    let layout = LineLayout(columns: columns, mostRows: rows - 1, hasColours: hasColours)
    let styles =
      hasColours
      ? Highlight.styles(text, cursor: editor.buffer.cursor)
      : [Style](repeating: .plain, count: text.count)
    return layout.frame(
      first: editor.searchPrompt ?? prompts.first, rest: prompts.rest, text: text, styles: styles,
      cursor: editor.buffer.cursor)
  }

  /// The block as it stays: whole, no bracket marked.
  private var finalFrame: Frame {
    let text = editor.buffer.text
    let styles =
      hasColours
      ? Highlight.styles(text, cursor: nil) : [Style](repeating: .plain, count: text.count)
    return LineLayout(columns: columns, mostRows: .max, hasColours: hasColours).frame(
      first: prompts.first, rest: prompts.rest, text: text, styles: styles, cursor: -1)
  }

  /// `edit(first, rest)`: begin a new block. A prompt of several lines: all but its last are output.
  private func edit(_ arguments: [LuaValue]) -> LuaAnswer {
    var lines = arguments.string(0).split(separator: "\n", omittingEmptySubsequences: false)
    prompts = (String(lines.popLast() ?? ""), arguments.string(1))
    lwkt_tty_flush()
    measure()
    editor.begin()
    lwkt_tty_raw(true)
    for line in lines { console.write(line + "\n") }
    console.begin(frame, columns: columns)
    return .values([])
  }

  /// `accept()`: the block is done; it is noted in the history.
  private func accept(_: [LuaValue]) -> LuaAnswer {
    if editor.buffer.isAtEnd { editor.alignLine() }
    console.end(finalFrame)
    lwkt_tty_raw(false)
    editor.history.add(editor.buffer.string)
    return .values([])
  }

  /// `newline()`: the block is incomplete and goes on.
  private func newline(_: [LuaValue]) -> LuaAnswer {
    editor.insertNewline()
    console.show(frame)
    return .values([])
  }

  // MARK: keys

  /// `undecided()`: is a key held back that a pause would decide?
  private func undecided(_: [LuaValue]) -> LuaAnswer { .values([.boolean(decoder.isUndecided)]) }

  /// `keys()`: take what has been typed. Results: what is to be done, if anything, and what it is about.
  /// Bytes are read one at a time, so that what is typed ahead is left for whoever reads while a block
  /// is evaluated; but a paste is taken in large pieces.
  private func keys(_: [LuaValue]) -> LuaAnswer {
    var buffer = [UInt8](repeating: 0, count: 4096)
    var answer: [LuaValue] = []
    // The sysport has said that there is something; but that may be gone, or be the terminal's end.
    while answer.isEmpty, lwkt_poll_now(0, Int32(POLLIN)) != 0 {
      let count = read(0, &buffer, decoder.isInPaste ? buffer.count : 1)
      guard count > 0 else { return .values([.string("end")]) }
      for byte in buffer[..<count] {
        if let key = decoder.feed(byte) { answer = act(on: key) }
      }
    }
    console.show(frame)
    return .values(answer)
  }

  /// `leaves()`: is one of the keys that have been typed q, Ctrl-C, Ctrl-D or ESC? For `screen`.
  private func leaves(_: [LuaValue]) -> LuaAnswer {
    var isOver = false
    while lwkt_poll_now(0, Int32(POLLIN)) != 0 {
      var byte: UInt8 = 0
      guard read(0, &byte, 1) == 1 else { return .values([.boolean(true)]) }
      if [0x71, 0x51, 3, 4, 0x1b].contains(byte) { isOver = true }
    }
    return .values([.boolean(isOver)])
  }

  /// `expire()`: nothing has come after what was held back.
  private func expire(_: [LuaValue]) -> LuaAnswer {
    guard let key = decoder.expire() else { return .values([]) }
    let answer = act(on: key)
    console.show(frame)
    return .values(answer)
  }

  private func act(on key: Key) -> [LuaValue] {
    switch editor.handle(key) {
    case .redraw: return []
    case .bell:
      writeAll(1, [7])
      return []
    case .enter(let text): return [.string("enter"), .string(text)]
    case .end:
      console.end(finalFrame)
      lwkt_tty_raw(false)
      return [.string("end")]
    case .interrupt:
      console.end(finalFrame, after: "^C")
      lwkt_tty_raw(false)
      return [.string("interrupt")]
    case .clearScreen: console.clear()
    case .suspend: suspend()
    case .complete: return complete()
    }
    return []
  }

  private func suspend() {
    console.end(finalFrame)
    lwkt_tty_suspend()
    lwkt_tty_raw(true)
    measure()
    console.begin(frame, columns: columns)
  }

  /// `changed()`: the window has another size, or the process goes on after a stop.
  private func changed(_: [LuaValue]) -> LuaAnswer {
    lwkt_eventfd_drain(wake)
    let before = (columns, rows)
    measure()
    lwkt_tty_raw(true)
    if before == (columns, rows) {
      console.redraw()
    } else {
      console.resize(columns: columns, frame)
    }
    return .values([])
  }

  // MARK: completion

  private func complete() -> [LuaValue] {
    guard
      let context = completionContext(editor.buffer.text, cursor: editor.buffer.cursor)
    else {
      writeAll(1, [7])
      return []
    }
    return [
      .string("complete"), .string(context.kind.rawValue), .string(context.prefix),
      .integer(Int64(context.start)),
    ] + context.path.map { .string($0) }
  }

  /// `completions(start, words...)`: what could stand from `start` on.
  private func completions(_ arguments: [LuaValue]) -> LuaAnswer {
    let words = arguments.dropFirst().indices.map { arguments.string($0) }
    if words.isEmpty {
      writeAll(1, [7])
    } else if !editor.complete(from: arguments.integer(0) ?? 0, words), words.count > 1 {
      let shown = words.prefix(Repl.mostListed).map(visibleText)
      let more = words.count - shown.count
      console.write(
        inColumns(shown, width: columns) + (more > 0 ? "\n... and \(more) more" : "") + "\n")
    }
    console.show(frame)
    return .values([])
  }

  private static let mostListed = 200

  // MARK: output

  private func write(_ arguments: [LuaValue]) -> LuaAnswer {
    // Where lines are read plainly, the terminal's own echo has moved the cursor, and nobody has seen it.
    if isDumb { lwkt_tty_flush() } else { console.finishLine() }
    console.write(arguments.string(0))
    return .values([])
  }

  /// `style(text, name)`.
  private func style(_ arguments: [LuaValue]) -> LuaAnswer {
    let styles: [String: Style] = [
      "keyword": .keyword, "number": .number, "string": .string, "error": .error, "faint": .faint,
      "prompt": .prompt, "meta": .meta,
    ]
    return .values([
      .string(styled(arguments.string(0), styles[arguments.string(1)] ?? .plain, hasColours))
    ])
  }

  /// `colour(source)`: Lua source with its colours.
  private func colour(_ arguments: [LuaValue]) -> LuaAnswer {
    let text = Array(arguments.string(0))
    guard hasColours else { return .values([.string(visibleText(String(text)))]) }
    let layout = LineLayout(columns: .max, mostRows: .max, hasColours: true)
    let styles = Highlight.styles(text, cursor: nil)
    let frame = layout.frame(first: "", rest: "", text: text, styles: styles, cursor: 0)
    return .values([.string(frame.rows.joined(separator: "\n"))])
  }

  private func size(_: [LuaValue]) -> LuaAnswer {
    measure()
    return .values([.integer(Int64(columns)), .integer(Int64(rows))])
  }

  /// `screen(text)`: another screen, keys unechoed; without text back to the usual one.
  private func screen(_ arguments: [LuaValue]) -> LuaAnswer {
    if arguments.isEmpty {
      console.closeScreen()
      lwkt_tty_raw(false)
    } else {
      lwkt_tty_raw(true)
      console.showScreen(arguments.string(0))
    }
    return .values([])
  }

  // MARK: source

  /// `prepare(source)`: the source with calls that keep its locals; for each of those calls three
  /// texts, its names, constants and closed variables with spaces between; a table of all names.
  private func prepare(_ arguments: [LuaValue]) -> LuaAnswer {
    let source = ReplSource(arguments.string(0))
    let declarations = source.declarations.enumerated().map { number, declaration in
      (
        key: LuaValue.integer(Int64(number + 1)),
        value: LuaValue.table([
          (.string("names"), .string(declaration.names.joined(separator: " "))),
          (.string("constants"), .string(declaration.constants.joined(separator: " "))),
          (.string("closed"), .string(declaration.closed.joined(separator: " "))),
        ])
      )
    }
    let names = source.names.map { (key: LuaValue.string($0), value: LuaValue.boolean(true)) }
    return .values([.string(source.text), .table(declarations), .table(names)])
  }

  // MARK: the table

  private var functions: [(name: String, body: LuaFunction)] {
    [
      ("edit", { [self] in edit($0) }), ("accept", { [self] in accept($0) }),
      ("newline", { [self] in newline($0) }), ("keys", { [self] in keys($0) }),
      ("leaves", { [self] in leaves($0) }),
      ("undecided", { [self] in undecided($0) }),
      ("expire", { [self] in expire($0) }), ("changed", { [self] in changed($0) }),
      ("completions", { [self] in completions($0) }), ("write", { [self] in write($0) }),
      ("style", { [self] in style($0) }), ("colour", { [self] in colour($0) }),
      ("size", { [self] in size($0) }), ("screen", { [self] in screen($0) }),
      ("prepare", { [self] in prepare($0) }), ("death", { [self] in death($0) }),
      ("deadlock", { [self] in deadlock($0) }),
      ("wakefd", { [self] _ in .values([.integer(Int64(wake))]) }),
      ("isdumb", { [self] _ in .values([.boolean(isDumb)]) }),
      ("help", { .values([.string(Help.text(for: $0.isEmpty ? nil : $0.string(0)))]) }),
      (
        "helpnames",
        { _ in
          let names = Help.entries.filter { $0.kind != .option }.map { "\($0.name)" }
          return .values([.string(names.joined(separator: " "))])
        }
      ),
      ("width", { .values([.integer(Int64(TextWidth.of($0.string(0))))]) }),
      (
        "freeze",
        {
          LuaProgram.setFrozen($0.first == .boolean(true))
          return .values([])
        }
      ),
      (
        "begin",
        {
          LuaProgram.beginEvaluation(thenAt: $0.integer(0) ?? 0)
          return .values([])
        }
      ),
      (
        "over",
        { _ in
          LuaProgram.endEvaluation()
          return .values([])
        }
      ),
      (
        "account",
        { _ in
          LuaProgram.keepAccount()
          return .values([])
        }
      ),
    ]
  }
}

extension [LuaValue] {
  fileprivate func string(_ index: Int) -> String {
    guard indices.contains(index), case .string(let text) = self[index] else { return "" }
    return text
  }

  fileprivate func integer(_ index: Int) -> Int? {
    guard indices.contains(index), case .integer(let number) = self[index] else { return nil }
    return Int(number)
  }
}
