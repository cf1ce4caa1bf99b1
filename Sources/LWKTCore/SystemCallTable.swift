// SystemCallTable.swift: the system calls a script can make, one entry each.
//
// An entry says everything there is to know about a call: what a script passes and gets, and how it
// reaches the kernel. To add one, add a case and its entry.

import CLWKT

extension SystemCall {
  /// A system call, by Linux' name.
  public enum Operation: UInt8, CaseIterable, Sendable {
    case nanosleep
    case read, write, pread, pwrite
    case open, close, fsync
    case stat, lstat, readdir
    case unlink, rename, mkdir, rmdir
    case poll, pipe, isatty
    case clock_gettime, getpid
  }

  /// One row of the table.
  public struct Entry: Sendable {
    public let name: StaticString
    /// What a script passes, a letter each; in parentheses what it fills of the call's
    /// `arguments`, the words of the system call in the kernel's own order.
    /// - `d` a descriptor (one word)
    /// - `p` a path (two: where relative ones begin, and the text); `P` a path or a descriptor
    /// - `s` bytes to write (two: where and how many)
    /// - `n` how many bytes to read (two: where and how many)
    /// - `o` an offset, `f` how to open, `m` permission bits, optional (one each)
    /// - `e` events: "r", "w", "rw" (one)
    /// - `c` a clock's name, optional (one)
    /// - `t` a time limit, optional; `T` a time (none: see `deadline`)
    public let arguments: StaticString
    public let result: Result
    let route: Route
    /// The system call's number, for calls made on a kernel thread that may block.
    let number: Int32
    let ring: RingLayout
    /// What a retried or refused call waits for to be ready: poll(2)'s events, 0 for none.
    let readiness: UInt32
    /// A word that is always the same, and which.
    let constant: (index: Int, value: UInt64)?
    /// The permission bits unless a script says.
    public let permissions: UInt64

    /// What a script gets.
    public enum Result: Sendable {
      /// True.
      case nothing
      /// What the system call returned: a descriptor, an id.
      case count
      /// The bytes read; words 1 and 2 of the call are where to and how many.
      case bytes
      /// How many bytes were written: all of words 1 and 2, in as many steps as it takes.
      case written
      case stat, entries, events, pair, boolean, seconds
    }

    /// How the call gets to the kernel.
    enum Route: Sendable {
      /// The worker's timers; it is over when its time has come.
      case timer
      /// At once on the worker: it never blocks.
      case immediate
      /// The engine: it waits for somebody outside, for as long as it takes.
      case peer
      /// Bytes of a stream by the engine; of a file as `Sysport.startPositional` says.
      case stream
      /// The engine, or the pool if the engine does not know how: it waits for a disk at most.
      case file
      /// The pool.
      case pool
    }

    /// May an abort end a thread's wait for it? Not for what is soon over anyway: a thread that is
    /// told to stop can still close and remove its files.
    public let isInterruptible: Bool

    init(
      _ name: StaticString, _ arguments: StaticString, _ result: Result, _ route: Route,
      number: Int = LWKT_SYS_NONE, ring: RingLayout = .none, readiness: UInt32 = 0,
      constant: (index: Int, value: UInt64)? = nil, permissions: UInt64 = 0,
      interruptible: Bool? = nil
    ) {
      self.name = name
      self.arguments = arguments
      self.result = result
      self.route = route
      self.number = Int32(number)
      self.ring = ring
      self.readiness = readiness
      self.constant = constant
      self.permissions = permissions
      switch route {
      case .timer, .peer, .stream: isInterruptible = interruptible ?? true
      case .immediate, .file, .pool: isInterruptible = interruptible ?? false
      }
    }
  }
}

/// Which of a call's words goes where in a submission queue entry of io_uring's.
struct RingLayout: Sendable {
  let operation: UInt8
  let descriptor, address, length, offset, flags: Int8
  /// On a kernel thread of the ring's own at once, instead of trying without blocking first.
  let mayBlock: Bool

  /// No word: the field is 0.
  static let absent: Int8 = -1
  /// For `offset`: the file's own position, or none for a stream.
  static let current: Int8 = -2

  init(
    _ operation: Int, descriptor: Int8 = 0, address: Int8 = absent, length: Int8 = absent,
    offset: Int8 = absent, flags: Int8 = absent, mayBlock: Bool = false
  ) {
    self.operation = UInt8(operation)
    self.descriptor = descriptor
    self.address = address
    self.length = length
    self.offset = offset
    self.flags = flags
    self.mayBlock = mayBlock
  }

  static let none = RingLayout(LWKT_RING_NONE)
}

/// poll(2)'s events.
public enum PollEvents {
  public static let input: UInt32 = 1
  public static let output: UInt32 = 4
  public static let error: UInt32 = 8
  public static let hangUp: UInt32 = 16
}

extension SystemCall.Operation {
  private typealias Entry = SystemCall.Entry

  /// This call's row, there for ever.
  public var entry: UnsafePointer<SystemCall.Entry> { Self.table + Int(rawValue) }

  /// Made once, by operation.
  private nonisolated(unsafe) static let table: UnsafePointer<SystemCall.Entry> = {
    let table = UnsafeMutablePointer<SystemCall.Entry>.allocate(capacity: allCases.count)
    for operation in allCases { (table + Int(operation.rawValue)).initialize(to: operation.row) }
    return UnsafePointer(table)
  }()

  private var row: SystemCall.Entry {
    switch self {
    case .nanosleep: Entry("nanosleep", "T", .nothing, .timer)
    case .read:
      Entry(
        "read", "dn", .bytes, .stream, number: LWKT_SYS_READ,
        ring: RingLayout(LWKT_RING_READ, address: 1, length: 2, offset: RingLayout.current),
        readiness: PollEvents.input)
    case .write:
      Entry(
        "write", "ds", .written, .stream, number: LWKT_SYS_WRITE,
        ring: RingLayout(LWKT_RING_WRITE, address: 1, length: 2, offset: RingLayout.current),
        readiness: PollEvents.output)
    case .pread:
      Entry(
        "pread", "dno", .bytes, .file, number: LWKT_SYS_PREAD,
        ring: RingLayout(LWKT_RING_READ, address: 1, length: 2, offset: 3),
        readiness: PollEvents.input)
    case .pwrite:
      Entry(
        "pwrite", "dso", .written, .stream, number: LWKT_SYS_PWRITE,
        ring: RingLayout(LWKT_RING_WRITE, address: 1, length: 2, offset: 3),
        readiness: PollEvents.output, interruptible: false)
    case .open:
      // The other end of a FIFO may be long in coming; io_uring's first try, with O_NONBLOCK, would
      // not wait for it.
      Entry(
        "open", "pfm", .count, .file, number: LWKT_SYS_OPENAT,
        ring: RingLayout(LWKT_RING_OPENAT, address: 1, length: 3, flags: 2, mayBlock: true),
        permissions: 0o666, interruptible: true)
    case .close:
      Entry(
        "close", "d", .nothing, .file, number: LWKT_SYS_CLOSE, ring: RingLayout(LWKT_RING_CLOSE))
    case .fsync:
      Entry(
        "fsync", "d", .nothing, .file, number: LWKT_SYS_FSYNC, ring: RingLayout(LWKT_RING_FSYNC))
    case .stat, .lstat: statEntry
    case .readdir: Entry("readdir", "p", .entries, .pool)
    case .unlink:
      Entry(
        "unlink", "p", .nothing, .file, number: LWKT_SYS_UNLINKAT,
        ring: RingLayout(LWKT_RING_UNLINKAT, address: 1, flags: 2))
    case .rmdir:
      Entry(
        "rmdir", "p", .nothing, .file, number: LWKT_SYS_UNLINKAT,
        ring: RingLayout(LWKT_RING_UNLINKAT, address: 1, flags: 2), constant: (2, atRemoveDirectory)
      )
    case .rename:
      Entry(
        "rename", "pp", .nothing, .file, number: LWKT_SYS_RENAMEAT2,
        ring: RingLayout(LWKT_RING_RENAMEAT, address: 1, length: 2, offset: 3, flags: 4))
    case .mkdir:
      Entry(
        "mkdir", "pm", .nothing, .file, number: LWKT_SYS_MKDIRAT,
        ring: RingLayout(LWKT_RING_MKDIRAT, address: 1, length: 2), permissions: 0o777)
    case .poll:
      Entry(
        "poll", "det", .events, .peer, ring: RingLayout(LWKT_RING_POLL_ADD, flags: 1))
    case .pipe:
      Entry(
        "pipe", "", .pair, .immediate, number: LWKT_SYS_PIPE2, constant: (1, openCloseOnExec))
    case .isatty: Entry("isatty", "d", .boolean, .immediate)
    case .clock_gettime: Entry("clock_gettime", "c", .seconds, .immediate)
    case .getpid: Entry("getpid", "", .count, .immediate, number: LWKT_SYS_GETPID)
    }
  }

  /// statx(directory, path, flags, mask, buffer): the caller sets flags, the call the rest.
  private var statEntry: SystemCall.Entry {
    Entry(
      self == .stat ? "stat" : "lstat", self == .stat ? "P" : "p", .stat, .file,
      number: LWKT_SYS_STATX,
      ring: RingLayout(LWKT_RING_STATX, address: 1, length: 3, offset: 4, flags: 2),
      constant: self == .stat ? (2, 0) : (2, atSymlinkNoFollow))
  }

  public var name: String { "\(entry.pointee.name)" }
}

/// `openat`'s and its kin's `AT_FDCWD`: relative paths begin at the working directory.
public let atWorkingDirectory = UInt64(bitPattern: -100)
let atSymlinkNoFollow: UInt64 = 0x100
private let atRemoveDirectory: UInt64 = 0x200
/// The path is empty: the descriptor itself is meant.
public let atEmptyPath: UInt64 = 0x1000
/// Process images that replace this one do not inherit the descriptor.
public let openCloseOnExec: UInt64 = 0x80000
