// Settings.swift: `package.path`, `cpath` and `preload` travel with created threads.

import CLua
import LWKTCore

/// Give a thread that is created now the present settings; none where they are those every heap begins
/// with. Lua API that allocates: `lua_pushstring`, and what copying does when they have changed.
func passSettings(_ L: LuaState, to thread: ThreadRef) {
  let heap = LuaHeap.of(L)
  if lwkt_package_changed(L) {
    let settings = readSettings(L)
    keepFirstSettings(L, heap)
    lwkt_package_note(L)
    heap.pointee.settings = settings
  }
  if heap.pointee.settings != nil { giveSettings(of: heap, to: thread) }
}

/// Apart, so that the usual create takes no reference.
@inline(never)
private func giveSettings(of heap: UnsafeMutablePointer<LuaHeap>, to thread: ThreadRef) {
  if let settings = heap.pointee.settings { thread.give(settings) }
}

private func readSettings(_ L: LuaState) -> PackageSettings {
  var preload = Payload()
  _ = lua_checkstack(L, 8)
  lwkt_package_push(L, "preload")
  if !copyOut(L, lua_gettop(L), 1, "create", &preload) { lwkt_pop(L, 1) }
  lwkt_pop(L, 1)
  return PackageSettings(
    path: packageField(L, "path"), cpath: packageField(L, "cpath"), preload: preload)
}

/// Before the heap gets settings: keep those that it began with, which are still the ones noted.
func keepFirstSettings(_ L: LuaState, _ heap: UnsafeMutablePointer<LuaHeap>) {
  guard heap.pointee.firstSettings == nil else { return }
  _ = lua_checkstack(L, 4)
  lwkt_package_push_noted(L)
  let cpath = takeBytes(L)
  let path = takeBytes(L)
  heap.pointee.firstSettings = PackageSettings(path: path, cpath: cpath, preload: Payload())
}

private func packageField(_ L: LuaState, _ name: String) -> [UInt8] {
  lwkt_package_push(L, name)
  return takeBytes(L)
}

/// Pop a string; none for what is no string.
private func takeBytes(_ L: LuaState) -> [UInt8] {
  defer { lwkt_pop(L, 1) }
  guard lua_type(L, -1) == LUA_TSTRING else { return [] }
  var length = 0
  let bytes = lua_tolstring(L, -1, &length)
  return [UInt8](UnsafeRawBufferPointer(start: bytes, count: length))
}

/// Give a heap the settings of the thread that begins in it. `L`: any coroutine of the heap.
func installSettings(
  _ L: LuaState, _ settings: PackageSettings, _ copyState: UnsafeMutablePointer<CopyState>
) {
  guard lua_checkstack(L, 10) != 0 else { return }
  setPackageField(L, "path", settings.path)
  setPackageField(L, "cpath", settings.cpath)
  if settings.preload.pointee.count > 0 {
    lwkt_pushstandard(L)
    let context = CopyContext(state: copyState, environment: lua_gettop(L))
    switch decodeValues(L, settings.preload, context: context) {
    case .values: lwkt_package_preload(L)
    case .failed, .needsModule: lwkt_pop(L, 1)
    }
    lwkt_pop(L, 1)
  }
  lwkt_package_note(L)
}

private func setPackageField(_ L: LuaState, _ name: String, _ bytes: [UInt8]) {
  bytes.withUnsafeBufferPointer { _ = lua_pushlstring(L, cText($0), $0.count) }
  lwkt_package_set(L, name)
}
