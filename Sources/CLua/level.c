/* level.c: how deep threads stand in C calls.
 *
 * Lua counts the C calls it is in, up to 200, and scripts see where that ends: in recursion through
 * metamethods, in nested coroutines, in the parser. The chunks of the standalone interpreter run at
 * count 2. A coroutine takes the count of whoever resumes it and one more, and is back there after
 * every wait and after every error it has caught, since its C calls are unwound then. So threads have
 * a resumer that stands at 1, and main chunks begin like one that goes on. */
#include "clua.h"

#include <stdlib.h>

/* A state of its own, which nothing else happens in: of a resumer Lua reads the count and no more.
 * Written before there are threads. */
lua_State *lwkt_resumer;

static int nothing(lua_State *L) {
  (void)L;
  return 0;
}

static void *allocate(void *ud, void *block, size_t old_size, size_t new_size) {
  (void)ud, (void)old_size;
  if (new_size != 0) return realloc(block, new_size);
  free(block);
  return NULL;
}

/* A coroutine that has ended keeps the count it ran at. Without memory threads have no resumer and
 * stand one level higher. */
void lwkt_make_resumer(void) {
  int results;
  lua_State *state = lua_newstate(allocate, NULL);
  if (state == NULL) return;
  lua_pushcfunction(state, nothing);
  if (lua_resume(state, NULL, 0, &results) == LUA_OK) lwkt_resumer = state;
}

static void begin_hook(lua_State *L, lua_Debug *ar) {
  (void)ar;
  lwkt_percpu()->switch_kind = LWKT_SWITCH_YIELD;
  lwkt_hook_yield(L);
}

void lwkt_begin_at_level(lua_State *L) { lua_sethook(L, begin_hook, LUA_MASKCOUNT, 1); }
