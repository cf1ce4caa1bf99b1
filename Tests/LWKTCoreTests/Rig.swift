// Rig.swift: a host whose threads are Swift closures, for testing the core without Lua.

import CLWKT
import Synchronization
import XCTest

@testable import LWKTCore

/// How a script's turn ends.
enum Turn {
  /// Still runnable.
  case yield
  case preempted
  /// Registered with something.
  case wait
  case end(Int = 0)
  case fail(Int = 0)
}

/// What one thread runs. `body` is called once for each turn; `pc` is for it to remember by.
final class Routine: @unchecked Sendable {
  var pc = 0
  var count = 0
  var isWaiting = false
  var saved: Any?
  let body: (Routine, ThreadRef) -> Turn
  /// Threads with equal groups share a domain, which is what `sharing` threads do.
  let group: Group?
  unowned let rig: Rig

  init(rig: Rig, group: Group?, body: @escaping (Routine, ThreadRef) -> Turn) {
    self.rig = rig
    self.group = group
    self.body = body
  }
}

extension Routine {
  enum Received {
    case message(MessageRef)
    case wait
    case over(WakeReason)
  }

  /// The next message of `port`. `.wait`: end the turn so, and call this again in the next one.
  func receive(_ port: PortRef, _ thread: ThreadRef, deadline: UInt64? = nil) -> Received {
    if isWaiting {
      isWaiting = false
      let reason = thread.finishWait()
      guard reason == .ready else { return .over(reason) }
      return .message(thread.pointee.wakeValue!.message)
    }
    var message: MessageRef?
    switch port.receive(thread, deadline: deadline, into: &message) {
    case .ready: return .message(message!)
    case .waiting:
      isWaiting = true
      return .wait
    case .waitOver: return .over(thread.finishWait())
    case .wouldWait: return .over(.gone)
    }
  }
}

/// Send `value` one way; false if the port is closed.
@discardableResult
func sendOneWay(
  _ value: Int, to port: PortRef, from thread: ThreadRef?, flags: Message.Flags = []
) -> Bool {
  let message = MessageRef.make(
    sender: thread, payload: payload(value), flags: flags.union(.oneWay))
  if port.send(message, from: nil) == .sent { return true }
  message.object.releaseObject()
  return false
}

extension MessageRef {
  /// The value of a one-way message, which is released.
  func takeNumber() -> Int {
    defer { object.releaseObject() }
    return pointee.payload.number
  }
}

/// Threads of one domain, made where it lives.
final class Group: @unchecked Sendable {
  var domain: DomainRef?
}

/// An atomic that closures may share.
final class Cell<Value: AtomicRepresentable>: Sendable where Value: Sendable {
  let atomic: Atomic<Value>
  init(_ value: Value) { atomic = Atomic(value) }
}

extension Cell where Value == Int {
  var value: Int { atomic.load(ordering: .sequentiallyConsistent) }
  @discardableResult func add(_ amount: Int = 1) -> Int {
    atomic.add(amount, ordering: .sequentiallyConsistent).newValue
  }
  func set(_ value: Int) { atomic.store(value, ordering: .sequentiallyConsistent) }
}

/// A list that closures may append to.
final class Log<Entry: Sendable>: Sendable {
  private let entries = Mutex<[Entry]>([])
  func add(_ entry: Entry) { entries.withLock { $0.append(entry) } }
  var all: [Entry] { entries.withLock { $0 } }
  var count: Int { entries.withLock { $0.count } }
}

/// Asked to let go: one flag a worker, set by the monitor's signal or by `requestSwitch`.
nonisolated(unsafe) private let letGo: UnsafeMutablePointer<Atomic<Bool>> = {
  let flags = UnsafeMutablePointer<Atomic<Bool>>.allocate(capacity: 256)
  for cpu in 0..<256 { (flags + cpu).initialize(to: Atomic(false)) }
  return flags
}()

/// Should the running script return `.preempted`? Taken by asking.
func preemptionAsked() -> Bool {
  letGo[mycpu.pointee.cpu].exchange(false, ordering: .relaxed)
}

private let installHandler: Void = {
  _ = letGo
  var action = sigaction()
  action.__sigaction_handler.sa_handler = { _ in
    guard let gd = lwkt_mygd() else { return }
    let cpu = gd.assumingMemoryBound(to: GlobalData.self).pointee.cpu
    letGo[cpu].store(true, ordering: .relaxed)
  }
  action.sa_flags = Int32(SA_RESTART)
  sigaction(SIGURG, &action, nil)
}()

/// A host with closures for threads, and what it reported.
final class Rig: @unchecked Sendable {
  private(set) var host: LWKTCore.Host!
  let deaths = Log<String>()
  let deadlocks = Log<String>()
  let workersEnded = Cell(0)
  private let scripts = Mutex<[Routine]>([])
  private let held = Mutex<[UInt]>([])

  var state: HostRef { host.state }

  init(
    workers: Int, ipiCapacity: Int = 64, spinNanoseconds: UInt64? = nil, background: Bool = false,
    policy: Policy = Policy(), sysport: SysportOptions = SysportOptions(),
    listener: (any EventListener)? = nil
  ) {
    _ = installHandler
    // The host may end while this rig is going away, so its reports must not go through `self`.
    let (deaths, deadlocks, workersEnded) = (deaths, deadlocks, workersEnded)
    let binding = Binding(
      run: runRoutine,
      requestSwitch: { letGo[mycpu.pointee.cpu].store(true, ordering: .relaxed) },
      preempt: { pthread_kill($0, SIGURG) },
      reportDeath: { deaths.add($0.displayName) },
      reportDeadlock: { deadlocks.add($0) },
      workerEnds: {
        // Those of groups.
        while let domain = mycpu.anyDomain { domain.destroy() }
        workersEnded.add()
      })
    host = LWKTCore.Host(
      workers: workers, binding: binding, policy: policy, background: background,
      ipiCapacity: ipiCapacity, spinNanoseconds: spinNanoseconds, sysport: sysport,
      listener: listener)
  }

  deinit {
    if state.pointee.isBackground { host.shutdown() }
    for address in held.withLock({ $0 }) { ObjectRef(bitPattern: address)?.releaseObject() }
    host = nil
  }

  /// Run `prepare` on worker 0 and then the program to its end.
  func run(_ prepare: () -> Void) {
    withoutActuallyEscaping(prepare) { prepare in
      nonisolated(unsafe) let prepare = prepare
      host.runOnCallingThread { prepare() }
    }
  }

  /// Release `object` (one reference) when the rig goes.
  func hold(_ object: ObjectRef) { held.withLock { $0.append(UInt(bitPattern: object)) } }

  /// A thread that runs `body`, kept until the rig goes; started unless `options.noStart`.
  @discardableResult
  func spawn(
    _ options: ThreadOptions = ThreadOptions(), group: Group? = nil, parent: ThreadRef? = nil,
    _ body: @escaping (Routine, ThreadRef) -> Turn
  ) -> ThreadRef {
    let thread = spawnUnheld(options, group: group, parent: parent, body)
    hold(thread.object)
    return thread
  }

  /// The same, the reference being the caller's.
  func spawnUnheld(
    _ options: ThreadOptions = ThreadOptions(), group: Group? = nil, parent: ThreadRef? = nil,
    _ body: @escaping (Routine, ThreadRef) -> Turn
  ) -> ThreadRef {
    let script = Routine(rig: self, group: group, body: body)
    scripts.withLock { $0.append(script) }
    let thread = ThreadRef.make(host: state, parent: parent, options: options)
    thread.pointee.machine = Unmanaged.passUnretained(script).toOpaque()
    if let group { settleIn(thread, group) }
    if !options.noStart { thread.begin() }
    return thread
  }

  /// A thread written straight through: it parks its native stack when it waits (`block`).
  @discardableResult
  func spawnStraight(
    _ options: ThreadOptions = ThreadOptions(), group: Group? = nil, parent: ThreadRef? = nil,
    _ body: @escaping (ThreadRef) -> Int
  ) -> ThreadRef {
    spawn(options, group: group, parent: parent) { _, thread in .end(body(thread)) }
  }

  func port(
    _ kind: LWKTCore.Port.Kind = .spin, owner: ThreadRef? = nil, limit: Int = 0, name: Name? = nil
  ) -> PortRef {
    let port = PortRef.make(kind: kind, owner: owner, limit: limit, name: name, host: state)
    hold(port.object)
    return port
  }

  func token(_ name: Name? = nil) -> TokenRef {
    let token = state.token(named: name)
    hold(token.object)
    return token
  }
}

private let runRoutine: Binding.Run = { raw, machine, _ in
  let thread = raw!.thread
  let script = Unmanaged<Routine>.fromOpaque(machine!).takeUnretainedValue()
  if thread.domain == nil { settleIn(thread, nil) }
  switch script.body(script, thread) {
  case .yield: return RunOutcome.yielded.rawValue
  case .preempted: return RunOutcome.preempted.rawValue
  case .wait: return RunOutcome.waiting.rawValue
  case .end(let value): return end(thread, true, value)
  case .fail(let value): return end(thread, false, value)
  }
}

private func settleIn(_ thread: ThreadRef, _ group: Group?) {
  if let group, let domain = group.domain { return domain.add(thread) }
  let heap = UnsafeMutableRawPointer(bitPattern: 16)!
  let domain = DomainRef.make(heap: heap)
  group?.domain = domain
  domain.add(thread)
}

private func end(_ thread: ThreadRef, _ succeeded: Bool, _ value: Int) -> Int32 {
  let domain = thread.domain
  let script = Unmanaged<Routine>.fromOpaque(thread.pointee.machine!).takeUnretainedValue()
  let isShared = script.group != nil
  thread.finish(succeeded: succeeded, result: payload(value))
  if let domain, !isShared { domain.destroy() }
  return RunOutcome.ended.rawValue
}

/// One integer in neutral memory.
func payload(_ value: Int) -> Payload {
  var payload = Payload()
  payload.count = 1
  payload.tags[0] = 1
  payload.slots.0 = UInt64(bitPattern: Int64(value))
  return payload
}

extension Payload {
  var number: Int { Int(Int64(bitPattern: slots.0)) }
}

/// In a straight script: wait on the native stack for what `result` says, and why it ended.
@discardableResult
func block(_ thread: ThreadRef, _ result: WaitResult) -> WakeReason {
  switch result {
  case .ready: return .ready
  case .wouldWait: return .none
  case .waiting: precondition(lwktPark(outcome: .waiting), "no stack")
  case .waitOver: break
  }
  return thread.finishWait()
}

/// In a straight script: get `token`, waiting if need be. An aborted thread may come back without.
func get(_ thread: ThreadRef, _ token: TokenRef, shared: Bool = false) {
  switch thread.getToken(token, shared: shared) {
  case .success(.ready), .success(.waitOver): return
  case .success(.waiting): precondition(lwktPark(outcome: .waiting), "no stack")
  case .success(let result): XCTFail("\(result)")
  case .failure(let misuse): XCTFail("\(misuse)")
  }
}

/// In a straight script: let others run.
func pass() { precondition(lwktPark(outcome: .yielded), "no stack") }

/// In a script: when the wait that `result` stands for has to be waited for.
func mustSwitch(_ result: WaitResult) -> Bool { result == .waiting }

/// Nanoseconds from now on the policy's clock.
func later(_ nanoseconds: UInt64) -> UInt64 { lwkt_nanotime() + nanoseconds }

extension ThreadOptions {
  mutating func setName(_ text: StaticString) {
    name = UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
  }
}

/// A test that may not hang: past the limit the process says where it was and dies.
class CoreTestCase: XCTestCase {
  override func setUp() {
    signal(SIGALRM) { _ in
      write(2, watchdogText, strlen(watchdogText))
      abort()
    }
    let text = "\nhangs: \(name)\n"
    free(watchdogText)
    watchdogText = strdup(text)!
    alarm(240)
  }

  override func tearDown() { alarm(0) }
}

nonisolated(unsafe) private var watchdogText: UnsafeMutablePointer<CChar> = strdup("hangs\n")!

/// A small generator whose every run is the same.
struct Seeded: RandomNumberGenerator {
  var state: UInt64
  init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }
  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state &* 0x2545_F491_4F6C_DD1D
  }
}
