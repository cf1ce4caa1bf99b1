/* open.c: Lua heaps and their libraries. */
#include "clua.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int panicked(lua_State *L) {
  const char *text = lua_tostring(L, -1);
  fprintf(stderr, "lwkt: unprotected error in a call to Lua (%s)\n", text ? text : "no message");
  fflush(stderr);
  return 0;
}

static bool ignores_environment; /* written before the first heap is made */

void lwkt_ignore_environment(void) { ignores_environment = true; }

static int protected_open(lua_State *L) {
  bool is_main = lua_toboolean(L, 1);
  if (ignores_environment) {
    lua_pushboolean(L, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
  }
  luaL_openlibs(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lwkt_open_coroutine(L);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "coroutine");
  lua_setglobal(L, "coroutine");
  lua_pop(L, 1);
  lwkt_open_hooks(L);
  lwkt_handle_open(L);
  lwkt_open_slots(L);
  lwkt_open_base(L, is_main);
  lwkt_open_textonly(L);
  lwkt_open_for_prompt(L);
  luaL_requiref(L, "lwkt", lwkt_open_module, 1);
  lua_pop(L, 1);
  lwkt_open_require(L);
  lwkt_package_note(L);
  lua_getglobal(L, "require");
  lua_rawsetp(L, LUA_REGISTRYINDEX, lwkt_require_key());
  if (!is_main) lwkt_open_globals(L);
  return 0;
}

lua_State *lwkt_newheap(struct lwkt_heap *heap, bool is_main) {
  lua_State *L = lua_newstate(lwkt_allocate, heap);
  if (L == NULL) return NULL;
  heap->state = L;
  lua_atpanic(L, panicked);
  *(void **)lua_getextraspace(L) = NULL;
  lwkt_open_warnings(L);
  lua_gc(L, LUA_GCSTOP);
  lua_pushcfunction(L, protected_open);
  lua_pushboolean(L, is_main);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
    panicked(L);
    lua_close(L);
    return NULL;
  }
  lua_gc(L, LUA_GCRESTART);
  /* As in the standalone interpreter. */
  if (is_main) lua_gc(L, LUA_GCGEN, 0, 0);
  return L;
}

void lwkt_pushstandard(lua_State *L) { lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS); }

/* ---- errors as text ---- */

static int error_text(lua_State *L) {
  const char *text = lua_tostring(L, 1);
  if (text != NULL) {
    lua_settop(L, 1);
    return 1;
  }
  if (luaL_callmeta(L, 1, "__tostring") && lua_type(L, -1) == LUA_TSTRING) return 1;
  lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
  return 1;
}

static void over_budget(lua_State *L, lua_Debug *ar) {
  (void)ar;
  luaL_error(L, "takes too long");
}

/* A `__tostring` runs where nobody preempts it, so it has a budget of instructions; and in a coroutine of
 * its own, since it may wait, and others of the heap may die meanwhile. Limits of memory hold. */
void lwkt_pusherrortext(lua_State *L, int index) {
  struct lwkt_percpu *self = lwkt_percpu();
  int depth = self->swift_depth;
  void *running = self->running_L;
  index = lua_absindex(L, index);
  lua_State *co = lua_newthread(L);
  lua_pushcfunction(co, error_text);
  lua_pushvalue(L, index);
  lua_xmove(L, co, 1);
  lua_sethook(co, over_budget, LUA_MASKCOUNT, 10000000);
  self->swift_depth = 0;
  self->running_L = co;
  bool is_shown = lua_pcall(co, 1, 1, 0) == LUA_OK;
  self = lwkt_percpu();
  self->running_L = running;
  self->swift_depth = depth;
  if (is_shown) {
    lua_xmove(co, L, 1);
  } else {
    lua_pushliteral(L, "(error object cannot be shown)");
  }
  lua_remove(L, -2);
}

static int traceback(lua_State *L) {
  lua_State *dead = lua_touserdata(L, 1);
  luaL_traceback(L, dead, NULL, 0);
  if (lua_toboolean(L, 2)) {
    lua_pushliteral(L, "\n\t[C]: in ?");
    lua_concat(L, 2);
  }
  return 1;
}

void lwkt_pushtraceback(lua_State *L, lua_State *dead, bool is_main) {
  lua_pushcfunction(L, traceback);
  lua_pushlightuserdata(L, dead);
  lua_pushboolean(L, is_main);
  if (lua_pcall(L, 2, 1, 0) != LUA_OK) {
    lwkt_pop(L, 1);
    lua_pushliteral(L, "stack traceback:\n\t(not enough memory)");
  }
}

/* The coroutine that `co` has resumed and that has yielded for the thread's wait: `resume` has it as
 * its argument, what `wrap` made as its upvalue. NULL if `co` is the innermost. */
static lua_State *resumed_by(lua_State *co) {
  lua_Debug ar;
  lua_State *inner = NULL;
  if (!lua_getstack(co, 0, &ar) || !lua_checkstack(co, 4)) return NULL;
  lua_getinfo(co, "f", &ar);
  if (lua_iscfunction(co, -1) && lua_getupvalue(co, -1, 1) != NULL) {
    inner = lua_tothread(co, -1);
    lua_pop(co, 1);
  }
  lua_pop(co, 1);
  if (inner == NULL && lua_getlocal(co, &ar, 1) != NULL) {
    inner = lua_tothread(co, -1);
    lua_pop(co, 1);
  }
  /* Only one that a thread is inside of. */
  return inner != NULL && inner != co && *(void **)lua_getextraspace(inner) != NULL ? inner : NULL;
}

enum { MOST_NESTED = 100 };

static int waiting_traceback(lua_State *L) {
  lua_State *chain[MOST_NESTED];
  int count = 0;
  for (lua_State *co = lua_touserdata(L, 1); co != NULL && count < MOST_NESTED; co = resumed_by(co)) {
    chain[count++] = co;
  }
  luaL_Buffer text;
  luaL_buffinit(L, &text);
  while (count-- > 0) {
    luaL_traceback(L, chain[count], NULL, 0);
    luaL_addvalue(&text);
    if (count > 0) luaL_addstring(&text, "\nresumed by the coroutine with ");
  }
  luaL_pushresult(&text);
  return 1;
}

void lwkt_pushwaitingtraceback(lua_State *L, lua_State *base) {
  lua_pushcfunction(L, waiting_traceback);
  lua_pushlightuserdata(L, base);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
    lwkt_pop(L, 1);
    lua_pushliteral(L, "stack traceback:\n\t(not enough memory)");
  }
}

/* ---- loading and the like ---- */

int lwkt_loadbuffer(lua_State *L, const char *bytes, size_t count, const char *name) {
  return luaL_loadbufferx(L, bytes, count, name, NULL);
}

bool lwkt_where(lua_State *L, const char **source, int *line) {
  lua_Debug ar;
  for (int level = 1; lua_getstack(L, level, &ar); level++) {
    lua_getinfo(L, "Sl", &ar);
    if (ar.currentline > 0 && (ar.source[0] != '=' || strcmp(ar.source, lwkt_prelude_source) != 0)) {
      *source = ar.source;
      *line = ar.currentline;
      return true;
    }
  }
  return false;
}

static int protected_push(lua_State *L) {
  const char *bytes = lua_touserdata(L, 1);
  lua_pushlstring(L, bytes, (size_t)lua_tointeger(L, 2));
  return 1;
}

bool lwkt_pushbig(lua_State *L, const char *bytes, size_t count) {
  struct lwkt_percpu *self = lwkt_percpu();
  int depth = self->swift_depth;
  lua_pushcfunction(L, protected_push);
  lua_pushlightuserdata(L, (void *)bytes);
  lua_pushinteger(L, (lua_Integer)count);
  self->swift_depth = 0;
  int status = lua_pcall(L, 2, 1, 0);
  lwkt_percpu()->swift_depth = depth;
  return status == LUA_OK;
}

void lwkt_setglobal(lua_State *L, const char *name) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  lua_pushstring(L, name);
  lua_rotate(L, -3, -1);
  lua_rawset(L, -3);
  lwkt_pop(L, 1);
}
