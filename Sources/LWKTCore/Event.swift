// Event.swift: what threads do, one record for each visible step.
//
// Every operation by which threads affect each other, and every switch, notes an event. When somebody
// listens the events of a worker are collected in its own buffer, in the order in which they happened
// there, and handed to the listener by lots. Steps are counted over all workers: of two events of which
// one could have been the cause of the other, that one has the lower number. When nobody listens, and
// nobody steers, noting is a branch on a flag that never changes.
//
// What is recorded is text, since by the time it is read the thread and the object may be gone. The
// same program with the same choices (see `Policy.swift`) gives the same records but for the times.

import CLWKT
import Synchronization

/// One visible step of a thread, or of a worker.
public struct Event: Sendable {
  public enum Operation: String, Sendable, CaseIterable {
    /// A thread is made; it may run from `begin` on, and does so from `switch` to `switch`.
    case create, begin, `switch`, end
    /// The thread begins to wait, for the object; a thread is made runnable.
    case wait, wake
    case yield, preempt
    /// A message is sent to a port, taken by its receiver, answered, passed on to a port.
    case send, receive, reply, forward
    case close
    /// A token is got, released, lost with a wait, had again.
    case get, release, lose, regain
    /// A thread is asked to stop; the time of a `timeout` is up.
    case abort, timeout
    /// A system call is asked for; it has ended.
    case call, complete
    /// A shared object is looked at, or changed.
    case read, write
  }

  /// Counted over all workers, from 1.
  public var step: UInt64
  public var cpu: Int
  /// On the policy's clock.
  public var nanoseconds: UInt64
  /// The thread that did it, by descent; empty when it was the worker: for the clock, or the kernel.
  public var thread: String
  public var operation: Operation
  /// What it was done to, as reports name it; empty for nothing.
  public var object: String
  /// `file:line` of the script; empty where no script is running.
  public var place: String
}

/// Whoever wants to know.
public protocol EventListener: Sendable {
  /// Some events of one worker, in order. Its kernel thread, now and then: no thread runs meanwhile that
  /// is that worker's. When the process ends at once, the kernel thread that ends it, while others go on.
  func receive(_ events: [Event])
}

/// How many events a worker collects before it hands them on, in the loop.
private let lot = 256

extension UnsafeMutablePointer where Pointee == GlobalData {
  /// Note a visible step of the running thread, or of the worker if none runs. Own worker; a lock may be
  /// held, but not `object`'s if that is a message.
  @inlinable @inline(__always)
  public func note(_ operation: Event.Operation, _ object: ObjectRef? = nil) {
    if _slowPath(pointee.isObserved) { record(operation, object, lwktCurrentThread()) }
  }

  /// The same for another thread's step.
  @inline(__always)
  func note(_ operation: Event.Operation, _ object: ObjectRef? = nil, of thread: ThreadRef) {
    if _slowPath(pointee.isObserved) { record(operation, object, thread) }
  }

  @inline(never)
  @usableFromInline
  func record(_ operation: Event.Operation, _ object: ObjectRef?, _ thread: ThreadRef?) {
    let host = pointee.host
    if host.pointee.listener != nil {
      let step = host.pointee.steps.add(1, ordering: .acquiringAndReleasing).newValue
      let isInside = lwktCurrentThread() != nil
      let event = Event(
        step: step, cpu: pointee.cpu, nanoseconds: host.pointee.policy.now(),
        thread: thread?.pathName ?? "", operation: operation,
        object: object.map(nameForEvent) ?? "",
        place: isInside ? host.pointee.binding.place() : "")
      collect(event)
    }
    if let steering = host.pointee.policy.steering, lwktCurrentThread() != nil,
      steering.preempts(pointee.cpu, operation)
    {
      host.pointee.binding.requestSwitch()
    }
  }

  private func collect(_ event: Event) {
    let shared = pointee.shared
    shared.pointee.eventLock.lock()
    shared.pointee.events.append(event)
    shared.pointee.eventLock.unlock()
  }

  /// Hand on what has been collected if it is much. In the loop.
  func flushEventsIfMany() {
    if pointee.shared.pointee.events.count >= lot { flushEvents() }
  }

  /// Hand on what has been collected. Own worker, no lock held.
  func flushEvents() { pointee.host.flushEvents(of: pointee.cpu) }
}

extension UnsafeMutablePointer where Pointee == HostState {
  /// Hand on what all workers have collected. Whoever ends the process while they go on: any kernel
  /// thread, no lock held.
  public func flushEvents() {
    for cpu in 0..<pointee.startedWorkers.load(ordering: .acquiring) { flushEvents(of: cpu) }
  }

  /// Hand on what a worker has collected. Any kernel thread, no lock held.
  fileprivate func flushEvents(of cpu: Int) {
    guard let listener = pointee.listener else { return }
    let shared = shared(cpu)
    shared.pointee.eventLock.lock()
    let events = shared.pointee.events
    shared.pointee.events = []
    shared.pointee.eventLock.unlock()
    if !events.isEmpty { listener.receive(events) }
  }
}

/// As `describeObject`, but takes no lock.
private func nameForEvent(_ object: ObjectRef) -> String {
  guard object.objectKind == .message else { return describeObject(object) }
  guard let sender = object.message.pointee.sender else { return "message" }
  return "message from thread " + sender.pathName
}
