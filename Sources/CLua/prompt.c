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

/* A step has ended: 1 for another, 0 for the end. Raises what is no interrupt. */
static int step_done(lua_State *L, int status) {
  if (status == LUA_OK || status == LUA_YIELD) return lua_toboolean(L, -1);
  if (!is_interrupt(L)) return lua_error(L);
  return 1;
}

static int steps(lua_State *L, int status, lua_KContext context);

static int run_steps(lua_State *L) {
  for (;;) {
    lua_settop(L, 1);
    lua_pushvalue(L, 1);
    if (!step_done(L, lua_pcallk(L, 0, 1, 0, 0, steps))) return 0;
  }
}

static int steps(lua_State *L, int status, lua_KContext context) {
  (void)context;
  return step_done(L, status) ? run_steps(L) : 0;
}

static int driver_ready(lua_State *L, int status, lua_KContext context) {
  (void)status, (void)context;
  lua_replace(L, 1);
  return run_steps(L);
}

/* Upvalues: the driver, the functions it is given. */
static int prompt(lua_State *L) {
  lua_settop(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_pushcfunction(L, inspect);
  lua_setfield(L, -2, "inspect");
  lua_pushcfunction(L, hold);
  lua_setfield(L, -2, "hold");
  lua_callk(L, 1, 1, 0, driver_ready);
  return driver_ready(L, LUA_OK, 0);
}

void lwkt_pushprompt(lua_State *L) { lua_pushcclosure(L, prompt, 2); }
