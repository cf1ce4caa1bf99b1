// SourceNames.swift: the names of the chunks that create threads, as a heap keeps them.

import CLua
import Glibc
import LWKTCore

/// The names that were asked for last: a program creates its threads in a few places. One reference to
/// each. A heap's worker.
struct SourceNames {
  private var latest: (SourceNameRef?, SourceNameRef?, SourceNameRef?, SourceNameRef?)

  /// The name of `source`, which is as Lua has it; borrowed.
  @inline(__always)
  mutating func name(of source: UnsafePointer<CChar>) -> SourceNameRef {
    SourceNames.withShown(source) { text in
      if let name = latest.0, SourceNames.same(name, text) { return name }
      return find(text)
    }
  }

  /// The one that was asked for last comes first, where it is found without a call.
  @inline(never)
  private mutating func find(_ text: UnsafeRawBufferPointer) -> SourceNameRef {
    if let name = latest.1, SourceNames.same(name, text) {
      latest = (name, latest.0, latest.2, latest.3)
      return name
    }
    if let name = latest.2, SourceNames.same(name, text) {
      latest = (name, latest.0, latest.1, latest.3)
      return name
    }
    var name = latest.3
    if let last = name, !SourceNames.same(last, text) {
      last.release()
      name = nil
    }
    let found = name ?? SourceNameRef.make(text)
    latest = (found, latest.0, latest.1, latest.2)
    return found
  }

  mutating func free() {
    latest.0?.release()
    latest.1?.release()
    latest.2?.release()
    latest.3?.release()
  }

  private static func same(_ name: SourceNameRef, _ text: UnsafeRawBufferPointer) -> Bool {
    guard name.pointee.count == text.count, let start = text.baseAddress else { return false }
    return memcmp(name.pointee.text, start, text.count) == 0
  }

  /// How many bytes of a chunk that was given as text are shown.
  private static let shownBytes = 40

  /// Call `body` with the name of `source` as messages show it.
  @inline(__always)
  static func withShown<Result>(
    _ source: UnsafePointer<CChar>, _ body: (UnsafeRawBufferPointer) -> Result
  ) -> Result {
    if source[0] == 0x40 || source[0] == 0x3d {
      return body(UnsafeRawBufferPointer(start: source + 1, count: strlen(source + 1)))
    }
    return withUnsafeTemporaryAllocation(byteCount: shownBytes + 16, alignment: 1) { buffer in
      let count = showText(source, buffer)
      return body(UnsafeRawBufferPointer(rebasing: buffer[0..<count]))
    }
  }

  /// `[string "..."]` with the beginning of the first line of `text`, in whole characters. How many bytes.
  private static func showText(
    _ text: UnsafePointer<CChar>, _ buffer: UnsafeMutableRawBufferPointer
  ) -> Int {
    var line = 0
    while line <= shownBytes, text[line] != 0, text[line] != 0x0a { line += 1 }
    if line > shownBytes {
      line = shownBytes
      while line > 0, UInt8(bitPattern: text[line]) & 0xc0 == 0x80 { line -= 1 }
    }
    var count = 0
    func put(_ bytes: UnsafeRawBufferPointer) {
      UnsafeMutableRawBufferPointer(rebasing: buffer[count...]).copyMemory(from: bytes)
      count += bytes.count
    }
    func put(_ text: StaticString) {
      put(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }
    put("[string \"")
    put(UnsafeRawBufferPointer(start: text, count: line))
    if text[line] != 0 { put("...") }
    put("\"]")
    return count
  }

  /// The name of `source` as messages show it.
  static func shown(_ source: UnsafePointer<CChar>) -> String {
    withShown(source) { String(decoding: $0, as: UTF8.self) }
  }
}
