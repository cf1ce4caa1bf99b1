/* package.c: `package` settings that created threads inherit, and a `require` that notes modules. */
#include "clua.h"

#include <stdatomic.h>

/* The note, a table in the registry: the package table; path and cpath as noted; and the names of its
 * fields, so that they need not be made. */
enum { PACKAGE = 1, PATH, CPATH, PATH_NAME, CPATH_NAME, PRELOAD_NAME };

static void push_note(lua_State *L) {
  struct lwkt_heap *heap = lwkt_heap_of(L);
  if (heap->package_note != 0) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, heap->package_note);
    return;
  }
  lua_createtable(L, PRELOAD_NAME, 0);
  lua_pushstring(L, LUA_LOADED_TABLE);
  lua_rawget(L, LUA_REGISTRYINDEX);
  lua_pushstring(L, "package");
  lua_rawget(L, -2);
  lua_rawseti(L, -3, PACKAGE);
  lwkt_pop(L, 1);
  lua_pushstring(L, "path");
  lua_rawseti(L, -2, PATH_NAME);
  lua_pushstring(L, "cpath");
  lua_rawseti(L, -2, CPATH_NAME);
  lua_pushstring(L, "preload");
  lua_rawseti(L, -2, PRELOAD_NAME);
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

/* The note is at `note`, the package table at `note` + 1: push the field named by `name`. */
static int push_field(lua_State *L, int note, int name) {
  lua_rawgeti(L, note, name);
  return lua_rawget(L, note + 1);
}

static lua_Integer count_preload(lua_State *L, int note) {
  lua_Integer count = 0;
  if (push_field(L, note, PRELOAD_NAME) == LUA_TTABLE) {
    lua_pushnil(L);
    while (lwkt_next(L, -2)) {
      lwkt_pop(L, 1);
      count++;
    }
  }
  lwkt_pop(L, 1);
  return count;
}

/* Is the field the very string that was noted? */
static bool is_noted(lua_State *L, int note, int name, const char *noted) {
  bool same = push_field(L, note, name) == LUA_TSTRING && lua_tolstring(L, -1, NULL) == noted;
  lwkt_pop(L, 1);
  return same;
}

bool lwkt_package_changed(lua_State *L) {
  const struct lwkt_heap *heap = lwkt_heap_of(L);
  push_note(L);
  int note = lua_gettop(L);
  lua_rawgeti(L, note, PACKAGE);
  bool same = is_noted(L, note, PATH_NAME, heap->noted_path) &&
              is_noted(L, note, CPATH_NAME, heap->noted_cpath) &&
              count_preload(L, note) == heap->noted_preload;
  lwkt_pop(L, 2);
  return !same;
}

/* Note a field; the string, or NULL for what is none. */
static const char *note_field(lua_State *L, int note, int name, int place) {
  const char *text = push_field(L, note, name) == LUA_TSTRING ? lua_tolstring(L, -1, NULL) : NULL;
  lua_rawseti(L, note, place);
  return text;
}

void lwkt_package_note(lua_State *L) {
  struct lwkt_heap *heap = lwkt_heap_of(L);
  push_note(L);
  int note = lua_gettop(L);
  lua_rawgeti(L, note, PACKAGE);
  heap->noted_path = note_field(L, note, PATH_NAME, PATH);
  heap->noted_cpath = note_field(L, note, CPATH_NAME, CPATH);
  heap->noted_preload = count_preload(L, note);
  lwkt_pop(L, 2);
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
