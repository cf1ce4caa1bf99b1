// Evaluation.swift: an evaluation at a prompt that catches the error of Ctrl-C.
//
// Ctrl-C raises an error, and a loop around a protected call would catch it for ever. So one that comes more
// than `timeToTidyUp` after the first of the same evaluation lasts: the error comes at every instruction and
// at every wait, as with an abort that was swallowed, until the evaluation is over.

import Synchronization

/// In `HostState`: there is one prompt. Its thread's, while that runs.
struct Evaluation {
  var isUnderWay = false
  /// When its first Ctrl-C was raised; 0 if none was.
  var interruptedAt: UInt64 = 0
}

extension UnsafeMutablePointer where Pointee == Thread {
  static var lastingInterruptBit: UInt8 { 16 }

  /// Is every instruction and every wait of it to raise Ctrl-C's error? The current thread.
  public var isInterruptedForGood: Bool {
    pointee.cancelState.load(ordering: .relaxed) & Self.lastingInterruptBit != 0
  }

  /// The current thread, the one that Ctrl-C is for.
  public func beginEvaluation() {
    pointee.host.pointee.evaluation = Evaluation(isUnderWay: true)
  }

  /// It is over, however it has ended. The current thread, the one that Ctrl-C is for.
  public func endEvaluation() {
    pointee.host.pointee.evaluation = Evaluation()
    pointee.cancelState.bitwiseAnd(~Self.lastingInterruptBit, ordering: .relaxed)
  }

  /// Ctrl-C is about to be raised. The current thread, the one that it is for.
  func noteInterruptRaised() {
    let host = pointee.host
    guard host.pointee.evaluation.isUnderWay else { return }
    let now = mycpu.readClock()
    let first = host.pointee.evaluation.interruptedAt
    if first == 0 {
      host.pointee.evaluation.interruptedAt = now
    } else if now - first > TimeoutScope.timeToTidyUp {
      pointee.cancelState.bitwiseOr(Self.lastingInterruptBit, ordering: .relaxed)
    }
  }
}
