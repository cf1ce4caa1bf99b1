// Token.swift: serialisation of the threads that hold it, while they run.
//
// A thread that waits loses all its tokens (`loseTokens`, in the loop) and has them all again before
// it runs (`regainTokens`, in the loop, before the switch).
//
// Why nobody waits for ever
//   * Nobody holds a token while waiting for anything but a token.
//   * To have several, a thread tries them all and keeps all or none. When that has failed a few times
//     it takes them one by one in the order of their addresses, waiting for each. A thread that waits
//     so holds only tokens that stand before the one it waits for, so there are no cycles among
//     waiters; and every other holder runs, and so gives its tokens up sooner or later. Unless it tries,
//     without ever waiting, for one of those that are kept: so they are kept for a time only, which is
//     longer each time.
//   * A token that falls free wakes its first waiter but is not handed over: whoever runs may have it
//     first, which keeps a hot token from costing a switch each time. A waiter that was passed over
//     `patience` times is *overdue*: the release that finds it at the head of the queue hands the
//     token over to it. Who waits again after a failure goes to the head, so it comes to that. And
//     while there is a new one the token is *starved*: newcomers queue up behind, and the next
//     release hands it over to whoever is first, once. Once is enough: a token that stayed so until
//     nobody waits, while its threads come back for it, would cost a switch each time for ever.
//   * `mostJoined` sharers that join others while somebody waits make it starved too, for else they
//     could take turns for ever. A token is made starved only while it is held: the release that must
//     come hands it over.

import CLWKT
import Synchronization

public typealias TokenRef = UnsafeMutablePointer<Token>

public struct Token: ~Copyable {
  /// Who waits for it. Its lock guards every `var` below.
  public var waitable: Waitable
  /// The exclusive holder, or nil.
  var owner: ThreadRef?
  /// How often the owner has it, exclusively or shared on top.
  var depth = 0
  /// How many threads hold it shared.
  var sharers = 0
  /// Raised whenever somebody other than the last holder gets it.
  var generation: UInt64 = 0
  var lastHolder: UInt64 = 0
  /// The next release hands it over, and till then nobody takes it who does not wait for it.
  var isStarved = false
  /// Sharers that have joined others since a waiter was last woken.
  var joined = 0
  /// How often somebody could not have it at once.
  public internal(set) var collisions: UInt64 = 0
  /// NUL-terminated, owned.
  public let name: UnsafeMutablePointer<CChar>
  /// Guarded by the name table's lock.
  fileprivate var hostLinks = Links<TokenRef>()
  let host: HostRef

  /// All tokens of the host.
  enum ByHost: Linkage {
    static func links(of token: TokenRef) -> UnsafeMutablePointer<Links<TokenRef>> {
      addressOf(&token.pointee.hostLinks)
    }
  }

  static let patience = 2
  static let mostJoined = 8
  /// The first time, in nanoseconds; then it is doubled.
  static let keepNanoseconds: UInt64 = 10_000_000

  init(name: UnsafeMutablePointer<CChar>, host: HostRef) {
    waitable = Waitable(.token)
    self.name = name
    self.host = host
  }
}

/// One acquisition, in the order they were made.
public struct TokenReference {
  public internal(set) var token: TokenRef
  public internal(set) var isShared: Bool
  /// The token's generation when it was acquired.
  var generation: UInt64
  /// In a regain under way: this one is had already.
  var isHeld: Bool
}

/// The acquisitions of one thread, the latest last. Owner worker of the thread.
public struct TokenStack: ~Copyable {
  var references: UnsafeMutablePointer<TokenReference>
  var count = 0
  var capacity = 4
  var regain = Regain()

  init() { references = .allocate(capacity: 4) }
  deinit { references.deallocate() }

  mutating func push(_ reference: TokenReference) {
    if count == capacity {
      let larger = UnsafeMutablePointer<TokenReference>.allocate(capacity: capacity * 2)
      larger.moveInitialize(from: references, count: count)
      references.deallocate()
      references = larger
      capacity *= 2
    }
    (references + count).initialize(to: reference)
    count += 1
  }
}

extension UnsafeMutablePointer where Pointee == Token {
  public var object: ObjectRef { ObjectRef(self) }
  var waitable: UnsafeMutablePointer<Waitable> {
    UnsafeMutableRawPointer(self).assumingMemoryBound(to: Waitable.self)
  }
  public var displayName: String { "token " + String(cString: pointee.name) }

  /// What inspection shows.
  public var glimpse: (holder: String?, sharers: Int, waiters: Int, collisions: UInt64) {
    pointee.waitable.lock.lock()
    defer { pointee.waitable.lock.unlock() }
    return (
      pointee.owner?.pathName, pointee.sharers, pointee.waitable.waiters.count, pointee.collisions
    )
  }

  /// A token with one reference, the caller's. See `HostState.token(named:)`.
  static func make(name: Name, host: HostRef) -> TokenRef {
    let token = TokenRef.allocate(capacity: 1)
    token.initialize(to: Token(name: name.copy(), host: host))
    host.register(token)
    return token
  }

  func destroy() {
    pointee.host.unregister(self)
    pointee.name.deallocate()
    deinitialize(count: 1)
    deallocate()
  }

  /// Lock held: can `thread` have it now?
  @inline(__always)
  private func isFree(for thread: ThreadRef, shared: Bool) -> Bool {
    if pointee.owner == thread { return true }
    if pointee.owner != nil { return false }
    if shared { return true }
    return pointee.sharers == 0
  }

  /// By a thread of this worker, which runs only when the current one has given way.
  fileprivate var isHeldHere: Bool {
    pointee.waitable.lock.lock()
    defer { pointee.waitable.lock.unlock() }
    return pointee.owner?.cpu == mycpu.pointee.cpu
  }

  /// Lock held: `thread` has it from now on.
  @inline(__always)
  private func grant(_ thread: ThreadRef, shared: Bool) {
    if pointee.owner == thread {
      pointee.depth += 1
    } else if shared {
      pointee.sharers += 1
    } else {
      pointee.owner = thread
      pointee.depth = 1
    }
    if pointee.lastHolder != thread.pointee.id {
      pointee.lastHolder = thread.pointee.id
      pointee.generation += 1
    }
  }

  /// Take it if it is free. A starved one is left to those that wait, unless the thread has it
  /// already (`again`): that it shares it may be what they wait for. Returns the generation, or nil.
  /// The thread's worker.
  @inline(__always)
  func take(_ thread: ThreadRef, shared: Bool, again: Bool = false) -> UInt64? {
    pointee.waitable.lock.lock()
    defer { pointee.waitable.lock.unlock() }
    return takeLocked(thread, shared: shared, again: again)
  }

  /// `take` with the lock held.
  @inline(__always)
  func takeLocked(_ thread: ThreadRef, shared: Bool, again: Bool) -> UInt64? {
    guard isFree(for: thread, shared: shared) else { return nil }
    if pointee.waitable.waiters.first != nil, !again, pointee.owner != thread, mustQueue() {
      return nil
    }
    grant(thread, shared: shared)
    return pointee.generation
  }

  /// Lock held: somebody waits. Does a newcomer have to queue up behind?
  @inline(never)
  private func mustQueue() -> Bool {
    if pointee.isStarved { return true }
    guard pointee.sharers > 0 else { return false }
    pointee.joined += 1
    if pointee.joined > Token.mostJoined { pointee.isStarved = true }
    return pointee.isStarved
  }

  /// Give one acquisition back; the first waiter (or the first sharers) are woken. The thread's worker,
  /// no lock held.
  @inline(__always)
  func giveBack(_ thread: ThreadRef) {
    pointee.waitable.lock.lock()
    if pointee.owner == thread {
      pointee.depth -= 1
      if pointee.depth == 0 { pointee.owner = nil }
    } else {
      pointee.sharers -= 1
    }
    let woken = pointee.waitable.waiters.first == nil ? nil : wakeWaiters()
    pointee.waitable.lock.unlock()
    if woken != nil { scheduleChain(woken) }
  }

  /// Lock held: wake the first waiter that could have it, and all sharers next in line if it shares.
  /// It is theirs at once if the token is starved or they are overdue.
  @inline(never)
  private func wakeWaiters() -> ThreadRef? {
    var woken: ThreadRef?
    while let node = pointee.waitable.waiters.first {
      let thread = node.pointee.thread
      let shared = node.pointee.mode == .shared
      guard isFree(for: thread, shared: shared) else { break }
      pointee.waitable.waiters.unlink(node)
      pointee.joined = 0
      guard thread.claim(node.pointee.ticket) else { continue }
      if pointee.isStarved || node.pointee.isOverdue {
        grant(thread, shared: shared)
        thread.pointee.wakeIndex = 1
      } else {
        thread.pointee.wakeIndex = 0
      }
      thread.pointee.wakeReason = .ready
      thread.pointee.runNext = woken
      woken = thread
      if !shared { break }
    }
    if woken != nil || pointee.waitable.waiters.first == nil { pointee.isStarved = false }
    return woken
  }
}

/// Why a token operation is misuse; worded as the panics were.
public enum TokenMisuse: Error, @unchecked Sendable {
  /// `reltoken` of another than the latest: its name, or nil when none is held.
  case notLatest(TokenRef?)
  /// Exclusive on top of one's own shared one: it could never be had.
  case upgrade
}

extension UnsafeMutablePointer where Pointee == Thread {
  private var tokenStack: UnsafeMutablePointer<TokenStack> {
    if let stack = pointee.tokens { return stack }
    let stack = UnsafeMutablePointer<TokenStack>.allocate(capacity: 1)
    stack.initialize(to: TokenStack())
    pointee.tokens = stack
    return stack
  }

  /// gettoken. The current thread. `.ready`: held. `.waiting`: all tokens it held are given up with
  /// the switch, and all, this one too, are had when the thread runs again. Takes a reference.
  @inline(__always)
  public func getToken(_ token: TokenRef, shared: Bool) -> Result<WaitResult, TokenMisuse> {
    if let generation = token.take(self, shared: shared) {
      push(token, shared: shared, generation: generation, held: true)
      return .success(.ready)
    }
    return getTokenSlowly(token, shared: shared)
  }

  private func push(_ token: TokenRef, shared: Bool, generation: UInt64, held: Bool) {
    token.object.retainObject()
    tokenStack.pointee.push(
      TokenReference(token: token, isShared: shared, generation: generation, isHeld: held))
    if held { mycpu.note(.get, token.object) }
  }

  @inline(never)
  private func getTokenSlowly(_ token: TokenRef, shared: Bool) -> Result<WaitResult, TokenMisuse> {
    if !shared, holds(token) == .shared { return .failure(.upgrade) }
    if isCancelled {
      // The error comes at this wait; nothing is lost.
      pointee.wakeReason = .aborted
      return .success(.waitOver)
    }
    if shared, holds(token) == .shared, let generation = token.take(self, shared: true, again: true)
    {
      push(token, shared: true, generation: generation, held: true)
      return .success(.ready)
    }
    mycpu.count(.tokenCollisions)
    let stack = tokenStack
    if stack.pointee.count == 0, spinFor(token, shared: shared) { return .success(.ready) }
    push(token, shared: shared, generation: 0, held: false)
    token.pointee.waitable.lock.lock()
    token.pointee.collisions += 1
    token.pointee.waitable.lock.unlock()
    // All are lost now, and taken again like after any other wait, by the loop.
    loseTokens()
    pointee.wakeReason = .none
    pointee.waitKind = .token
    pointee.waitObject = token.object
    if regainTokens(atOnce: true) {
      return .success(pointee.wakeReason == .aborted ? .waitOver : .ready)
    }
    return .success(.waiting)
  }

  /// A holder on another worker may be about to let go. To look whether it has takes its cache line from
  /// it, so that is done seldom: two workers that want nothing but the token then have it by turns of a
  /// microsecond, in which each goes at full speed, and not once each at the speed of the line.
  private func spinFor(_ token: TokenRef, shared: Bool) -> Bool {
    guard pointee.host.pointee.spinNanoseconds > 0, !token.isHeldHere else { return false }
    for _ in 0..<3 {
      for _ in 0..<32 { lwkt_cpu_pause() }
      if let generation = token.take(self, shared: shared) {
        push(token, shared: shared, generation: generation, held: true)
        return true
      }
    }
    return false
  }

  /// trytoken. The current thread.
  public func tryToken(_ token: TokenRef) -> Bool {
    if holds(token) == .shared { return false }
    guard let generation = token.take(self, shared: false) else { return false }
    push(token, shared: false, generation: generation, held: true)
    return true
  }

  /// reltoken: the latest acquisition only. The current thread. The error names the latest one.
  @inline(__always)
  public func releaseToken(_ token: TokenRef) -> TokenMisuse? {
    guard let stack = pointee.tokens, stack.pointee.count > 0 else { return .notLatest(nil) }
    let last = stack.pointee.count - 1
    let held = stack.pointee.references[last].token
    guard held == token else { return .notLatest(held) }
    stack.pointee.count = last
    mycpu.note(.release, token.object)
    token.giveBack(self)
    token.object.releaseObject()
    return nil
  }

  public enum TokenHold: Sendable { case none, shared, exclusive }

  /// The thread was told to stop while it got `token`: let go of that acquisition. The current thread.
  public func undoGet(_ token: TokenRef) {
    guard let stack = pointee.tokens, stack.pointee.count > 0,
      stack.pointee.references[stack.pointee.count - 1].token == token
    else { return }
    releaseTokens(downTo: stack.pointee.count - 1)
  }

  /// How this thread holds `token`. The current thread.
  public func holds(_ token: TokenRef) -> TokenHold {
    guard let stack = pointee.tokens else { return .none }
    var hold = TokenHold.none
    for index in 0..<stack.pointee.count where stack.pointee.references[index].token == token {
      if !stack.pointee.references[index].isShared { return .exclusive }
      hold = .shared
    }
    return hold
  }

  /// Has anybody else held it since this thread got it? Nil if it does not hold it. The current thread.
  public func isStale(_ token: TokenRef) -> Bool? {
    guard let stack = pointee.tokens else { return nil }
    for index in (0..<stack.pointee.count).reversed()
    where stack.pointee.references[index].token == token {
      token.pointee.waitable.lock.lock()
      defer { token.pointee.waitable.lock.unlock() }
      return token.pointee.generation != stack.pointee.references[index].generation
    }
    return nil
  }

  /// token_swap: exchange the two latest. False if there are not two. The current thread.
  public func swapTokens() -> Bool {
    guard let stack = pointee.tokens, stack.pointee.count >= 2 else { return false }
    let last = stack.pointee.count - 1
    let references = stack.pointee.references
    (references[last], references[last - 1]) = (references[last - 1], references[last])
    return true
  }

  /// How many acquisitions this thread has. The current thread.
  public var tokenCount: Int { pointee.tokens?.pointee.count ?? 0 }

  /// Release acquisitions until `count` are left: what an error jumped over. The current thread.
  public func releaseTokens(downTo count: Int) {
    guard let stack = pointee.tokens else { return }
    while stack.pointee.count > count {
      stack.pointee.count -= 1
      let reference = stack.pointee.references[stack.pointee.count]
      if reference.isHeld {
        mycpuIfWorker?.note(.release, reference.token.object)
        reference.token.giveBack(self)
      }
      reference.token.object.releaseObject()
    }
  }
}
