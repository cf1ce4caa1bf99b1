// Handle.swift: Lua values that refer to objects outside the heap.

import CLua
import LWKTCore

/// A `lua_State *`: a coroutine, and through it its heap.
typealias LuaState = OpaquePointer

/// The object behind the handle at `index`, borrowed from it, or nil for any other value.
/// Lua API that allocates: none.
@inline(__always)
func handleObject(_ L: LuaState, _ index: Int32) -> ObjectRef? {
  lwkt_tohandle(L, index)
}

/// Push the heap's one handle of `object`; the caller keeps its own reference.
/// Needs 3 stack slots. Lua API that allocates: `lua_newuserdatauv`, `lua_rawsetp`.
func pushHandle(_ L: LuaState, _ object: ObjectRef) {
  if lwkt_pushhandle(L, object, Int32(object.objectKind.rawValue)) != 0 { object.retainObject() }
}
