// SysportHarness.swift: making system calls in tests.

import CLWKT
import Glibc
import XCTest

@testable import LWKTCore

/// Makes calls: one reference each, the caller's.
enum Calls {
  static func nanosleep(_ nanoseconds: UInt64) -> SystemCallRef {
    let call = SystemCallRef.make(.nanosleep)
    call.setDeadline(later(nanoseconds))
    return call
  }

  static func descriptor(_ operation: SystemCall.Operation, _ fd: Int32) -> SystemCallRef {
    let call = SystemCallRef.make(operation)
    call.setArgument(0, UInt64(bitPattern: Int64(fd)))
    return call
  }

  static func read(_ fd: Int32, _ count: Int) -> SystemCallRef {
    let call = descriptor(.read, fd)
    XCTAssert(call.setRoom(1, count))
    return call
  }

  static func pread(_ fd: Int32, _ count: Int, _ offset: Int) -> SystemCallRef {
    let call = descriptor(.pread, fd)
    XCTAssert(call.setRoom(1, count))
    call.setArgument(3, UInt64(bitPattern: Int64(offset)))
    return call
  }

  static func write(_ fd: Int32, _ bytes: [UInt8]) -> SystemCallRef {
    let call = descriptor(.write, fd)
    XCTAssert(bytes.withUnsafeBytes { call.setBytes(1, $0) })
    return call
  }

  static func write(_ fd: Int32, _ text: String) -> SystemCallRef { write(fd, Array(text.utf8)) }

  static func pwrite(_ fd: Int32, _ text: String, _ offset: Int) -> SystemCallRef {
    let call = descriptor(.pwrite, fd)
    XCTAssert(Array(text.utf8).withUnsafeBytes { call.setBytes(1, $0) })
    call.setArgument(3, UInt64(bitPattern: Int64(offset)))
    return call
  }

  static func path(_ operation: SystemCall.Operation, _ path: String) -> SystemCallRef {
    let call = SystemCallRef.make(operation)
    XCTAssert(Array(path.utf8).withUnsafeBytes { call.setPath(0, $0) })
    return call
  }

  static func open(_ path: String, _ flags: Int32) -> SystemCallRef {
    let call = Calls.path(.open, path)
    call.setArgument(2, UInt64(flags) | openCloseOnExec)
    call.setArgument(3, 0o644)
    return call
  }

  static func rename(_ from: String, _ to: String) -> SystemCallRef {
    let call = path(.rename, from)
    XCTAssert(Array(to.utf8).withUnsafeBytes { call.setPath(2, $0) })
    return call
  }

  static func mkdir(_ name: String) -> SystemCallRef {
    let call = path(.mkdir, name)
    call.setArgument(2, 0o755)
    return call
  }

  static func poll(
    _ fd: Int32, _ events: UInt32, within nanoseconds: UInt64? = nil
  ) -> SystemCallRef {
    let call = descriptor(.poll, fd)
    call.setArgument(1, UInt64(events))
    if let nanoseconds { call.setDeadline(later(nanoseconds)) }
    return call
  }
}

/// What a call came to.
struct Outcome: Equatable, CustomStringConvertible {
  var result: Int
  var text: String?
  init(_ result: Int, _ text: String? = nil) {
    self.result = result
    self.text = text
  }
  var description: String { "\(result)" + (text.map { " '" + $0 + "'" } ?? "") }
}

extension SystemCallRef {
  var text: String { bytesRead.map { String(decoding: $0, as: UTF8.self) } ?? "" }
}

/// In a straight script: make a call (its reference is taken over), wait as the binding does, and
/// say what came of it. Cancelled when the thread is.
@discardableResult
func make(_ call: SystemCallRef, _ thread: ThreadRef) -> Int {
  defer { call.release() }
  waitPlainly(call, thread)
  return call.pointee.result
}

/// The same for a call that reads.
func makeRead(_ call: SystemCallRef, _ thread: ThreadRef) -> Outcome {
  defer { call.release() }
  waitPlainly(call, thread)
  return Outcome(call.pointee.result, call.text)
}

func waitPlainly(_ call: SystemCallRef, _ thread: ThreadRef) {
  if block(thread, thread.submitAndWait(call)) == .ready { return }
  call.cancel()
  block(thread, thread.wait(for: call, interruptible: false))
}

/// Send a call as a message of `thread`'s: one reference, the caller's.
func send(_ call: SystemCallRef, _ thread: ThreadRef?, to port: PortRef? = nil) -> MessageRef {
  let message = MessageRef.make(sender: thread, payload: Payload())
  if let port { message.setReplyPort(port) }
  call.send(as: message)
  return message
}

/// In a straight script: the answer to `message`, which is released.
@discardableResult
func answer(_ message: MessageRef, _ thread: ThreadRef) -> Outcome {
  defer { message.object.releaseObject() }
  XCTAssertEqual(block(thread, message.waitForReply(thread, deadline: nil)), .ready)
  let call = message.pointee.systemCall!
  XCTAssert(call.isDone)
  XCTAssertEqual(message.pointee.errno, call.errno)
  return Outcome(call.pointee.result, call.text)
}

func makePipe() -> (read: Int32, write: Int32) {
  var ends: [Int32] = [0, 0]
  XCTAssertEqual(pipe(&ends), 0)
  return (ends[0], ends[1])
}

func put(_ fd: Int32, _ text: String) {
  let bytes = Array(text.utf8)
  XCTAssertEqual(write(fd, bytes, bytes.count), bytes.count)
}

func pinned(_ cpu: Int) -> ThreadOptions {
  var options = ThreadOptions()
  options.cpu = cpu
  return options
}

/// An engine whose kernel never has room for anything.
final class StuckEngine: SysportEngine {
  var sysport: Sysport!
  var inKernel = 0

  func supports(_ operation: SystemCall.Operation) -> Bool { true }
  func start(_ call: SystemCallRef) {
    inKernel += 1
    call.pointee.phase = .queued
  }
  func cancel(_ call: SystemCallRef) {
    inKernel -= 1
    sysport.stepEnded(call, -Int(ECANCELED))
  }
  func reap() {}
  func wait(timeoutNanoseconds: Int64) {}
  func close() {}
}

/// Runs its tests with the ring as it is, with the plainest setup, tiny, without one where that can
/// be, and with files left to the pool.
class SysportTestCase: CoreTestCase {
  private(set) var directory = ""
  /// What a rig's preparation leaves to be checked when it has run.
  var afterRun: () -> Void = {}

  override func setUp() {
    super.setUp()
    var template = Array("/tmp/sysport.XXXXXX".utf8CString)
    directory = String(cString: mkdtemp(&template))
  }

  override func tearDown() {
    rmdir(directory)
    super.tearDown()
  }

  func path(_ name: String) -> String { directory + "/" + name }

  static func options(_ change: (inout SysportOptions) -> Void) -> SysportOptions {
    var options = SysportOptions()
    change(&options)
    return options
  }

  static let tiny = options {
    $0.entries = 1
    $0.answers = 2
  }
  static let refused = options { $0.refuse = EPERM }

  static let withRing: [(String, SysportOptions)] = [
    ("ring", SysportOptions()), ("plain", options { $0.plain = true }), ("tiny", tiny),
    ("pool", options { $0.alwaysPool = true }),
  ]
  static let all = withRing + [("refused", refused)]

  /// Run straight scripts in a rig for each variant; none may deadlock or die.
  func each(
    _ variants: [(String, SysportOptions)] = SysportTestCase.all, workers: Int = 1,
    _ body: (Rig) -> Void
  ) {
    for (name, options) in variants {
      let before = testRun?.failureCount
      run(workers: workers, options, body)
      if testRun?.failureCount != before { print("failed with \(name)") }
    }
  }

  func run(workers: Int = 1, _ options: SysportOptions = SysportOptions(), _ body: (Rig) -> Void) {
    let rig = Rig(workers: workers, sysport: options)
    rig.run { body(rig) }
    afterRun()
    afterRun = {}
    XCTAssertEqual(rig.deadlocks.all, [])
    XCTAssertEqual(rig.deaths.all, [])
  }

  /// One straight thread in a rig for each variant.
  func eachThread(
    _ variants: [(String, SysportOptions)] = SysportTestCase.all,
    _ body: @escaping (ThreadRef) -> Void
  ) {
    each(variants) { rig in
      rig.spawnStraight { thread in
        body(thread)
        return 0
      }
    }
  }
}
