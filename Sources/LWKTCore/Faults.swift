// Faults.swift: where a test makes the kernel fail.
//
// Every step by which a system call enters the kernel, through the ring, on the pool or at once,
// asks here first (`Sysport.fault`). Always compiled in: it costs one branch that is never taken.

import Synchronization

/// What is to go wrong, and when.
public struct Faults: ~Copyable {
  /// What becomes of a step.
  public enum Effect: Sendable {
    /// It does not reach the kernel and ends with this errno.
    case errno(Int32)
    /// It moves no more than so many bytes.
    case short(Int)
  }

  private struct Rule {
    var operation: SystemCall.Operation
    var skip: Int
    var times: Int
    var effect: Effect
  }

  /// There are rules. Relaxed: the lock orders them.
  let isArmed = Atomic<Bool>(false)
  private let lock = Spinlock()
  /// Guarded by `lock`.
  private let rules: UnsafeMutablePointer<[Rule]>

  init() {
    rules = .allocate(capacity: 1)
    rules.initialize(to: [])
  }

  deinit {
    rules.deinitialize(count: 1)
    rules.deallocate()
  }

  /// Let `times` steps of `operation` go wrong after `skip` more have gone well. Any kernel thread.
  public borrowing func inject(
    _ effect: Effect, into operation: SystemCall.Operation, after skip: Int = 0, times: Int = 1
  ) {
    lock.lock()
    defer { lock.unlock() }
    rules.pointee.append(Rule(operation: operation, skip: skip, times: times, effect: effect))
    isArmed.store(true, ordering: .relaxed)
  }

  /// One step of `operation` is about to be made: what is to become of it, nil for nothing special.
  borrowing func take(_ operation: SystemCall.Operation) -> Effect? {
    lock.lock()
    defer { lock.unlock() }
    guard let index = rules.pointee.firstIndex(where: { $0.operation == operation }) else {
      return nil
    }
    if rules.pointee[index].skip > 0 {
      rules.pointee[index].skip -= 1
      return nil
    }
    let effect = rules.pointee[index].effect
    rules.pointee[index].times -= 1
    if rules.pointee[index].times == 0 { rules.pointee.remove(at: index) }
    if rules.pointee.isEmpty { isArmed.store(false, ordering: .relaxed) }
    return effect
  }
}
