// Cycles.swift: objects that only refer to each other.
//
// Objects are counted, and a count never falls to nothing for those that hold each other: a shared
// table stored in itself, a port in whose queue there is a message with that port, a thread that
// returned its own handle. Nobody can reach them any more, so nothing would ever free them.
//
// They are found by counting. From all objects among which a cycle must have one (shared tables, ports
// with something in their queues, threads that are over, messages with messages in their answers)
// everything that can be reached is visited, and for each object the references met on the way are
// counted. One that has more than those is held from elsewhere (a handle
// in a Lua heap, a thread that lives, a call under way), and so is everything it leads to. The rest is
// held by nothing but itself: it is emptied, and its counts do the rest.
//
// References that are not visited make an object look held: nothing is freed that is in use, whatever
// is forgotten here. For the counting no worker may move a reference: see `WorldStop.swift`. It is done
// when the number of such objects has doubled since the last time, so that what it costs for each
// object made stays bounded, and so does what can lie around.

import CLWKT
import Synchronization

/// Objects that hold others are made: how many a worker makes before it looks for cycles, at least. A
/// table, which is big, counts as several.
private let leastThreshold = 4000
private let tableWeight = 8

/// The objects of a host among which cycles begin, each in one of these lists. Under the lock of the
/// name table.
struct Holders {
  var tables = LinkedList<SharedTable.ByHost>()
  /// Threads that are over and hold values with objects in them.
  var ended = LinkedList<Thread.ByRun>()
  /// Messages with messages in their answers: one reference each, until a search finds no others.
  var answered: [MessageRef] = []
}

// MARK: Registration

extension UnsafeMutablePointer where Pointee == HostState {
  func register(_ table: TableRef) {
    pointee.names.withLock { $0.holders.tables.prepend(table) }
    mycpuIfWorker?.noteHolder(tableWeight)
  }

  func unregister(_ table: TableRef) {
    pointee.names.withLock { $0.holders.tables.remove(table) }
  }

  /// A thread that is over and holds objects, or is given one after its end. Any kernel thread that has
  /// a reference.
  func registerEnded(_ thread: ThreadRef) {
    let isNew = pointee.names.withLock { tables in
      if thread.pointee.isEndedHolder { return false }
      thread.pointee.isEndedHolder = true
      tables.holders.ended.prepend(thread)
      return true
    }
    if isNew { mycpuIfWorker?.noteHolder() }
  }

  func unregisterEnded(_ thread: ThreadRef) {
    pointee.names.withLock { $0.holders.ended.remove(thread) }
  }

  /// A message that is about to be answered, with messages in its answer. Its answerer.
  func registerAnswered(_ message: MessageRef) {
    message.object.retainObject()
    pointee.names.withLock { $0.holders.answered.append(message) }
    mycpuIfWorker?.noteHolder()
  }

  /// The search is over: give the references of those messages back that are garbage.
  fileprivate func dropAnswered(_ garbage: [ObjectRef]) {
    let dropped = Set(garbage)
    let gone = pointee.names.withLock { tables in
      let gone = tables.holders.answered.filter { dropped.contains($0.object) }
      if !gone.isEmpty { tables.holders.answered.removeAll { dropped.contains($0.object) } }
      return gone
    }
    for message in gone { message.object.releaseObject() }
  }

  /// They have ended, and nobody is left who could search.
  func dropAnswered() {
    let all = pointee.names.withLock { tables in
      let all = tables.holders.answered
      tables.holders.answered = []
      return all
    }
    for message in all {
      message.dropContents()
      message.object.releaseObject()
    }
  }
}

extension UnsafeMutablePointer where Pointee == GlobalData {
  /// A table, a port or a thread that ended with objects has come into being here. Own worker.
  @inline(__always)
  func noteHolder(_ weight: Int = 1) {
    pointee.holdersMade += weight
    if pointee.holdersMade >= pointee.holdersLimit {
      pointee.shared.pointee.attention.store(true, ordering: .relaxed)
      pointee.host.watch()
    }
  }

  /// So many have been made here that it is time to look for cycles. In the loop.
  @inline(__always)
  func collectCyclesIfDue() {
    if pointee.holdersMade >= pointee.holdersLimit { collectCycles() }
  }

  /// Find the cycles and free them. False, and nothing done, where the world did not stop. In the loop.
  @inline(never) @discardableResult
  func collectCycles() -> Bool {
    var garbage: [ObjectRef] = []
    var held = 0
    let isDone = withWorldStopped {
      var search = CycleSearch()
      search.visitHolders(of: pointee.host)
      held = search.holderCount
      garbage = search.takeGarbage()
    }
    for object in garbage where object.objectKind != .box {
      held -= object.objectKind == .table ? tableWeight : 1
    }
    pointee.holdersMade = 0
    // Where the others could not be stopped it is tried again before long.
    pointee.holdersLimit = isDone ? max(leastThreshold, held) : leastThreshold / 4
    for object in garbage { emptyObject(object) }
    if !garbage.isEmpty { pointee.host.dropAnswered(garbage) }
    for object in garbage { object.releaseObject() }
    return isDone
  }

  /// Let go of what a garbage object holds. The caller has a reference.
  private func emptyObject(_ object: ObjectRef) {
    switch object.objectKind {
    case .table: object.table.clear()
    case .port: object.port.close(.peerExited)
    case .message: object.message.dropContents()
    case .thread: object.thread.dropContents()
    default: break
    }
  }
}

// MARK: The search

/// One search. Everything in it is done while the world is stopped.
private struct CycleSearch: ~Copyable {
  private var numbers: [ObjectRef: Int] = [:]
  /// The objects found, and how many of their references have been met.
  private var objects: [ObjectRef] = []
  private var met: [Int32] = []
  private var edges: [[Int]] = []
  /// How many objects there are that a search begins with, weighed.
  private(set) var holderCount = 0

  mutating func visitHolders(of host: HostRef) {
    host.pointee.names.withLock { tables in
      for table in tables.holders.tables {
        _ = add(table.object)
        holderCount += tableWeight
      }
      for thread in tables.holders.ended {
        _ = add(thread.object)
        holderCount += 1
      }
      for message in tables.holders.answered {
        met[add(message.object)] += 1
        holderCount += 1
      }
      for port in tables.allPorts {
        if port.hasQueue { _ = add(port.object) }
        holderCount += 1
      }
    }
    var next = 0
    while next < objects.count {
      visit(next)
      next += 1
    }
  }

  /// The number of an object.
  private mutating func add(_ object: ObjectRef) -> Int {
    if let number = numbers[object] { return number }
    numbers[object] = objects.count
    objects.append(object)
    met.append(0)
    edges.append([])
    return objects.count - 1
  }

  /// Note all references that one object holds.
  private mutating func visit(_ number: Int) {
    objects[number].forEachHeld { reference in
      let child = ObjectRef(reference.objectHeader)
      switch child.objectKind {
      case .thread, .port, .message, .table, .box: break
      // These hold nothing that could come back to them.
      default: return
      }
      let found = add(child)
      met[found] += 1
      edges[number].append(found)
    }
  }

  /// The objects that nothing holds from outside, each with one more reference, the caller's.
  consuming func takeGarbage() -> [ObjectRef] {
    var isHeld = [Bool](repeating: false, count: objects.count)
    var pending: [Int] = []
    for number in objects.indices
    where objects[number].objectHeader.pointee.references.load(ordering: .acquiring) > met[number] {
      isHeld[number] = true
      pending.append(number)
    }
    while let number = pending.popLast() {
      for child in edges[number] where !isHeld[child] {
        isHeld[child] = true
        pending.append(child)
      }
    }
    let garbage = objects.indices.filter { !isHeld[$0] }.map { objects[$0] }
    for object in garbage { object.retainObject() }
    return garbage
  }
}

extension UnsafeMutableRawPointer {
  /// Call `body` for each reference that this object holds, as far as it is known here. While the world
  /// is stopped; what kernel threads that are no workers may change is under its lock.
  fileprivate func forEachHeld(_ body: (ObjectRef) -> Void) {
    switch objectKind {
    case .table: table.forEachBox { body($0.object) }
    case .box:
      box.payload.forEachObject(body)
      if let key = box.pointee.keyObject { body(key) }
    case .port: port.forEachQueued { body($0.object) }
    case .message: message.forEachHeld(body)
    case .thread: thread.forEachHeld(body)
    default: break
    }
  }
}

extension UnsafeMutablePointer where Pointee == Message {
  fileprivate func forEachHeld(_ body: (ObjectRef) -> Void) {
    addressOf(&pointee.payload).forEachObject(body)
    pointee.answerApart?.forEachObject(body)
    if let sender = pointee.sender { body(sender.object) }
    if let port = pointee.replyPort { body(port.object) }
    if let link = pointee.link { body(link.object) }
  }

  fileprivate func dropContents() {
    addressOf(&pointee.payload).dispose()
    pointee.answerApart?.dispose()
  }
}

extension UnsafeMutablePointer where Pointee == Thread {
  /// One that lives is held by its worker: then it does not matter what it holds.
  fileprivate func forEachHeld(_ body: (ObjectRef) -> Void) {
    if lifecycle == .alive { return }
    addressOf(&pointee.payload).forEachObject(body)
    abortReason?.forEachObject(body)
    if let port = PortRef(bitPattern: pointee.portAtomic.load(ordering: .acquiring)) {
      body(port.object)
    }
    var entry = pointee.notify
    while let current = entry {
      body(current.pointee.port.object)
      entry = current.pointee.next
    }
  }

  fileprivate func dropContents() {
    addressOf(&pointee.payload).dispose()
    abortReason?.dispose()
  }

  /// It is over, or about to be: does it hold objects, so that it could hold itself?
  var holdsObjects: Bool {
    addressOf(&pointee.payload).holdsObjects || abortReason?.holdsObjects ?? false
  }
}

extension UnsafeMutablePointer where Pointee == Payload {
  fileprivate func forEachObject(_ body: (ObjectRef) -> Void) {
    if let buffer = pointee.buffer {
      guard let objects = buffer.pointee.objects else { return }
      for index in 0..<buffer.pointee.objectCount { body(objects[index]) }
      return
    }
    let slots = [pointee.slots.0, pointee.slots.1, pointee.slots.2, pointee.slots.3]
    for slot in 0..<4 where pointee.tags[slot] == Payload.handleTag {
      if let object = ObjectRef(bitPattern: UInt(slots[slot])) { body(object) }
    }
  }

  var holdsObjects: Bool {
    if let buffer = pointee.buffer { return buffer.pointee.objectCount > 0 }
    return pointee.count > 0 && any(pointee.tags .== Payload.handleTag)
  }

  var holdsMessages: Bool {
    guard holdsObjects else { return false }
    var isFound = false
    forEachObject { if $0.objectKind == .message { isFound = true } }
    return isFound
  }
}
