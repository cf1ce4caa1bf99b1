/* module.c: the lwkt module's tables. */
#include "clua.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#define TRAMPOLINE(name) \
  __attribute__((unused)) static int l_##name(lua_State *L) { return lwkt_call(L, lwkt_s_##name); }
LWKT_MODULE_FUNCTIONS(TRAMPOLINE)
LWKT_THREAD_METHODS(TRAMPOLINE)
LWKT_PORT_METHODS(TRAMPOLINE)
LWKT_MESSAGE_METHODS(TRAMPOLINE)
LWKT_TOKEN_METHODS(TRAMPOLINE)
LWKT_SUPPORT_FUNCTIONS(TRAMPOLINE)

#define ENTRY(name) {#name, l_##name},
static const luaL_Reg module_functions[] = {
    LWKT_MODULE_FUNCTIONS(ENTRY){"yield", lwkt_yield_function}, {NULL, NULL}};
static const luaL_Reg thread_methods[] = {LWKT_THREAD_METHODS(ENTRY){NULL, NULL}};
static const luaL_Reg port_methods[] = {LWKT_PORT_METHODS(ENTRY){NULL, NULL}};
static const luaL_Reg message_methods[] = {LWKT_MESSAGE_METHODS(ENTRY){NULL, NULL}};
static const luaL_Reg token_methods[] = {LWKT_TOKEN_METHODS(ENTRY){NULL, NULL}};

/* __index of handles that have fields: the members (upvalue 1) are methods, and the numbers of
 * fields. Handles with methods alone have the table itself there, which costs no call. */
static int handle_index(lua_State *L) {
  if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNUMBER) return 1;
  return lwkt_call(L, lwkt_s_handle_field);
}

/* The handle type at the top has these fields, up to LWKT_FIELD_NONE. */
static void add_fields(lua_State *L, const enum lwkt_field *fields) {
#define FIELD_NAME(name) #name,
  static const char *const names[] = {LWKT_HANDLE_FIELDS(FIELD_NAME)};
  lua_getfield(L, -1, "__index");
  for (; *fields != LWKT_FIELD_NONE; fields++) {
    lua_pushinteger(L, *fields);
    lua_setfield(L, -2, names[*fields]);
  }
  lua_pushcclosure(L, handle_index, 1);
  lua_setfield(L, -2, "__index");
}

static int handle_newindex(lua_State *L) {
  const char *object = luaL_tolstring(L, 1, NULL);
  const char *field = luaL_tolstring(L, 2, NULL);
  return luaL_error(L, "cannot set '%s' of %s: its fields are read-only", field, object);
}

/* Method names: the part of the function's name after `prefix`. */
static void set_methods(lua_State *L, const luaL_Reg *methods, const char *prefix) {
  size_t skip = strlen(prefix);
  for (; methods->name != NULL; methods++) {
    lua_pushcfunction(L, methods->func);
    lua_setfield(L, -2, methods->name + skip);
  }
}

void lwkt_new_handle_type(lua_State *L, const char *name, const luaL_Reg *methods,
                          const char *prefix) {
  lua_createtable(L, 0, 8);
  lua_pushstring(L, name);
  lua_setfield(L, -2, "__name");
  lua_pushcfunction(L, l_handle_tostring);
  lua_setfield(L, -2, "__tostring");
  lua_pushcfunction(L, handle_newindex);
  lua_setfield(L, -2, "__newindex");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_createtable(L, 0, 10);
  set_methods(L, methods, prefix);
  lua_setfield(L, -2, "__index");
}

/* tok:with(fn, ...): fn's results, released whatever happens. */
static int with_done(lua_State *L, int status, lua_KContext held) {
  if (status != LUA_OK && status != LUA_YIELD) {
    lwkt_s_token_unwind((int)held);
    return lua_error(L);
  }
  /* The stack: the token, then fn's results. */
  lua_pushcfunction(L, l_token_rel);
  lua_pushvalue(L, 1);
  lua_call(L, 1, 0);
  return lua_gettop(L) - 1;
}

static int with_held(lua_State *L, int status, lua_KContext context) {
  (void)status, (void)context;
  lua_settop(L, -2); /* what get returned */
  lua_KContext held = lwkt_s_token_count() - 1;
  int arguments = lua_gettop(L) - 2;
  return with_done(L, lua_pcallk(L, arguments, LUA_MULTRET, 0, held, with_done), held);
}

int lwkt_token_with(lua_State *L) {
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_pushcfunction(L, l_token_get);
  lua_pushvalue(L, 1);
  lua_callk(L, 1, 1, 0, with_held);
  return with_held(L, LUA_OK, 0);
}

static int finalising(lua_State *L) {
  lua_pushboolean(L, lwkt_in_finaliser(L));
  return 1;
}

/* The part of the module that is written in Lua, loaded when first used. */
static const char prelude_key;

static int prelude_function(lua_State *L, const char *name) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &prelude_key) == LUA_TNIL) {
    lua_pop(L, 1);
    if (luaL_loadbufferx(L, lwkt_prelude, strlen(lwkt_prelude), lwkt_prelude_source, "t") != LUA_OK) {
      return lua_error(L);
    }
    static const luaL_Reg support[] = {
        {"enter", l_scope_enter},   {"leave", l_scope_leave},
        {"expire", l_scope_expire}, {"expired", l_scope_expired},
        {"traceback", l_thread_traceback}, {"await", l_thread_await},
        {"finalising", finalising}, {NULL, NULL}};
    luaL_newlib(L, support);
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, "lwkt");
    lua_remove(L, -2);
    lua_call(L, 2, 1);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &prelude_key);
  }
  lua_getfield(L, -1, name);
  lua_remove(L, -2);
  return 1;
}

static int call_done(lua_State *L, int status, lua_KContext context) {
  (void)status, (void)context;
  return lua_gettop(L);
}

static int call_prelude(lua_State *L, const char *name) {
  int arguments = lua_gettop(L);
  prelude_function(L, name);
  lua_insert(L, 1);
  lua_callk(L, arguments, LUA_MULTRET, 0, call_done);
  return lua_gettop(L);
}

static int scope(lua_State *L) { return call_prelude(L, "scope"); }
static int timeout(lua_State *L) { return call_prelude(L, "timeout"); }

/* ---- functions that an embedder registers ---- */

static int registered(lua_State *L) { return lwkt_call(L, lwkt_s_registered); }

int lwkt_registered_number(lua_State *L) {
  return (int)lua_tointegerx(L, lua_upvalueindex(1), NULL);
}

void lwkt_pushregistered(lua_State *L, int number) {
  lua_pushinteger(L, number);
  lua_pushcclosure(L, registered, 1);
}

void lwkt_register(lua_State *L, const char *name, int number) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  lua_pushstring(L, name);
  lwkt_pushregistered(L, number);
  lua_rawset(L, -3);
  lwkt_pop(L, 1);
}

/* ---- the beginning of a thread that has to load modules first ---- */

static int starter_done(lua_State *L, int status, lua_KContext context) {
  (void)status, (void)context;
  return lua_gettop(L);
}

static int start(lua_State *L) { return lwkt_call(L, lwkt_s_start); }

static int starter_ready(lua_State *L, int status, lua_KContext context) {
  (void)status, (void)context;
  lua_callk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, starter_done);
  return starter_done(L, LUA_OK, 0);
}

static int starter(lua_State *L) {
  lua_pushcfunction(L, start);
  lua_callk(L, 0, LUA_MULTRET, 0, starter_ready);
  return starter_ready(L, LUA_OK, 0);
}

void lwkt_push_starter(lua_State *L) { lua_pushcfunction(L, starter); }

/* ---- a thread that collects its heap ---- */

/* What a cycle under way has marked already is found to be dropped by the next one only; what had a
 * finaliser is freed, with all that it leads to, by the one after that. */
enum { CYCLES = 3 };
/* A step of a few tenths of a millisecond, as for so many KB of new memory, and then a nap, in seconds. */
enum { STEP_KB = 1 };
#define NAP 0.001

static int nap(lua_State *L) { return lwkt_call(L, lwkt_s_sleep); }

static int collection_done(lua_State *L) {
  lwkt_s_collection_ends(lwkt_heap_of(L)->awaited < (size_t)lua_tointeger(L, 1));
  return 0;
}

static int collect_all(lua_State *L) {
  lua_gc(L, LUA_GCCOLLECT);
  lua_gc(L, LUA_GCCOLLECT);
  return collection_done(L);
}

/* At 1: what others may have been waiting for before. The context counts the cycles. */
static int collect_on(lua_State *L, int status, lua_KContext cycles) {
  (void)status;
  for (;;) {
    if (lua_gc(L, LUA_GCSTEP, STEP_KB) && ++cycles == CYCLES) return collection_done(L);
    lua_pushcfunction(L, nap);
    lua_pushnumber(L, NAP);
    lua_callk(L, 1, 0, cycles, collect_on);
  }
}

/* Steps of generational mode do not tell of the ends of cycles. Zeros: parameters stay as they are. */
static bool is_generational(lua_State *L) {
  if (lua_gc(L, LUA_GCINC, 0, 0, 0) != LUA_GCGEN) return false;
  lua_gc(L, LUA_GCGEN, 0, 0);
  return true;
}

static int start_collector(lua_State *L, bool at_once) {
  lwkt_s_collection_begins();
  lua_settop(L, 0);
  lua_pushinteger(L, (lua_Integer)lwkt_heap_of(L)->awaited);
  return at_once || is_generational(L) ? collect_all(L) : collect_on(L, LUA_OK, 0);
}

static int collector_at_once(lua_State *L) { return start_collector(L, true); }
static int collector_in_steps(lua_State *L) { return start_collector(L, false); }

void lwkt_push_collector(lua_State *L, bool at_once) {
  lua_pushcfunction(L, at_once ? collector_at_once : collector_in_steps);
}

bool lwkt_is_exit(lua_State *L) {
  return lua_gettop(L) > 0 && lua_touserdata(L, -1) == lwkt_exit_key() &&
         lua_islightuserdata(L, -1);
}

bool lwkt_in_finaliser(lua_State *L) { return lua_gc(L, LUA_GCCOUNT) < 0; }

int lwkt_open_module(lua_State *L) {
  luaL_newlib(L, module_functions);
  lua_pushcfunction(L, scope);
  lua_setfield(L, -2, "scope");
  lua_pushcfunction(L, timeout);
  lua_setfield(L, -2, "timeout");
  static const enum lwkt_field thread_fields[] = {
      LWKT_FIELD_id,  LWKT_FIELD_name,  LWKT_FIELD_state,   LWKT_FIELD_cpu,
      LWKT_FIELD_pri, LWKT_FIELD_wmesg, LWKT_FIELD_msgport, LWKT_FIELD_NONE};
  static const enum lwkt_field port_fields[] = {LWKT_FIELD_urgent, LWKT_FIELD_id,
                                                LWKT_FIELD_name,   LWKT_FIELD_limit,
                                                LWKT_FIELD_kind,   LWKT_FIELD_NONE};
  static const enum lwkt_field message_fields[] = {LWKT_FIELD_sender, LWKT_FIELD_isreply,
                                                   LWKT_FIELD_aborted, LWKT_FIELD_NONE};
  lwkt_new_handle_type(L, "thread", thread_methods, "thread_");
  add_fields(L, thread_fields);
  lwkt_handle_setmetatable(L, LWKT_KIND_THREAD);
  lwkt_new_handle_type(L, "port", port_methods, "port_");
  add_fields(L, port_fields);
  lua_pushcfunction(L, l_handle_length);
  lua_setfield(L, -2, "__len");
  lwkt_handle_setmetatable(L, LWKT_KIND_PORT);
  lwkt_new_handle_type(L, "message", message_methods, "message_");
  add_fields(L, message_fields);
  lwkt_handle_setmetatable(L, LWKT_KIND_MESSAGE);
  lwkt_new_handle_type(L, "token", token_methods, "token_");
  lua_pushcfunction(L, l_token_close);
  lua_setfield(L, -2, "__close");
  lua_getfield(L, -1, "__index");
  lua_pushcfunction(L, lwkt_token_with);
  lua_setfield(L, -2, "with");
  lua_pop(L, 1);
  lwkt_handle_setmetatable(L, LWKT_KIND_TOKEN);
  lwkt_open_sysport(L);
  lwkt_open_shared(L);
  return 1;
}
