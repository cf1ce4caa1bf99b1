/* package.c: `package` settings that created threads inherit, and a `require` that notes modules. */
#include "clua.h"

#include <stdatomic.h>

static const char package_key; /* registry: {package, path, cpath, count of preload} as noted */

static void push_note(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &package_key) != LUA_TNIL) return;
  lwkt_pop(L, 1);
  lua_createtable(L, 4, 0);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &package_key);
  lua_pushstring(L, LUA_LOADED_TABLE);
  lua_rawget(L, LUA_REGISTRYINDEX);
  lua_pushstring(L, "package");
  lua_rawget(L, -2);
  lua_rawseti(L, -3, 1);
  lwkt_pop(L, 1);
}

void lwkt_package_push(lua_State *L, const char *field) {
  push_note(L);
  lua_rawgeti(L, -1, 1);
  lua_pushstring(L, field);
  lua_rawget(L, -2);
  lua_rotate(L, -3, 1);
  lwkt_pop(L, 2);
}

void lwkt_package_set(lua_State *L, const char *field) {
  push_note(L);
  lua_rawgeti(L, -1, 1);
  lua_pushstring(L, field);
  lua_rotate(L, -4, -1);
  lua_rawset(L, -3);
  lwkt_pop(L, 2);
}

static lua_Integer count_preload(lua_State *L) {
  lua_Integer count = 0;
  lwkt_package_push(L, "preload");
  if (lua_type(L, -1) == LUA_TTABLE) {
    lua_pushnil(L);
    while (lwkt_next(L, -2)) {
      lwkt_pop(L, 1);
      count++;
    }
  }
  lwkt_pop(L, 1);
  return count;
}

bool lwkt_package_changed(lua_State *L) {
  push_note(L);
  lwkt_package_push(L, "path");
  lua_rawgeti(L, -2, 2);
  bool same = lua_rawequal(L, -1, -2);
  lwkt_pop(L, 2);
  lwkt_package_push(L, "cpath");
  lua_rawgeti(L, -2, 3);
  same = same && lua_rawequal(L, -1, -2);
  lwkt_pop(L, 2);
  lua_rawgeti(L, -1, 4);
  same = same && lua_tointegerx(L, -1, NULL) == count_preload(L);
  lwkt_pop(L, 2);
  return !same;
}

void lwkt_package_note(lua_State *L) {
  push_note(L);
  lwkt_package_push(L, "path");
  lua_rawseti(L, -2, 2);
  lwkt_package_push(L, "cpath");
  lua_rawseti(L, -2, 3);
  lua_pushinteger(L, count_preload(L));
  lua_rawseti(L, -2, 4);
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
  int results = atomic_load_explicit(&stock_require, memory_order_relaxed)(L);
  /* The stock function has put other things in the place of its arguments, but the name. */
  if (is_new) lwkt_call(L, lwkt_s_note_module);
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
