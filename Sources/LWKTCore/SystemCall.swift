// SystemCall.swift: one system call, from its arguments to its result.
//
// Life of a call: whoever wants it makes it (one reference, his own), fills in the arguments, and
// hands it to the sysport of his worker, which takes a reference for as long as the kernel or the
// pool may touch the call's buffers. It is waited for plainly (a thread in the call's own list of
// waiters), or it belongs to a message, which it answers when it is over. The last reference frees
// it and its buffers; so a call that everybody has forgotten still keeps what the kernel writes to.

import CLWKT
import Glibc
import Synchronization

public typealias SystemCallRef = UnsafeMutablePointer<SystemCall>

/// One system call.
///
/// *Maker*: written before it is submitted. *Home*: the worker that submitted it, from then on
/// until `isDone`. *Locked*: under `waitable.lock`. What is there when `isDone` was seen true does
/// not change any more.
public struct SystemCall: ~Copyable, Droppable {
  /// A thread waits here.
  var waitable: Waitable
  /// Home. nanosleep's time, poll's limit. Second, so that the call is found from it: see `Timer`.
  var timer = Timer(.call)
  /// Maker.
  public let operation: SystemCall.Operation
  /// Its row in the table.
  public let entry: UnsafePointer<Entry>
  /// Locked. It is over and `result` is there.
  var isDone = false
  /// Home.
  var phase = Phase.fresh
  /// Home. Why it is to be given up: the errno to end with; 0: it is not.
  var cancelErrno: Int32 = 0
  /// The worker that submitted it, or -1. Written once, by it.
  var home: Int32 = -1
  /// Home. Waits for these poll(2) events before it is tried again; 0: does not.
  var awaitedEvents: UInt32 = 0
  /// Home. The kernel has been asked to cancel it.
  var isCancelSent = false
  /// Home. A test's limit for the bytes of the present step.
  var stepLimit = Int.max
  /// The words of the system call; see `SystemCall.Entry`. Maker, then home: what has been written or
  /// read is taken off.
  var arguments: InlineArray<6, UInt64>
  /// Home, then anybody: -errno, or what the system call returned, summed up over its steps.
  public internal(set) var result = 0
  /// Home. Bytes moved by the steps so far.
  var progress = 0
  /// The kernel reads from it or writes to it. Owned.
  var buffer: UnsafeMutableRawPointer?
  var bufferSize = 0
  /// Owned. Paths are NUL-terminated.
  var firstPath: UnsafeMutablePointer<CChar>?
  var secondPath: UnsafeMutablePointer<CChar>?
  /// Maker. An object whose memory the kernel uses instead of `buffer`: one reference.
  var target: ObjectRef?
  /// Home. The message it will answer: one reference.
  var message: MessageRef?
  /// Home. All calls of the home that are not over.
  fileprivate var homeLinks = Links<SystemCallRef>()
  /// The links of whatever queue it is in: home's, or guarded by the pool's lock.
  fileprivate var queueLinks = Links<SystemCallRef>()

  enum ByHome: Linkage {
    static func links(of call: SystemCallRef) -> UnsafeMutablePointer<Links<SystemCallRef>> {
      addressOf(&call.pointee.homeLinks)
    }
  }

  enum ByQueue: Linkage {
    static func links(of call: SystemCallRef) -> UnsafeMutablePointer<Links<SystemCallRef>> {
      addressOf(&call.pointee.queueLinks)
    }
  }

  /// On its way back from the pool it is in no queue.
  var boxNext: SystemCallRef? {
    get { queueLinks.next }
    set { queueLinks.next = newValue }
  }

  enum Phase: UInt8 {
    /// Not submitted.
    case fresh
    /// In the timer heap.
    case sleeping
    /// With the engine, which has had no room for it yet.
    case queued
    /// With the engine and maybe the kernel: its buffers are not ours.
    case inKernel
    /// With the pool: its buffers are not ours.
    case inPool
    /// Over before it began, to be told in the next reap.
    case refused
    case done
  }

  /// The kernel moves no more than this at once.
  static let mostBytes = 0x7fff_f000

  init(_ operation: SystemCall.Operation) {
    waitable = Waitable(.systemCall)
    self.operation = operation
    entry = operation.entry
    arguments = InlineArray(repeating: 0)
  }
}

extension UnsafeMutablePointer where Pointee == SystemCall {
  // MARK: making

  /// A call with one reference, the caller's. Own worker or any kernel thread (slower).
  public static func make(_ operation: SystemCall.Operation) -> SystemCallRef {
    let call = SystemCallRef.allocateBlock()
    call.initialize(to: SystemCall(operation))
    if let constant = call.pointee.entry.pointee.constant {
      call.pointee.arguments[constant.index] = constant.value
    }
    switch operation {
    case .pipe: call.pointee.arguments[0] = UInt64(UInt(bitPattern: call.takeBuffer(8)))
    case .stat, .lstat:
      call.pointee.arguments[3] = UInt64(LWKT_STATX_MASK)
      call.pointee.arguments[4] = UInt64(UInt(bitPattern: call.takeBuffer(LWKT_STATX_BYTES)))
    default: break
    }
    return call
  }

  public var object: ObjectRef { ObjectRef(self) }
  var waitable: UnsafeMutablePointer<Waitable> {
    UnsafeMutableRawPointer(self).assumingMemoryBound(to: Waitable.self)
  }

  func retain() { object.retainObject() }
  /// Give one reference back. Any kernel thread, no lock held.
  public func release() { object.releaseObject() }

  /// The last reference is gone; so neither kernel nor pool has it.
  func destroy() {
    free(pointee.buffer)
    free(pointee.firstPath)
    free(pointee.secondPath)
    pointee.target?.releaseObject()
    deinitialize(count: 1)
    freeBlock()
  }

  /// Set word `index` of the system call. Before it is submitted, like all of these.
  public func setArgument(_ index: Int, _ value: UInt64) { pointee.arguments[index] = value }

  /// Words `index` and `index + 1` are a path, copied. False if it holds a NUL.
  public func setPath(_ index: Int, _ bytes: UnsafeRawBufferPointer) -> Bool {
    if bytes.contains(0) { return false }
    guard let path = malloc(bytes.count + 1)?.assumingMemoryBound(to: CChar.self) else {
      return false
    }
    if let start = bytes.baseAddress { memcpy(path, start, bytes.count) }
    (path + bytes.count).initialize(to: 0)
    if pointee.firstPath == nil { pointee.firstPath = path } else { pointee.secondPath = path }
    pointee.arguments[index] = atWorkingDirectory
    pointee.arguments[index + 1] = UInt64(UInt(bitPattern: path))
    return true
  }

  /// stat's path is an open descriptor.
  public func setPathDescriptor(_ index: Int, _ descriptor: Int32) {
    let empty = UnsafeRawBufferPointer(start: nil, count: 0)
    _ = setPath(index, empty)
    pointee.arguments[index] = UInt64(bitPattern: Int64(descriptor))
    pointee.arguments[index + 2] |= atEmptyPath
  }

  /// Words `index` and `index + 1` are bytes to write, copied. False without memory.
  public func setBytes(_ index: Int, _ bytes: UnsafeRawBufferPointer) -> Bool {
    guard let buffer = takeBuffer(bytes.count) else { return false }
    if let start = bytes.baseAddress { memcpy(buffer, start, bytes.count) }
    setRegion(index, buffer, bytes.count)
    return true
  }

  /// Words `index` and `index + 1` are room to read into, which is not touched before the kernel
  /// has something for it. False without memory.
  public func setRoom(_ index: Int, _ count: Int) -> Bool {
    let count = Swift.min(count, SystemCall.mostBytes)
    guard let buffer = takeBuffer(count) else { return false }
    setRegion(index, buffer, count)
    return true
  }

  /// Words `index` and `index + 1` are memory of `target`'s, to write from or read into; retained.
  public func setRegion(
    _ index: Int, _ start: UnsafeMutableRawPointer, _ count: Int, of target: ObjectRef
  ) {
    target.retainObject()
    pointee.target = target
    setRegion(index, start, count)
  }

  private func setRegion(_ index: Int, _ start: UnsafeMutableRawPointer, _ count: Int) {
    pointee.arguments[index] = UInt64(UInt(bitPattern: start))
    pointee.arguments[index + 1] = UInt64(count)
  }

  private func takeBuffer(_ count: Int) -> UnsafeMutableRawPointer? {
    let buffer = malloc(Swift.max(1, count))
    pointee.buffer = buffer
    pointee.bufferSize = count
    return buffer
  }

  /// When nanosleep is over, or poll gives up: on the policy's clock.
  public func setDeadline(_ nanoseconds: UInt64) { pointee.timer.deadline = nanoseconds }

  public var deadline: UInt64 { pointee.timer.deadline }

  /// Give up as though aborted, with ETIMEDOUT, at its deadline. `nanosleep` excepted.
  var hasDeadline: Bool { pointee.timer.deadline != 0 }

  // MARK: reading the result

  /// Whoever has seen it done, like all of these. 0 for success.
  public var errno: Int32 { pointee.result < 0 ? Int32(-pointee.result) : 0 }

  /// The path an error is about, or nil.
  public var path: UnsafePointer<CChar>? {
    guard let path = pointee.firstPath, path.pointee != 0 else { return nil }
    return UnsafePointer(path)
  }

  /// What was read, of a call that reads into a buffer of its own; nil for others.
  public var bytesRead: UnsafeRawBufferPointer? {
    guard pointee.entry.pointee.result == .bytes, pointee.target == nil else { return nil }
    return UnsafeRawBufferPointer(start: pointee.buffer, count: Swift.max(0, pointee.result))
  }

  /// What `stat`, `pipe`, `readdir` have stored: bytes of `SystemCall.Entry.Result`'s own form.
  public var stored: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: pointee.buffer, count: pointee.bufferSize)
  }

  /// What clock_gettime has stored.
  public var seconds: Double { Double(bitPattern: pointee.arguments[1]) }

  public var isDone: Bool {
    pointee.waitable.lock.lock()
    defer { pointee.waitable.lock.unlock() }
    return pointee.isDone
  }

  // MARK: steps

  /// Bytes the next step may move.
  var stepLength: UInt32 {
    let left = Swift.min(pointee.arguments[2], UInt64(SystemCall.mostBytes))
    return UInt32(Swift.min(left, UInt64(pointee.stepLimit)))
  }

  /// A step has moved `count` bytes: the next goes on behind them. Home.
  func advance(_ count: Int) {
    pointee.progress += count
    pointee.arguments[1] &+= UInt64(count)
    pointee.arguments[2] &-= UInt64(count)
    if pointee.entry.pointee.ring.offset == 3 { pointee.arguments[3] &+= UInt64(count) }
  }

  /// Does it move bytes, so that words 1 and 2 say from or to where and how many?
  var movesBytes: Bool {
    let result = pointee.entry.pointee.result
    return result == .bytes || result == .written
  }

  /// Is its present step a wait for events?
  var isPoll: Bool { pointee.awaitedEvents != 0 || pointee.operation == .poll }

  /// Does it go on until all its bytes are written?
  var writesAll: Bool { pointee.entry.pointee.result == .written }

  /// Make the call on this kernel thread, which may block. A thread of the pool, or the worker for
  /// what does not block. -errno or the result.
  func perform() -> Int {
    switch pointee.operation {
    case .readdir: return performReaddir()
    case .isatty: return Int(lwkt_isatty(descriptor))
    case .clock_gettime:
      var seconds = 0.0
      let result = lwkt_clock(descriptor, &seconds)
      pointee.arguments[1] = seconds.bitPattern
      return Int(result)
    default: break
    }
    let whole = pointee.arguments[2]
    if movesBytes { pointee.arguments[2] = UInt64(stepLength) }
    let result = withUnsafePointer(to: &pointee.arguments) {
      lwkt_syscall(
        pointee.entry.pointee.number,
        UnsafeRawPointer($0).assumingMemoryBound(to: UInt64.self))
    }
    pointee.arguments[2] = whole
    return Int(result)
  }

  private func performReaddir() -> Int {
    var entries: UnsafeMutablePointer<CChar>?
    var count = 0
    let result = lwkt_readdir(pointee.firstPath, &entries, &count)
    pointee.buffer = UnsafeMutableRawPointer(entries)
    pointee.bufferSize = count
    return Int(result)
  }

  /// The first word, as most calls use it.
  var descriptor: Int32 { Int32(truncatingIfNeeded: pointee.arguments[0]) }

  /// The kernel has put little into a big buffer that will be kept: give the rest back. Home.
  func shrink() {
    guard pointee.entry.pointee.result == .bytes, let buffer = pointee.buffer else { return }
    let used = Swift.max(0, pointee.result)
    guard pointee.bufferSize > 512, used < pointee.bufferSize / 2 else { return }
    if let smaller = realloc(buffer, Swift.max(1, used)) {
      pointee.buffer = smaller
      pointee.bufferSize = used
    }
  }
}
