/* shared.c: shared counters, tables and arrays: what of them has to be C. */
#include "clua.h"

#define TRAMPOLINE(name) \
  __attribute__((unused)) static int l_##name(lua_State *L) { return lwkt_call(L, lwkt_s_##name); }
LWKT_SHARED_FUNCTIONS(TRAMPOLINE)
LWKT_COUNTER_METHODS(TRAMPOLINE)
LWKT_TABLE_METHODS(TRAMPOLINE)
LWKT_ARRAY_METHODS(TRAMPOLINE)
LWKT_SHARED_SUPPORT(TRAMPOLINE)

#define ENTRY(name) {#name, l_##name},
static const luaL_Reg counter_methods[] = {LWKT_COUNTER_METHODS(ENTRY){NULL, NULL}};
static const luaL_Reg array_methods[] = {LWKT_ARRAY_METHODS(ENTRY){NULL, NULL}};

/* ---- t:update(k, fn) ---- */

enum update_step { UPDATE_BEGIN, UPDATE_READ, UPDATE_CALLED };

/* The stack: table, key, fn; then what was there (a holder of the box, or nil) and its value; then
 * in the value's place what fn made of it. Begins anew when somebody else was faster. */
static int update_step(lua_State *L, int status, lua_KContext step) {
  (void)status;
  for (;;) {
    switch (step) {
    case UPDATE_BEGIN:
      lua_settop(L, 3);
      lua_pushcfunction(L, l_table_old);
      lua_pushvalue(L, 1);
      lua_pushvalue(L, 2);
      lua_callk(L, 2, 2, UPDATE_READ, update_step);
      /* fall through */
    case UPDATE_READ:
      lua_pushvalue(L, 3);
      lua_insert(L, -2);
      lua_callk(L, 1, 1, UPDATE_CALLED, update_step);
      /* fall through */
    default:
      if (lwkt_call(L, lwkt_s_table_replace)) return 1;
      step = UPDATE_BEGIN;
    }
  }
}

static int table_update(lua_State *L) {
  lwkt_call(L, lwkt_s_table_check);
  luaL_checktype(L, 3, LUA_TFUNCTION);
  return update_step(L, LUA_OK, UPDATE_BEGIN);
}

/* ---- t:pairs() ---- */

static int pairs_next(lua_State *L) {
  lua_settop(L, 0);
  lua_pushvalue(L, lua_upvalueindex(1));
  return lwkt_call(L, lwkt_s_table_next);
}

static int table_pairs(lua_State *L) {
  lwkt_call(L, lwkt_s_table_snapshot);
  lua_pushcclosure(L, pairs_next, 1);
  return 1;
}

static const luaL_Reg table_methods[] = {
    LWKT_TABLE_METHODS(ENTRY){"table_update", table_update},
    {"table_pairs", table_pairs},
    {NULL, NULL}};

/* ---- metatables ---- */

/* Numbers are elements, all else methods (upvalue 1). */
static int array_index(lua_State *L) {
  if (lua_type(L, 2) == LUA_TNUMBER) return lwkt_call(L, lwkt_s_array_index);
  lua_settop(L, 2);
  lua_rawget(L, lua_upvalueindex(1));
  return 1;
}

/* Upvalue 1: how other handles refuse. */
static int array_newindex(lua_State *L) {
  if (lua_type(L, 2) == LUA_TNUMBER) return lwkt_call(L, lwkt_s_array_newindex);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, 0);
  return 0;
}

static void set_length(lua_State *L, lua_CFunction function) {
  lua_pushcfunction(L, function);
  lua_setfield(L, -2, "__len");
}

void lwkt_open_shared(lua_State *L) {
  lwkt_new_handle_type(L, "shared counter", counter_methods, "counter_");
  lwkt_handle_setmetatable(L, LWKT_KIND_COUNTER);
  lwkt_new_handle_type(L, "shared table", table_methods, "table_");
  set_length(L, l_table_len);
  lwkt_handle_setmetatable(L, LWKT_KIND_TABLE);
  lwkt_new_handle_type(L, "shared array", array_methods, "array_");
  set_length(L, l_array_length);
  lua_getfield(L, -1, "__index");
  lua_pushcclosure(L, array_index, 1);
  lua_setfield(L, -2, "__index");
  lua_getfield(L, -1, "__newindex");
  lua_pushcclosure(L, array_newindex, 1);
  lua_setfield(L, -2, "__newindex");
  lwkt_handle_setmetatable(L, LWKT_KIND_ARRAY);

  /* What holds parts of a table for a while. */
  static const luaL_Reg none[] = {{NULL, NULL}};
  lwkt_new_handle_type(L, "shared table", none, "");
  lwkt_handle_setmetatable(L, LWKT_KIND_BOX);
  lwkt_new_handle_type(L, "shared table", none, "");
  lwkt_handle_setmetatable(L, LWKT_KIND_TABLE_SNAPSHOT);

  static const luaL_Reg functions[] = {{"counter", l_shared_counter},
                                       {"table", l_shared_table},
                                       {"array", l_shared_array},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  lua_setfield(L, -2, "shared");
}
