// TokenLibrary.swift: tokens as scripts see them.

import CLua
import LWKTCore

func tokenArgument(_ L: LuaState, _ index: Int32) -> TokenRef? {
  guard let object = handleObject(L, index), object.objectKind == .token else { return nil }
  return object.token
}

@c(lwkt_s_token)
package func token(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  var name: Name?
  if lua_type(L, 1) > LUA_TNIL {
    guard let given = nameArgument(L, 1) else { return badName(L, 1) }
    name = given
  }
  return pushToken(L, currentThread.pointee.host.token(named: name))
}

/// Uses up the caller's reference.
private func pushToken(_ L: LuaState, _ token: TokenRef) -> Int32 {
  pushHandle(L, token.object)
  token.object.releaseObject()
  return 1
}

/// How many pool tokens there are; a prime, as in the kernel.
private let poolSize: UInt64 = 4001

@c(lwkt_s_getpooltoken)
package func getpooltoken(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard lua_type(L, 1) == LUA_TSTRING || integerArgument(L, 1) != nil,
    let ident = identArgument(L, 1)
  else { return badType(L, 1, "string or integer") }
  let mixed = (ident.high ^ ident.low) &* 0x9E37_79B9_7F4A_7C15
  let number = (mixed >> 20) % poolSize
  return pushToken(L, currentThread.pointee.host.token(named: "pool \(number)"))
}

@inline(__always)
private func getToken(_ L: LuaState, shared: Bool) -> Int32 {
  guard let token = tokenArgument(L, 1) else { return badType(L, 1, "token") }
  lua_settop_plain(L, 1)
  switch currentThread.getToken(token, shared: shared) {
  case .success(.ready): return 1
  case .success(let result): return after(L, result, .token)
  case .failure:
    return raise(
      L,
      "gettoken: \"" + String(cString: token.pointee.name)
        + "\" is held shared already; exclusive on top of it can never be had")
  }
}

func tokenGot(_ L: LuaState) -> Int32 {
  // Had again by the loop, unless the thread was told to stop before it could wait.
  let thread = currentThread
  if thread.pointee.wakeReason == .aborted { return raiseCancellation(L) }
  if thread.isCancelled {
    if let token = tokenArgument(L, 1) { thread.undoGet(token) }
    return raiseCancellation(L)
  }
  return 1
}

@c(lwkt_s_token_get)
package func tokenGet(_ L: OpaquePointer?) -> Int32 { getToken(L.unsafelyUnwrapped, shared: false) }

@c(lwkt_s_token_get_shared)
package func tokenGetShared(_ L: OpaquePointer?) -> Int32 {
  getToken(L.unsafelyUnwrapped, shared: true)
}

@c(lwkt_s_token_try)
package func tokenTry(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let token = tokenArgument(L, 1) else { return badType(L, 1, "token") }
  lua_pushboolean(L, currentThread.tryToken(token) ? 1 : 0)
  return 1
}

@c(lwkt_s_token_rel)
package func tokenRel(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let token = tokenArgument(L, 1) else { return badType(L, 1, "token") }
  guard let misuse = currentThread.releaseToken(token) else { return 0 }
  return misuseOfRelease(L, token, misuse)
}

private func misuseOfRelease(_ L: LuaState, _ token: TokenRef, _ misuse: TokenMisuse) -> Int32 {
  let got = "\"" + String(cString: token.pointee.name) + "\""
  if case .notLatest(let latest?) = misuse {
    return raise(
      L, "reltoken: release wants \"" + String(cString: latest.pointee.name) + "\", got " + got)
  }
  return raise(L, "reltoken: " + got + " is not held")
}

@c(lwkt_s_token_close)
package func tokenClose(_ L: OpaquePointer?) -> Int32 { tokenRel(L) }

/// How many acquisitions the running thread has, for `with`.
@c(lwkt_s_token_count)
package func tokenCount() -> Int32 { Int32(truncatingIfNeeded: currentThread.tokenCount) }

/// Release what an error jumped over, down to `count` acquisitions.
@c(lwkt_s_token_unwind)
package func tokenUnwind(_ count: Int32) { currentThread.releaseTokens(downTo: Int(count)) }

@c(lwkt_s_token_is_stale)
package func tokenIsStale(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let token = tokenArgument(L, 1) else { return badType(L, 1, "token") }
  guard let isStale = currentThread.isStale(token) else {
    return raise(
      L, "is_stale: \"" + String(cString: token.pointee.name) + "\" is not held")
  }
  lua_pushboolean(L, isStale ? 1 : 0)
  return 1
}

@c(lwkt_s_token_held)
package func tokenHeld(_ L: OpaquePointer?) -> Int32 {
  let L = L.unsafelyUnwrapped
  guard let token = tokenArgument(L, 1) else { return badType(L, 1, "token") }
  switch currentThread.holds(token) {
  case .none: lua_pushnil(L)
  case .shared: pushString(L, "shared")
  case .exclusive: pushString(L, "exclusive")
  }
  return 1
}

@c(lwkt_s_token_swap)
package func tokenSwap(_ L: OpaquePointer?) -> Int32 {
  if currentThread.swapTokens() { return 0 }
  return raise(L.unsafelyUnwrapped, "token_swap: needs two tokens held")
}
