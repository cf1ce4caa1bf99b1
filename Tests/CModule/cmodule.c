/* cmodule.c: a module in C as `require` loads it. It is not linked with Lua: it finds it in the program
 * that loads it. */
#include "cmodule.h"

#include <lua5.4/lauxlib.h>

static int add(lua_State *L) {
  lua_pushinteger(L, luaL_checkinteger(L, 1) + luaL_checkinteger(L, 2));
  return 1;
}

int luaopen_cmodule(lua_State *L) {
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, add);
  lua_setfield(L, -2, "add");
  return 1;
}
