/* base.c: basic functions that differ from stock Lua's. */
#include "clua.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* print: the line leaves in one piece, however many threads print. */
static int print(lua_State *L) {
  int count = lua_gettop(L);
  luaL_Buffer line;
  if (count == 1 && lua_type(L, 1) == LUA_TSTRING) {
    size_t length;
    const char *text = lua_tolstring(L, 1, &length);
    flockfile(stdout);
    fwrite_unlocked(text, 1, length, stdout);
    putc_unlocked('\n', stdout);
    fflush_unlocked(stdout);
    funlockfile(stdout);
    return 0;
  }
  /* __tostring may wait, so everything is text before the stream is touched. */
  for (int index = 1; index <= count; index++) {
    luaL_tolstring(L, index, NULL);
    lua_replace(L, index);
  }
  luaL_buffinit(L, &line);
  for (int index = 1; index <= count; index++) {
    if (index > 1) luaL_addchar(&line, '\t');
    lua_pushvalue(L, index);
    luaL_addvalue(&line);
  }
  luaL_addchar(&line, '\n');
  luaL_pushresult(&line);
  size_t length;
  const char *text = lua_tolstring(L, -1, &length);
  flockfile(stdout);
  fwrite_unlocked(text, 1, length, stdout);
  fflush_unlocked(stdout);
  funlockfile(stdout);
  return 0;
}

/* ---- load, loadfile, dofile in a heap whose threads have globals of their own ---- */

/* The chunk at the top, freshly loaded: its _ENV is this thread's globals. */
static void own_environment(lua_State *L) {
  if (!lua_isfunction(L, -1) || lua_iscfunction(L, -1)) return;
  luaL_checkstack(L, 6, "stack overflow");
  lwkt_pushownenvironment(L);
  if (lua_setupvalue(L, -2, 1) == NULL) lua_pop(L, 1);
}

static int load_done(lua_State *L, int status, lua_KContext arguments) {
  (void)status;
  int results = lua_gettop(L) - (int)arguments;
  if (results == 1) own_environment(L);
  return results;
}

static int load_with(lua_State *L, int environment_argument) {
  int arguments = lua_gettop(L);
  lua_pushvalue(L, lua_upvalueindex(1));
  for (int index = 1; index <= arguments; index++) lua_pushvalue(L, index);
  lua_callk(L, arguments, LUA_MULTRET, arguments, load_done);
  if (arguments >= environment_argument) return lua_gettop(L) - arguments;
  return load_done(L, LUA_OK, arguments);
}

static int load(lua_State *L) { return load_with(L, 4); }
static int loadfile(lua_State *L) { return load_with(L, 3); }

static int dofile_done(lua_State *L, int status, lua_KContext context) {
  (void)status, (void)context;
  return lua_gettop(L) - 1;
}

static int dofile(lua_State *L) {
  const char *path = luaL_optstring(L, 1, NULL);
  lua_settop(L, 1);
  if (luaL_loadfile(L, path) != LUA_OK) return lua_error(L);
  own_environment(L);
  lua_callk(L, 0, LUA_MULTRET, 0, dofile_done);
  return dofile_done(L, LUA_OK, 0);
}

/* ---- os.exit ---- */

/* With a true second argument the thread's variables and its heap are closed first, which takes
 * being outside them: away to the loop, which ends the process. */
static int os_exit(lua_State *L) {
  int status;
  if (lua_isboolean(L, 1)) {
    status = lua_toboolean(L, 1) ? EXIT_SUCCESS : EXIT_FAILURE;
  } else {
    status = (int)luaL_optinteger(L, 1, EXIT_SUCCESS);
  }
  struct lwkt_percpu *self = lwkt_percpu();
  if (lua_toboolean(L, 2) && self->td != NULL && lua_isyieldable(L)) {
    self->switch_kind = LWKT_SWITCH_LEAVE;
    self->leave_status = status;
    return lua_yield(L, 0);
  }
  exit(status);
}

static void wrap(lua_State *L, const char *name, lua_CFunction function) {
  lua_getglobal(L, name);
  lua_pushcclosure(L, function, 1);
  lua_setglobal(L, name);
}

void lwkt_open_base(lua_State *L, bool is_main) {
  lua_pushcfunction(L, print);
  lua_setglobal(L, "print");
  lua_getglobal(L, "os");
  lua_pushcfunction(L, os_exit);
  lua_setfield(L, -2, "exit");
  lua_pop(L, 1);
  if (is_main) return;
  wrap(L, "load", load);
  wrap(L, "loadfile", loadfile);
  lua_pushcfunction(L, dofile);
  lua_setglobal(L, "dofile");
}

/* ---- warnings ---- */

/* As the standalone interpreter's: "@on" and "@off", a line on stderr for each. */
struct warnings {
  bool on;
  bool continues;
};

static _Thread_local struct warnings warnings;

static void warn(void *ud, const char *message, int to_continue) {
  (void)ud;
  if (!warnings.continues && !to_continue && message[0] == '@') {
    if (strcmp(message, "@off") == 0) warnings.on = false;
    if (strcmp(message, "@on") == 0) warnings.on = true;
    return;
  }
  if (warnings.on) {
    if (!warnings.continues) fputs("Lua warning: ", stderr);
    fputs(message, stderr);
    if (!to_continue) {
      fputc('\n', stderr);
      fflush(stderr);
    }
  }
  warnings.continues = to_continue;
}

void lwkt_open_warnings(lua_State *L) { lua_setwarnf(L, warn, NULL); }
