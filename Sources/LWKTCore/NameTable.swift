// NameTable.swift: what can be found by name, and the lists of all ports, tokens, and objects among
// which there may be cycles.

import Synchronization

/// Ports and tokens of a host. Cold: names are looked up once, not on every use.
final class NameTable: Sendable {
  struct Tables {
    /// Registered ports by name: one reference each.
    var ports: [Name: PortRef] = [:]
    /// Tokens by name: no reference; a token takes itself out when it is destroyed.
    var tokens: [Name: TokenRef] = [:]
    /// All of them, named or not: no references.
    var allPorts = LinkedList<Port.ByHost>()
    var allTokens = LinkedList<Token.ByHost>()
    var tokenNumber = 0
    var holders = Holders()
  }

  private let lock = Spinlock()
  /// Guarded by `lock`.
  private nonisolated(unsafe) var tables = Tables()

  /// Any kernel thread; `body` takes no other lock.
  func withLock<Result>(_ body: (inout Tables) -> Result) -> Result {
    lock.lock()
    defer { lock.unlock() }
    return body(&tables)
  }
}

extension UnsafeMutablePointer where Pointee == HostState {
  func register(_ port: PortRef) {
    pointee.names.withLock { $0.allPorts.prepend(port) }
    mycpuIfWorker?.noteHolder()
  }

  func unregister(_ port: PortRef) {
    pointee.names.withLock { $0.allPorts.remove(port) }
  }

  func register(_ token: TokenRef) {
    pointee.names.withLock { $0.allTokens.prepend(token) }
  }

  func unregister(_ token: TokenRef) {
    pointee.names.withLock { tables in
      tables.allTokens.remove(token)
      let name = Name(token.pointee.name)
      if tables.tokens[name] == token { tables.tokens[name] = nil }
    }
  }

  /// Make `port` findable. False if the name is taken by an open port. Takes a reference.
  public func publish(_ port: PortRef, as name: Name) -> Bool {
    var displaced: PortRef?
    let isDone = pointee.names.withLock { tables in
      if let other = tables.ports[name] {
        if !other.isClosed { return false }
        displaced = other
      }
      port.object.retainObject()
      tables.ports[name] = port
      return true
    }
    displaced?.object.releaseObject()
    if isDone { wakeup(Self.lookupIdent(name)) }
    return isDone
  }

  /// The open port of that name, with a reference for the caller, or nil.
  public func lookup(_ name: Name) -> PortRef? {
    pointee.names.withLock { tables in
      guard let port = tables.ports[name], !port.isClosed else { return nil }
      port.object.retainObject()
      return port
    }
  }

  /// The port is closed: its name is free again.
  public func withdraw(_ port: PortRef, from name: Name) {
    let isOurs = pointee.names.withLock { tables in
      guard tables.ports[name] == port else { return false }
      tables.ports[name] = nil
      return true
    }
    if isOurs { port.object.releaseObject() }
  }

  /// What threads sleep on that wait for `name` to be published.
  public static func lookupIdent(_ name: Name) -> SleepIdent {
    name.ident(seed: 0x6c6f_6f6b_7570)
  }

  /// The token of that name, or a new one, with a reference for the caller. `name` nil: a nameless
  /// new one.
  public func token(named name: Name?) -> TokenRef {
    guard let name else {
      let number = pointee.names.withLock { tables in
        tables.tokenNumber += 1
        return tables.tokenNumber
      }
      return TokenRef.make(name: "#\(number)", host: self)
    }
    if let token = existingToken(name) { return token }
    let token = TokenRef.make(name: name, host: self)
    let winner: TokenRef? = pointee.names.withLock { tables in
      if let other = tables.tokens[name], other.object.tryRetain() { return other }
      tables.tokens[name] = token
      return nil
    }
    guard let winner else { return token }
    token.object.releaseObject()
    return winner
  }

  private func existingToken(_ name: Name) -> TokenRef? {
    pointee.names.withLock { tables in
      guard let token = tables.tokens[name], token.object.tryRetain() else { return nil }
      return token
    }
  }

  /// The name of the token that `thread` waits for, or nil. Any kernel thread that keeps the thread alive.
  func nameOfToken(waitedForBy thread: ThreadRef) -> String? {
    pointee.names.withLock { _ in
      thread.pointee.waitToken.map { String(cString: $0.pointee.name) }
    }
  }

  /// Release every published port: the host ends.
  func dropNames() {
    let ports = pointee.names.withLock { tables in
      let all = Array(tables.ports.values)
      tables.ports = [:]
      return all
    }
    for port in ports { port.object.releaseObject() }
  }

  /// All ports, each with a reference for the caller.
  public func allPorts() -> [PortRef] {
    pointee.names.withLock { $0.allPorts.filter { $0.object.tryRetain() } }
  }

  /// All tokens, each with a reference for the caller.
  public func allTokens() -> [TokenRef] {
    pointee.names.withLock { $0.allTokens.filter { $0.object.tryRetain() } }
  }
}

extension SleepIdent {
  /// Two FNV-like hashes with different primes; equal strings give equal idents.
  public static func bytes(_ bytes: UnsafeRawBufferPointer, seed: UInt64) -> SleepIdent {
    var high: UInt64 = 0xcbf2_9ce4_8422_2325 ^ seed
    var low: UInt64 = 0x9ae1_6a3b_2f90_404f &+ seed
    for byte in bytes {
      high = (high ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
      low = (low &+ UInt64(byte)) &* 0xff51_afd7_ed55_8ccd
      low ^= low >> 29
    }
    return SleepIdent(high: high, low: low)
  }
}

extension UnsafeMutableRawPointer {
  /// Take a reference unless the object is being destroyed already. Under the lock that its
  /// destruction must take too, so that the memory is still there.
  func tryRetain() -> Bool {
    var count = objectHeader.pointee.references.load(ordering: .relaxed)
    while count > 0 {
      let swap = objectHeader.pointee.references.compareExchange(
        expected: count, desired: count + 1, ordering: .acquiringAndReleasing)
      if swap.exchanged { return true }
      count = swap.original
    }
    return false
  }
}
