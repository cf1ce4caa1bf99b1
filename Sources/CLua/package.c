/* package.c: `package` settings that created threads inherit. */
#include "clua.h"

static const char package_key; /* registry: {package, path, cpath, count of preload} as noted */

static void push_note(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &package_key) != LUA_TNIL) return;
  lwkt_pop(L, 1);
  lua_createtable(L, 4, 0);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &package_key);
  lua_pushstring(L, LUA_LOADED_TABLE);
  lua_rawget(L, LUA_REGISTRYINDEX);
  lua_pushstring(L, "package");
  lua_rawget(L, -2);
  lua_rawseti(L, -3, 1);
  lwkt_pop(L, 1);
}

void lwkt_package_push(lua_State *L, const char *field) {
  push_note(L);
  lua_rawgeti(L, -1, 1);
  lua_pushstring(L, field);
  lua_rawget(L, -2);
  lua_rotate(L, -3, 1);
  lwkt_pop(L, 2);
}

void lwkt_package_set(lua_State *L, const char *field) {
  push_note(L);
  lua_rawgeti(L, -1, 1);
  lua_pushstring(L, field);
  lua_rotate(L, -4, -1);
  lua_rawset(L, -3);
  lwkt_pop(L, 2);
}

static lua_Integer count_preload(lua_State *L) {
  lua_Integer count = 0;
  lwkt_package_push(L, "preload");
  if (lua_type(L, -1) == LUA_TTABLE) {
    lua_pushnil(L);
    while (lwkt_next(L, -2)) {
      lwkt_pop(L, 1);
      count++;
    }
  }
  lwkt_pop(L, 1);
  return count;
}

bool lwkt_package_changed(lua_State *L) {
  push_note(L);
  lwkt_package_push(L, "path");
  lua_rawgeti(L, -2, 2);
  bool same = lua_rawequal(L, -1, -2);
  lwkt_pop(L, 2);
  lwkt_package_push(L, "cpath");
  lua_rawgeti(L, -2, 3);
  same = same && lua_rawequal(L, -1, -2);
  lwkt_pop(L, 2);
  lua_rawgeti(L, -1, 4);
  same = same && lua_tointegerx(L, -1, NULL) == count_preload(L);
  lwkt_pop(L, 2);
  return !same;
}

void lwkt_package_note(lua_State *L) {
  push_note(L);
  lwkt_package_push(L, "path");
  lua_rawseti(L, -2, 2);
  lwkt_package_push(L, "cpath");
  lua_rawseti(L, -2, 3);
  lua_pushinteger(L, count_preload(L));
  lua_rawseti(L, -2, 4);
  lwkt_pop(L, 1);
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
