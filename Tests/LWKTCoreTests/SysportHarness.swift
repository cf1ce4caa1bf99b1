// SysportHarness.swift: threads for tests that have no Lua: closures run step by step.

import CLWKT
import Glibc
import LWKTCore
import Synchronization
import Testing

/// A thread's body: what it does when it runs next.
final class Script {
  var next: ((ThreadRef) -> RunOutcome)?
  init(_ body: @escaping (ThreadRef) -> RunOutcome) { next = body }
}

private let runScript: @convention(c) (UnsafeMutableRawPointer) -> Int32 = { raw in
  let thread = raw.assumingMemoryBound(to: Thread.self)
  let script = Unmanaged<Script>.fromOpaque(thread.pointee.machine!).takeUnretainedValue()
  let step = script.next!
  script.next = nil
  return step(thread).rawValue
}

extension ThreadRef {
  var script: Script {
    Unmanaged<Script>.fromOpaque(pointee.machine!).takeUnretainedValue()
  }

  /// The thread is over: the result of its last step.
  func end() -> RunOutcome {
    Unmanaged<Script>.fromOpaque(pointee.machine!).release()
    pointee.machine = nil
    finish(succeeded: true, result: Payload())
    return .ended
  }

  /// Go on with `body` in the next turn.
  func pause(_ body: @escaping (ThreadRef) -> RunOutcome) -> RunOutcome {
    script.next = body
    return .yielded
  }

  /// After an operation: go on with `body` when its wait is over, or at once.
  func after(
    _ result: WaitResult, _ body: @escaping (ThreadRef, WakeReason) -> RunOutcome
  ) -> RunOutcome {
    switch result {
    case .ready, .wouldWait: return body(self, .ready)
    case .waitOver: return body(self, finishWait())
    case .waiting:
      script.next = { thread in body(thread, thread.finishWait()) }
      return .waiting
    }
  }

  /// Make a call, plainly, as the binding does: cancelled when the thread is. `body` gets the ended
  /// call, which is released after it.
  func call(
    _ call: SystemCallRef, _ body: @escaping (ThreadRef, SystemCallRef) -> RunOutcome
  ) -> RunOutcome {
    pointee.systemCall = call
    return after(submitAndWait(call)) { thread, reason in
      if reason == .ready { return thread.ended(body) }
      call.cancel()
      return thread.after(thread.wait(for: call, interruptible: false)) { thread, _ in
        thread.ended(body)
      }
    }
  }

  private func ended(
    _ body: @escaping (ThreadRef, SystemCallRef) -> RunOutcome
  ) -> RunOutcome {
    let call = pointee.systemCall!
    pointee.systemCall = nil
    defer { call.release() }
    return body(self, call)
  }

  /// Make the calls one after the other; `done` gets all results.
  func calls(
    _ makers: [() -> SystemCallRef], _ results: [Int] = [],
    _ done: @escaping (ThreadRef, [Int]) -> RunOutcome
  ) -> RunOutcome {
    guard let maker = makers.first else { return done(self, results) }
    return call(maker()) { thread, call in
      thread.calls(Array(makers.dropFirst()), results + [call.pointee.result], done)
    }
  }

  func sleep(_ nanoseconds: UInt64, _ body: @escaping (ThreadRef) -> RunOutcome) -> RunOutcome {
    call(Calls.nanosleep(nanoseconds)) { thread, _ in body(thread) }
  }

  @discardableResult
  static func spawn(
    _ host: HostRef, cpu: Int = 0, _ body: @escaping (ThreadRef) -> RunOutcome
  ) -> ThreadRef {
    var options = ThreadOptions()
    options.cpu = cpu
    let thread = ThreadRef.make(host: host, parent: nil, options: options)
    thread.pointee.machine = Unmanaged.passRetained(Script(body)).toOpaque()
    thread.begin()
    return thread
  }
}

/// Makes calls.
enum Calls {
  static func nanosleep(_ nanoseconds: UInt64) -> SystemCallRef {
    let call = SystemCallRef.make(.nanosleep)
    call.setDeadline(lwkt_nanotime() + nanoseconds)
    return call
  }

  static func read(_ fd: Int32, _ count: Int) -> SystemCallRef {
    let call = SystemCallRef.make(.read)
    call.setArgument(0, UInt64(bitPattern: Int64(fd)))
    #expect(call.setRoom(1, count))
    return call
  }

  static func pread(_ fd: Int32, _ count: Int, _ offset: Int) -> SystemCallRef {
    let call = SystemCallRef.make(.pread)
    call.setArgument(0, UInt64(bitPattern: Int64(fd)))
    #expect(call.setRoom(1, count))
    call.setArgument(3, UInt64(bitPattern: Int64(offset)))
    return call
  }

  static func write(_ fd: Int32, _ bytes: [UInt8]) -> SystemCallRef {
    let call = SystemCallRef.make(.write)
    call.setArgument(0, UInt64(bitPattern: Int64(fd)))
    #expect(bytes.withUnsafeBytes { call.setBytes(1, $0) })
    return call
  }

  static func write(_ fd: Int32, _ text: String) -> SystemCallRef { write(fd, Array(text.utf8)) }

  static func pwrite(_ fd: Int32, _ text: String, _ offset: Int) -> SystemCallRef {
    let call = SystemCallRef.make(.pwrite)
    call.setArgument(0, UInt64(bitPattern: Int64(fd)))
    #expect(Array(text.utf8).withUnsafeBytes { call.setBytes(1, $0) })
    call.setArgument(3, UInt64(bitPattern: Int64(offset)))
    return call
  }

  static func descriptor(_ operation: Operation, _ fd: Int32) -> SystemCallRef {
    let call = SystemCallRef.make(operation)
    call.setArgument(0, UInt64(bitPattern: Int64(fd)))
    return call
  }

  static func path(_ operation: Operation, _ path: String) -> SystemCallRef {
    let call = SystemCallRef.make(operation)
    #expect(Array(path.utf8).withUnsafeBytes { call.setPath(0, $0) })
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
    #expect(Array(to.utf8).withUnsafeBytes { call.setPath(2, $0) })
    return call
  }

  static func mkdir(_ name: String) -> SystemCallRef {
    let call = path(.mkdir, name)
    call.setArgument(2, 0o755)
    return call
  }

  static func poll(_ fd: Int32, _ events: UInt32, within nanoseconds: UInt64? = nil)
    -> SystemCallRef
  {
    let call = descriptor(.poll, fd)
    call.setArgument(1, UInt64(events))
    if let nanoseconds { call.setDeadline(lwkt_nanotime() + nanoseconds) }
    return call
  }
}

/// Runs threads on a host of their own until all have ended.
enum Harness {
  static func run(
    workers: Int = 1, options: SysportOptions = SysportOptions(),
    faults: ((HostRef) -> Void)? = nil, _ prepare: @escaping @Sendable (HostRef) -> Void
  ) {
    let binding = Binding(
      run: runScript, requestSwitch: {}, preempt: { _ in }, reportDeath: { _ in },
      reportDeadlock: { report in Issue.record("\(report)") }, workerEnds: {})
    let host = Host(workers: workers, binding: binding, sysport: options)
    nonisolated(unsafe) let state = host.state
    faults?(state)
    host.runOnCallingThread { prepare(state) }
  }

  /// Run one thread that begins with `body`.
  static func thread(
    options: SysportOptions = SysportOptions(), faults: ((HostRef) -> Void)? = nil,
    _ body: @escaping @Sendable (ThreadRef) -> RunOutcome
  ) {
    run(options: options, faults: faults) { host in ThreadRef.spawn(host, body) }
  }

  static func pipe() -> (read: Int32, write: Int32) {
    var ends: [Int32] = [0, 0]
    #expect(Glibc.pipe(&ends) == 0)
    return (ends[0], ends[1])
  }

  static func temporaryDirectory() -> String {
    var template = Array("/tmp/sysport.XXXXXX".utf8CString)
    return String(cString: mkdtemp(&template))
  }

  static func write(_ fd: Int32, _ text: String) {
    let bytes = Array(text.utf8)
    #expect(Glibc.write(fd, bytes, bytes.count) == bytes.count)
  }
}

extension SystemCallRef {
  var text: String { bytesRead.map { String(decoding: $0, as: UTF8.self) } ?? "(none)" }
}

/// What threads of a test leave for it to look at.
final class Notes: Sendable {
  private let lines = Mutex<[String]>([])
  func add(_ line: String) { lines.withLock { $0.append(line) } }
  var all: [String] { lines.withLock { $0 } }
  var sorted: [String] { all.sorted() }
}
