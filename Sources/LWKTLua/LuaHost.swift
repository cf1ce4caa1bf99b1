// LuaHost.swift: the Swift side: start workers, run chunks, get values and errors back.

import CLWKT
import CLua
import Glibc
import LWKTCore
import Synchronization

/// What can go wrong with a chunk or a host.
public enum LuaHostError: Error, Sendable, Equatable {
  /// The chunk does not compile.
  case load(String)
  /// The chunk's error, with its traceback, which is empty when there is none.
  case runtime(message: String, traceback: String)
  /// An argument has no Lua form: which, and why.
  case argument(String)
  /// The host has been shut down.
  case ended
  /// The host was used in a way that cannot be: how.
  case misuse(String)
}

extension LuaHostError: CustomStringConvertible {
  /// What a user is told.
  public var description: String {
    switch self {
    case .load(let message): message
    case .runtime(let message, let traceback):
      traceback.isEmpty ? message : message + "\n" + traceback
    case .argument(let problem): "argument " + problem
    case .ended: "the host has been shut down"
    case .misuse(let text): text
    }
  }
}

/// Lua in a Swift program: workers that run Lua threads.
///
/// A host's workers are kernel threads of their own. Chunks of Lua may be run from any other kernel
/// thread, several at a time, until `shutdown()`. There is one host at a time in a process; after one
/// has been shut down another may be made.
///
/// ```swift
/// let host = try LuaHost(workers: 2)
/// let values = try host.run("return 6 * ...", arguments: [7])      // [42]
/// host.shutdown()
/// ```
///
/// What a chunk prints goes to the standard output. Threads that a chunk has created go on when it has
/// ended. If one of them dies and nobody takes notice, it is reported: see `init`.
public final class LuaHost: Sendable {
  let host: Host
  let functions: [(name: String, body: LuaFunction)]
  let deadlockReport = Mutex<String?>(nil)
  /// Where reports go, instead of the standard error.
  private let report: (@Sendable (String) -> Void)?
  /// Chunks that have not ended, and whether more may be run.
  private let chunks = Mutex(Chunks())
  /// The prompt that the main thread is to become.
  let prompt: LuaPrompt?

  private struct Chunks {
    var hasEnded = false
    var last = 0
    var open: [Int: @Sendable (Result<[LuaValue], LuaHostError>) -> Void] = [:]
  }

  /// The one host of this process that Lua runs in. Workers read it; written while there are none.
  nonisolated(unsafe) static var current: LuaHost?
  private static let isTaken = Atomic<Bool>(false)

  /// How many cpus this process may really use; the default number of workers.
  public static var usableCPUs: Int { Host.usableCPUs }

  /// Start workers. Lua code runs on them as soon as `run` is called.
  ///
  /// - Parameters:
  ///   - workers: How many kernel threads Lua runs on, 1 to 256. Those after the first are started
  ///     when there is work for them.
  ///   - functions: Swift functions that every chunk and thread finds among its globals, by name.
  ///   - report: Called with what is to be reported: the error of a thread that nobody took notice
  ///     of, with its traceback. On a worker: it should not block. By default reports are written to
  ///     the standard error.
  /// - Throws: `LuaHostError.misuse` if there is a host already, or for a number of workers that
  ///   cannot be.
  public convenience init(
    workers: Int = LuaHost.usableCPUs, functions: [String: LuaFunction] = [:],
    report: (@Sendable (String) -> Void)? = nil
  ) throws(LuaHostError) {
    guard (1...256).contains(workers) else {
      throw .misuse("LuaHost: the number of workers is 1 to 256, got " + String(workers))
    }
    guard !LuaHost.isTaken.exchange(true, ordering: .acquiringAndReleasing) else {
      throw .misuse("LuaHost: there is a host already; shut it down before making another")
    }
    self.init(
      workers: workers, functions: functions.sorted { $0.key < $1.key }.map { ($0.key, $0.value) },
      background: true, report: report)
    if host.state.startedWorkerCount == 0 {
      LuaHost.isTaken.store(false, ordering: .releasing)
      throw .misuse("LuaHost: no kernel thread can be started")
    }
  }

  /// - Parameter background: As embedders have it. Else the calling kernel thread becomes worker 0
  ///   when the program is run, and the host ends with it. `policy`: what the scheduler's choices depend
  ///   on. `listener`: who is told of each visible step.
  init(
    workers: Int, functions: [(name: String, body: LuaFunction)],
    sysport: SysportOptions = SysportOptions(), background: Bool, prompt: LuaPrompt? = nil,
    report: (@Sendable (String) -> Void)? = nil, policy: Policy = Policy(),
    listener: (any EventListener)? = nil
  ) {
    self.functions = functions
    self.prompt = prompt
    self.report = report
    LuaHost.installOnce
    host = Host(
      workers: workers,
      binding: Binding(
        run: lwkt_run,
        requestSwitch: { lwkt_preempt_self() },
        preempt: { lwkt_preempt_signal(UInt($0)) },
        reportDeath: { reportDeath($0) },
        reportDeadlock: { report in LuaHost.current?.noteDeadlock(report) },
        holdsOthersUp: { LuaHeap.of($0).pointee.holdsOthersUp },
        collect: { LuaHeap.of($0).pointee.startCollector(atOnce: $1) },
        outlivesDeadlocks: prompt != nil,
        place: { currentPlace() }, workerEnds: { closeHeaps() }),
      policy: policy, background: background, sysport: sysport, listener: listener)
    LuaHost.current = self
    if background { lwkt_note_threads() }
  }

  private static let installOnce: Void = {
    lwkt_preempt_install()
    lwkt_make_resumer()
  }()

  /// Run `chunk` as a thread and wait for its end. Any kernel thread but the host's own workers; not
  /// in a task, whose kernel thread must not be blocked: there use `start`.
  ///
  /// - Parameters:
  ///   - chunk: Lua source. Each chunk has globals of its own.
  ///   - name: What stands before the line number in messages.
  ///   - arguments: The chunk's `...`.
  /// - Returns: What the chunk returns. What has no Swift form (a function, a handle) comes as the
  ///   text that `tostring` would make of it.
  /// - Throws: `load`, `runtime` or `argument`; `ended` after `shutdown()`; `misuse` on a worker.
  public func run(
    _ chunk: String, name: String = "chunk", arguments: [LuaValue] = []
  ) throws(LuaHostError) -> [LuaValue] {
    if mycpuIfWorker != nil {
      throw .misuse(
        "LuaHost.run: called on a worker, by a registered function: it waits for itself")
    }
    let box = Outcome()
    start(chunk, name: name, arguments: arguments) { box.set($0) }
    return try box.wait().get()
  }

  /// Run `chunk` as a thread and do not wait. Any kernel thread, also in tasks and registered
  /// functions.
  ///
  /// - Parameters:
  ///   - chunk: Lua source. Each chunk has globals of its own.
  ///   - name: What stands before the line number in messages.
  ///   - arguments: The chunk's `...`.
  ///   - whenDone: Called once, with what `run` would return or throw: on a worker, which it should
  ///     not hold up, or on the calling kernel thread if the host has ended.
  public func start(
    _ chunk: String, name: String = "chunk", arguments: [LuaValue] = [],
    whenDone: @escaping @Sendable (Result<[LuaValue], LuaHostError>) -> Void
  ) {
    let number = chunks.withLock { chunks -> Int? in
      if chunks.hasEnded { return nil }
      chunks.last += 1
      chunks.open[chunks.last] = whenDone
      return chunks.last
    }
    guard let number else { return whenDone(.failure(.ended)) }
    host.onWorker(0) {
      self.startChunk(chunk, name: "=" + name, arguments: arguments) { self.end(number, $0) }
    }
  }

  /// A chunk has ended: tell whoever started it, once.
  private func end(_ number: Int, _ result: Result<[LuaValue], LuaHostError>) {
    let whenDone = chunks.withLock { $0.open.removeValue(forKey: number) }
    whenDone?(result)
  }

  /// End the host. Every thread that still runs is aborted and may run to its end, for a second; then
  /// the workers are joined. Chunks that have not ended fail. Any kernel thread but the host's own
  /// workers; the second time it does nothing.
  public func shutdown() {
    if mycpuIfWorker != nil {
      fatalError(
        "LuaHost.shutdown: called on a worker, by a registered function: it waits for itself")
    }
    let isFirst = chunks.withLock { chunks in
      defer { chunks.hasEnded = true }
      return !chunks.hasEnded
    }
    guard isFirst else { return }
    host.shutdown()
    // What did not end in time, or came too late to begin.
    let left = chunks.withLock { chunks in
      defer { chunks.open = [:] }
      return chunks.open
    }
    for (_, whenDone) in left { whenDone(.failure(.ended)) }
    LuaHost.current = nil
    LuaHost.isTaken.store(false, ordering: .releasing)
  }

  /// A report, for whoever wants it.
  fileprivate func tell(_ text: String) {
    if let report { report(text) } else { printError("lwkt-lua: " + text) }
  }

  private func noteDeadlock(_ report: String) {
    if let prompt { return prompt.reportDeadlock(report) }
    deadlockReport.withLock { $0 = report }
    printError("lwkt-lua: " + report)
  }

  // MARK: Chunks

  /// On worker 0, between threads.
  private func startChunk(
    _ chunk: String, name: String, arguments: [LuaValue],
    whenDone: @escaping @Sendable (Result<[LuaValue], LuaHostError>) -> Void
  ) {
    startMain(
      load: { L in
        var chunk = chunk
        return chunk.withUTF8 { bytes in
          lwkt_loadbuffer(L, cText(bytes), bytes.count, name)
        }
      }, prepare: { _ in }, arguments: arguments, whenDone: whenDone)
  }

  /// Make a thread in a heap of its own that runs what `load` pushes. On worker 0, between threads.
  func startMain(
    load: (LuaState) -> Int32, prepare: (LuaState) -> Void, arguments: [LuaValue],
    catchesInterrupts: Bool = false, whenDone: @escaping (Result<[LuaValue], LuaHostError>) -> Void
  ) {
    let thread = ThreadRef.make(host: host.state, parent: nil, options: ThreadOptions())
    defer { thread.object.releaseObject() }
    thread.markMain()
    guard let heap = LuaHeap.make(isMain: true), let domain = heap.pointee.domain else {
      return whenDone(.failure(.load("not enough memory")))
    }
    domain.pointee.isOpen = false
    if catchesInterrupts { host.state.catchInterrupt(for: thread) }
    let main = heap.pointee.state
    prepare(main)
    guard load(main) == LUA_OK else {
      let text = string(main, -1)
      heap.close()
      return whenDone(.failure(.load(text)))
    }
    let slot = heap.pointee.takeSlot()
    guard let L = lwkt_newthread(main, slot, -1) else { return }
    lwkt_name_main(main, L)
    _ = lua_checkstack(L, 8)
    lwkt_move(main, L, 1)
    do throws(LuaValueProblem) {
      try pushValues(L, arguments)
    } catch {
      heap.close()
      return whenDone(.failure(.argument(error.text)))
    }
    thread.pointee.slot = slot
    thread.pointee.machine = UnsafeMutableRawPointer(L)
    thread.pointee.startCount = Int32(arguments.count)
    domain.add(thread)
    thread.extras.whenEnded = { L, succeeded, results in
      if succeeded {
        thread.markNoticed()
        let values = readValues(L, first: lua_gettop(L) - results + 1, count: results)
        whenDone(values.mapError { .runtime(message: "result " + $0.text, traceback: "") })
      } else {
        thread.markNoticed()
        let death = thread.death
        whenDone(
          .failure(
            .runtime(message: death?.message ?? "aborted", traceback: death?.traceback ?? "")))
      }
    }
    thread.begin()
  }

  func registerFunctions(_ L: LuaState) {
    for (number, function) in functions.enumerated() {
      lwkt_register(L, function.name, Int32(number))
    }
  }

  func call(_ number: Int, _ arguments: [LuaValue]) -> LuaAnswer {
    if functions.indices.contains(number) { return functions[number].body(arguments) }
    let index = number - functions.count
    guard let own = prompt?.functions, own.indices.contains(index) else {
      return .error("no such function")
    }
    return own[index].body(arguments)
  }
}

/// One result that another kernel thread waits for.
private final class Outcome: Sendable {
  private let slot = Mutex<Result<[LuaValue], LuaHostError>?>(nil)
  private nonisolated(unsafe) let word: UnsafeMutablePointer<Atomic<UInt32>>

  init() {
    word = .allocate(capacity: 1)
    word.initialize(to: Atomic(0))
  }

  deinit {
    word.deinitialize(count: 1)
    word.deallocate()
  }

  func set(_ result: Result<[LuaValue], LuaHostError>) {
    slot.withLock { $0 = result }
    word.pointee.store(1, ordering: .releasing)
    lwkt_futex_wake(word, 1)
  }

  func wait() -> Result<[LuaValue], LuaHostError> {
    while word.pointee.load(ordering: .acquiring) == 0 { _ = lwkt_futex_wait(word, 0, -1) }
    return slot.withLock { $0 ?? .failure(.load("no result")) }
  }
}

// MARK: Reports

/// `Binding.reportDeath`.
private func reportDeath(_ thread: ThreadRef) {
  if let prompt = LuaHost.current?.prompt {
    let death = thread.death ?? Death(message: "its results cannot be copied", traceback: "")
    return prompt.reportDeath(thread.displayName, death.message, death.traceback)
  }
  var text = "thread " + thread.displayName + " died: "
  if let death = thread.death {
    text += death.message
    if !death.traceback.isEmpty { text += "\n" + death.traceback }
  } else {
    text += "its results cannot be copied"
  }
  LuaHost.current?.tell(text)
}

/// `Binding.workerEnds`: the threads of this worker are gone, its heaps follow.
private func closeHeaps() {
  while let domain = mycpu.anyDomain { LuaHeap.of(domain).close() }
}
