/* textonly.c: --no-bytecode.
 *
 * Precompiled chunks are not checked when they are loaded, and a wrong one can do anything to the
 * process. So whoever runs code of strangers refuses them: whatever loads chunks is called with the
 * mode "t". The code of threads, which we have dumped ourselves, does not pass here. */
#include "clua.h"

#include <stdio.h>
#include <string.h>

static bool refuses_bytecode; /* written before the first heap is made */

void lwkt_refuse_bytecode(void) { refuses_bytecode = true; }
const char *lwkt_load_mode(void) { return refuses_bytecode ? "t" : NULL; }

/* What Lua answers to a precompiled chunk where the mode is "t", or nothing at all. */
static bool is_refusal(const char *message) {
  static const char refusal[] = "attempt to load a binary chunk";
  return message != NULL && strncmp(message, refusal, sizeof refusal - 1) == 0;
}

void lwkt_explain_refusal(lua_State *L, const char *path) {
  if (!refuses_bytecode || !is_refusal(lua_tostring(L, -1))) return;
  if (path != NULL) {
    lua_pushfstring(L, "cannot load %s: precompiled chunks are refused (--no-bytecode)", path);
  } else {
    lua_pushliteral(L, "precompiled chunks are refused (--no-bytecode)");
  }
  lua_remove(L, -2);
}

/* ---- load, loadfile, dofile ---- */

static int load_done(lua_State *L, int status, lua_KContext path) {
  (void)status;
  int results = lua_gettop(L) - 1;
  if (results == 2) lwkt_explain_refusal(L, (const char *)path);
  return results;
}

/* Call the function in upvalue 1 with the mode, argument `at`, less what allows precompiled chunks. */
static int load_text(lua_State *L, int at, const char *path) {
  bool allows_text = strchr(luaL_optstring(L, at, "t"), 't') != NULL;
  if (lua_gettop(L) < at) lua_settop(L, at);
  lua_pushstring(L, allows_text ? "t" : "");
  lua_replace(L, at);
  int arguments = lua_gettop(L);
  lua_pushvalue(L, 1); /* keeps the path, which argument 1 is, from being collected */
  lua_insert(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 2);
  lua_callk(L, arguments, LUA_MULTRET, (lua_KContext)path, load_done);
  return load_done(L, LUA_OK, (lua_KContext)path);
}

static int load(lua_State *L) { return load_text(L, 3, NULL); }
static int loadfile(lua_State *L) { return load_text(L, 2, luaL_optstring(L, 1, NULL)); }

static int dofile_done(lua_State *L, int status, lua_KContext context) {
  (void)status, (void)context;
  return lua_gettop(L);
}

/* Upvalue 1: our `loadfile`. */
static int dofile(lua_State *L) {
  luaL_optstring(L, 1, NULL);
  lua_settop(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, 1, 2);
  if (lua_isnil(L, 1)) return lua_error(L);
  lua_settop(L, 1);
  lua_callk(L, 0, LUA_MULTRET, 0, dofile_done);
  return dofile_done(L, LUA_OK, 0);
}

/* ---- require ---- */

/* The searcher for Lua files. Upvalues: package, package.searchpath. */
static int search(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  lua_settop(L, 1);
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_pushvalue(L, 1);
  lua_getfield(L, lua_upvalueindex(1), "path");
  if (lua_tostring(L, -1) == NULL) return luaL_error(L, "'package.path' must be a string");
  lua_call(L, 2, 2);
  if (lua_isnil(L, 2)) return 1; /* where it was looked for in vain */
  const char *path = lua_tostring(L, 2);
  if (luaL_loadfilex(L, path, "t") == LUA_OK) {
    lua_pushvalue(L, 2);
    return 2;
  }
  lwkt_explain_refusal(L, NULL);
  return luaL_error(L, "error loading module '%s' from file '%s':\n\t%s", name, path,
                    lua_tostring(L, -1));
}

/* ---- debug.debug ---- */

static int debug_debug(lua_State *L) {
  char line[250];
  for (;;) {
    fputs("lua_debug> ", stderr);
    fflush(stderr);
    if (fgets(line, sizeof line, stdin) == NULL || strcmp(line, "cont\n") == 0) return 0;
    if (luaL_loadbufferx(L, line, strlen(line), "=(debug command)", "t") != LUA_OK ||
        lua_pcall(L, 0, 0, 0) != LUA_OK) {
      fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
      fflush(stderr);
    }
    lua_settop(L, 0);
  }
}

/* ---- opening ---- */

static void wrap(lua_State *L, const char *name, const char *upvalue, lua_CFunction function) {
  lua_getglobal(L, upvalue);
  lua_pushcclosure(L, function, 1);
  lua_setglobal(L, name);
}

void lwkt_open_textonly(lua_State *L) {
  if (!refuses_bytecode) return;
  wrap(L, "load", "load", load);
  wrap(L, "loadfile", "loadfile", loadfile);
  wrap(L, "dofile", "loadfile", dofile);
  lua_getglobal(L, "debug");
  lua_pushcfunction(L, debug_debug);
  lua_setfield(L, -2, "debug");
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "searchers");
  lua_pushvalue(L, -2);
  lua_getfield(L, -1, "searchpath");
  lua_pushcclosure(L, search, 2);
  lua_rawseti(L, -2, 2);
  lua_pop(L, 3);
}
