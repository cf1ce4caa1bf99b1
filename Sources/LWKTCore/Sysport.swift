// Sysport.swift: system calls as messages.

/// Runs a worker's system calls. Everything but `wait`'s being woken is its worker's alone.
protocol SysportEngine: AnyObject {
  /// Calls that the kernel has not answered.
  var inFlight: Int { get }
  /// Complete what the kernel has answered; do not block. Returns how many.
  @discardableResult func reap() -> Int
  /// Block until an answer comes, the worker's wake descriptor is written, or the time is up
  /// (negative: never).
  func wait(timeoutNanoseconds: Int64)
  /// Cancel everything and give back what the kernel holds.
  func close()
}

/// One system call on its way through the kernel.
public struct SystemCall: ~Copyable {
}
public typealias SystemCallRef = UnsafeMutablePointer<SystemCall>

extension UnsafeMutablePointer where Pointee == SystemCall {
  func cancel() {}
  func release() {}
}
