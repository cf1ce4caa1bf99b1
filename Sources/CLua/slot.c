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

lua_State *lwkt_newkept(lua_State *L) {
  lua_State *co = lua_newthread(L);
  lua_sethook(co, NULL, 0, 0); /* it has inherited that of L */
  *lwkt_inside(co) = co;
  luaL_ref(L, LUA_REGISTRYINDEX);
  return co;
}

/* The shelf is a coroutine that never runs. What each create and end of a thread looks at lies on its
 * stack, at places that are known, and is looked at there: with the registry each look would begin
 * with another. Nothing is called on it, nor anything done that collects garbage, so that no finaliser
 * ever runs on it and the places are always the bottom of its stack. [-0, +0, m] */
static lua_State *new_shelf(lua_State *L) {
  lua_State *shelf = lwkt_newkept(L);
  lua_createtable(L, 8, 0);
  /* The package library's list of loaded C libraries. */
  lua_getfield(L, LUA_REGISTRYINDEX, "_CLIBS");
  lwkt_heap_of(L)->reveals = !lua_istable(L, -1);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_getfield(L, -1, "package");
  lua_remove(L, -2);
  lua_pushstring(L, "path");
  lua_pushstring(L, "cpath");
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_xmove(L, shelf, LWKT_SHELF_PRELOAD);
  return shelf;
}

void lwkt_open_slots(lua_State *L) { lwkt_heap_of(L)->shelf = new_shelf(L); }

/* In the anchors: the coroutine of a slot, and its globals: the table, or the function that goes on with
 * the standard ones, or nothing as long as nobody has asked. */
static lua_Integer coroutine_at(int slot) { return 2 * (lua_Integer)slot + 1; }
static lua_Integer globals_at(int slot) { return 2 * (lua_Integer)slot + 2; }

lua_State *lwkt_newthread(lua_State *L, int slot, int environment_of) {
  const struct lwkt_heap *heap = lwkt_heap_of(L);
  lua_State *shelf = heap->shelf;
  lua_rawgeti(shelf, LWKT_SHELF_ANCHORS, coroutine_at(slot));
  lua_State *co = lua_tothread(shelf, -1);
  lwkt_pop(shelf, 1);
  if (co == NULL) {
    co = lua_newthread(L);
    *lwkt_inside(co) = co;
    lua_xmove(L, shelf, 1);
    lua_rawseti(shelf, LWKT_SHELF_ANCHORS, coroutine_at(slot));
  }
  /* In the main heap all have the same. */
  if (environment_of >= 0 && heap->globals_meta != 0) {
    lwkt_pushenvironment(L, environment_of);
    lua_xmove(L, shelf, 1);
    lua_rawseti(shelf, LWKT_SHELF_ANCHORS, globals_at(slot));
  }
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
static bool is_reusable(const struct lwkt_heap *heap, lua_State *co) {
  return *lwkt_inside(co) == co && !heap->reveals && lua_status(co) == LUA_OK &&
         lua_rawlen(heap->shelf, LWKT_SHELF_LIBRARIES) == 0;
}

bool lwkt_dropthread(lua_State *co, int slot, bool keep) {
  const struct lwkt_heap *heap = lwkt_heap_of(co);
  lua_State *shelf = heap->shelf;
  keep = keep && is_reusable(heap, co);
  if (keep) {
    lua_settop(co, 0);
    if (lua_gethook(co) != NULL) lua_sethook(co, NULL, 0, 0); /* a preemption that came too late */
  } else {
    lua_pushnil(shelf);
    lua_rawseti(shelf, LWKT_SHELF_ANCHORS, coroutine_at(slot));
  }
  if (heap->globals_meta != 0) {
    lua_pushnil(shelf);
    lua_rawseti(shelf, LWKT_SHELF_ANCHORS, globals_at(slot));
  }
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
  lua_State *shelf = heap->shelf;
  int type = lua_rawgeti(shelf, LWKT_SHELF_ANCHORS, globals_at(slot));
  if (type == LUA_TTABLE) {
    lua_xmove(shelf, L, 1);
    return;
  }
  /* Made on L, where an allocator that says no is heard. */
  lua_pushvalue(shelf, LWKT_SHELF_ANCHORS);
  lua_insert(shelf, -2);
  lua_xmove(shelf, L, 2);
  make_environment(L, heap, slot);
  lua_copy(L, -1, -2);
  lwkt_pop(L, 1);
}

void lwkt_usestandard(lua_State *L, int slot, int function) {
  lua_State *shelf = lwkt_heap_of(L)->shelf;
  lua_pushvalue(L, function);
  lua_xmove(L, shelf, 1);
  lua_rawseti(shelf, LWKT_SHELF_ANCHORS, globals_at(slot));
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
