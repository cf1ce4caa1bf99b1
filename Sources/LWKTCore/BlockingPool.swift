// BlockingPool.swift: kernel threads for the system calls that block.
//
// A few calls have no form that lets the worker go on meanwhile: directories are read by a loop of
// calls, and positions of files want read(2) and write(2). They are made here, on at most four
// kernel threads, begun when there is more to do than those that exist can, ended with the host.
//
// A call comes back by `CPUShared.returnedCalls` of its home, and the home is prodded.

import CLWKT
import Glibc
import Synchronization

/// All state under `lock`, which the kernel threads sleep on.
final class BlockingPool: Sendable {
  private struct State {
    var lock = pthread_mutex_t()
    var condition = pthread_cond_t()
    /// Calls that nobody has begun, and how many.
    var queue = LinkedList<SystemCall.ByQueue>()
    var queued = 0
    var idle = 0
    var isStopping = false
    var host: HostRef?
    var kernelThreads: [pthread_t] = []
    /// What each of them is doing.
    var current: [SystemCallRef?] = []
  }

  static let most = 4
  private nonisolated(unsafe) let state: UnsafeMutablePointer<State>

  init() {
    state = .allocate(capacity: 1)
    state.initialize(to: State())
    pthread_mutex_init(&state.pointee.lock, nil)
    pthread_cond_init(&state.pointee.condition, nil)
  }

  deinit {
    pthread_cond_destroy(&state.pointee.condition)
    pthread_mutex_destroy(&state.pointee.lock)
    state.deinitialize(count: 1)
    state.deallocate()
  }

  /// Have `call` made. False if there is no kernel thread to be had. Its home.
  func add(_ call: SystemCallRef, _ host: HostRef) -> Bool {
    pthread_mutex_lock(&state.pointee.lock)
    defer { pthread_mutex_unlock(&state.pointee.lock) }
    state.pointee.host = host
    if state.pointee.idle <= state.pointee.queued, !startThread() { return false }
    state.pointee.queue.append(call)
    state.pointee.queued += 1
    pthread_cond_signal(&state.pointee.condition)
    return true
  }

  /// Lock held. True if there is at least one kernel thread.
  private func startThread() -> Bool {
    let count = state.pointee.kernelThreads.count
    guard count < BlockingPool.most, !state.pointee.isStopping else { return count > 0 }
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    pthread_attr_setstacksize(&attributes, 256 << 10)
    var kernelThread = pthread_t()
    let me = Unmanaged.passUnretained(self).toOpaque()
    let error = pthread_create(
      &kernelThread, &attributes,
      { raw in
        Unmanaged<BlockingPool>.fromOpaque(raw.unsafelyUnwrapped).takeUnretainedValue().work()
        return nil
      }, me)
    pthread_attr_destroy(&attributes)
    if error == 0 {
      state.pointee.kernelThreads.append(kernelThread)
      state.pointee.current.append(nil)
    }
    return error == 0 || count > 0
  }

  /// Take a call back that nobody has begun. False if somebody has. Its home.
  func withdraw(_ call: SystemCallRef) -> Bool {
    pthread_mutex_lock(&state.pointee.lock)
    defer { pthread_mutex_unlock(&state.pointee.lock) }
    guard state.pointee.queue.contains(call) else { return false }
    state.pointee.queue.remove(call)
    state.pointee.queued -= 1
    return true
  }

  /// If a kernel thread is blocked in `call`, end that with EINTR. It may be about to block only: to
  /// be tried again until the call is back. Its home.
  func interrupt(_ call: SystemCallRef) {
    pthread_mutex_lock(&state.pointee.lock)
    defer { pthread_mutex_unlock(&state.pointee.lock) }
    guard let index = state.pointee.current.firstIndex(of: call) else { return }
    lwkt_interrupt(state.pointee.kernelThreads[index])
  }

  /// A kernel thread's life.
  private func work() {
    lwkt_be_interruptible()
    pthread_mutex_lock(&state.pointee.lock)
    // Its maker holds the lock until it is in the list.
    let me = state.pointee.kernelThreads.firstIndex(of: pthread_self()).unsafelyUnwrapped
    while true {
      guard let call = state.pointee.queue.popFirst(), let host = state.pointee.host else {
        if state.pointee.isStopping { break }
        state.pointee.idle += 1
        pthread_cond_wait(&state.pointee.condition, &state.pointee.lock)
        state.pointee.idle -= 1
        continue
      }
      state.pointee.queued -= 1
      state.pointee.current[me] = call
      pthread_mutex_unlock(&state.pointee.lock)
      call.pointee.result = call.perform()
      pthread_mutex_lock(&state.pointee.lock)
      state.pointee.current[me] = nil
      pthread_mutex_unlock(&state.pointee.lock)
      host.giveBack(call)
      pthread_mutex_lock(&state.pointee.lock)
    }
    pthread_mutex_unlock(&state.pointee.lock)
  }

  /// End the kernel threads. All workers have ended.
  func stop() {
    pthread_mutex_lock(&state.pointee.lock)
    state.pointee.isStopping = true
    pthread_cond_broadcast(&state.pointee.condition)
    pthread_mutex_unlock(&state.pointee.lock)
    for kernelThread in state.pointee.kernelThreads { pthread_join(kernelThread, nil) }
    state.pointee.kernelThreads = []
  }
}

extension UnsafeMutablePointer where Pointee == HostState {
  /// The pool has made a call: back to its home, whose it is from then on. On a kernel thread of the pool.
  fileprivate func giveBack(_ call: SystemCallRef) {
    let home = Int(call.pointee.home)
    shared(home).pointee.returnedCalls.leave(call)
    prod(home)
  }
}
