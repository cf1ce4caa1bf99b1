// RingEngine.swift: system calls through io_uring.
//
// One ring a worker, made by its kernel thread, which alone may enter it (SINGLE_ISSUER). Beginning
// a step only writes a submission queue entry; the kernel sees it with the next `reap` or `wait`, or
// when many have gathered, so that threads that make calls by turns share one entry into the kernel.
// Answers appear only inside an entry (DEFER_TASKRUN), which `reap` makes only if the kernel asks
// for it in shared memory: looking costs no system call when there is nothing.
//
// Entries carry the call's address as user_data; calls are aligned to 16 bytes, so the low bits can
// say what else an answer is. Cancelling names the user_data. That this cannot hit a later call at
// the same address is the queue's order: an entry for that call can only come after the cancel.

import CLWKT
import Glibc
import Synchronization

/// See `SysportEngine`.
final class RingEngine: SysportEngine {
  private unowned(unsafe) let sysport: Sysport
  private let ring: OpaquePointer
  private let wakeDescriptor: Int32
  private(set) var inKernel = 0
  /// Started, but the submission queue was full: oldest first.
  private var waiting = LinkedList<SystemCall.ByQueue>()
  /// The poll on the wake descriptor is in place.
  private var isWakePollSet = false
  /// A cancel found the submission queue full: calls with `cancelErrno` set and not `isCancelSent`.
  private var hasUnsentCancels = false
  /// Polls that were put in again, one soon after the other, and when the last one was.
  private var restarts = 0
  private var restartedAt: UInt64 = 0
  private let answers: UnsafeMutablePointer<lwkt_ring_answer>

  private static let answersAtOnce = 64
  /// So many entries are worth a system call of their own.
  private static let submitAt: UInt32 = 32
  private static let tagMask: UInt64 = 15
  private static let wakeTag: UInt64 = 1
  private static let cancelTag: UInt64 = 2

  /// More restarts than this, with less than that many nanoseconds between one and the next, are of a file
  /// that nobody can wait for.
  private static let mostRestarts = 1000
  private static let soon: UInt64 = 1_000_000

  struct Refusal: Error { var errno: Int32 }

  /// A ring for this worker, or why there is none. Own worker.
  static func make(_ sysport: Sysport, _ options: SysportOptions) -> Result<RingEngine, Refusal> {
    var error: Int32 = options.refuse
    guard error == 0 else { return .failure(Refusal(errno: error)) }
    guard let ring = lwkt_ring_new(options.entries, options.answers, options.plain, &error) else {
      return .failure(Refusal(errno: error))
    }
    let descriptor = lwkt_eventfd()
    guard descriptor >= 0 else {
      lwkt_ring_free(ring)
      return .failure(Refusal(errno: EMFILE))
    }
    return .success(RingEngine(sysport, ring, descriptor))
  }

  private init(_ sysport: Sysport, _ ring: OpaquePointer, _ descriptor: Int32) {
    self.sysport = sysport
    self.ring = ring
    wakeDescriptor = descriptor
    answers = .allocate(capacity: RingEngine.answersAtOnce)
    answers.initialize(repeating: lwkt_ring_answer(), count: RingEngine.answersAtOnce)
    // Release: whoever sees this worker asleep in its engine finds the descriptor. It stays open as
    // long as the host, since a waker may still be about to write when the worker has gone on.
    sysport.gd.pointee.shared.pointee.wakeDescriptor.store(descriptor, ordering: .releasing)
    setWakePoll()
  }

  deinit { answers.deallocate() }

  func supports(_ operation: SystemCall.Operation) -> Bool {
    let number = operation.entry.pointee.ring.operation
    return number != LWKT_RING_NONE && lwkt_ring_supports(ring, number)
  }

  // MARK: beginning

  func start(_ call: SystemCallRef) {
    inKernel += 1
    if waiting.first == nil, put(call) {
      if lwkt_ring_unsubmitted(ring) >= RingEngine.submitAt { lwkt_ring_enter(ring) }
      return
    }
    call.pointee.phase = .queued
    waiting.append(call)
  }

  /// Write the call's entry. False: no room, even after entering the kernel.
  private func put(_ call: SystemCallRef) -> Bool {
    var entry = lwkt_ring_entry()
    fill(&entry, call)
    if !lwkt_ring_put(ring, &entry) {
      lwkt_ring_enter(ring)
      guard lwkt_ring_put(ring, &entry) else { return false }
    }
    call.pointee.phase = .inKernel
    return true
  }

  private func fill(_ entry: inout lwkt_ring_entry, _ call: SystemCallRef) {
    entry.user_data = UInt64(UInt(bitPattern: call))
    entry.descriptor = call.descriptor
    guard call.pointee.awaitedEvents == 0 else {
      entry.operation = UInt8(LWKT_RING_POLL_ADD)
      entry.flags = call.pointee.awaitedEvents
      return
    }
    let layout = call.pointee.entry.pointee.ring
    entry.operation = layout.operation
    entry.may_block = layout.mayBlock ? 1 : 0
    entry.address = word(call, layout.address)
    entry.offset = layout.offset == RingLayout.current ? .max : word(call, layout.offset)
    entry.length =
      call.movesBytes ? call.stepLength : UInt32(truncatingIfNeeded: word(call, layout.length))
    entry.flags = UInt32(truncatingIfNeeded: word(call, layout.flags))
  }

  @inline(__always)
  private func word(_ call: SystemCallRef, _ index: Int8) -> UInt64 {
    index < 0 ? 0 : call.pointee.arguments[Int(index)]
  }

  private func setWakePoll() {
    isWakePollSet = lwkt_ring_put_wake_poll(ring, wakeDescriptor, RingEngine.wakeTag)
  }

  /// Calls for which there was no room: is there now?
  private func putWaiting() {
    while let call = waiting.first, put(call) { waiting.remove(call) }
  }

  // MARK: cancelling

  func cancel(_ call: SystemCallRef) {
    if call.pointee.phase == .queued {
      waiting.remove(call)
      inKernel -= 1
      return sysport.stepEnded(call, -Int(ECANCELED))
    }
    let address = UInt64(UInt(bitPattern: call))
    if !lwkt_ring_put_cancel(ring, address, RingEngine.cancelTag) {
      lwkt_ring_enter(ring)
      guard lwkt_ring_put_cancel(ring, address, RingEngine.cancelTag) else {
        hasUnsentCancels = true
        return
      }
    }
    call.pointee.isCancelSent = true
  }

  // MARK: ending

  func reap() {
    if lwkt_ring_unsubmitted(ring) > 0 || lwkt_ring_wants_entry(ring) { lwkt_ring_enter(ring) }
    while lwkt_ring_has_answers(ring) {
      let count = lwkt_ring_take(ring, answers, UInt32(RingEngine.answersAtOnce))
      for index in 0..<Int(count) { take(answers[index]) }
    }
    if waiting.first != nil { putWaiting() }
    if !isWakePollSet { setWakePoll() }
    if hasUnsentCancels {
      hasUnsentCancels = false
      sysport.forEachUnsentCancel { self.cancel($0) }
    }
  }

  private func take(_ answer: lwkt_ring_answer) {
    if answer.user_data & RingEngine.tagMask == 0 {
      inKernel -= 1
      let address = UInt(truncatingIfNeeded: answer.user_data)
      var result = Int(answer.result)
      // The kernel's own words for "interrupted" (ERESTARTSYS and its kin), which the ring lets out.
      if result <= -512, result >= -516 { result = -Int(EINTR) }
      let call = SystemCallRef(bitPattern: address).unsafelyUnwrapped
      if result == -Int(EINVAL), call.isPoll { return restart(call) }
      return sysport.stepEnded(call, result)
    }
    if answer.user_data == RingEngine.wakeTag, answer.flags & UInt32(LWKT_RING_MORE) == 0 {
      // The kernel has ended the poll. Empty the descriptor, or the next one would answer at once.
      lwkt_eventfd_drain(wakeDescriptor)
      setWakePoll()
    }
  }

  /// A poll is over that the kernel calls invalid. Its events are ours, so what it means is another thing:
  /// somebody was woken and there was no event, as when the modes of a terminal are set. The kernel looks,
  /// finds nothing, and begins the poll again while it is still in the queue, where there is no place
  /// for it a second time. So it is put in anew. What cannot be waited for at all gives the same answer,
  /// but at once, again and again.
  private func restart(_ call: SystemCallRef) {
    if call.pointee.cancelErrno != 0 { return sysport.stepEnded(call, -Int(ECANCELED)) }
    let now = lwkt_nanotime()
    restarts = now &- restartedAt < RingEngine.soon ? restarts + 1 : 0
    restartedAt = now
    guard restarts < RingEngine.mostRestarts else { return sysport.stepEnded(call, -Int(EINVAL)) }
    start(call)
  }

  func wait(timeoutNanoseconds: Int64) {
    // Without the poll nobody could wake us.
    let limit = isWakePollSet && waiting.first == nil ? timeoutNanoseconds : 0
    lwkt_ring_wait(ring, limit)
  }

  func close() { lwkt_ring_free(ring) }
}
