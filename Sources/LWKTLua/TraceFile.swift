// TraceFile.swift: events as lines of text, for `--trace`.
//
// One line each, its fields separated by tabs: the step, the worker, seconds since the file was opened,
// the thread, the operation, the object, the place in the script; `-` where there is nothing. Workers
// hand their events over by lots, so the lines of several of them are in order when they are sorted by
// their first field.

import CLWKT
import CLua
import Glibc
import LWKTCore

/// A listener that writes to a file.
package final class TraceFile: EventListener {
  /// Whose last events are written when the process ends. Set before it has threads.
  private nonisolated(unsafe) static var isOpen = false
  private nonisolated(unsafe) let file: UnsafeMutablePointer<FILE>
  private let start = lwkt_nanotime()

  /// Nil, with `errno` set, if the file cannot be written.
  package init?(_ path: LuaProgram.Text) {
    guard let file = fopen(path, "we") else { return nil }
    self.file = file
    if !TraceFile.isOpen { atexit { flushEvents() } }
    TraceFile.isOpen = true
  }

  package func receive(_ events: [Event]) {
    var text = ""
    for event in events { text += line(event) }
    text.withUTF8 { bytes in _ = fwrite(bytes.baseAddress, 1, bytes.count, file) }
  }

  private func line(_ event: Event) -> String {
    func field(_ text: String) -> String {
      text.isEmpty ? "-" : String(text.map { $0 == "\t" || $0.isNewline ? " " : $0 })
    }
    let microseconds = (event.nanoseconds &- start) / 1000
    let fraction = String(microseconds % 1_000_000)
    return [
      String(event.step), String(event.cpu),
      String(microseconds / 1_000_000) + "." + String(repeating: "0", count: 6 - fraction.count)
        + fraction,
      field(event.thread), event.operation.rawValue, field(event.object), field(event.place),
    ].joined(separator: "\t") + "\n"
  }
}

/// The process ends by `os.exit`, perhaps: what the workers have collected. Once the loops have ended
/// nothing is left.
private func flushEvents() { mycpuIfWorker?.pointee.host.flushEvents() }

/// Where the running thread is in its script: `file:line`.
func currentPlace() -> String {
  var source: UnsafePointer<CChar>?
  var line: Int32 = 0
  guard let L = lwkt_percpu().pointee.running_L.map({ OpaquePointer($0) }),
    lwkt_where(L, &source, &line), let source
  else { return "" }
  return SourceNames.shown(source) + ":" + String(line)
}
