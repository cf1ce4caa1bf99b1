// History.swift: what was typed before, in this run and in earlier ones.

import Glibc

/// Entries, oldest first. The file has one entry a line (a line's end in an entry is `\n`, a
/// backslash `\\`), each appended when it is made, so that two sessions at once lose nothing.
struct History {
  private(set) var entries: [String] = []
  private let path: String?

  private static let most = 10_000

  init(path: String?) {
    self.path = path
    guard let path, let bytes = readFile(path) else { return }
    entries = bytes.split(separator: Self.newline).map(Self.decode)
    if entries.count > 2 * Self.most {
      entries.removeFirst(entries.count - Self.most)
      rewrite(path)
    }
  }

  /// `lwkt-lua/history` in the folder for state that the XDG base directories name; nil if there is
  /// no place for it.
  static func defaultPath() -> String? {
    let folder: String
    if let state = environment("XDG_STATE_HOME"), state.hasPrefix("/") {
      folder = state
    } else if let home = environment("HOME"), home.hasPrefix("/") {
      folder = home + "/.local/state"
    } else {
      return nil
    }
    return folder + "/lwkt-lua/history"
  }

  /// Note what was entered; the same twice in a row is noted once.
  mutating func add(_ entry: String) {
    guard !entry.isEmpty, entry != entries.last else { return }
    entries.append(entry)
    guard let path else { return }
    makeFolders(of: path)
    let descriptor = open(
      path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { return }
    writeAll(descriptor, Array((Self.encode(entry) + "\n").utf8))
    close(descriptor)
  }

  /// The nearest entry before (after, with `forward`) `index` that `matches`.
  func search(from index: Int, forward: Bool, _ matches: (String) -> Bool) -> Int? {
    let indices =
      forward
      ? Array(stride(from: index + 1, to: entries.count, by: 1))
      : Array(stride(from: min(index, entries.count) - 1, through: 0, by: -1))
    return indices.first { matches(entries[$0]) }
  }

  private func rewrite(_ path: String) {
    let temporary = path + "." + String(getpid())
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { return }
    let text = entries.map { Self.encode($0) + "\n" }.joined()
    let isWritten = writeAll(descriptor, Array(text.utf8))
    close(descriptor)
    if isWritten { rename(temporary, path) } else { unlink(temporary) }
  }

  /// Byte by byte: what Unicode takes for one character may be a backslash and a mark, or two of a line's
  /// ends; and a long history is read in no time.
  static func encode(_ entry: String) -> String {
    var line: [UInt8] = []
    for byte in entry.utf8 {
      switch byte {
      case backslash: line += [backslash, backslash]
      case newline: line += [backslash, letterN]
      default: line.append(byte)
      }
    }
    return String(decoding: line, as: UTF8.self)
  }

  static func decode(_ line: some Collection<UInt8>) -> String {
    guard line.contains(backslash) else { return String(decoding: line, as: UTF8.self) }
    var entry: [UInt8] = []
    var isEscaped = false
    for byte in line {
      if isEscaped {
        entry.append(byte == letterN ? newline : byte)
        isEscaped = false
      } else if byte == backslash {
        isEscaped = true
      } else {
        entry.append(byte)
      }
    }
    return String(decoding: entry, as: UTF8.self)
  }

  private static let backslash: UInt8 = 0x5c
  private static let newline: UInt8 = 0x0a
  private static let letterN: UInt8 = 0x6e

  private func makeFolders(of path: String) {
    var folder = ""
    for part in path.split(separator: "/").dropLast() {
      folder += "/" + part
      mkdir(folder, 0o700)
    }
  }
}

// MARK: the system, without Foundation

func environment(_ name: String) -> String? {
  guard let value = getenv(name) else { return nil }
  let text = String(cString: value)
  return text.isEmpty ? nil : text
}

/// Write all of `bytes`; false if that fails.
@discardableResult
func writeAll(_ descriptor: Int32, _ bytes: some RandomAccessCollection<UInt8>) -> Bool {
  let isWritten = bytes.withContiguousStorageIfAvailable { buffer -> Bool in
    var done = 0
    while done < buffer.count {
      let count = write(
        descriptor, buffer.baseAddress.unsafelyUnwrapped + done, buffer.count - done)
      if count > 0 {
        done += count
      } else if errno == EAGAIN {
        var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        _ = poll(&entry, 1, -1)
      } else if errno != EINTR {
        return false
      }
    }
    return true
  }
  return isWritten ?? writeAll(descriptor, Array(bytes))
}

/// All of a file; nil if there is none, or something that may have no end, such as a device.
func readFile(_ path: String) -> [UInt8]? {
  let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
  guard descriptor >= 0 else { return nil }
  defer { close(descriptor) }
  var status = stat()
  guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
  var bytes: [UInt8] = []
  var part = [UInt8](repeating: 0, count: 65536)
  while true {
    let count = read(descriptor, &part, part.count)
    if count == 0 { return bytes }
    if count < 0 {
      if errno == EINTR { continue }
      return nil
    }
    bytes += part[..<count]
  }
}
