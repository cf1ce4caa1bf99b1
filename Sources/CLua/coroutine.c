/* coroutine.c: the coroutine library.
 *
 * As the manual has it, with one thing more: a coroutine that comes back from `lua_resume` may have
 * yielded for its script, or its thread may have to switch away (wait, yield, preemption). The
 * second kind is passed up, level by level, to the worker's loop, and on the way back each level
 * resumes the one below. To a script, its thread's own coroutine is the main thread. */
#include "clua.h"

static lua_State *check_coroutine(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  luaL_argexpected(L, co != NULL, 1, "thread");
  return co;
}

static bool is_base(lua_State *L) {
  lua_State *base = lwkt_percpu()->base_L;
  return base != NULL ? base == L : (lua_pushthread(L) ? (lua_pop(L, 1), true)
                                                       : (lua_pop(L, 1), false));
}

enum { MUST_SWITCH = -2, FAILED = -1 };

/* One `lua_resume`: its status, and how many values it has left on `co`. What runs afterwards is L, but in a
 * finaliser that was set off from the loop, which is outside Lua. */
static inline int resume_once(lua_State *L, lua_State *co, int count, int *results) {
  struct lwkt_percpu *self = lwkt_percpu();
  void *running = self->running_L;
  *lwkt_inside(co) = self->base_L;
  self->running_L = co;
  int status = lua_resume(co, L, count, results);
  lwkt_percpu()->running_L = running;
  if (lua_gethook(co) != NULL) lwkt_preempt_after(co);
  return status;
}

static int reset(lua_State *co);
static int close_variables(lua_State *L, lua_State *co);

/* `co` has called `lwkt.exit`, and nobody goes on with it: what it has yet to close is closed, as that of
 * the coroutine that resumes it will be. An error in that takes the place of the results; it cannot be
 * kept by catching it. */
static void close_exiting(lua_State *L, lua_State *co) {
  lwkt_percpu()->switch_kind = LWKT_SWITCH_NONE;
  lwkt_s_exit_closes();
  int status = reset(co);
  lwkt_s_exit_goes_on();
  if (status != LUA_OK && !lwkt_is_exit(co)) {
    lwkt_preempt_self();
    lua_xmove(co, L, 1);
    lua_error(L);
  }
  lwkt_percpu()->switch_kind = LWKT_SWITCH_EXIT;
}

/* `co` has yielded, but its thread must switch away. True: L must yield too, and go on with
 * `resume_on` afterwards. False: the thread has waited here, on a native stack of its own, or
 * cannot: `co` failed, or goes on if it only gave way. */
__attribute__((noinline)) static bool must_yield(lua_State *L, lua_State *co, bool *has_failed) {
  struct lwkt_percpu *self = lwkt_percpu();
  if (self->switch_kind == LWKT_SWITCH_EXIT) {
    close_exiting(L, co);
    return true;
  }
  if (lwkt_can_yield(L)) return true;
  lua_State *base = self->base_L;
  bool waits = self->switch_kind == LWKT_SWITCH_WAIT;
  if (!lwkt_s_park(self->switch_kind)) {
    self->switch_kind = LWKT_SWITCH_NONE;
    *has_failed = waits;
    if (!waits) return false;
    /* It stands in the middle of the wait, and nobody may go on with it there. */
    lwkt_s_undo_wait();
    close_variables(L, co);
    lua_pushliteral(co, "too many threads wait inside C functions that call back");
    return false;
  }
  self = lwkt_percpu();
  self->switch_kind = LWKT_SWITCH_NONE;
  self->base_L = base;
  return false;
}

/* Resume `co` until it yields for its script, ends or fails: the number of results, moved to L, or
 * FAILED with the error moved to L. MUST_SWITCH: L must yield and then call `resume_on`. */
static inline __attribute__((always_inline)) int run(lua_State *L, lua_State *co, int count) {
  int results;
  int status = resume_once(L, co, count, &results);
  while (__builtin_expect(status == LUA_YIELD && lwkt_percpu()->switch_kind != LWKT_SWITCH_NONE, 0)) {
    bool has_failed = false;
    if (must_yield(L, co, &has_failed)) return MUST_SWITCH;
    if (has_failed) {
      lua_xmove(co, L, 1);
      return FAILED;
    }
    status = resume_once(L, co, 0, &results);
  }
  *lwkt_inside(co) = NULL;
  if (__builtin_expect(status > LUA_YIELD, 0)) {
    lua_xmove(co, L, 1);
    return FAILED;
  }
  if (__builtin_expect(!lua_checkstack(L, results + 1), 0)) {
    lua_pop(co, results);
    lua_pushliteral(L, "too many results to resume");
    return FAILED;
  }
  lua_xmove(co, L, results);
  return results;
}

/* For the script: with the `count` values at the top of L. */
static inline __attribute__((always_inline)) int resume_fresh(lua_State *L, lua_State *co, int count) {
  if (__builtin_expect(!lua_checkstack(co, count), 0)) {
    lua_pushliteral(L, "too many arguments to resume");
    return FAILED;
  }
  lua_xmove(L, co, count);
  return run(L, co, count);
}

/* After a switch. */
static int resume_on(lua_State *L, lua_State *co) {
  lwkt_percpu()->switch_kind = LWKT_SWITCH_NONE;
  return run(L, co, 0);
}

/* A coroutine that a thread is inside of is refused before its stack is touched, in Lua's own words.
 * What else cannot be resumed, `lua_resume` refuses. */
static bool is_entered(lua_State *co) { return *lwkt_inside(co) != NULL; }

static const char entered[] = "cannot resume non-suspended coroutine";

static int switch_up(lua_State *L, lua_KFunction next) {
  if (lwkt_percpu()->switch_kind == LWKT_SWITCH_EXIT && !lwkt_can_yield(L)) {
    return lwkt_raise_exit(L);
  }
  return lua_yieldk(L, 0, 0, next);
}

/* ---- resume ---- */

static int resume_done(lua_State *L, int count);

static int resume_again(lua_State *L, int status, lua_KContext context) {
  (void)status, (void)context;
  return resume_done(L, resume_on(L, lua_tothread(L, 1)));
}

static int resume_done(lua_State *L, int count) {
  if (count == MUST_SWITCH) return switch_up(L, resume_again);
  if (count == FAILED) {
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
  }
  lua_pushboolean(L, 1);
  lua_insert(L, -(count + 1));
  return count + 1;
}

static int co_resume(lua_State *L) {
  lua_State *co = check_coroutine(L);
  if (is_entered(co)) {
    lua_pushboolean(L, 0);
    lua_pushstring(L, entered);
    return 2;
  }
  return resume_done(L, resume_fresh(L, co, lua_gettop(L) - 1));
}

/* Run what `co` has yet to close: the status, with the error on `co`. */
static int reset(lua_State *co) {
  struct lwkt_percpu *self = lwkt_percpu();
  void *running = self->running_L;
  *lwkt_inside(co) = lwkt_closing_mark(self->base_L);
  self->running_L = co;
  int status = lua_resetthread(co);
  lwkt_percpu()->running_L = running;
  *lwkt_inside(co) = NULL;
  if (lua_gethook(co) != NULL) lwkt_preempt_after(co);
  return status;
}

/* The same on L's behalf, which ends if that calls `lwkt.exit`. */
static int close_variables(lua_State *L, lua_State *co) {
  int status = reset(co);
  if (status != LUA_OK && lwkt_is_exit(co)) {
    lua_xmove(co, L, 1);
    lua_error(L);
  }
  return status;
}

/* ---- wrap ---- */

static int wrap_failed(lua_State *L, lua_State *co) {
  int status = lua_status(co);
  if (status != LUA_OK && status != LUA_YIELD) {
    status = close_variables(L, co); /* the error may become another */
    lua_xmove(co, L, 1);
  }
  if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

static int wrap_again(lua_State *L, int status, lua_KContext context) {
  (void)status, (void)context;
  lua_State *co = lua_tothread(L, lua_upvalueindex(1));
  int count = resume_on(L, co);
  if (count == MUST_SWITCH) return switch_up(L, wrap_again);
  return count == FAILED ? wrap_failed(L, co) : count;
}

static int wrapped(lua_State *L) {
  lua_State *co = lua_tothread(L, lua_upvalueindex(1));
  if (is_entered(co)) {
    lua_pushstring(L, entered);
    return wrap_failed(L, co);
  }
  int count = resume_fresh(L, co, lua_gettop(L));
  if (count == MUST_SWITCH) return switch_up(L, wrap_again);
  return count == FAILED ? wrap_failed(L, co) : count;
}

/* ---- the rest ---- */

static int co_create(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_State *co = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  return 1;
}

static int co_wrap(lua_State *L) {
  co_create(L);
  lua_pushcclosure(L, wrapped, 1);
  return 1;
}

static int co_yield(lua_State *L) {
  if (is_base(L)) {
    lua_pushliteral(L, "attempt to yield from outside a coroutine");
    return lua_error(L);
  }
  if (__builtin_expect(lwkt_has_scoped_coroutines(), 0) && lwkt_s_is_scoped(L)) {
    lua_pushliteral(L, "attempt to yield out of lwkt.timeout or lwkt.scope, whose limits would stay "
                       "with the thread: call it outside the coroutine");
    return lua_error(L);
  }
  return lua_yield(L, lua_gettop(L));
}

static const char *status_of(lua_State *L, lua_State *co) {
  if (L == co) return "running";
  if (*lwkt_inside(co) != NULL) return "normal";
  switch (lua_status(co)) {
  case LUA_YIELD: return "suspended";
  case LUA_OK: {
    lua_Debug ar;
    if (lua_getstack(co, 0, &ar)) return "normal";
    return lua_gettop(co) == 0 ? "dead" : "suspended";
  }
  default: return "dead";
  }
}

static int co_status(lua_State *L) {
  lua_pushstring(L, status_of(L, check_coroutine(L)));
  return 1;
}

static int co_isyieldable(lua_State *L) {
  lua_State *co = lua_isnone(L, 1) ? L : check_coroutine(L);
  lua_pushboolean(L, co != lwkt_percpu()->base_L && lua_isyieldable(co));
  return 1;
}

static int co_running(lua_State *L) {
  lwkt_reveal(L);
  lua_pushthread(L);
  lua_pushboolean(L, is_base(L));
  return 2;
}

static int co_close(lua_State *L) {
  lua_State *co = check_coroutine(L);
  const char *status = status_of(L, co);
  if (status[0] != 'd' && status[0] != 's') {
    return luaL_error(L, "cannot close a %s coroutine", status);
  }
  if (close_variables(L, co) == LUA_OK) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushboolean(L, 0);
  lua_xmove(co, L, 1);
  return 2;
}

/* ---- the coroutines that have resumed each other ---- */

/* The coroutine that the resume or wrap at the top of `L`'s calls is in, or NULL for another function
 * there. [-0, +0, -] */
static lua_State *resumed_by(lua_State *L) {
  lua_Debug ar;
  if (!lua_checkstack(L, 2) || !lua_getstack(L, 0, &ar)) return NULL;
  lua_getinfo(L, "f", &ar);
  lua_CFunction function = lua_tocfunction(L, -1);
  lua_State *co = NULL;
  if (function == wrapped) {
    lua_getupvalue(L, -1, 1);
    co = lua_tothread(L, -1);
    lwkt_pop(L, 1);
  } else if (function == co_resume && lua_getlocal(L, &ar, 1) != NULL) {
    co = lua_tothread(L, -1);
    lwkt_pop(L, 1);
  }
  lwkt_pop(L, 1);
  return co;
}

int lwkt_enclosing(lua_State *L, lua_State **out, int room) {
  int count = 0;
  for (lua_State *co = lwkt_percpu()->base_L; co != NULL && co != L && count < room;
       co = resumed_by(co)) {
    out[count++] = co;
  }
  return count;
}

int lwkt_open_coroutine(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"create", co_create},         {"resume", co_resume},   {"running", co_running},
      {"status", co_status},         {"wrap", co_wrap},       {"yield", co_yield},
      {"isyieldable", co_isyieldable}, {"close", co_close},   {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
