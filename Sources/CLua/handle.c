/* handle.c: how a Lua heap refers to objects that live outside it.
 *
 * One handle per object and heap, so that handles compare and index tables as values should. The
 * cache is weak; an entry whose handle awaits its finaliser is cleared by Lua before that runs. */
#include "clua.h"

static const char handle_keys[LWKT_KINDS]; /* registry: the metatable of each kind */
static const char handle_cache;            /* registry: object -> handle, weak values */
static const char handle_mark;             /* in each such metatable: it is one of ours */

void lwkt_handle_open(lua_State *L) {
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
  void **block = lua_newuserdatauv(L, sizeof(void *), 0);
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
  void **block = lua_newuserdatauv(L, sizeof(void *), 0);
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
