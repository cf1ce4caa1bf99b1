// TokenRegain.swift: tokens lost over a wait and had again before the thread runs.
//
// First the thread takes all or none, and waits for the one that is missing with none in its hands. If
// others are always quicker it goes on in the order of addresses and keeps what it has while it waits for
// the next; but only for a time: a thread that runs with the next one may be trying one of these, again
// and again, and would not ever let go.

import CLWKT
import Synchronization

/// A thread that is getting its tokens back: what it was woken for in the first place, and where it
/// stands.
struct Regain {
  var isActive = false
  var reason = WakeReason.none
  var index: Int32 = -1
  var value: UnsafeMutableRawPointer?
  /// The acquisition whose token it waits for.
  var waitingFor: Int?
  /// How often all were tried at once, in vain.
  var attempts = 0
  /// So it goes one by one.
  var isSorted = false
  /// How often it was woken for a token and passed over.
  var failures = 0
  /// Nanoseconds that it waits for one token while it keeps others.
  var keeping = Token.keepNanoseconds
  /// It began with `gettoken`, whose acquisition is the latest: an abort takes that one back and lets
  /// the rest be regained.
  var isGet = false
}

extension UnsafeMutablePointer where Pointee == Thread {
  /// The thread waits: others may have its tokens. Its worker, when it has switched away.
  func loseTokens() {
    guard let stack = pointee.tokens, stack.pointee.count > 0, !pointee.tokensLost else { return }
    pointee.tokensLost = true
    letGo(stack, isNoted: true)
  }

  /// Give back what is held, the latest first.
  private func letGo(_ stack: UnsafeMutablePointer<TokenStack>, isNoted: Bool = false) {
    for index in (0..<stack.pointee.count).reversed()
    where stack.pointee.references[index].isHeld {
      stack.pointee.references[index].isHeld = false
      if isNoted { mycpu.note(.lose, stack.pointee.references[index].token.object, of: self) }
      stack.pointee.references[index].token.giveBack(self)
    }
  }

  /// Have all again, or wait for the one that is missing. Its worker, before it runs. True: had.
  /// `atOnce`: called by the running thread itself, which then switches away if false.
  func regainTokens(atOnce: Bool = false) -> Bool {
    guard let stack = pointee.tokens else { return true }
    // The wait it comes from is over: its node and timer are needed again.
    if !atOnce, !stack.pointee.regain.isActive { finishWait() }
    // What the thread was woken for must survive the waits in here.
    let reason = pointee.wakeReason
    let index = pointee.wakeIndex
    let value = pointee.wakeValue
    if !atOnce, stack.pointee.regain.isActive {
      noteTokenWake(stack)
    } else {
      stack.pointee.regain = Regain(
        isActive: true, reason: reason, index: index, value: value, isGet: atOnce)
    }
    while let index = stack.pointee.regain.isSorted ? nextInOrder(stack) : takeAll(stack) {
      if mustWait(for: index, stack) { return false }
    }
    return regained(stack)
  }

  private func regained(_ stack: UnsafeMutablePointer<TokenStack>) -> Bool {
    noteRegained(stack)
    pointee.tokensLost = false
    pointee.wakeReason = stack.pointee.regain.reason
    pointee.wakeIndex = stack.pointee.regain.index
    pointee.wakeValue = stack.pointee.regain.value
    stack.pointee.regain.isActive = false
    pointee.waitKind = .none
    pointee.waitObject = nil
    return true
  }

  /// Each of its tokens, to whoever listens.
  private func noteRegained(_ stack: UnsafeMutablePointer<TokenStack>) {
    guard _slowPath(mycpu.pointee.isObserved) else { return }
    for index in 0..<stack.pointee.count {
      mycpu.note(.regain, stack.pointee.references[index].token.object, of: self)
    }
  }

  /// Woken for a token: it was handed over, or is worth another try.
  private func noteTokenWake(_ stack: UnsafeMutablePointer<TokenStack>) {
    let isHandedOver = pointee.wakeReason == .ready && pointee.wakeIndex == 1
    switch endTokenWait() {
    case .aborted: return takeBackGet(stack)
    case .timedOut:
      // Its holder may want one of those that were kept: from the beginning, and with more patience.
      letGo(stack)
      stack.pointee.regain.isSorted = false
      stack.pointee.regain.attempts = 0
      stack.pointee.regain.keeping *= 2
    default:
      guard let index = stack.pointee.regain.waitingFor else { break }
      if isHandedOver {
        stack.pointee.references[index].isHeld = true
        noteGeneration(stack, index)
        stack.pointee.regain.failures = 0
      } else {
        stack.pointee.regain.failures += 1
      }
    }
    stack.pointee.regain.waitingFor = nil
  }

  /// Its wait for a token is over: nothing is left linked or armed.
  @discardableResult
  private func endTokenWait() -> WakeReason {
    pointee.waitToken = nil
    return finishWait()
  }

  /// The thread was told to stop while it waited in `gettoken`: without that acquisition then.
  private func takeBackGet(_ stack: UnsafeMutablePointer<TokenStack>) {
    stack.pointee.regain.waitingFor = nil
    stack.pointee.regain.isGet = false
    stack.pointee.regain.reason = .aborted
    releaseTokens(downTo: stack.pointee.count - 1)
  }

  /// All, in the order they were acquired: nil. Or none, and which one to wait for.
  private func takeAll(_ stack: UnsafeMutablePointer<TokenStack>) -> Int? {
    for index in 0..<stack.pointee.count where !stack.pointee.references[index].isHeld {
      let reference = stack.pointee.references[index]
      let again = reference.isShared && hasAlready(reference.token, stack)
      guard let generation = reference.token.take(self, shared: reference.isShared, again: again)
      else {
        letGo(stack)
        stack.pointee.regain.attempts += 1
        if stack.pointee.regain.attempts <= Token.patience { return index }
        stack.pointee.regain.isSorted = true
        return nextInOrder(stack)
      }
      setHeld(index, generation, stack)
    }
    return nil
  }

  /// An acquisition is had again.
  private func setHeld(
    _ index: Int, _ generation: UInt64, _ stack: UnsafeMutablePointer<TokenStack>
  ) {
    stack.pointee.references[index].isHeld = true
    if stack.pointee.references[index].generation == 0 {
      stack.pointee.references[index].generation = generation
    }
  }

  /// Wait for the token of an acquisition: true. False if there is no need to: it can be had at once, or
  /// the thread is not to have it any more.
  private func mustWait(for index: Int, _ stack: UnsafeMutablePointer<TokenStack>) -> Bool {
    let reference = stack.pointee.references[index]
    let token = reference.token
    token.pointee.waitable.lock.lock()
    if let generation = token.takeLocked(
      self, shared: reference.isShared, again: hasAlready(token, stack))
    {
      token.pointee.waitable.lock.unlock()
      setHeld(index, generation, stack)
      stack.pointee.regain.failures = 0
      return false
    }
    let isOverdue = stack.pointee.regain.failures >= Token.patience
    if isOverdue { token.pointee.isStarved = true }
    let ticket = beginWait(.token, on: token.object, interruptible: stack.pointee.regain.isGet)
    stack.pointee.regain.waitingFor = index
    pointee.waitToken = token
    enqueueNode(
      on: token.waitable, ticket: ticket, mode: reference.isShared ? .shared : .exclusive)
    if stack.pointee.regain.failures > 0 {
      // It has stood at the head before.
      token.pointee.waitable.waiters.unlink(ownNode)
      token.pointee.waitable.waiters.prepend(ownNode)
    }
    ownNode.pointee.isOverdue = isOverdue
    token.pointee.waitable.lock.unlock()
    if keepsAny(stack) { armWaitTimer(mycpu.readClock() &+ stack.pointee.regain.keeping) }
    guard stack.pointee.regain.isGet, abortedMeanwhile(ticket: ticket) else { return true }
    endTokenWait()
    takeBackGet(stack)
    return false
  }

  private func keepsAny(_ stack: UnsafeMutablePointer<TokenStack>) -> Bool {
    (0..<stack.pointee.count).contains { stack.pointee.references[$0].isHeld }
  }

  /// Has this regain got another acquisition of `token` already?
  private func hasAlready(_ token: TokenRef, _ stack: UnsafeMutablePointer<TokenStack>) -> Bool {
    for index in 0..<stack.pointee.count
    where stack.pointee.references[index].isHeld && stack.pointee.references[index].token == token {
      return true
    }
    return false
  }

  private func noteGeneration(_ stack: UnsafeMutablePointer<TokenStack>, _ index: Int) {
    guard stack.pointee.references[index].generation == 0 else { return }
    let token = stack.pointee.references[index].token
    token.pointee.waitable.lock.lock()
    stack.pointee.references[index].generation = token.pointee.generation
    token.pointee.waitable.lock.unlock()
  }

  /// The missing one with the lowest address; an exclusive acquisition before a shared one of the same
  /// token, since the other way round it could not be had.
  private func nextInOrder(_ stack: UnsafeMutablePointer<TokenStack>) -> Int? {
    var best: Int?
    for index in 0..<stack.pointee.count where !stack.pointee.references[index].isHeld {
      guard let chosen = best else {
        best = index
        continue
      }
      let candidate = stack.pointee.references[index]
      let other = stack.pointee.references[chosen]
      if candidate.token < other.token
        || (candidate.token == other.token && other.isShared && !candidate.isShared)
      {
        best = index
      }
    }
    return best
  }

  /// The thread ends: its tokens are released. Its worker.
  func endTokens() {
    pointee.waitToken = nil
    releaseTokens(downTo: 0)
    guard let stack = pointee.tokens else { return }
    stack.deinitialize(count: 1)
    stack.deallocate()
    pointee.tokens = nil
    pointee.tokensLost = false
  }
}
