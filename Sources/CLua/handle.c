/* handle.c: how a Lua heap refers to objects that live outside it.
 *
 * One handle per object and heap, so that handles compare and index tables as values should. The
 * cache is weak; an entry whose handle awaits its finaliser is cleared by Lua before that runs. */
#include "clua.h"

static const char handle_keys[LWKT_KINDS]; /* registry: the metatable of each kind */
static const char handle_cache;            /* registry: object -> handle, weak values */

/* What a handle's userdata holds. Every argument of every call is asked whether it is a handle, so
 * the answer is in the block itself: no other userdata has this size and this address in it. */
struct handle {
  void *object;
  const void *mark;
};

static const char handle_mark;

static struct handle *new_handle(lua_State *L, void *object, int kind) {
  struct handle *handle = lua_newuserdatauv(L, sizeof *handle, 0);
  handle->object = object;
  handle->mark = &handle_mark;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &handle_keys[kind]);
  lua_setmetatable(L, -2);
  return handle;
}

/* The length says first that it is a userdata, or a string or table that has no address. */
static struct handle *to_handle(lua_State *L, int index) {
  if (lua_rawlen(L, index) != sizeof(struct handle)) return NULL;
  struct handle *handle = lua_touserdata(L, index);
  return handle != NULL && handle->mark == &handle_mark ? handle : NULL;
}

void lwkt_handle_open(lua_State *L) {
  lua_createtable(L, 0, 8);
  lua_createtable(L, 0, 1);
  lua_pushstring(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &handle_cache);
}

void lwkt_handle_setmetatable(lua_State *L, int kind) {
  lua_rawsetp(L, LUA_REGISTRYINDEX, &handle_keys[kind]);
}

void *lwkt_tohandle(lua_State *L, int index) {
  struct handle *handle = to_handle(L, index);
  return handle != NULL ? handle->object : NULL;
}

int lwkt_pushhandle(lua_State *L, void *object, int kind) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &handle_cache);
  if (lua_rawgetp(L, -1, object) != LUA_TNIL) {
    lua_rotate(L, -2, 1);
    lwkt_pop(L, 1);
    return 0;
  }
  lwkt_pop(L, 1);
  new_handle(L, object, kind);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, -3, object);
  lua_rotate(L, -2, 1);
  lwkt_pop(L, 1);
  return 1;
}

void lwkt_pushholder(lua_State *L, void *object, int kind) {
  new_handle(L, object, kind);
}

void *lwkt_takeholder(lua_State *L, int index) {
  struct handle *handle = to_handle(L, index);
  if (handle == NULL) return NULL;
  void *object = handle->object;
  handle->object = NULL;
  return object;
}
