// Snapshot.swift: looking inside.
//
// What a thread waits for is its owner's to know. So `lwkt.threads` asks every worker by IPI to add
// its threads to a list, and waits until all have answered.

import CLWKT
import Synchronization

/// What is known of one thread at one moment.
public struct ThreadInfo: Sendable {
  public var id: UInt64
  public var path: String
  public var name: String?
  public var state: String
  public var cpu: Int
  public var priority: Int
  public var wmesg: String
  public var waitsFor: String?
  /// Nanoseconds of the present wait; nil when it does not wait.
  public var waitedNanoseconds: UInt64?
  public var createdAt: String
  public var isDaemon: Bool
  /// Nanoseconds it has run, as far as the host has kept account.
  public var runNanoseconds: UInt64
  /// As of when, by the clock of `lwkt_nanotime`; 0 when no account is kept.
  public var accountedNanoseconds: UInt64 = 0
  /// What the snapshot's `inspect` found out.
  public var detail: String?
  /// Whom it waits for, if that is a thread.
  var waitsForThread: UInt64?
}

/// A gathering of `ThreadInfo`s under way. Two references' worth of life: counted.
public final class Snapshot: Sendable {
  let infos = Mutex<[ThreadInfo]>([])
  let missing: Atomic<Int>
  private nonisolated(unsafe) let host: HostRef
  let ident: SleepIdent
  /// Called for each thread besides, on its own worker, between two turns of it.
  let inspect: (@Sendable (ThreadRef) -> String?)?

  init(host: HostRef, workers: Int, inspect: (@Sendable (ThreadRef) -> String?)?) {
    self.host = host
    self.inspect = inspect
    missing = Atomic(workers)
    ident = SleepIdent(high: 0x736e_6170, low: lwkt_nanotime())
  }

  public var isComplete: Bool { missing.load(ordering: .acquiring) == 0 }

  /// What was gathered, by id. Complete. A thread that moved meanwhile may have been seen twice, and
  /// is shown once, or not at all.
  public var threads: [ThreadInfo] {
    var seen: Set<UInt64> = []
    return infos.withLock { $0 }.filter { seen.insert($0.id).inserted }.sorted { $0.id < $1.id }
  }

  func add(_ more: [ThreadInfo]) {
    infos.withLock { $0.append(contentsOf: more) }
    if missing.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 { host.wakeup(ident) }
  }
}

extension UnsafeMutablePointer where Pointee == HostState {
  /// Begin a snapshot. On a worker, the current thread; then `thread.wait(for:)`.
  public func beginSnapshot(inspect: (@Sendable (ThreadRef) -> String?)? = nil) -> Snapshot {
    let workers = pointee.startedWorkers.load(ordering: .acquiring)
    let snapshot = Snapshot(host: self, workers: workers, inspect: inspect)
    for cpu in 0..<workers {
      mycpu.sendIPI(IPI(.snapshot, Unmanaged.passRetained(snapshot).toOpaque()), to: cpu)
    }
    return snapshot
  }

  /// One worker's counters. Any kernel thread; a glimpse.
  public func counter(_ name: Counters.Name, cpu: Int) -> UInt64 {
    shared(cpu).pointee.counters.get(name)
  }
  public func loadOf(cpu: Int) -> Int { shared(cpu).pointee.load.load(ordering: .relaxed) }
  public var startedWorkerCount: Int { pointee.startedWorkers.load(ordering: .acquiring) }
}

extension UnsafeMutablePointer where Pointee == Thread {
  /// What it waits for: `wmesg`. A token goes by its name, a `tsleep` by what it was told to show. Any
  /// kernel thread that holds a reference; a glimpse.
  public var waitMessageText: String {
    pointee.waitable.lock.lock()
    let text = pointee.waitText.map { String(cString: $0) }
    pointee.waitable.lock.unlock()
    let kind = pointee.waitKind
    switch kind {
    case .tsleep: return text ?? "\(kind.wmesg)"
    case .token: return pointee.host.nameOfToken(waitedForBy: self) ?? "\(kind.wmesg)"
    default: return "\(kind.wmesg)"
    }
  }

  /// What `waitMessageText` is to say while it sleeps; nil: nothing of its own. The current thread.
  public func setWaitText(_ text: String?) {
    if text == nil, pointee.waitText == nil { return }
    let copy = text.map(copyCString)
    pointee.waitable.lock.lock()
    let old = pointee.waitText
    pointee.waitText = copy
    pointee.waitable.lock.unlock()
    old?.deallocate()
  }

  /// Wait until `snapshot` is complete. The current thread.
  public func wait(for snapshot: Snapshot) -> WaitResult {
    tsleep(snapshot.ident, kind: .tsleep, deadline: nil) { !snapshot.isComplete }
  }

  /// Owner, or everybody asleep.
  func info() -> ThreadInfo {
    let isWaiting = pointee.waitWord.load(ordering: .acquiring) & 1 != 0 || pointee.tokensLost
    var created = ""
    if let source = pointee.createdAt {
      created = String(cString: source.pointee.text) + ":" + String(pointee.createdLine)
    }
    return ThreadInfo(
      id: pointee.id, path: pathName, name: pointee.name.map { String(cString: $0) },
      state: "\(stateName)", cpu: cpu, priority: Int(priority),
      wmesg: isWaiting ? waitMessageText : "",
      waitsFor: isWaiting ? pointee.waitObject.map(describeObject) : nil,
      waitedNanoseconds: isWaiting ? lwkt_nanotime() &- pointee.waitSince : nil,
      createdAt: created, isDaemon: pointee.flags.contains(.daemon),
      runNanoseconds: pointee.runNanoseconds, detail: nil,
      waitsForThread: isWaiting ? threadWaitedFor : nil)
  }

  /// The thread without whose doing this wait cannot end, where there is just one.
  private var threadWaitedFor: UInt64? {
    guard let object = pointee.waitObject else { return nil }
    switch object.objectKind {
    case .thread: return object.thread.pointee.id
    case .message:
      return object.message.withLatestHop {
        ($0.pointee.holder ?? $0.pointee.target?.pointee.owner)?.pointee.id
      }
    case .token: return object.token.pointee.owner?.pointee.id
    default: return nil
    }
  }
}

extension UnsafeMutablePointer where Pointee == GlobalData {
  /// The snapshot IPI.
  func answerSnapshot(_ raw: UnsafeMutableRawPointer) {
    let snapshot = Unmanaged<Snapshot>.fromOpaque(raw).takeRetainedValue()
    var infos: [ThreadInfo] = []
    let now = bringAccountUpToDate()
    for thread in pointee.allThreads where !thread.isHostsOwn {
      var info = thread.info()
      info.accountedNanoseconds = now
      if let inspect = snapshot.inspect { info.detail = inspect(thread) }
      infos.append(info)
    }
    snapshot.add(infos)
  }
}

/// How reports name an object. Whoever calls keeps it alive.
public func describeObject(_ object: ObjectRef) -> String {
  switch object.objectKind {
  case .thread: "thread " + object.thread.displayName
  case .port: object.port.displayName
  case .token: object.token.displayName
  case .message: "an answer from " + describeTarget(object.message)
  case .counter: "shared counter"
  case .table: "shared table"
  case .array: object.array.displayName
  case .box, .tableSnapshot: "part of a shared table"
  case .code: "code"
  case .systemCall:
    "system call " + object.assumingMemoryBound(to: SystemCall.self).pointee.operation.name
  }
}

private func describeTarget(_ message: MessageRef) -> String {
  if message.pointee.systemCall != nil { return "the sysport" }
  return message.withLatestHop { message in
    if let holder = message.pointee.holder { return "thread " + holder.displayName }
    if let port = message.pointee.target { return port.displayName }
    return "a thread that was sent its handle"
  }
}

extension UnsafeMutablePointer where Pointee == HostState {
  /// Who waits for what. The last worker awake, all others asleep.
  func deadlockReport() -> String {
    var infos: [ThreadInfo] = []
    for cpu in 0..<pointee.startedWorkers.load(ordering: .acquiring) {
      guard
        let gd = GlobalDataRef(
          bitPattern: pointee.globalSlot(cpu).pointee.load(ordering: .acquiring))
      else { continue }
      infos += gd.pointee.allThreads.map { $0.info() }
    }
    infos.sort { $0.id < $1.id }
    let cycle = Self.findCycle(infos)
    let inCycle = Set(cycle.map { $0.id })
    let others = infos.filter { !inCycle.contains($0.id) }
    var lines = ["deadlock: every thread waits for something that can never come"]
    if !cycle.isEmpty { lines.append("in a cycle:") }
    lines += cycle.map { Self.line($0) }
    if !cycle.isEmpty, !others.isEmpty { lines.append("besides:") }
    lines += others.prefix(50).map { Self.line($0) }
    if others.count > 50 { lines.append("  ... and " + String(others.count - 50) + " more") }
    return lines.joined(separator: "\n")
  }

  private static func line(_ info: ThreadInfo) -> String {
    var text = "  thread " + info.path
    if let name = info.name { text += " (" + name + ")" }
    text += " waits"
    if let object = info.waitsFor { text += " for " + object }
    text += " [" + info.wmesg + "]"
    if let waited = info.waitedNanoseconds {
      text += " since " + seconds(waited) + " s"
    }
    if !info.createdAt.isEmpty { text += ", created at " + info.createdAt }
    return text
  }

  private static func seconds(_ nanoseconds: UInt64) -> String {
    let tenths = nanoseconds / 100_000_000
    return String(tenths / 10) + "." + String(tenths % 10)
  }

  /// Follow who waits for whom until somebody comes up twice.
  private static func findCycle(_ infos: [ThreadInfo]) -> [ThreadInfo] {
    var byID: [UInt64: ThreadInfo] = [:]
    for info in infos { byID[info.id] = info }
    var settled: Set<UInt64> = []
    for start in infos where !settled.contains(start.id) {
      var order: [ThreadInfo] = []
      var position: [UInt64: Int] = [:]
      var next: ThreadInfo? = start
      while let info = next, !settled.contains(info.id) {
        if let first = position[info.id] { return Array(order[first...]) }
        position[info.id] = order.count
        order.append(info)
        next = info.waitsForThread.flatMap { byID[$0] }
      }
      for info in order { settled.insert(info.id) }
    }
    return []
  }
}
