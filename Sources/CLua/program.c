/* program.c: what the command runs, as the body of the main thread.
 *
 * Every step is a protected call with a handler that adds the traceback while the stack is still
 * there, so that messages are those of the standalone interpreter to the letter. A step may wait: the
 * call then goes on in `step_ended`. */
#include "clua.h"

#include <stdio.h>
#include <string.h>

/* The stack of the body; what a step leaves above is dropped before the next. It is as high as the
 * standalone interpreter's, so that a script's stack overflows at the same depth. */
enum { PROGRAM = 1, HANDLER = LWKT_BODY_HANDLER, TOP = LWKT_BODY_TOP };

int lwkt_message_handler(lua_State *L) {
  if (lua_touserdata(L, 1) == lwkt_exit_key()) return 1;
  const char *text = lua_tostring(L, 1);
  if (text == NULL) {
    if (luaL_callmeta(L, 1, "__tostring") && lua_type(L, -1) == LUA_TSTRING) return 1;
    text = lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
  }
  luaL_traceback(L, L, text, 1);
  return 1;
}

void lwkt_report_error(lua_State *L, const char *name) {
  if (lwkt_is_exit(L)) lua_error(L);
  const char *text = lua_tostring(L, -1);
  if (!lwkt_s_is_deadlocked()) {
    flockfile(stderr);
    if (name != NULL) fprintf(stderr, "%s: ", name);
    fprintf(stderr, "%s\n", text != NULL ? text : "(error object is not a string)");
    fflush(stderr);
    funlockfile(stderr);
  }
  lua_pop(L, 1);
}

const char *lwkt_lua_copyright(void) { return LUA_COPYRIGHT; }

/* ---- steps ---- */

static int step_ended(lua_State *L, int status, lua_KContext number);

/* Push the elements of `arg`: how many. */
static int push_arguments(lua_State *L) {
  if (lua_getglobal(L, "arg") != LUA_TTABLE) luaL_error(L, "'arg' is not a table");
  int table = lua_gettop(L);
  int count = (int)luaL_len(L, table);
  luaL_checkstack(L, count + 3, "too many arguments to script");
  for (int index = 1; index <= count; index++) lua_rawgeti(L, table, index);
  lua_remove(L, table);
  return count;
}

/* Do step `number`: its status, with the message at the top if that is not LUA_OK. */
static int begin(lua_State *L, const struct lwkt_step *step, lua_KContext number) {
  const char *mode = lwkt_load_mode();
  int arguments = 0, results = 0, status = LUA_OK;
  switch (step->kind) {
  case LWKT_STEP_CHUNK:
    status = luaL_loadbufferx(L, step->text, strlen(step->text), step->name, mode);
    break;
  case LWKT_STEP_FILE: status = luaL_loadfilex(L, step->text, mode); break;
  case LWKT_STEP_SCRIPT:
    status = luaL_loadfilex(L, step->text, mode);
    if (status == LUA_OK) arguments = push_arguments(L);
    break;
  case LWKT_STEP_LIBRARY: {
    const char *equals = strchr(step->text, '=');
    lua_getglobal(L, "require");
    lua_pushstring(L, equals != NULL ? equals + 1 : step->text);
    arguments = results = 1;
    break;
  }
  case LWKT_STEP_WARNINGS: lua_warning(L, "@on", 0); return LUA_OK;
  case LWKT_STEP_BODY: return LUA_OK;
  }
  if (status != LUA_OK) {
    lwkt_explain_refusal(L, step->text);
    return status;
  }
  if (step->kind != LWKT_STEP_LIBRARY) lwkt_begin_at_level(L);
  return lua_pcallk(L, arguments, results, HANDLER, number, step_ended);
}

/* A library is loaded and at the top: make it a global. */
static void name_library(lua_State *L, const char *text) {
  const char *equals = strchr(text, '=');
  if (equals != NULL) {
    text = lua_pushlstring(L, text, (size_t)(equals - text));
    lua_insert(L, -2);
  }
  lua_setglobal(L, text);
}

/* Step `number` has ended: do those that follow. */
static int step_ended(lua_State *L, int status, lua_KContext number) {
  const struct lwkt_program *program = lua_touserdata(L, PROGRAM);
  for (;;) {
    if (status != LUA_OK && status != LUA_YIELD) {
      lwkt_report_error(L, program->name);
      lua_pushboolean(L, 0);
      return 1;
    }
    if (number >= 0 && program->steps[number].kind == LWKT_STEP_LIBRARY) {
      name_library(L, program->steps[number].text);
    }
    lua_settop(L, TOP);
    number++;
    if (number == program->count) {
      lua_pushboolean(L, 1);
      return 1;
    }
    const struct lwkt_step *step = &program->steps[number];
    if (step->kind == LWKT_STEP_BODY) return step->body(L);
    status = begin(L, step, number);
  }
}

static int body(lua_State *L) {
  lua_settop(L, 0);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushnil(L);
  lua_pushcfunction(L, lwkt_message_handler);
  return step_ended(L, LUA_OK, -1);
}

void lwkt_push_program(lua_State *L, const struct lwkt_program *program) {
  lua_pushlightuserdata(L, (void *)program);
  lua_pushcclosure(L, body, 1);
}
