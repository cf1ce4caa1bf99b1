/* package.c: `package` settings that created threads inherit, and a `require` that notes modules. */
#include "clua.h"

#include <stdatomic.h>

/* The note, a table in the registry: the package table; path and cpath as noted. */
enum { PACKAGE = 1, PATH, CPATH };

static void push_note(lua_State *L) {
  struct lwkt_heap *heap = lwkt_heap_of(L);
  if (heap->package_note != 0) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, heap->package_note);
    return;
  }
  lua_createtable(L, CPATH, 0);
  lua_pushstring(L, LUA_LOADED_TABLE);
  lua_rawget(L, LUA_REGISTRYINDEX);
  lua_pushstring(L, "package");
  lua_rawget(L, -2);
  lua_rawseti(L, -3, PACKAGE);
  lwkt_pop(L, 1);
  lua_pushvalue(L, -1);
  heap->package_note = luaL_ref(L, LUA_REGISTRYINDEX);
}

void lwkt_package_push(lua_State *L, const char *field) {
  push_note(L);
  lua_rawgeti(L, -1, PACKAGE);
  lua_pushstring(L, field);
  lua_rawget(L, -2);
  lua_rotate(L, -3, 1);
  lwkt_pop(L, 2);
}

void lwkt_package_push_noted(lua_State *L) {
  push_note(L);
  lua_rawgeti(L, -1, PATH);
  lua_rawgeti(L, -2, CPATH);
  lua_rotate(L, -3, 2);
  lwkt_pop(L, 1);
}

void lwkt_package_set(lua_State *L, const char *field) {
  push_note(L);
  lua_rawgeti(L, -1, PACKAGE);
  lua_pushstring(L, field);
  lua_rotate(L, -4, -1);
  lua_rawset(L, -3);
  lwkt_pop(L, 2);
}

/* Each create asks, so it is asked on the shelf (slot.c). */

static lua_Integer count_preload(lua_State *shelf) {
  lua_Integer count = 0;
  lua_pushnil(shelf);
  while (lwkt_next(shelf, LWKT_SHELF_PRELOAD)) {
    lwkt_pop(shelf, 1);
    count++;
  }
  return count;
}

/* Push the field on the shelf: what it is, as an address. */
static const void *look(lua_State *shelf, int name) {
  lua_pushvalue(shelf, name);
  lua_rawget(shelf, LWKT_SHELF_PACKAGE);
  return lua_topointer(shelf, -1);
}

bool lwkt_package_changed(lua_State *L) {
  const struct lwkt_heap *heap = lwkt_heap_of(L);
  lua_State *shelf = heap->shelf;
  bool same = look(shelf, LWKT_SHELF_PATH_NAME) == heap->noted_path;
  same = look(shelf, LWKT_SHELF_CPATH_NAME) == heap->noted_cpath && same;
  lwkt_pop(shelf, 2);
  return !same || count_preload(shelf) != heap->noted_preload;
}

void lwkt_package_note(lua_State *L) {
  struct lwkt_heap *heap = lwkt_heap_of(L);
  lua_State *shelf = heap->shelf;
  push_note(L);
  heap->noted_path = look(shelf, LWKT_SHELF_PATH_NAME);
  heap->noted_cpath = look(shelf, LWKT_SHELF_CPATH_NAME);
  lua_xmove(shelf, L, 2);
  lua_rawseti(L, -3, CPATH);
  lua_rawseti(L, -2, PATH);
  heap->noted_preload = count_preload(shelf);
  lwkt_pop(L, 1);
}

void lwkt_package_preload(lua_State *L) {
  lwkt_package_push(L, "preload");
  if (lua_type(L, -1) == LUA_TTABLE && lua_type(L, -2) == LUA_TTABLE) {
    lua_pushnil(L);
    while (lwkt_next(L, -3)) {
      lua_pushvalue(L, -2);
      lua_rotate(L, -2, 1);
      lua_rawset(L, -4);
    }
  }
  lwkt_pop(L, 2);
}

/* ---- require ---- */

/* The stock function: the same in every heap, whichever opened first. */
static _Atomic(lua_CFunction) stock_require;

/* Upvalue 1 is the stock function's own, so that it can run in this one's place: where it looks for
 * its upvalue, and for the caller's position, it finds them. What it loads is noted before the
 * program can have changed it. */
static int require(lua_State *L) {
  size_t length;
  const char *name = lua_type(L, 1) == LUA_TSTRING ? lua_tolstring(L, 1, &length) : NULL;
  bool is_new = false;
  if (name != NULL && lwkt_percpu()->td != NULL) {
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_pushvalue(L, 1);
    lua_rawget(L, -2);
    is_new = !lua_toboolean(L, -1);
    lua_pop(L, 2);
  }
  const void *before = is_new ? lwkt_globals_metatable(L) : NULL;
  int results = atomic_load_explicit(&stock_require, memory_order_relaxed)(L);
  /* The stock function has put other things in the place of its arguments, but the name. */
  if (is_new) lwkt_call(L, lwkt_s_note_module);
  lwkt_follow_globals(L, is_new, before);
  return results;
}

void lwkt_open_require(lua_State *L) {
  lua_getglobal(L, "require");
  atomic_store_explicit(&stock_require, lua_tocfunction(L, -1), memory_order_relaxed);
  if (lua_getupvalue(L, -1, 1) != NULL) {
    lua_pushcclosure(L, require, 1);
    lua_setglobal(L, "require");
  }
  lua_pop(L, 1);
}
