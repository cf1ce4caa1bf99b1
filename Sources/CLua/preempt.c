/* preempt.c: taking a worker back from a thread that computes.
 *
 * No hook is set while nobody wants the worker, so code that is not preempted runs at stock speed.
 * The monitor signals the worker's kernel thread; the handler sets a count hook on the coroutine that
 * runs there (lua_sethook is the one function of Lua that may be called at any moment), and the hook,
 * before the next instruction, yields to the loop.
 *
 * A script's own hook is kept in the registry, as the debug library does it, so that ours can stand
 * in front of it for an instant and put it back. */
#include "clua.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

static const char hook_table; /* registry: coroutine -> {function, mask, count}, weak keys */

static void preempt_hook(lua_State *L, lua_Debug *ar);
static void script_hook(lua_State *L, lua_Debug *ar);

/* ---- a script's hook ---- */

static void push_hook_table(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &hook_table) != LUA_TNIL) return;
  lua_pop(L, 1);
  lua_createtable(L, 0, 2);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &hook_table);
}

/* Push the entry of `of`, or nil. */
static int push_entry(lua_State *L, lua_State *of) {
  push_hook_table(L);
  luaL_checkstack(of, 1, "stack overflow");
  lua_pushthread(of);
  lua_xmove(of, L, 1);
  int type = lua_rawget(L, -2);
  lua_remove(L, -2);
  return type;
}

static void script_hook(lua_State *L, lua_Debug *ar) {
  static const char *const events[] = {"call", "return", "line", "count", "tail call"};
  if (push_entry(L, L) != LUA_TTABLE) {
    lua_pop(L, 1);
    return;
  }
  lua_rawgeti(L, -1, 1);
  lua_remove(L, -2);
  if (!lua_isfunction(L, -1)) {
    lua_pop(L, 1);
    return;
  }
  lua_pushstring(L, events[ar->event]);
  if (ar->currentline >= 0) {
    lua_pushinteger(L, ar->currentline);
  } else {
    lua_pushnil(L);
  }
  lua_call(L, 2, 0);
}

static int mask_of(const char *text, int count) {
  int mask = 0;
  if (strchr(text, 'c')) mask |= LUA_MASKCALL;
  if (strchr(text, 'r')) mask |= LUA_MASKRET;
  if (strchr(text, 'l')) mask |= LUA_MASKLINE;
  if (count > 0) mask |= LUA_MASKCOUNT;
  return mask;
}

static lua_State *subject(lua_State *L, int *shift) {
  if (lua_isthread(L, 1)) {
    *shift = 1;
    return lua_tothread(L, 1);
  }
  *shift = 0;
  return L;
}

static int sethook(lua_State *L) {
  int shift;
  lua_State *of = subject(L, &shift);
  if (lua_isnoneornil(L, shift + 1)) {
    lua_settop(L, shift + 1);
    lua_sethook(of, NULL, 0, 0);
    push_hook_table(L);
    luaL_checkstack(of, 1, "stack overflow");
    lua_pushthread(of);
    lua_xmove(of, L, 1);
    lua_pushnil(L);
    lua_rawset(L, -3);
    return 0;
  }
  lwkt_reveal(of); /* the hook is kept for this coroutine */
  const char *text = luaL_checkstring(L, shift + 2);
  luaL_checktype(L, shift + 1, LUA_TFUNCTION);
  int count = (int)luaL_optinteger(L, shift + 3, 0);
  int mask = mask_of(text, count);
  push_hook_table(L);
  luaL_checkstack(of, 1, "stack overflow");
  lua_pushthread(of);
  lua_xmove(of, L, 1);
  lua_createtable(L, 3, 0);
  lua_pushvalue(L, shift + 1);
  lua_rawseti(L, -2, 1);
  lua_pushinteger(L, mask);
  lua_rawseti(L, -2, 2);
  lua_pushinteger(L, count);
  lua_rawseti(L, -2, 3);
  lua_rawset(L, -3);
  lua_sethook(of, script_hook, mask, count);
  return 0;
}

static int gethook(lua_State *L) {
  int shift;
  lua_State *of = subject(L, &shift);
  lua_Hook hook = lua_gethook(of);
  if (hook == NULL) {
    luaL_pushfail(L);
    return 1;
  }
  if (hook != script_hook && hook != preempt_hook) {
    lua_pushliteral(L, "external hook");
  } else if (push_entry(L, of) == LUA_TTABLE) {
    lua_rawgeti(L, -1, 1);
    lua_rawgeti(L, -2, 2);
    lua_rawgeti(L, -3, 3);
    int mask = (int)lua_tointeger(L, -2);
    int count = (int)lua_tointeger(L, -1);
    char text[4];
    int length = 0;
    if (mask & LUA_MASKCALL) text[length++] = 'c';
    if (mask & LUA_MASKRET) text[length++] = 'r';
    if (mask & LUA_MASKLINE) text[length++] = 'l';
    lua_pop(L, 2);
    lua_pushlstring(L, text, (size_t)length);
    lua_pushinteger(L, count);
    return 3;
  }
  if (lua_isnil(L, -1)) return 1;
  lua_pushstring(L, "");
  lua_pushinteger(L, 0);
  return 3;
}

/* debug.getregistry: who has it can find all coroutines. */
static int getregistry(lua_State *L) {
  lwkt_heap_of(L)->reveals = true;
  lua_pushvalue(L, LUA_REGISTRYINDEX);
  return 1;
}

void lwkt_open_hooks(lua_State *L) {
  lua_getglobal(L, "debug");
  lua_pushcfunction(L, sethook);
  lua_setfield(L, -2, "sethook");
  lua_pushcfunction(L, gethook);
  lua_setfield(L, -2, "gethook");
  lua_pushcfunction(L, getregistry);
  lua_setfield(L, -2, "getregistry");
  lua_pop(L, 1);
}

/* ---- preemption ---- */

/* Put a script's hook back, if it has one. */
static void restore(lua_State *L) {
  lua_sethook(L, NULL, 0, 0);
  if (!lua_checkstack(L, 6)) return;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &hook_table) == LUA_TNIL) {
    lua_pop(L, 1);
    return;
  }
  lua_pop(L, 1);
  if (push_entry(L, L) != LUA_TTABLE) {
    lua_pop(L, 1);
    return;
  }
  lua_rawgeti(L, -1, 2);
  lua_rawgeti(L, -2, 3);
  int mask = (int)lua_tointeger(L, -2);
  int count = (int)lua_tointeger(L, -1);
  lua_pop(L, 3);
  lua_sethook(L, script_hook, mask, count);
}

/* Armed, until an event comes at which the thread can switch. Where the script has a line hook that is
 * the next line, after the script's hook has had it: Lua calls the hooks of one instruction one after
 * the other, and once the first has yielded the second must not run code. Else it is the next
 * instruction. */
static void preempt_hook(lua_State *L, lua_Debug *ar) {
  bool has_lines = (lua_gethookmask(L) & LUA_MASKLINE) != 0;
  int event = ar->event;
  if (event != (has_lines ? LUA_HOOKLINE : LUA_HOOKCOUNT)) {
    if (event != LUA_HOOKCOUNT) script_hook(L, ar);
    return;
  }
  restore(L);
  if (has_lines) script_hook(L, ar);
  struct lwkt_percpu *self = lwkt_percpu();
  if (self->base_L == NULL) return;
  if (lwkt_s_take_interrupt()) luaL_error(L, "interrupted!");
  if (lwkt_s_must_end()) luaL_error(L, "aborted");
  if (!lwkt_s_may_preempt()) return;
  if (lua_isyieldable(L)) {
    self->switch_kind = LWKT_SWITCH_PREEMPT;
    lua_yield(L, 0);
    return;
  }
  lua_State *base = self->base_L;
  if (lwkt_s_park(LWKT_SWITCH_PREEMPT)) {
    self = lwkt_percpu();
    self->switch_kind = LWKT_SWITCH_NONE;
    self->base_L = base;
    self->running_L = L;
  }
}

static void arm(lua_State *L) {
  if (lua_gethook(L) == preempt_hook) return;
  lua_sethook(L, preempt_hook, lua_gethookmask(L) | LUA_MASKCOUNT, 1);
}

/* On the worker's kernel thread. Touches nothing unless the worker is inside Lua. */
static void handler(int number) {
  (void)number;
  int saved = errno;
  lua_State *L = lwkt_percpu()->running_L;
  if (L != NULL) arm(L);
  errno = saved;
}

void lwkt_preempt_install(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGURG, &action, NULL);
}

void lwkt_preempt_signal(unsigned long kernel_thread) { pthread_kill(kernel_thread, SIGURG); }

void lwkt_preempt_self(void) {
  lua_State *L = lwkt_percpu()->running_L;
  if (L != NULL) arm(L);
}
