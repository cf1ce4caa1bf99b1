/* trampoline.c: from Lua to Swift and back, and everything in between that may longjmp. */
#include "clua.h"

int lwkt_no_thread(lua_State *L) {
  return luaL_error(L, "no thread runs here: the program is over, or this is a finaliser of a "
                       "heap that is being closed");
}

static int after_wait(lua_State *L, int status, lua_KContext context) {
  (void)status, (void)context;
  return lwkt_call(L, lwkt_s_resumed);
}

static int after_move(lua_State *L, int status, lua_KContext context) {
  (void)status, (void)context;
  lua_pushboolean(L, 1);
  return 1;
}

static int after_yield(lua_State *L, int status, lua_KContext context) {
  (void)L, (void)status, (void)context;
  return 0;
}

static int after_require(lua_State *L, int status, lua_KContext context) {
  (void)status, (void)context;
  lua_pop(L, 1); /* what require returned */
  return lwkt_call(L, lwkt_s_retry);
}

/* The running thread cannot go on: back to the loop, by yielding through every coroutine it is in,
 * or, where Lua cannot yield, by parking its native stack. */
static int switch_away(lua_State *L, int kind, lua_KFunction next) {
  struct lwkt_percpu *self = lwkt_percpu();
  if (lwkt_can_yield(L) && (L == self->base_L || !lwkt_in_finaliser(L))) {
    self->switch_kind = kind;
    return lua_yieldk(L, 0, 0, next);
  }
  /* A finaliser stops the collector of its heap: others do not run there meanwhile. It does not wait, and
   * gives way to nobody. */
  if (lwkt_in_finaliser(L)) return next(L, LUA_YIELD, 0);
  lua_State *base = self->base_L;
  if (!lwkt_s_park(kind)) {
    if (kind != LWKT_SWITCH_WAIT) return next(L, LUA_YIELD, 0);
    lwkt_s_undo_wait();
    return luaL_error(L, "too many threads wait inside C functions that call back (the limit is "
                         "8192): wait outside sort comparators and the like");
  }
  /* Other threads have run: what they left in this worker's block is not ours. */
  self = lwkt_percpu();
  self->switch_kind = LWKT_SWITCH_NONE;
  self->base_L = base;
  self->running_L = L;
  return next(L, LUA_YIELD, 0);
}

/* Where the thread cannot yield it ends by an error, and in case that is caught on the way, at the next
 * instruction. */
int lwkt_raise_exit(lua_State *L) {
  lwkt_percpu()->switch_kind = LWKT_SWITCH_NONE;
  lwkt_preempt_self();
  lua_pushlightuserdata(L, (void *)lwkt_exit_key());
  return lua_error(L);
}

int lwkt_finish(lua_State *L, int result) {
  switch (result) {
  case LWKT_WAIT: return switch_away(L, LWKT_SWITCH_WAIT, after_wait);
  case LWKT_YIELD: return switch_away(L, LWKT_SWITCH_YIELD, after_yield);
  case LWKT_ERROR:
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
    return lua_error(L);
  case LWKT_MOVED: return switch_away(L, LWKT_SWITCH_WAIT, after_move);
  case LWKT_THROW: return lua_error(L);
  case LWKT_REQUIRE:
    lua_rawgetp(L, LUA_REGISTRYINDEX, lwkt_require_key());
    lua_insert(L, -2);
    lua_callk(L, 1, 1, 0, after_require);
    return after_require(L, LUA_OK, 0);
  case LWKT_RESERVE: {
    /* Lua collects its garbage, if it must, and raises its own error. */
    size_t size = (size_t)lua_tointeger(L, -1);
    lua_pop(L, 1);
    lua_newuserdatauv(L, size, 0);
    lua_pop(L, 1);
    return lwkt_call(L, lwkt_s_retry_reserved);
  }
  case LWKT_EXIT:
    if (lwkt_can_yield(L)) {
      lwkt_percpu()->switch_kind = LWKT_SWITCH_EXIT;
      return lua_yieldk(L, 0, 0, after_yield);
    }
    return lwkt_raise_exit(L);
  default: return luaL_argerror(L, LWKT_ARGUMENT - result, lua_tostring(L, -1));
  }
}

/* A worker whose threads yield sees to its timers itself, so that nobody signals it: who does nothing but
 * yield would never meet the hook that tells it to stop. */
int lwkt_yield_function(lua_State *L) {
  if (lwkt_s_must_unwind()) lwkt_preempt_self();
  struct lwkt_percpu *self = lwkt_percpu();
  if (L == self->base_L && lua_isyieldable(L)) {
    self->switch_kind = LWKT_SWITCH_YIELD;
    return lua_yield(L, 0);
  }
  return switch_away(L, LWKT_SWITCH_YIELD, after_yield);
}

int lwkt_run(void *td, void *machine, int count) {
  lua_State *L = machine != NULL ? machine : lwkt_s_first_turn(td, &count);
  if (L == NULL) return LWKT_ENDED;
  struct lwkt_percpu *self = lwkt_percpu();
  int depth = self->swift_depth;
  int results;
  self->swift_depth = 0;
  self->base_L = L;
  self->running_L = L;
  int status = lua_resume(L, lwkt_resumer, count, &results);
  self = lwkt_percpu();
  self->running_L = NULL;
  self->base_L = NULL;
  self->swift_depth = depth;
  int kind = self->switch_kind;
  self->switch_kind = LWKT_SWITCH_NONE;
  if (status == LUA_YIELD) {
    if (kind == LWKT_SWITCH_WAIT) return LWKT_WAITING;
    if (kind == LWKT_SWITCH_PREEMPT) return LWKT_PREEMPTED;
    if (kind < LWKT_SWITCH_EXIT) return LWKT_YIELDED;
  }
  lwkt_s_turn_ended(td, L, status, kind, results);
  return LWKT_ENDED;
}

static const char exit_key;
const void *lwkt_exit_key(void) { return &exit_key; }
static const char require_key;
const void *lwkt_require_key(void) { return &require_key; }
