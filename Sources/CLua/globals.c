/* globals.c: the globals of threads that share a heap.
 *
 * Each thread has a table of its own, which holds what the thread itself has set; everything else is
 * read through, by a metatable, to the heap's standard globals, where modules are loaded. So a thread
 * begins with an empty table. Before a script can take that table as a value, because its code names
 * `_G` or does something else with `_ENV` than look up names, or because it calls `load`, the table is
 * made *complete*: a copy of all, without our metatable, that looks and behaves like stock's. What
 * modules set later, a metatable among it, is copied after each `require`. */
#include "clua.h"

/* Has the table at `env` our metatable? */
static bool is_read_through(lua_State *L, int env) {
  if (!lua_getmetatable(L, env)) return false;
  lua_rawgeti(L, LUA_REGISTRYINDEX, lwkt_heap_of(L)->globals_meta);
  bool ours = lua_rawequal(L, -1, -2);
  lwkt_pop(L, 2);
  return ours;
}

/* Copy what is in the standard globals and not in the table at `env`. */
static void copy_missing(lua_State *L, int env) {
  lwkt_pushstandard(L);
  lua_pushnil(L);
  while (lwkt_next(L, -2)) {
    lua_pushvalue(L, -2);
    if (lua_rawget(L, env) != LUA_TNIL) {
      lwkt_pop(L, 2);
      continue;
    }
    lwkt_pop(L, 1);
    lua_pushvalue(L, -2);
    lua_rotate(L, -2, 1);
    lua_rawset(L, env);
  }
  lwkt_pop(L, 1);
}

void lwkt_complete_globals(lua_State *L, int env) {
  env = lua_absindex(L, env);
  if (!is_read_through(L, env)) return;
  lua_pushnil(L);
  lua_setmetatable(L, env);
  lua_pushstring(L, "_G");
  lua_pushvalue(L, env);
  lua_rawset(L, env);
  copy_missing(L, env);
}

void lwkt_follow_globals(lua_State *L) {
  if (lwkt_heap_of(L)->globals_meta == 0) return;
  lwkt_pushownenvironment(L);
  lwkt_pushstandard(L);
  int env = lua_gettop(L) - 1;
  if (lua_istable(L, env) && !lua_rawequal(L, env, -1)) {
    if (lua_getmetatable(L, -1)) {
      lwkt_complete_globals(L, env);
      if (lua_getmetatable(L, env)) {
        lwkt_pop(L, 2); /* the thread's own */
      } else {
        lua_setmetatable(L, env);
      }
    }
    if (!is_read_through(L, env)) copy_missing(L, env);
  }
  lua_settop(L, env - 1);
}

/* __pairs of a thread's globals. */
static int globals_pairs(lua_State *L) {
  lwkt_complete_globals(L, 1);
  lua_getglobal(L, "next");
  lua_pushvalue(L, 1);
  lua_pushnil(L);
  return 3;
}

void lwkt_open_globals(lua_State *L) {
  lua_createtable(L, 0, 2);
  lua_pushglobaltable(L);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, globals_pairs);
  lua_setfield(L, -2, "__pairs");
  lwkt_heap_of(L)->globals_meta = luaL_ref(L, LUA_REGISTRYINDEX);
}
