// HeapCollector.swift: collecting a heap that does not do so itself: see LWKTCore's HeapCollection.swift.

import CLua
import LWKTCore

extension LuaHeap {
  /// `Binding.holdsOthersUp`. Lua API that allocates: none.
  var holdsOthersUp: Bool {
    lwkt_collects(state) && lua_checkstack(state, 4) != 0 && lwkt_may_hold_up(state)
  }

  /// `Binding.collect`. It goes before all others, since somebody waits for what it finds.
  /// Lua API that allocates: as `lwkt_newthread`.
  mutating func startCollector(atOnce: Bool) -> Bool {
    guard let domain, lua_checkstack(state, 8) != 0 else { return false }
    var options = ThreadOptions()
    let name: StaticString = "collector"
    options.name = UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)
    options.daemon = true
    options.sharing = true
    options.priority = Thread.highestPriority
    let thread = ThreadRef.make(
      host: mycpu.pointee.host, parent: nil, options: options, isOwn: true)
    defer { thread.object.releaseObject() }
    let slot = takeSlot()
    guard let L = lwkt_newthread(state, slot, -1) else { return false }
    lwkt_push_collector(L, atOnce)
    thread.pointee.slot = slot
    thread.pointee.machine = UnsafeMutableRawPointer(L)
    thread.markNoticed()
    domain.add(thread)
    thread.begin()
    return true
  }
}

@c(lwkt_s_holds_others_up)
package func holdsOthersUp(_ object: UnsafeMutableRawPointer?) -> Bool {
  object?.holdsOthersUp ?? false
}

@c(lwkt_s_collection_begins)
package func collectionBegins() { currentThread.domain?.collectionBegins() }

@c(lwkt_s_collection_ends)
package func collectionEnds(_ hasFound: Bool) {
  currentThread.domain?.collectionEnds(hasFound: hasFound)
}
