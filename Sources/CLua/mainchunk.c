/* mainchunk.c: a main chunk is called as the standalone interpreter calls it.
 *
 * There, a C function stands below the chunk and a message handler above the two. Scripts see both:
 * the last line of a traceback, how deep C calls may nest, and the traceback that the handler puts
 * behind the message of an error that `load` meets in the parser. */
#include "clua.h"

static const char report_key; /* registry: {value, message, traceback, text}, of the last error */

/* The message handler. What it returns is what stock Lua prints; the parts of it are kept. */
static int handler(lua_State *L) {
  if (lua_touserdata(L, 1) == lwkt_exit_key()) return 1;
  lua_createtable(L, 4, 0);
  lua_pushvalue(L, 1);
  lua_rawseti(L, 2, 1);
  bool has_traceback = true;
  const char *message = lua_tostring(L, 1);
  if (message == NULL) {
    if (luaL_callmeta(L, 1, "__tostring") && lua_type(L, -1) == LUA_TSTRING) {
      has_traceback = false;
      message = lua_tostring(L, -1);
    } else {
      message = lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
    }
  }
  lua_pushstring(L, message);
  lua_rawseti(L, 2, 2);
  lua_pushstring(L, message);
  if (has_traceback) {
    luaL_traceback(L, L, NULL, 1);
    lua_pushvalue(L, -1);
    lua_rawseti(L, 2, 3);
    lua_pushliteral(L, "\n");
    lua_insert(L, -2);
    lua_concat(L, 3);
  }
  lua_pushvalue(L, -1);
  lua_rawseti(L, 2, 4);
  lua_pushvalue(L, 2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &report_key);
  return 1;
}

/* The chunk has returned or failed. An error is raised again as the value that it was. */
static int done(lua_State *L, int status, lua_KContext below) {
  if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(L) - (int)below;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &report_key) == LUA_TTABLE) {
    lua_rawgeti(L, -1, 4);
    if (lua_rawequal(L, -1, -3)) {
      lua_rawgeti(L, -2, 1);
      return lua_error(L);
    }
    /* Some errors, such as a lack of memory, pass the handler by. */
    lua_pop(L, 1);
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &report_key);
  }
  lua_pop(L, 1);
  return lua_error(L);
}

/* The chunk and its arguments. Below stand the handler and two more values, as there (where they are
 * the command line), so that the stack overflows at the same depth. */
static int call_main(lua_State *L) {
  enum { below = 3 };
  int arguments = lua_gettop(L) - 1;
  luaL_checkstack(L, below, NULL);
  lua_pushnil(L);
  lua_pushnil(L);
  lua_pushcfunction(L, handler);
  lua_rotate(L, 1, below);
  lwkt_begin_at_level(L);
  return done(L, lua_pcallk(L, arguments, LUA_MULTRET, below, below, done), below);
}

void lwkt_push_main(lua_State *L) { lua_pushcfunction(L, call_main); }

bool lwkt_push_report(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &report_key) != LUA_TTABLE) {
    lwkt_pop(L, 1);
    return false;
  }
  lua_rawgeti(L, -1, 2);
  if (lua_rawgeti(L, -2, 3) == LUA_TNIL) {
    lwkt_pop(L, 1);
    lua_pushstring(L, "");
  }
  lua_rotate(L, -3, -1);
  lwkt_pop(L, 1);
  return true;
}
