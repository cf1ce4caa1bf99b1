// ModuleWalker.swift: fills a heap's ModuleIndex.
//
// Like encoding, it takes one table at a time from the heap's table of pending values, and runs no
// collection while it traverses one.

import CLua

struct ModuleWalker: ~Copyable {
  static let stackNeed: Int32 = 24

  private let L: LuaState
  private let state: UnsafeMutablePointer<CopyState>
  private let base: Int32
  private let pending: Int32
  private let pendingBase: Int
  /// `package.loaded`, or nil.
  private let loaded: Int32
  private let indexed: Int32
  private let anchors: Int32
  /// What modules refer to but do not own: the globals, the registry, `package.loaded`.
  private let excluded: (UInt, UInt, UInt, UInt, UInt)

  /// Lua API that allocates: `lua_pushstring`, and what `pushPending` and `pushLoaded` do.
  init(_ L: LuaState, _ state: UnsafeMutablePointer<CopyState>) {
    self.L = L
    self.state = state
    base = lua_gettop(L)
    state.pushPending(L)
    pending = base + 1
    pendingBase = state.pointee.pendingCount
    state.pushLoaded(L)
    loaded = base + 2
    lua_rawgeti(L, registryIndex, lua_Integer(state.pointee.indexed))
    indexed = base + 3
    lua_rawgeti(L, registryIndex, lua_Integer(state.pointee.anchors))
    anchors = base + 4
    lua_rawgeti(L, registryIndex, lua_Integer(state.pointee.standard))
    lua_rawgeti(L, registryIndex, lua_Integer(LUA_RIDX_GLOBALS))
    lua_pushnil(L)
    if lua_type(L, loaded) == LUA_TTABLE {
      lwkt_pop(L, 1)
      lua_pushstring(L, "_G")
      lua_rawget(L, loaded)
    }
    func address(_ index: Int32) -> UInt { UInt(bitPattern: lua_topointer(L, index)) }
    excluded = (
      address(-1), address(-2), address(-3), address(loaded), address(registryIndex)
    )
    lwkt_pop(L, 3)
  }

  consuming func close() { lwkt_pop(L, lua_gettop(L) - base) }

  private func isExcluded(_ address: UInt) -> Bool {
    address == excluded.0 || address == excluded.1 || address == excluded.2
      || address == excluded.3 || address == excluded.4
  }

  // MARK: Where to begin

  /// Index the standard modules that are loaded, and the functions of the basic library.
  mutating func walkStandard() {
    if lua_type(L, loaded) == LUA_TTABLE {
      for name in StandardModules.modules {
        pushBytes(L, bytes(name))
        lua_rawget(L, loaded)
        if lua_type(L, -1) == LUA_TTABLE { addModule(bytes(name), isStandard: true) }
        lwkt_pop(L, 1)
        walk()
      }
    }
    let root = state.pointee.index.add(
      ModuleEntry(
        parent: 0, kind: .module, depth: 0, isStandard: true, ownsFunctions: false, key: 0),
      named: bytes(StandardModules.globals))
    lua_rawgeti(L, registryIndex, lua_Integer(state.pointee.standard))
    for name in StandardModules.basic {
      pushBytes(L, bytes(name))
      lua_rawget(L, -2)
      if lua_iscfunction(L, -1) != 0 { addStandardFunction(root, bytes(name)) }
      lwkt_pop(L, 1)
    }
    // An embedder's functions are in every heap as well.
    for function in LuaHost.current?.functions ?? [] {
      var name = function.name
      name.withUTF8 { text in
        let bytes = UnsafeRawBufferPointer(text)
        pushBytes(L, bytes)
        lua_rawget(L, -2)
        if lua_iscfunction(L, -1) != 0 { addStandardFunction(root, bytes) }
        lwkt_pop(L, 1)
      }
    }
    lwkt_pop(L, 1)
  }

  /// Index the modules in `package.loaded` that are not indexed yet.
  mutating func walkNew() {
    guard lua_type(L, loaded) == LUA_TTABLE else { return }
    lua_pushnil(L)
    while lwkt_next(L, loaded) != 0 {
      addIfNew()
      lwkt_pop(L, 1)
    }
    walk()
  }

  /// Index the module whose name is the string at `name`, which `require` has loaded, so that a
  /// receiver can. Its table may have been another's: a part of a module that provided it empty, or a
  /// module in C that this one adds to. From now on it is this module's.
  mutating func walkNew(_ name: Int32) {
    guard lua_type(L, loaded) == LUA_TTABLE else { return }
    lua_pushvalue(L, name)
    lua_pushvalue(L, name)
    lua_rawget(L, loaded)
    addIfNew(isRequired: true)
    lwkt_pop(L, 2)
    walk()
  }

  /// A module's name and value are the two topmost stack values.
  private func addIfNew(isRequired: Bool = false) {
    let type = lua_type(L, -1)
    guard lua_type(L, -2) == LUA_TSTRING, type == LUA_TTABLE || type == LUA_TFUNCTION,
      !isExcluded(UInt(bitPattern: lua_topointer(L, -1))),
      !isIndexed(-1) || (isRequired && !isStandard(-1))
    else { return }
    var count = 0
    let name = UnsafeRawBufferPointer(start: lua_tolstring(L, -2, &count), count: count)
    addModule(name, isStandard: StandardModules.contains(name))
  }

  private func bytes(_ text: StaticString) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
  }

  private func isIndexed(_ index: Int32) -> Bool {
    let place = state.pointee.index.place(of: UInt(bitPattern: lua_topointer(L, index)))
    return place != 0 && state.isCurrent(L, index, place)
  }

  /// Does this indexed value belong to a standard module?
  private func isStandard(_ index: Int32) -> Bool {
    let place = state.pointee.index.place(of: UInt(bitPattern: lua_topointer(L, index)))
    return state.pointee.index.entry(place).isStandard
  }

  // MARK: Finding

  /// Put the module at the top of the stack aside, to be looked into.
  private func addModule(_ name: UnsafeRawBufferPointer, isStandard: Bool) {
    var entry = ModuleEntry(
      parent: 0, kind: .module, depth: 0, isStandard: isStandard, ownsFunctions: !isStandard,
      key: 0)
    if isStandard, name.starts(with: bytes("lwkt")) { entry.ownsFunctions = true }
    let place = state.pointee.index.add(entry, named: name)
    // What is in `package` belongs to the program: its preloaded modules, its searchers.
    if isStandard, equal(name, "package") {
      putAside(place, isClosed: true)
    } else {
      putAside(place)
    }
  }

  private func putAside(_ place: UInt32, isClosed: Bool = false) {
    if isClosed {
      var entry = state.pointee.index.entry(place)
      entry.isClosed = true
      state.pointee.index.entries[Int(place) - 1] = entry
    }
    state.pointee.index.found.append(place)
    state.pushToPending(L, pending, -1)
  }

  private mutating func walk() {
    while state.pointee.pendingCount > pendingBase {
      let place = state.pointee.index.found.popLast()
      state.popFromPending(L, pending)
      visit(lua_gettop(L), place)
      lwkt_pop(L, 1)
    }
  }

  /// Index the table or function at `index`, and put aside what it leads to.
  private mutating func visit(_ index: Int32, _ place: UInt32) {
    let entry = state.pointee.index.entry(place)
    if lua_type(L, index) == LUA_TTABLE {
      guard register(index, place, entry) else { return }
      visitFields(index, place, entry)
      if lua_getmetatable(L, index) != 0 {
        let address = UInt(bitPattern: lua_topointer(L, -1))
        if let child = child(of: place, entry, .metatable), !isExcluded(address) {
          putAside(state.pointee.index.add(child))
        }
        lwkt_pop(L, 1)
      }
    } else if lua_iscfunction(L, index) != 0 {
      _ = register(index, place, entry)
    } else if entry.ownsFunctions || isHostFunction(index) {
      guard register(index, place, entry) else { return }
      visitUpvalues(index, place, entry)
    }
  }

  /// Note the value's place; false if it has one already.
  private mutating func register(_ index: Int32, _ place: UInt32, _ entry: ModuleEntry) -> Bool {
    let address = UInt(bitPattern: lua_topointer(L, index))
    let known = state.pointee.index.place(of: address)
    if known != 0, state.isCurrent(L, index, known) {
      // A module that gives away a standard function does not own it.
      let isModule = entry.kind == .module && !isStandard(index)
      if !isModule, !entry.isStandard || state.pointee.index.entry(known).isStandard {
        return false
      }
    }
    state.pointee.index.set(address, place)
    lua_pushvalue(L, index)
    if entry.isStandard {
      state.pointee.index.anchorCount += 1
      lua_rawseti(L, anchors, state.pointee.index.anchorCount)
    } else {
      lua_pushinteger(L, lua_Integer(place))
      lua_rawset(L, indexed)
    }
    return true
  }

  /// The entry of something in `place`, or nil if that is too deep.
  private func child(
    of place: UInt32, _ entry: ModuleEntry, _ kind: ModuleEntry.Kind, key: Int = 0
  ) -> ModuleEntry? {
    guard !entry.isClosed, entry.depth < ModuleIndex.depthLimit else { return nil }
    return ModuleEntry(
      parent: place, kind: kind, depth: entry.depth + 1, isStandard: entry.isStandard,
      ownsFunctions: entry.ownsFunctions, key: key)
  }

  private mutating func visitFields(_ table: Int32, _ place: UInt32, _ entry: ModuleEntry) {
    guard entry.depth < ModuleIndex.depthLimit else { return }
    lua_pushnil(L)
    while lwkt_next(L, table) != 0 {
      let type = lua_type(L, -1)
      if type == LUA_TTABLE || type == LUA_TFUNCTION { visitField(place, entry, type) }
      lwkt_pop(L, 1)
    }
  }

  /// A field whose key and value are the two topmost stack values.
  private mutating func visitField(_ place: UInt32, _ entry: ModuleEntry, _ type: Int32) {
    let isFunction = type == LUA_TFUNCTION && lua_iscfunction(L, -1) != 0
    if entry.isClosed, !isFunction { return }
    let address = UInt(bitPattern: lua_topointer(L, -1))
    guard !isExcluded(address) else { return }
    if lua_type(L, -2) == LUA_TSTRING {
      var count = 0
      let name = UnsafeRawBufferPointer(start: lua_tolstring(L, -2, &count), count: count)
      if isFunction, entry.isStandard { return addStandardFunction(place, name) }
      if let child = child(of: place, entry, .name) {
        putAside(state.pointee.index.add(child, named: name))
      }
    } else if lua_isinteger(L, -2) != 0 {
      let key = Int(lua_tointegerx(L, -2, nil))
      if let child = child(of: place, entry, .index, key: key) {
        putAside(state.pointee.index.add(child))
      }
    }
  }

  /// A C function of a standard module, at the top of the stack: by far the most there are, so they
  /// take the short way.
  private func addStandardFunction(_ parent: UInt32, _ name: UnsafeRawBufferPointer) {
    let address = UInt(bitPattern: lua_topointer(L, -1))
    let known = state.pointee.index.place(of: address)
    if known != 0, state.pointee.index.entry(known).isStandard { return }
    let entry = state.pointee.index.entry(parent)
    let place = state.pointee.index.add(
      ModuleEntry(
        parent: parent, kind: .name, depth: entry.depth + 1, isStandard: true,
        ownsFunctions: entry.ownsFunctions, key: 0), named: name)
    state.pointee.index.set(address, place)
    // A plain C function is at its address for ever, a closure only while it is referred to.
    if UInt(bitPattern: lua_tocfunction(L, -1).map { unsafeBitCast($0, to: Int.self) } ?? 0)
      != address
    {
      state.pointee.index.anchorCount += 1
      lua_pushvalue(L, -1)
      lua_rawseti(L, anchors, state.pointee.index.anchorCount)
    }
  }

  // MARK: What functions capture

  private mutating func visitUpvalues(_ function: Int32, _ place: UInt32, _ entry: ModuleEntry) {
    var upvalue: Int32 = 1
    while lua_getupvalue(L, function, upvalue) != nil {
      let type = lua_type(L, -1)
      let isWanted =
        type == LUA_TFUNCTION
        ? lua_iscfunction(L, -1) == 0
        : type == LUA_TTABLE && !isExcluded(UInt(bitPattern: lua_topointer(L, -1)))
          && looksLikeMetatable(lua_gettop(L))
      if isWanted, let child = child(of: place, entry, .upvalue, key: Int(upvalue)) {
        putAside(state.pointee.index.add(child))
      }
      lwkt_pop(L, 1)
      upvalue += 1
    }
  }

  /// Has the table a key that begins with two underscores? Only the first few are looked at: what
  /// has many is data.
  private func looksLikeMetatable(_ table: Int32) -> Bool {
    lua_pushnil(L)
    var looked = 0
    while lwkt_next(L, table) != 0 {
      lwkt_pop(L, 1)
      var count = 0
      if lua_type(L, -1) == LUA_TSTRING, let name = lua_tolstring(L, -1, &count), count > 2,
        name[0] == 0x5F, name[1] == 0x5F
      {
        lwkt_pop(L, 1)
        return true
      }
      looked += 1
      if looked == 200 {
        lwkt_pop(L, 1)
        return false
      }
    }
    return false
  }

  /// Is the Lua function at `index` part of the host? Lua API that allocates: none.
  private func isHostFunction(_ index: Int32) -> Bool {
    var info = lua_Debug()
    lua_pushvalue(L, index)
    guard lua_getinfo(L, ">S", &info) != 0, let source = info.source else { return false }
    let prefix = StandardModules.hostChunk
    return UnsafeRawBufferPointer(start: source, count: info.srclen).starts(with: bytes(prefix))
  }
}
