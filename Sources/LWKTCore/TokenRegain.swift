// TokenRegain.swift: tokens lost over a wait and had again before the thread runs.

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
  /// It began with `gettoken`, whose acquisition is the latest: an abort takes that one back and lets
  /// the rest be regained.
  var isGet = false
}

extension UnsafeMutablePointer where Pointee == Thread {
  /// The thread waits: others may have its tokens. Its worker, when it has switched away.
  func loseTokens() {
    guard let stack = pointee.tokens, stack.pointee.count > 0, !pointee.tokensLost else { return }
    pointee.tokensLost = true
    stack.pointee.isSorted = false
    stack.pointee.failures = 0
    for index in (0..<stack.pointee.count).reversed()
    where stack.pointee.references[index].isHeld {
      stack.pointee.references[index].isHeld = false
      mycpu.note(.lose, stack.pointee.references[index].token.object, of: self)
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
    if !stack.pointee.isSorted {
      if takeAll(stack) { return regained(stack) }
      stack.pointee.isSorted = true
    }
    return takeInOrder(stack) ? regained(stack) : false
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
    pointee.waitToken = nil
    let wasHandedOver = pointee.wakeReason == .ready && pointee.wakeIndex == 1
    if pointee.wakeReason == .aborted {
      unlinkNode(ownNode)
      return takeBackGet(stack)
    }
    pointee.node.object = nil
    if let index = stack.pointee.regain.waitingFor {
      if wasHandedOver {
        stack.pointee.references[index].isHeld = true
        noteGeneration(stack, index)
        stack.pointee.failures = 0
      } else {
        stack.pointee.failures += 1
      }
    }
    stack.pointee.regain.waitingFor = nil
  }

  /// The thread was told to stop while it waited in `gettoken`: without that acquisition then.
  private func takeBackGet(_ stack: UnsafeMutablePointer<TokenStack>) {
    stack.pointee.regain.waitingFor = nil
    stack.pointee.regain.isGet = false
    stack.pointee.regain.reason = .aborted
    releaseTokens(downTo: stack.pointee.count - 1)
  }

  /// All, in the order they were acquired, or none.
  private func takeAll(_ stack: UnsafeMutablePointer<TokenStack>) -> Bool {
    for index in 0..<stack.pointee.count {
      let reference = stack.pointee.references[index]
      guard
        let generation = reference.token.take(self, shared: reference.isShared)
      else {
        for taken in (0..<index).reversed() {
          stack.pointee.references[taken].isHeld = false
          stack.pointee.references[taken].token.giveBack(self)
        }
        return false
      }
      stack.pointee.references[index].isHeld = true
      if reference.generation == 0 { stack.pointee.references[index].generation = generation }
    }
    return true
  }

  /// One after the other by address; false when one has to be waited for, and then this is arranged.
  private func takeInOrder(_ stack: UnsafeMutablePointer<TokenStack>) -> Bool {
    while let index = nextInOrder(stack) {
      let reference = stack.pointee.references[index]
      let token = reference.token
      token.pointee.waitable.lock.lock()
      if let generation = token.takeLocked(
        self, shared: reference.isShared, again: hasAlready(token, stack))
      {
        token.pointee.waitable.lock.unlock()
        stack.pointee.references[index].isHeld = true
        stack.pointee.failures = 0
        if reference.generation == 0 { stack.pointee.references[index].generation = generation }
        continue
      }
      let isOverdue = stack.pointee.failures >= Token.patience
      if isOverdue { token.pointee.isStarved = true }
      let ticket = beginWait(.token, on: token.object, interruptible: stack.pointee.regain.isGet)
      stack.pointee.regain.waitingFor = index
      pointee.waitToken = token
      enqueueNode(
        on: token.waitable, ticket: ticket, mode: reference.isShared ? .shared : .exclusive)
      if stack.pointee.failures > 0 {
        // It has stood at the head before.
        token.pointee.waitable.waiters.unlink(ownNode)
        token.pointee.waitable.waiters.prepend(ownNode)
      }
      ownNode.pointee.isOverdue = isOverdue
      token.pointee.waitable.lock.unlock()
      guard stack.pointee.regain.isGet, abortedMeanwhile(ticket: ticket) else { return false }
      unlinkNode(ownNode)
      pointee.waitToken = nil
      takeBackGet(stack)
    }
    return true
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
