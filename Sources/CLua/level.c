/* level.c: how deep main programs stand in C calls.
 *
 * Lua counts the C calls it is in, up to 200, and scripts see where that ends: in recursion through
 * metamethods, in nested coroutines, in the parser. The chunks of the standalone interpreter run at
 * count 2. A coroutine takes the count of whoever resumes it and one more, and is back there after
 * every wait and after every error it has caught, since its C calls are unwound then. So main programs
 * have a resumer that stands at 1, and each of their chunks begins like one that goes on. */
#include "clua.h"

static int nothing(lua_State *L) {
  (void)L;
  return 0;
}

/* A coroutine that has ended keeps the count it ran at. */
lua_State *lwkt_new_resumer(lua_State *L) {
  static const char resumer_key;
  int results;
  lua_State *resumer = lua_newthread(L);
  lua_pushcfunction(resumer, nothing);
  lua_resume(resumer, NULL, 0, &results);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &resumer_key);
  return resumer;
}

static void begin_hook(lua_State *L, lua_Debug *ar) {
  (void)ar;
  lwkt_percpu()->switch_kind = LWKT_SWITCH_YIELD;
  lwkt_hook_yield(L);
}

void lwkt_begin_at_level(lua_State *L) { lua_sethook(L, begin_hook, LUA_MASKCOUNT, 1); }
