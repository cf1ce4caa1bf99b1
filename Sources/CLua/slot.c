/* slot.c: the places of threads in a Lua heap: their coroutines and their globals.
 *
 * A coroutine costs more to make than a short thread does otherwise. So the coroutine of a thread
 * that has ended stays at its place for the next one, unless somebody may know it: a script that has
 * asked `coroutine.running`, a hook, a C module, whoever looked into the registry. A thread's
 * coroutine is its own as far as anybody can see.
 *
 * Most threads only read standard globals. A thread whose code can do no more than that with its
 * globals has no table of its own: its function's _ENV is the standard table, where each access finds
 * what it looks for at once. It gets a table, and its _ENV is changed, when anything asks for the
 * thread's globals: a chunk that is loaded, a function that is received, a thread that is created. */
#include "clua.h"

void lwkt_open_slots(lua_State *L) {
  struct lwkt_heap *heap = lwkt_heap_of(L);
  lua_createtable(L, 8, 0);
  heap->anchors = luaL_ref(L, LUA_REGISTRYINDEX);
  /* The package library's list of loaded C libraries. */
  lua_getfield(L, LUA_REGISTRYINDEX, "_CLIBS");
  heap->reveals = !lua_istable(L, -1);
  heap->libraries = luaL_ref(L, LUA_REGISTRYINDEX);
}

/* In the anchors: the coroutine of a slot, and its globals: the table, or the function that goes on with
 * the standard ones, or nothing as long as nobody has asked. */
static lua_Integer coroutine_at(int slot) { return 2 * (lua_Integer)slot + 1; }
static lua_Integer globals_at(int slot) { return 2 * (lua_Integer)slot + 2; }

lua_State *lwkt_newthread(lua_State *L, int slot, int environment_of) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, lwkt_heap_of(L)->anchors);
  lua_State *co;
  if (lua_rawgeti(L, -1, coroutine_at(slot)) == LUA_TTHREAD) {
    co = lua_tothread(L, -1);
    lwkt_pop(L, 1);
  } else {
    lwkt_pop(L, 1);
    co = lua_newthread(L);
    *lwkt_inside(co) = co;
    lua_rawseti(L, -2, coroutine_at(slot));
  }
  if (environment_of >= 0) {
    lwkt_pushenvironment(L, environment_of);
    lua_rawseti(L, -2, globals_at(slot));
  }
  lwkt_pop(L, 1);
  return co;
}

void lwkt_name_main(lua_State *L, lua_State *co) {
  lwkt_reveal(co);
  lua_pushthread(co);
  lua_xmove(co, L, 1);
  lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
}

void lwkt_reveal(lua_State *co) {
  void **mark = lwkt_inside(co);
  if (*mark == co) *mark = (char *)co + 1;
}

/* May the coroutine be another thread's next? */
static bool is_reusable(lua_State *L, const struct lwkt_heap *heap, lua_State *co) {
  if (*lwkt_inside(co) != co || heap->reveals || lua_status(co) != LUA_OK) return false;
  lua_rawgeti(L, LUA_REGISTRYINDEX, heap->libraries);
  bool has_libraries = lua_rawlen(L, -1) > 0;
  lwkt_pop(L, 1);
  return !has_libraries;
}

bool lwkt_dropthread(lua_State *L, lua_State *co, int slot, bool keep) {
  const struct lwkt_heap *heap = lwkt_heap_of(L);
  keep = keep && is_reusable(L, heap, co);
  lua_rawgeti(L, LUA_REGISTRYINDEX, heap->anchors);
  if (keep) {
    lua_settop(co, 0);
    if (lua_gethook(co) != NULL) lua_sethook(co, NULL, 0, 0); /* a preemption that came too late */
  } else {
    lua_pushnil(L);
    lua_rawseti(L, -2, coroutine_at(slot));
  }
  lua_pushnil(L);
  lua_rawseti(L, -2, globals_at(slot));
  lwkt_pop(L, 1);
  return keep;
}

/* The function at the top has the standard globals at the top but one: it is to have those at `index`.
 * [-0, +0, -] */
static void change_environment(lua_State *L, int index) {
  for (int upvalue = 1; lua_getupvalue(L, -1, upvalue) != NULL; upvalue++) {
    bool is_standard = lua_rawequal(L, -1, -3);
    lwkt_pop(L, 1);
    if (is_standard) {
      lua_pushvalue(L, index);
      lua_setupvalue(L, -2, upvalue);
      return;
    }
  }
}

/* Replace what stands for the globals of `slot` at the top, above the anchors, by a table. */
static void make_environment(lua_State *L, const struct lwkt_heap *heap, int slot) {
  int base = lua_gettop(L);
  lua_createtable(L, 0, 0);
  lua_rawgeti(L, LUA_REGISTRYINDEX, heap->globals_meta);
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  lua_rawseti(L, base - 1, globals_at(slot));
  if (lua_isfunction(L, base)) {
    lwkt_pushstandard(L);
    lua_pushvalue(L, base);
    change_environment(L, base + 1);
    lwkt_pop(L, 2);
  }
  lua_copy(L, -1, base);
  lwkt_pop(L, 1);
}

void lwkt_pushenvironment(lua_State *L, int slot) {
  const struct lwkt_heap *heap = lwkt_heap_of(L);
  if (heap->globals_meta == 0) {
    lwkt_pushstandard(L);
    return;
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, heap->anchors);
  if (lua_rawgeti(L, -1, globals_at(slot)) != LUA_TTABLE) make_environment(L, heap, slot);
  lua_copy(L, -1, -2);
  lwkt_pop(L, 1);
}

void lwkt_usestandard(lua_State *L, int slot, int function) {
  const struct lwkt_heap *heap = lwkt_heap_of(L);
  function = lua_absindex(L, function);
  lua_rawgeti(L, LUA_REGISTRYINDEX, heap->anchors);
  lua_pushvalue(L, function);
  lua_rawseti(L, -2, globals_at(slot));
  lwkt_pop(L, 1);
}

void lwkt_pushownenvironment(lua_State *L) {
  int slot = lwkt_s_current_slot();
  if (slot >= 0) {
    lwkt_pushenvironment(L, slot);
  } else {
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  }
}

int lwkt_closethread(lua_State *L) {
  struct lwkt_percpu *self = lwkt_percpu();
  int depth = self->swift_depth;
  self->swift_depth = 0;
  self->base_L = L;
  self->running_L = L;
  int status = lua_resetthread(L);
  self = lwkt_percpu();
  self->running_L = NULL;
  self->base_L = NULL;
  self->swift_depth = depth;
  return status;
}
