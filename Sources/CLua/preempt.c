/* preempt.c: taking a worker back from a thread that computes.
 *
 * No hook is set while nobody wants the worker, so code that is not preempted runs at stock speed.
 * The monitor signals the worker's kernel thread; the handler sets a count hook on the coroutine that
 * runs there (lua_sethook is the one function of Lua that may be called at any moment), and the hook,
 * before the next instruction, yields to the loop.
 *
 * A script's own hook is kept where the debug library keeps it, and what it was set with beside that,
 * so that ours can stand in front of it for an instant and put it back. */
#include "clua.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

static const char hook_table[] = "_HOOKKEY"; /* registry, as stock: coroutine -> function */
static const char settings_table;            /* registry: coroutine -> struct settings, weak keys */

/* What a script's hook was set with. A long count without other events is counted in pieces: setting
 * a hook, as preemption does, begins Lua's own counting anew, and what a piece has lost is little. */
struct settings {
  int mask;
  int count;     /* as the script gave it */
  int remaining; /* of the count, with the piece that Lua counts now */
};

enum { piece_of_count = 4096 };

LWKT_ASYNC static void arm(lua_State *L);
static void preempt_hook(lua_State *L, lua_Debug *ar);
static void settle_hook(lua_State *L, lua_Debug *ar);
static void script_hook(lua_State *L, lua_Debug *ar);

/* Does this hook stand in front of a script's? */
LWKT_ASYNC static bool is_in_front(lua_Hook hook) {
  return hook == preempt_hook || hook == settle_hook;
}

/* ---- a script's hook ---- */

static void push_weak_table(lua_State *L) {
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_pushvalue(L, -1);
  lua_setmetatable(L, -2);
}

static void push_hook_table(lua_State *L) {
  if (lua_getfield(L, LUA_REGISTRYINDEX, hook_table) == LUA_TTABLE) return;
  lua_pop(L, 1);
  push_weak_table(L);
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, hook_table);
}

static void push_settings_table(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &settings_table) == LUA_TTABLE) return;
  lua_pop(L, 1);
  push_weak_table(L);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &settings_table);
}

static void push_coroutine(lua_State *L, lua_State *of) {
  if (L != of) luaL_checkstack(of, 1, "stack overflow");
  lua_pushthread(of);
  lua_xmove(of, L, 1);
}

/* Replace the table at the top by its entry for `of`. */
static int entry(lua_State *L, lua_State *of) {
  push_coroutine(L, of);
  int type = lua_rawget(L, -2);
  lua_remove(L, -2);
  return type;
}

/* What the hook of `of` was set with, as long as that has one; else NULL. */
static struct settings *settings_of(lua_State *L, lua_State *of) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &settings_table) == LUA_TTABLE) entry(L, of);
  struct settings *settings = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return settings;
}

static bool has_pieces(const struct settings *settings) {
  return settings->mask == LUA_MASKCOUNT && settings->count > piece_of_count;
}

/* Set a script's hook; have Lua count the next piece. */
static void set_hook(lua_State *of, const struct settings *settings) {
  int count = settings->count;
  if (has_pieces(settings)) {
    count = settings->remaining < piece_of_count ? settings->remaining : piece_of_count;
  }
  lua_sethook(of, script_hook, settings->mask, count);
}

/* A piece has been counted: is the count complete? Begins the next one. */
static bool count_is_complete(lua_State *L, struct settings *settings) {
  if (!has_pieces(settings)) return true;
  bool complete = settings->remaining <= piece_of_count;
  settings->remaining = complete ? settings->count : settings->remaining - piece_of_count;
  if (lua_gethook(L) == script_hook) set_hook(L, settings);
  return complete;
}

static void script_hook(lua_State *L, lua_Debug *ar) {
  static const char *const events[] = {"call", "return", "line", "count", "tail call"};
  if (ar->event == LUA_HOOKCOUNT) {
    struct settings *settings = settings_of(L, L);
    if (settings != NULL && !count_is_complete(L, settings)) return;
  }
  /* The table stays below the call, as in stock Lua: a hook's own stack overflows at the same depth. */
  push_hook_table(L);
  push_coroutine(L, L);
  if (lua_rawget(L, -2) != LUA_TFUNCTION) return;
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

/* Set the entry of `of` in the table at the top to the value below it, and pop both. */
static void set_entry(lua_State *L, lua_State *of) {
  push_coroutine(L, of);
  lua_rotate(L, -3, -1);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

static int sethook(lua_State *L) {
  int shift, mask = 0, count = 0;
  lua_State *of = subject(L, &shift);
  if (lua_isnoneornil(L, shift + 1)) {
    lua_settop(L, shift + 1);
  } else {
    const char *text = luaL_checkstring(L, shift + 2);
    luaL_checktype(L, shift + 1, LUA_TFUNCTION);
    count = (int)luaL_optinteger(L, shift + 3, 0);
    mask = mask_of(text, count);
  }
  lua_pushvalue(L, shift + 1);
  push_hook_table(L);
  set_entry(L, of);
  if (mask == 0) {
    lua_pushnil(L);
    push_settings_table(L);
    set_entry(L, of);
    lua_sethook(of, NULL, 0, 0);
    return 0;
  }
  lwkt_reveal(of); /* the hook is kept for this coroutine */
  struct settings *settings = lua_newuserdatauv(L, sizeof *settings, 0);
  *settings = (struct settings){.mask = mask, .count = count, .remaining = count};
  push_settings_table(L);
  set_entry(L, of);
  set_hook(of, settings);
  return 0;
}

static int gethook(lua_State *L) {
  int shift;
  lua_State *of = subject(L, &shift);
  lua_Hook hook = lua_gethook(of);
  int mask = lua_gethookmask(of), count = lua_gethookcount(of);
  struct settings *settings = settings_of(L, of);
  if (settings != NULL) {
    mask = settings->mask;
    count = settings->count;
  } else if (hook == NULL || is_in_front(hook)) {
    luaL_pushfail(L);
    return 1;
  }
  if (hook != script_hook && !is_in_front(hook)) {
    lua_pushliteral(L, "external hook");
  } else {
    push_hook_table(L);
    entry(L, of);
  }
  char text[4];
  size_t length = 0;
  if (mask & LUA_MASKCALL) text[length++] = 'c';
  if (mask & LUA_MASKRET) text[length++] = 'r';
  if (mask & LUA_MASKLINE) text[length++] = 'l';
  lua_pushlstring(L, text, length);
  lua_pushinteger(L, count);
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
  struct settings *settings = settings_of(L, L);
  if (settings != NULL) set_hook(L, settings);
}

/* A coroutine that an error in a hook has ended calls no hook any more, not even in the thread that would
 * have it next. */
static void raise_error(lua_State *L, const char *text) {
  lwkt_reveal(L);
  luaL_error(L, text);
}

/* An error that is raised in a message handler calls the handler again, where no hook would be called any
 * more. Only an error of memory ends it, and the `xpcall` with it; this hook stays, and what is to be
 * raised is raised there. No allocator has so much. */
static void end_handler(lua_State *L) {
  lwkt_reveal(L);
  lua_sethook(L, preempt_hook, lua_gethookmask(L) | LUA_MASKCOUNT, 1);
  lua_newuserdatauv(L, (size_t)1 << 62, 0);
}

/* The next look is when a function returns. A script's count rests. */
static void look_at_return(lua_State *L) {
  lua_sethook(L, preempt_hook, (lua_gethookmask(L) & ~LUA_MASKCOUNT) | LUA_MASKRET, 0);
}

/* A thread that is to stop and computes instead of waiting gets the error here, or where that does no harm:
 * a loop that catches it in between would never notice, if only a new turn looked. Inside a finaliser no
 * hook is called. */
static void stop_if_due(lua_State *L) {
  if (!lwkt_s_must_unwind()) return;
  if (lwkt_is_delicate(L)) return look_at_return(L);
  /* An evaluation that Ctrl-C has ended is not to take the prompt with it. */
  if (lwkt_runs_driver(L)) return lwkt_s_evaluation_over();
  if (lwkt_in_handler(L)) end_handler(L);
  lwkt_reveal(L);
  lwkt_call(L, lwkt_s_unwind);
}

/* A function that has yielded in a hook is let off the next event of any hook, so that the one in which
 * it yielded is not seen twice. Where no hook follows at once that would be one that a script sets
 * much later. So one follows. */
static void settle_hook(lua_State *L, lua_Debug *ar) {
  if (ar->event != LUA_HOOKCOUNT) return script_hook(L, ar);
  restore(L);
  if (lwkt_percpu()->td != NULL) stop_if_due(L);
}

void lwkt_hook_yield(lua_State *L) {
  lua_sethook(L, settle_hook, lua_gethookmask(L) | LUA_MASKCOUNT, 1);
  lua_yield(L, 0);
}

/* Does the script's own hook want this event, which may be one that only the armed hook asked for? */
static bool is_wanted(lua_State *L, int event) {
  static const int masks[] = {LUA_MASKCALL, LUA_MASKRET, LUA_MASKLINE, LUA_MASKCOUNT, LUA_MASKCALL};
  const struct settings *settings = settings_of(L, L);
  return settings != NULL && (settings->mask & masks[event]);
}

/* Ctrl-C ends a C function that blocks, `io.read` say, and is raised when that returns: a protected call
 * of it catches the error, as in stock Lua. */
static void raise_interrupt_if_due(lua_State *L) {
  if (lwkt_percpu()->base_L == NULL || !lwkt_s_take_interrupt()) return;
  restore(L);
  raise_error(L, "interrupted!");
}

/* Armed, until an event comes at which the thread can switch. Where the script has a line hook that is
 * the next line, after the script's hook has had it: Lua calls the hooks of one instruction one after
 * the other, and once the first has yielded the second must not run code. Else it is the next
 * instruction. */
static void preempt_hook(lua_State *L, lua_Debug *ar) {
  bool has_lines = (lua_gethookmask(L) & LUA_MASKLINE) != 0;
  int event = ar->event;
  if (event != (has_lines ? LUA_HOOKLINE : LUA_HOOKCOUNT)) {
    if (event == LUA_HOOKRET) {
      raise_interrupt_if_due(L);
      if (lwkt_s_must_unwind()) arm(L);
    }
    if (event != LUA_HOOKCOUNT && is_wanted(L, event)) script_hook(L, ar);
    return;
  }
  restore(L);
  if (has_lines) script_hook(L, ar);
  struct lwkt_percpu *self = lwkt_percpu();
  if (self->base_L == NULL) return;
  if (lwkt_s_take_interrupt()) {
    if (lwkt_s_must_unwind()) lwkt_preempt_self();
    if (lwkt_in_handler(L)) {
      lwkt_s_return_interrupt();
      end_handler(L);
    }
    raise_error(L, "interrupted!");
  }
  if (lwkt_s_must_end()) {
    if (lwkt_in_handler(L)) end_handler(L);
    raise_error(L, "aborted");
  }
  stop_if_due(L);
  if (lwkt_in_finaliser(L) || !lwkt_s_may_preempt()) return;
  if (lwkt_can_yield(L)) {
    self->switch_kind = LWKT_SWITCH_PREEMPT;
    lwkt_hook_yield(L);
    return;
  }
  lua_State *base = self->base_L;
  if (lwkt_s_park(LWKT_SWITCH_PREEMPT)) {
    self = lwkt_percpu();
    self->switch_kind = LWKT_SWITCH_NONE;
    self->base_L = base;
    self->running_L = L;
    stop_if_due(L);
  }
}

/* The hook of a C module stays: its thread goes on to the next wait. In a signal handler that comes
 * in the middle of `lua_sethook` the hook may be ours already and the mask still another's. And one that
 * comes where Lua has seen that there are no hooks, and is about to note that it need not look again, is
 * forgotten, with the hook set: a loop that calls nothing never looked, and ran for ever. So what is armed
 * is armed again, but not each time: Lua goes through all calls that are under way, of which there may
 * be 200 000. */
LWKT_ASYNC static void arm(lua_State *L) {
  lua_Hook hook = lua_gethook(L);
  bool is_armed = hook == preempt_hook && (lua_gethookmask(L) & LUA_MASKCOUNT);
  if (is_armed && ++lwkt_percpu_self.armed_already % 32 != 0) return;
  if (hook != NULL && hook != script_hook && !is_in_front(hook)) return;
  lua_sethook(L, preempt_hook, lua_gethookmask(L) | LUA_MASKRET | LUA_MASKCOUNT, 1);
}

/* Which thread holds its worker? While somebody asks, that worker stays in the handler, so that the thread
 * stays too. Sequentially consistent: what is shown was the running thread after the question. */
static atomic_bool asks_for_holder;
static _Atomic(void *) holder;

LWKT_ASYNC static void show_holder(void) {
  if (lwkt_percpu_self.td == NULL) return;
  atomic_store(&holder, lwkt_percpu_self.td);
  while (atomic_load(&asks_for_holder)) sched_yield();
}

void *lwkt_hold_still(unsigned long kernel_thread) {
  struct timespec pause = {.tv_nsec = 1000000};
  atomic_store(&asks_for_holder, true);
  pthread_kill(kernel_thread, SIGURG);
  for (int n = 0; n < 100 && atomic_load(&holder) == NULL; n++) nanosleep(&pause, NULL);
  return atomic_load(&holder);
}

void lwkt_let_go(void) { atomic_store(&asks_for_holder, false); }

/* On the worker's kernel thread. Touches nothing unless the worker is inside Lua. */
LWKT_ASYNC static void handler(int number) {
  (void)number;
  int saved = errno;
  lua_State *L = lwkt_percpu_self.running_L;
  if (L != NULL) {
    arm(L);
    if (atomic_load(&asks_for_holder)) show_holder();
  }
  errno = saved;
}

void lwkt_preempt_install(void) { lwkt_handle_signal(SIGURG, handler); }

void lwkt_preempt_signal(unsigned long kernel_thread) { pthread_kill(kernel_thread, SIGURG); }

void lwkt_preempt_after(lua_State *co) {
  if (lua_gethook(co) == preempt_hook) lwkt_preempt_self();
}

void lwkt_preempt_self(void) {
  lua_State *L = lwkt_percpu()->running_L;
  if (L != NULL) arm(L);
}
