/* delicate.c: where an error from outside would do harm.
 *
 * A computation whose time is up gets its error between any two instructions, but not where it would
 * leave things half done that nobody can do again: in the parts of this library that are written in
 * Lua, and in a `__close`, by which a script gives back what it has taken. */
#include "clua.h"

#include <stdatomic.h>
#include <string.h>

enum { LEVELS = 100, HANDLER_LEVELS = 1000, PLACE_IN_XPCALL = 4 };

/* The same in every heap. Each that is opened stores them, relaxed. */
static _Atomic(lua_CFunction) plain_pcall, plain_xpcall;

static lua_CFunction global_function(lua_State *L, const char *name) {
  lua_getglobal(L, name);
  lua_CFunction function = lua_tocfunction(L, -1);
  lua_pop(L, 1);
  return function;
}

void lwkt_note_protected_calls(lua_State *L) {
  atomic_store_explicit(&plain_pcall, global_function(L, "pcall"), memory_order_relaxed);
  atomic_store_explicit(&plain_xpcall, global_function(L, "xpcall"), memory_order_relaxed);
}

/* Where a protected call has what it calls. */
static int place_of_callee(lua_State *L, lua_Debug *ar) {
  lua_getinfo(L, "f", ar);
  lua_CFunction function = lua_tocfunction(L, -1);
  lwkt_pop(L, 1);
  if (function == NULL) return 0;
  if (function == atomic_load_explicit(&plain_xpcall, memory_order_relaxed)) {
    return PLACE_IN_XPCALL;
  }
  bool has_two = function == lwkt_token_with ||
                 function == atomic_load_explicit(&plain_pcall, memory_order_relaxed);
  return has_two ? 2 : 0;
}

/* Is the function of `level` the value at the top of the stack? */
static bool has_function(lua_State *L, int level) {
  lua_Debug ar;
  if (!lua_getstack(L, level, &ar)) return false;
  lua_getinfo(L, "f", &ar);
  bool is_same = lua_rawequal(L, -1, -2);
  lwkt_pop(L, 1);
  return is_same;
}

/* Does the call of `level`, which calls another, unwind, after an error? What a protected call calls is not
 * seen below the one that runs, unless that is the same, with a variable number of arguments: Lua runs a
 * copy then, above them. When it is over, by an error, variables to be closed are closed further up. */
static bool is_unwinding(lua_State *L, lua_Debug *ar, int level) {
  int place = place_of_callee(L, ar);
  if (place == 0 || lua_getlocal(L, ar, place) == NULL) return false;
  bool runs = has_function(L, level - 1);
  lwkt_pop(L, 1);
  return !runs;
}

static bool is_close(const lua_Debug *ar) {
  return ar->name != NULL && strcmp(ar->namewhat, "metamethod") == 0 && strcmp(ar->name, "close") == 0;
}

bool lwkt_is_delicate(lua_State *L) {
  lua_Debug ar;
  if (lwkt_is_closing(L) || !lua_checkstack(L, 4)) return true;
  for (int level = 0; level < LEVELS && lua_getstack(L, level, &ar); level++) {
    lua_getinfo(L, "nS", &ar);
    if (level == 0 && strcmp(ar.source, lwkt_prelude_source) == 0) return true;
    if (is_close(&ar) || (level > 0 && is_unwinding(L, &ar, level))) return true;
  }
  return false;
}

/* The innermost protected call decides: what is raised ends there. */
bool lwkt_in_handler(lua_State *L) {
  lua_Debug ar;
  if (!lua_checkstack(L, 4)) return false;
  for (int level = 1; level < HANDLER_LEVELS && lua_getstack(L, level, &ar); level++) {
    int place = place_of_callee(L, &ar);
    if (place == 0) continue;
    if (place != PLACE_IN_XPCALL || lua_getlocal(L, &ar, 2) == NULL) return false;
    bool is_running = false;
    for (int above = 0; above < level && !is_running; above++) is_running = has_function(L, above);
    lwkt_pop(L, 1);
    return is_running;
  }
  return false;
}
