// LuaHost.swift: the Swift side: start workers, run chunks, get values and errors back.

import CLWKT
import CLua
import Glibc
import LWKTCore
import Synchronization

/// A value as Swift sees it. Tables come as lists of pairs, up to 100 levels deep; what has no Swift
/// form (functions, handles) comes as its text.
public indirect enum LuaValue: Sendable, Equatable {
  case `nil`
  case boolean(Bool)
  case integer(Int64)
  case number(Double)
  case string(String)
  case table([(key: LuaValue, value: LuaValue)])

  public static func == (a: LuaValue, b: LuaValue) -> Bool {
    switch (a, b) {
    case (.nil, .nil): true
    case (.boolean(let x), .boolean(let y)): x == y
    case (.integer(let x), .integer(let y)): x == y
    case (.number(let x), .number(let y)): x == y
    case (.string(let x), .string(let y)): x == y
    case (.table(let x), .table(let y)):
      x.count == y.count && zip(x, y).allSatisfy { $0.key == $1.key && $0.value == $1.value }
    default: false
    }
  }
}

/// What can go wrong with a chunk.
public enum LuaHostError: Error, Sendable, Equatable {
  /// The chunk does not compile, or cannot be read.
  case load(String)
  /// The chunk's error, with its traceback.
  case runtime(message: String, traceback: String)
}

/// What a registered Swift function answers.
public enum LuaAnswer: Sendable {
  case values([LuaValue])
  /// Raise this message, with the caller's position.
  case error(String)
  /// Wait until the answer is there, while other threads run.
  case wait(LuaPending)
}

public typealias LuaFunction = @Sendable ([LuaValue]) -> LuaAnswer

/// An answer that comes later, from any kernel thread.
public final class LuaPending: Sendable {
  nonisolated(unsafe) let message: MessageRef
  let values = Mutex<Result<[LuaValue], LuaPendingFailure>?>(nil)

  struct LuaPendingFailure: Error { var message: String }

  /// In a registered function, on the thread that will wait.
  public init() {
    message = MessageRef.make(sender: lwktCurrentThread(), payload: Payload())
    message.expectOutside()
  }

  deinit { message.object.releaseObject() }

  /// The answer: the waiting thread goes on with it. Any kernel thread; the first call counts.
  public func complete(_ answer: [LuaValue]) { finish(.success(answer)) }

  /// The waiting thread's call raises `message`.
  public func fail(_ message: String) { finish(.failure(LuaPendingFailure(message: message))) }

  private func finish(_ result: Result<[LuaValue], LuaPendingFailure>) {
    let isFirst = values.withLock { slot in
      if slot != nil { return false }
      slot = result
      return true
    }
    if isFirst { message.completeOutside() }
  }
}

/// Workers with Lua heaps.
///
/// `LuaHost()` starts a host in the background: its workers are kernel threads of their own, and
/// chunks may be run from any other kernel thread, several at a time, until `shutdown`.
public final class LuaHost: Sendable {
  let host: Host
  let functions: [(name: String, body: LuaFunction)]
  let deadlockReport = Mutex<String?>(nil)
  /// The prompt that the main thread is to become.
  let prompt: LuaPrompt?

  /// The one host of this process that Lua runs in.
  nonisolated(unsafe) static var current: LuaHost?

  /// How many cpus this process may really use; the default number of workers.
  public static var usableCPUs: Int { Host.usableCPUs }

  /// - Parameters:
  ///   - workers: 1 to 256.
  ///   - functions: Swift functions that every chunk and thread finds among its globals.
  ///   - background: the ordinary case, see above. Without it `runMain` makes the calling kernel
  ///     thread worker 0.
  public convenience init(
    workers: Int = LuaHost.usableCPUs, functions: [String: LuaFunction] = [:],
    sysport: SysportOptions = SysportOptions(), background: Bool = true
  ) {
    self.init(
      workers: workers, functions: functions.sorted { $0.key < $1.key }.map { ($0.key, $0.value) },
      sysport: sysport, background: background, prompt: nil)
  }

  init(
    workers: Int, functions: [(name: String, body: LuaFunction)], sysport: SysportOptions,
    background: Bool, prompt: LuaPrompt?
  ) {
    self.functions = functions
    self.prompt = prompt
    LuaHost.installOnce
    host = Host(
      workers: workers,
      binding: Binding(
        run: lwkt_run,
        requestSwitch: { lwkt_preempt_self() },
        preempt: { lwkt_preempt_signal(UInt($0)) },
        reportDeath: { reportDeath($0) },
        reportDeadlock: { report in LuaHost.current?.noteDeadlock(report) },
        workerEnds: { closeHeaps() }),
      background: background, sysport: sysport)
    LuaHost.current = self
    if background { lwkt_note_threads() }
  }

  private static let installOnce: Void = {
    lwkt_preempt_install()
    lwkt_make_resumer()
  }()

  /// Run `chunk` as a thread and wait for its end. Not from a worker.
  public func run(_ chunk: String, name: String = "chunk", arguments: [LuaValue] = []) throws
    -> [LuaValue]
  {
    let box = Outcome()
    host.onWorker(0) {
      self.startChunk(chunk, name: "=" + name, arguments: arguments) { box.set($0) }
    }
    return try box.wait().get()
  }

  /// End the host: abort what still runs, let it run to its end, join the workers.
  public func shutdown() {
    host.shutdown()
    LuaHost.current = nil
  }

  private func noteDeadlock(_ report: String) {
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
    _ = lua_checkstack(L, Int32(arguments.count) + 8)
    lwkt_move(main, L, 1)
    for argument in arguments { pushValue(L, argument) }
    thread.pointee.slot = slot
    thread.pointee.machine = UnsafeMutableRawPointer(L)
    thread.pointee.startCount = Int32(arguments.count)
    domain.add(thread)
    thread.extras.whenEnded = { L, succeeded, results in
      if succeeded {
        let first = lua_gettop(L) - results + 1
        let values = (0..<results).map { value(L, first + $0, depth: 0) }
        thread.markNoticed()
        whenDone(.success(values))
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

// MARK: Values

/// Lua API that allocates: `lua_pushlstring`, `lua_createtable`, `lua_rawset`.
func pushValue(_ L: LuaState, _ value: LuaValue) {
  _ = lua_checkstack(L, 4)
  switch value {
  case .nil: lua_pushnil(L)
  case .boolean(let flag): lua_pushboolean(L, flag ? 1 : 0)
  case .integer(let number): lua_pushinteger(L, number)
  case .number(let number): lua_pushnumber(L, number)
  case .string(let text): pushString(L, text)
  case .table(let pairs):
    lua_createtable(L, 0, Int32(clamping: pairs.count))
    for pair in pairs where pair.key != .nil {
      if case .number(let number) = pair.key, number != number { continue }
      pushValue(L, pair.key)
      pushValue(L, pair.value)
      lua_rawset(L, -3)
    }
  }
}

func value(_ L: LuaState, _ index: Int32, depth: Int) -> LuaValue {
  let index = lua_absindex(L, index)
  switch lua_type(L, index) {
  case LUA_TNIL, LUA_TNONE: return .nil
  case LUA_TBOOLEAN: return .boolean(lua_toboolean(L, index) != 0)
  case LUA_TNUMBER:
    var isInteger: Int32 = 0
    let integer = lua_tointegerx(L, index, &isInteger)
    if lua_isinteger(L, index) != 0 { return .integer(integer) }
    return .number(lua_tonumberx(L, index, nil))
  case LUA_TSTRING: return .string(string(L, index))
  case LUA_TTABLE where depth < 100:
    var pairs: [(key: LuaValue, value: LuaValue)] = []
    guard lua_checkstack(L, 6) != 0 else { return .nil }
    lua_pushnil(L)
    while lwkt_next(L, index) != 0 {
      pairs.append((value(L, -2, depth: depth + 1), value(L, -1, depth: depth + 1)))
      lwkt_pop(L, 1)
    }
    return .table(pairs)
  default:
    lwkt_pusherrortext(L, index)
    defer { lwkt_pop(L, 1) }
    return .string(string(L, -1))
  }
}

// MARK: Registered functions

@c(lwkt_s_registered)
public func callRegistered(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  let count = lua_gettop(L)
  let arguments = count > 0 ? (1...count).map { value(L, $0, depth: 0) } : []
  let number = Int(lwkt_registered_number(L))
  guard let host = LuaHost.current else { return raise(L, "the host has ended") }
  switch host.call(number, arguments) {
  case .values(let values):
    _ = lua_checkstack(L, Int32(values.count) + 4)
    for value in values { pushValue(L, value) }
    return Int32(values.count)
  case .error(let message): return raise(L, message)
  case .wait(let pending):
    let thread = currentThread
    thread.extras.pending = pending
    let result = pending.message.waitForReply(thread, deadline: nil)
    if result == .ready { return pendingAnswered(L) }
    return after(L, result, .pending)
  }
}

func pendingAnswered(_ L: LuaState) -> Int32 {
  let thread = currentThread
  let isAborted = thread.pointee.waitKind != .none && thread.finishWait() == .aborted
  let pending = thread.extras.pending
  thread.extras.pending = nil
  if isAborted { return raiseCancellation(L) }
  switch pending?.values.withLock({ $0 }) {
  case .success(let values)?:
    _ = lua_checkstack(L, Int32(values.count) + 4)
    for value in values { pushValue(L, value) }
    return Int32(values.count)
  case .failure(let failure)?: return raise(L, failure.message)
  case nil: return 0
  }
}

// MARK: Reports

/// `Binding.reportDeath`.
private func reportDeath(_ thread: ThreadRef) {
  if let prompt = LuaHost.current?.prompt {
    let death = thread.death ?? Death(message: "its results cannot be copied", traceback: "")
    return prompt.reportDeath(thread.displayName, death.message, death.traceback)
  }
  var text = "lwkt-lua: thread " + thread.displayName + " died: "
  if let death = thread.death {
    text += death.message
    if !death.traceback.isEmpty { text += "\n" + death.traceback }
  } else {
    text += "its results cannot be copied"
  }
  printError(text)
}

/// `Binding.workerEnds`: the threads of this worker are gone, its heaps follow.
private func closeHeaps() {
  while let domain = mycpu.pointee.domains { LuaHeap.of(domain).close() }
}
