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

/* ---- modules that set globals ---- */

static const char made_key; /* registry: name of a module -> the metatable it made globals have */

/* Push the metatable that the table at `env` has from a script, or nil. */
static void push_script_metatable(lua_State *L, int env) {
  if (is_read_through(L, env) || !lua_getmetatable(L, env)) lua_pushnil(L);
}

/* Give the table at `env` the metatable at the top, which is popped, unless it has one. */
static void offer_metatable(lua_State *L, int env) {
  lwkt_complete_globals(L, env);
  push_script_metatable(L, env);
  bool has_none = lua_isnil(L, -1);
  lwkt_pop(L, 1);
  if (has_none) {
    lua_setmetatable(L, env);
  } else {
    lwkt_pop(L, 1);
  }
}

const void *lwkt_globals_metatable(lua_State *L) {
  if (lwkt_heap_of(L)->globals_meta == 0) return NULL;
  lwkt_pushownenvironment(L);
  if (lua_istable(L, -1)) {
    push_script_metatable(L, lua_gettop(L));
    lua_remove(L, -2);
  }
  const void *metatable = lua_topointer(L, -1);
  lwkt_pop(L, 1);
  return metatable;
}

static void push_made(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &made_key) == LUA_TTABLE) return;
  lwkt_pop(L, 1);
  lua_createtable(L, 0, 1);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &made_key);
}

/* The module named at index 1 has been loaded. The metatable it has given to its globals, as those that
 * make undeclared variables errors do, is meant for this thread and others that require it, not for
 * all that read the standard globals. */
static void note_metatable(lua_State *L, int env, const void *before) {
  lwkt_pushstandard(L);
  if (lua_getmetatable(L, -1)) {
    offer_metatable(L, env);
    lua_pushnil(L);
    lua_setmetatable(L, -2);
  }
  push_script_metatable(L, env);
  if (lua_istable(L, -1) && lua_topointer(L, -1) != before) {
    push_made(L);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, -3);
    lua_rawset(L, -3);
  }
}

void lwkt_follow_globals(lua_State *L, bool is_new, const void *before) {
  if (lwkt_heap_of(L)->globals_meta == 0) return;
  int top = lua_gettop(L), env = top + 1;
  lwkt_pushownenvironment(L);
  lwkt_pushstandard(L);
  if (lua_istable(L, env) && !lua_rawequal(L, env, -1)) {
    if (is_new) {
      note_metatable(L, env, before);
    } else if (lua_rawgetp(L, LUA_REGISTRYINDEX, &made_key) == LUA_TTABLE) {
      lua_pushvalue(L, 1);
      if (lua_rawget(L, -2) == LUA_TTABLE) offer_metatable(L, env);
    }
    if (!is_read_through(L, env)) copy_missing(L, env);
  }
  lua_settop(L, top);
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
