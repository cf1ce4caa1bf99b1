// Name.swift: what threads, ports and tokens are called.

import Glibc

/// A name as a script gives it: bytes but NUL, since objects keep it as a C string. Two names are the
/// same if their bytes are; a `String` would take bytes that are no UTF-8 for each other, and letters
/// with accents for what looks the same.
public struct Name: Hashable, Sendable, ExpressibleByStringInterpolation {
  private let bytes: [UInt8]

  /// Nil if there is a NUL among them.
  public init?(_ bytes: UnsafeRawBufferPointer) {
    guard !bytes.contains(0) else { return nil }
    self.bytes = Array(bytes)
  }

  public init(stringLiteral text: String) { bytes = Array(text.utf8) }

  /// As an object keeps it.
  public init(_ text: UnsafePointer<CChar>) {
    self.bytes = Array(UnsafeRawBufferPointer(start: text, count: strlen(text)))
  }

  /// A C copy, the caller's to deallocate.
  func copy() -> UnsafeMutablePointer<CChar> {
    let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count + 1)
    copy.initialize(repeating: 0, count: bytes.count + 1)
    bytes.withUnsafeBytes { bytes in
      if let start = bytes.baseAddress { memcpy(copy, start, bytes.count) }
    }
    return copy
  }

  func ident(seed: UInt64) -> SleepIdent {
    bytes.withUnsafeBytes { .bytes($0, seed: seed) }
  }
}
