// Extras.swift: what the binding keeps for the few threads that need it.

import CLua
import Glibc
import LWKTCore

/// How a thread died, for reports.
struct Death: Sendable {
  var message: String
  var traceback: String
}

/// The binding's part of a thread. The thread's own worker writes it; others read `death` once the
/// thread is dead.
final class ThreadExtras {
  var death: Death?
  /// What it gave to its first `lwkt.exit`.
  var exitResults: Payload?
  /// What the thread is to run, while modules are loaded that this needs.
  var start = Payload()
  var snapshot: Snapshot?
  /// Thread ports: closed when it ends. One reference each.
  var ports: [PortRef] = []
  /// The outside answer it waits for.
  var pending: PendingAnswer?
  /// The most bytes its heap may take, if it has one of its own.
  var memoryLimit = 0
  /// When its abort was first raised, on its worker's clock; 0: not yet.
  var abortRaisedAt: UInt64 = 0
  /// Told of the end, with the results still on the coroutine's stack.
  var whenEnded: ((LuaState, _ succeeded: Bool, _ results: Int32) -> Void)?

  func takeStart() -> Payload {
    defer { start = Payload() }
    return start
  }

  deinit {
    if var exitResults { withUnsafeMutablePointer(to: &exitResults) { $0.dispose() } }
    withUnsafeMutablePointer(to: &start) { $0.dispose() }
    for port in ports { port.object.releaseObject() }
  }
}

extension UnsafeMutablePointer where Pointee == Thread {
  var extras: ThreadExtras {
    if let extras = existingExtras { return extras }
    let extras = ThreadExtras()
    pointee.extras = .passRetained(extras)
    return extras
  }

  var existingExtras: ThreadExtras? {
    pointee.extras.map { unsafeDowncast($0.takeUnretainedValue(), to: ThreadExtras.self) }
  }

  var death: Death? { existingExtras?.death }

  func setDeath(message: String, traceback: String) {
    extras.death = Death(message: message, traceback: traceback)
  }

  /// Only the first exit counts, if others come while variables are closed, say.
  func setExitResults(_ payload: Payload) {
    if extras.exitResults == nil {
      extras.exitResults = payload
    } else {
      var payload = payload
      withUnsafeMutablePointer(to: &payload) { $0.dispose() }
    }
  }

  func takeExitResults() -> Payload {
    defer { existingExtras?.exitResults = nil }
    return existingExtras?.exitResults ?? Payload()
  }

  /// What it is to run, moved out. Before its first run.
  func takeStart() -> Payload {
    defer { pointee.payload = Payload() }
    return pointee.payload
  }

  /// The same for a `sharing` thread: the coroutine that has it on its stack.
  func setSharedStart(_ L: LuaState) {
    pointee.payload.slots.0 = UInt64(UInt(bitPattern: L))
  }

  /// Before its first run.
  func takeSharedStart() -> LuaState {
    LuaState(bitPattern: UInt(takeStart().slots.0)).unsafelyUnwrapped
  }

  func keep(_ snapshot: Snapshot) { extras.snapshot = snapshot }

  func takeSnapshot() -> Snapshot? {
    defer { existingExtras?.snapshot = nil }
    return existingExtras?.snapshot
  }

  /// `td.wmesg`.
  var waitMessage: String? {
    if lifecycle != .alive { return nil }
    if self == lwktCurrentThread() { return nil }
    let text = waitMessageText
    return text.isEmpty ? nil : text
  }

  /// The `package` settings it begins with: one reference.
  func give(_ settings: PackageSettings) {
    pointee.inheritance = Unmanaged.passRetained(settings).toOpaque()
  }

  func takeSettings() -> PackageSettings? {
    guard let settings = pointee.inheritance else { return nil }
    pointee.inheritance = nil
    return Unmanaged<PackageSettings>.fromOpaque(settings).takeRetainedValue()
  }

  func own(_ port: PortRef) {
    port.object.retainObject()
    extras.ports.append(port)
  }

  func closePorts() {
    for port in existingExtras?.ports ?? [] { port.close(.peerExited) }
  }
}
