/* prompt.c: the thread that is a prompt.
 *
 * A driver, written in Lua, returns the function that makes one step: read a block, evaluate it,
 * print. Ctrl-C may raise its error anywhere in a step, also where the driver itself is at work; the
 * loop around the steps is in C, where no hook fires, and so nothing ends it but the driver. */
#include "clua.h"

#include <string.h>

static int inspect(lua_State *L) { return lwkt_call(L, lwkt_s_prompt_inspect); }
static int hold(lua_State *L) { return lwkt_call(L, lwkt_s_prompt_hold); }

static bool is_interrupt(lua_State *L) {
  static const char words[] = "interrupted!";
  size_t length;
  if (lua_type(L, -1) != LUA_TSTRING) return false;
  const char *text = lua_tolstring(L, -1, &length);
  size_t tail = sizeof words - 1;
  return length >= tail && memcmp(text + length - tail, words, tail) == 0;
}

bool lwkt_runs_driver(lua_State *L) {
  lua_Debug ar;
  return lua_getstack(L, 0, &ar) && lua_getinfo(L, "S", &ar) && strcmp(ar.source, "=[prompt]") == 0;
}

/* A step has ended: is there another? Raises what is no interrupt. */
static bool step_done(lua_State *L, int status) {
  if (status == LUA_OK || status == LUA_YIELD) return lua_toboolean(L, -1);
  if (!is_interrupt(L)) return lua_error(L);
  lwkt_s_evaluation_over();
  return true;
}

static int all_well(lua_State *L) {
  lua_pushboolean(L, 1);
  return 1;
}

static int steps(lua_State *L, int status, lua_KContext context);

static int run_steps(lua_State *L) {
  for (;;) {
    lua_settop(L, 1);
    lua_pushvalue(L, 1);
    if (!step_done(L, lua_pcallk(L, 0, 1, 0, 0, steps))) return all_well(L);
  }
}

static int steps(lua_State *L, int status, lua_KContext context) {
  (void)context;
  return step_done(L, status) ? run_steps(L) : all_well(L);
}

static int driver_ready(lua_State *L, int status, lua_KContext context) {
  (void)status, (void)context;
  return run_steps(L);
}

static int open_prompt(lua_State *L) { return lwkt_call(L, lwkt_s_prompt_open); }

int lwkt_prompt(lua_State *L) {
  lua_settop(L, 0);
  lua_pushcfunction(L, open_prompt);
  lua_call(L, 0, 2);
  lua_pushcfunction(L, inspect);
  lua_setfield(L, -2, "inspect");
  lua_pushcfunction(L, hold);
  lua_setfield(L, -2, "hold");
  lua_callk(L, 1, 1, 0, driver_ready);
  return driver_ready(L, LUA_OK, 0);
}
