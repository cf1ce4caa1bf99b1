// SysportUse.swift: how threads and messages use the sysport.

import CLWKT
import Glibc
import Synchronization

extension UnsafeMutablePointer where Pointee == GlobalData {
  /// This worker's sysport. Own worker.
  @inline(__always)
  var sysport: Sysport { pointee.sysport ?? makeSysport() }

  @inline(never)
  private func makeSysport() -> Sysport {
    pointee.host.watch()
    let sysport = Sysport(self)
    pointee.sysport = sysport
    return sysport
  }
}

extension UnsafeMutablePointer where Pointee == GlobalData {
  /// What a clock of the kernel's shows, in seconds: the system call without a `SystemCall`. Nil if it must
  /// be made in full, since somebody watches, or is to have calls fail, or this one does. Own worker.
  public func seconds(of clock: Int32) -> Double? {
    var seconds = 0.0
    guard !pointee.isObserved, !pointee.host.pointee.faults.isArmed.load(ordering: .relaxed),
      lwkt_clock(clock, &seconds) == 0
    else { return nil }
    count(.sysportMessages)
    return seconds
  }
}

extension UnsafeMutablePointer where Pointee == HostState {
  /// The port that scripts send system calls to, borrowed. Any kernel thread.
  public var sysportPort: PortRef {
    if let port = PortRef(bitPattern: pointee.sysportPort.load(ordering: .acquiring)) {
      return port
    }
    let port = PortRef.make(kind: .sysport, name: "sysport", host: self, id: 0)
    let swap = pointee.sysportPort.compareExchange(
      expected: 0, desired: UInt(bitPattern: port), ordering: .acquiringAndReleasing)
    if swap.exchanged { return port }
    port.object.releaseObject()
    return PortRef(bitPattern: swap.original).unsafelyUnwrapped
  }

  /// The host ends.
  func dropSysportPort() {
    let port = PortRef(bitPattern: pointee.sysportPort.exchange(0, ordering: .acquiring))
    port?.object.releaseObject()
  }
}

extension UnsafeMutablePointer where Pointee == Thread {
  /// Make the system call and wait for its end. The current thread; the call's reference is the
  /// caller's still. `.ready`: it is over already. When the wait ends for another reason than
  /// `.ready` the caller cancels the call and waits again, with `interruptible` false.
  public func submitAndWait(_ call: SystemCallRef) -> WaitResult {
    mycpu.sysport.submit(call)
    return wait(for: call, interruptible: call.pointee.entry.pointee.isInterruptible)
  }

  /// The plain call that is over: its reference is the caller's.
  public func takeSystemCall() -> SystemCallRef {
    let call = pointee.systemCall.unsafelyUnwrapped
    pointee.systemCall = nil
    return call
  }

  /// Wait for the end of a call that was submitted. The current thread, on whichever worker.
  public func wait(for call: SystemCallRef, interruptible: Bool) -> WaitResult {
    call.pointee.waitable.lock.lock()
    if call.pointee.isDone {
      call.pointee.waitable.lock.unlock()
      return .ready
    }
    let ticket = beginWait(.sysport, on: call.object, interruptible: interruptible)
    enqueueNode(on: call.waitable, ticket: ticket)
    call.pointee.waitable.lock.unlock()
    return abortedMeanwhile(ticket: ticket) ? .waitOver : .waiting
  }
}

extension UnsafeMutablePointer where Pointee == SystemCall {
  /// Make the system call as `message`, which takes over the caller's reference to the call and is
  /// answered when that is over. Own worker.
  public func send(as message: MessageRef) {
    message.pointee.systemCall = self
    message.object.retainObject()
    pointee.message = message
    mycpu.sysport.submit(self)
  }

  /// Ask for the call to be given up: unless it has come too far it ends with EINTR. It ends in any
  /// case. Any worker that holds a reference, no lock held.
  public func cancel() {
    let home = Int(pointee.home)
    guard home >= 0 else { return }
    let gd = mycpu
    if gd.pointee.cpu == home { return gd.sysport.cancel(self, EINTR) }
    retain()
    gd.sendIPI(IPI(.call, self, unsafeBitCast(cancelRemote, to: UInt.self)), to: home)
  }
}

extension UnsafeMutablePointer where Pointee == SystemCall {
  /// Is this IPI a cancel that came too late? Then give back its reference.
  static func discardCancel(_ ipi: IPI) -> Bool {
    guard ipi.value == unsafeBitCast(cancelRemote, to: UInt.self), let raw = ipi.pointer else {
      return false
    }
    raw.assumingMemoryBound(to: SystemCall.self).release()
    return true
  }
}

/// The IPI half of `cancel`, on the call's home, with a reference.
private let cancelRemote: @convention(c) (UnsafeMutableRawPointer?) -> Void = { raw in
  let call = raw.unsafelyUnwrapped.assumingMemoryBound(to: SystemCall.self)
  mycpu.sysport.cancel(call, EINTR)
  call.release()
}
