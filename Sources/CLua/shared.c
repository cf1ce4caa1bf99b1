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

/* ---- taking turns ---- */

/* The token of the turns of the table at index 1 is pushed; they go on for a time that doubles with
 * each time that an update has been late. */
static void push_turns(lua_State *L, lua_Integer late) {
  lua_pushinteger(L, late);
  lwkt_call(L, lwkt_s_table_turns);
  lua_remove(L, -2);
}

/* Call `step`, which changes the table at index 1, with all arguments, holding that token. */
static int turn_done(lua_State *L, int status, lua_KContext arguments) {
  (void)status;
  return lua_gettop(L) - (int)arguments;
}

static int take_turn(lua_State *L, lua_CFunction step) {
  int arguments = lua_gettop(L);
  lua_pushcfunction(L, lwkt_token_with);
  push_turns(L, 0);
  lua_pushcfunction(L, step);
  for (int index = 1; index <= arguments; index++) lua_pushvalue(L, index);
  lua_callk(L, arguments + 2, LUA_MULTRET, arguments, turn_done);
  return turn_done(L, LUA_OK, arguments);
}

/* ---- t:set(k, v) ---- */

static int table_set(lua_State *L) {
  if (!lwkt_s_table_crowded(L)) return lwkt_call(L, lwkt_s_table_set);
  lwkt_call(L, lwkt_s_table_check);
  luaL_checkany(L, 3);
  return take_turn(L, l_table_set);
}

/* ---- t:update(k, fn) ---- */

/* How often an update may be late before it takes turns with others. */
enum { UPDATE_PATIENCE = 4 };

/* The context of an update: how often it has been late, whether it has its turn, and the step. */
enum { UPDATE_BEGIN, UPDATE_READ, UPDATE_CALLED, UPDATE_STEP = 3, UPDATE_TURN = 4, UPDATE_LATE = 8 };

static int update_in_turn(lua_State *L);

/* The stack: table, key, fn; then what was there (a holder of the box, or nil) and its value; then
 * in the value's place what fn made of it. Begins anew when somebody else was faster. */
static int update_step(lua_State *L, int status, lua_KContext context) {
  (void)status;
  for (;;) {
    switch (context & UPDATE_STEP) {
    case UPDATE_BEGIN:
      lua_settop(L, 3);
      lua_pushcfunction(L, l_table_old);
      lua_pushvalue(L, 1);
      lua_pushvalue(L, 2);
      context |= UPDATE_READ;
      lua_callk(L, 2, 2, context, update_step);
      /* fall through */
    case UPDATE_READ:
      lua_pushvalue(L, 3);
      lua_insert(L, -2);
      context = (context & ~(lua_KContext)UPDATE_STEP) | UPDATE_CALLED;
      lua_callk(L, 1, 1, context, update_step);
      /* fall through */
    default:
      if (lwkt_call(L, lwkt_s_table_replace)) return 1;
      context = (context & ~(lua_KContext)UPDATE_STEP) + UPDATE_LATE;
      lua_settop(L, 3);
      if (context & UPDATE_TURN) {
        push_turns(L, context / UPDATE_LATE);
      } else if (context >= UPDATE_PATIENCE * UPDATE_LATE) {
        return take_turn(L, update_in_turn);
      }
    }
  }
}

static int update_in_turn(lua_State *L) { return update_step(L, LUA_OK, UPDATE_TURN); }

static int table_update(lua_State *L) {
  lwkt_call(L, lwkt_s_table_check);
  luaL_checktype(L, 3, LUA_TFUNCTION);
  lua_settop(L, 3);
  if (lwkt_s_table_crowded(L)) return take_turn(L, update_in_turn);
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
    LWKT_TABLE_METHODS(ENTRY){"table_set", table_set},
    {"table_update", table_update},
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
