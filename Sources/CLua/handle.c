/* handle.c: how a Lua heap refers to objects that live outside it.
 *
 * One handle per object and heap, so that handles compare and index tables as values should. The
 * cache is weak: Lua clears an entry before it frees the handle. There is no finaliser: the allocator
 * sees a handle's memory come back (alloc.c). */
#include "clua.h"

#include <stdio.h>
#include <stdlib.h>

static const char handle_keys[LWKT_KINDS]; /* registry: the metatable of each kind */
static const char handle_cache;            /* registry: object -> handle, weak values */
static const char handle_mark;             /* in each such metatable: it is one of ours */

/* Push the userdata of a handle. */
static void **new_handle(lua_State *L) {
  lwkt_heap_of(L)->making_handle = true;
  return lua_newuserdatauv(L, sizeof(void *), 0);
}

void lwkt_handle_open(lua_State *L) {
  *new_handle(L) = NULL;
  if (lwkt_heap_of(L)->making_handle) {
    fprintf(stderr, "lwkt: this Lua lays out its userdata in another way than LWKT_USERDATA_HEAD\n");
    abort();
  }
  lua_pop(L, 1);
  lua_createtable(L, 0, 8);
  lua_createtable(L, 0, 1);
  lua_pushstring(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &handle_cache);
}

void lwkt_handle_setmetatable(lua_State *L, int kind) {
  lua_pushboolean(L, 1);
  lua_rawsetp(L, -2, &handle_mark);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &handle_keys[kind]);
}

void *lwkt_tohandle(lua_State *L, int index) {
  void **block = lua_type(L, index) == LUA_TUSERDATA ? lua_touserdata(L, index) : NULL;
  if (block == NULL || !lua_getmetatable(L, index)) return NULL;
  int ours = lua_rawgetp(L, -1, &handle_mark) != LUA_TNIL;
  lwkt_pop(L, 2);
  return ours ? *block : NULL;
}

int lwkt_pushhandle(lua_State *L, void *object, int kind) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &handle_cache);
  if (lua_rawgetp(L, -1, object) != LUA_TNIL) {
    lua_rotate(L, -2, 1);
    lwkt_pop(L, 1);
    return 0;
  }
  lwkt_pop(L, 1);
  void **block = new_handle(L);
  *block = object;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &handle_keys[kind]);
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, -3, object);
  lua_rotate(L, -2, 1);
  lwkt_pop(L, 1);
  return 1;
}

void lwkt_pushholder(lua_State *L, void *object, int kind) {
  void **block = new_handle(L);
  *block = object;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &handle_keys[kind]);
  lua_setmetatable(L, -2);
}

void *lwkt_takeholder(lua_State *L, int index) {
  void **block = lua_touserdata(L, index);
  if (block == NULL) return NULL;
  void *object = *block;
  *block = NULL;
  return object;
}
