/* clua_binding.h: how Lua and Swift call each other.
 *
 * Lua calls a C trampoline, the trampoline calls the Swift function of the same name, and the Swift
 * function *returns* what is to happen: a number of results, or one of the codes below. What has to
 * longjmp (an error, a yield) is then done in C, when no Swift frame is left. */
#ifndef CLUA_BINDING_H
#define CLUA_BINDING_H

#include "clwkt.h"
#include <lua5.4/lua.h>
#include <stdbool.h>

enum lwkt_result {
  /* The thread has begun a wait: switch away; afterwards `lwkt_s_resumed` says what comes of it. */
  LWKT_WAIT = -1,
  /* The thread gives way and goes on with no results. */
  LWKT_YIELD = -2,
  /* Raise the string on the top of the stack, with the caller's position put before it. */
  LWKT_ERROR = -3,
  /* Raise the value on the top of the stack as it is. */
  LWKT_THROW = -4,
  /* `require` the module named on the top of the stack, then call `lwkt_s_retry`. */
  LWKT_REQUIRE = -5,
  /* The thread has ended (its results are kept): never come back. */
  LWKT_EXIT = -6,
  /* The thread moves to another worker: switch away, then return true. */
  LWKT_MOVED = -7,
  /* Values are to be received in a heap with a limit: see whether there is room for as many bytes as the
   * integer on the top of the stack says, then call `lwkt_s_retry_reserved`. */
  LWKT_RESERVE = -8,
  /* LWKT_ARGUMENT - n: argument n is bad; the top of the stack says how. */
  LWKT_ARGUMENT = -100,
};

/* Every function that scripts call and Swift implements: X(name). */
#define LWKT_MODULE_FUNCTIONS(X) \
  X(create) X(curthread) X(mycpu) X(ncpus) X(exit) X(setcpu_self) X(setpri_self) X(sleep) \
  X(tsleep) X(wakeup) X(wakeup_one) X(crit_enter) X(crit_exit) X(port) X(lookup) X(wait) X(get) \
  X(recv) X(waitany) X(token) X(token_swap) X(getpooltoken) X(threads) X(ports) X(tokens) X(stat)

#define LWKT_THREAD_METHODS(X) \
  X(thread_join) X(thread_abort) X(thread_schedule) X(thread_setpri) X(thread_notify) \
  X(thread_send) X(thread_sendmsg) X(thread_domsg)

#define LWKT_PORT_METHODS(X) \
  X(port_send) X(port_sendmsg) X(port_domsg) X(port_sendmsg_to) X(port_wait) X(port_get) \
  X(port_recv) X(port_close)

#define LWKT_MESSAGE_METHODS(X) \
  X(message_unpack) X(message_reply) X(message_fail) X(message_forward) X(message_wait) \
  X(message_check) X(message_abort)

#define LWKT_TOKEN_METHODS(X) \
  X(token_get) X(token_get_shared) X(token_try) X(token_rel) X(token_is_stale) X(token_held)

/* Constructors in lwkt.shared, and the methods of what they make. */
#define LWKT_SHARED_FUNCTIONS(X) X(shared_counter) X(shared_table) X(shared_array)

#define LWKT_COUNTER_METHODS(X) X(counter_add) X(counter_get) X(counter_set) X(counter_cas)

#define LWKT_TABLE_METHODS(X) X(table_get) X(table_set) X(table_len)

#define LWKT_ARRAY_METHODS(X) X(array_fill) X(array_slice) X(array_bytes) X(array_add)

/* What the methods and metamethods written in C are made of (shared.c). */
#define LWKT_SHARED_SUPPORT(X) \
  X(table_check) X(table_old) X(table_replace) X(table_turns) X(table_snapshot) X(table_next) X(array_length) \
  X(array_index) X(array_newindex)

/* Not called by name: metamethods, fields and what the prelude in Lua needs. */
#define LWKT_SUPPORT_FUNCTIONS(X) \
  X(handle_field) X(handle_tostring) X(handle_length) X(token_close) X(scope_enter) \
  X(scope_leave) X(scope_expire) X(scope_expired) X(thread_traceback) X(thread_await) X(registered) \
  X(prompt_inspect) X(prompt_hold)

/* Fields of handles. */
#define LWKT_HANDLE_FIELDS(X) \
  X(id) X(name) X(state) X(cpu) X(pri) X(wmesg) X(msgport) X(urgent) X(limit) X(kind) X(sender) \
  X(isreply) X(aborted)

#define LWKT_FIELD_NUMBER(name) LWKT_FIELD_##name,
enum lwkt_field { LWKT_HANDLE_FIELDS(LWKT_FIELD_NUMBER) LWKT_FIELD_NONE };

#define LWKT_DECLARE(name) int lwkt_s_##name(lua_State *L);
LWKT_MODULE_FUNCTIONS(LWKT_DECLARE)
LWKT_THREAD_METHODS(LWKT_DECLARE)
LWKT_PORT_METHODS(LWKT_DECLARE)
LWKT_MESSAGE_METHODS(LWKT_DECLARE)
LWKT_TOKEN_METHODS(LWKT_DECLARE)
LWKT_SUPPORT_FUNCTIONS(LWKT_DECLARE)
LWKT_SHARED_FUNCTIONS(LWKT_DECLARE)
LWKT_COUNTER_METHODS(LWKT_DECLARE)
LWKT_TABLE_METHODS(LWKT_DECLARE)
LWKT_ARRAY_METHODS(LWKT_DECLARE)
LWKT_SHARED_SUPPORT(LWKT_DECLARE)

/* Do those that change the shared table at index 1 take turns now? */
bool lwkt_s_table_crowded(lua_State *L);

/* What a wait came to: results, or a code again. */
int lwkt_s_resumed(lua_State *L);
/* The module that a decode needed is there: decode again. */
int lwkt_s_retry(lua_State *L);
/* There is room for what is to be decoded: decode again. */
int lwkt_s_retry_reserved(lua_State *L);
/* Inside a new thread: its function and arguments, decoded. */
int lwkt_s_start(lua_State *L);
/* The place of the running thread in its heap, or -1. */
int lwkt_s_current_slot(void);
/* How many tokens the running thread has acquired, and release down to so many. */
int lwkt_s_token_count(void);
void lwkt_s_token_unwind(int count);
/* A handle's memory is freed: give its reference back. Called by the allocator, at any point at which
 * Lua may collect. */
void lwkt_s_release(void *object);
/* May somebody wait for the end of this object's use? */
bool lwkt_s_holds_others_up(void *object);
/* The running thread, which is there for that, begins to collect its heap, and has collected it. Has it
 * found an object that others may have been waiting for? */
void lwkt_s_collection_begins(void);
void lwkt_s_collection_ends(bool has_found);
/* Park the native stack of the running thread. False: no stack to be had. */
bool lwkt_s_park(int switch_kind);
/* The running thread has begun a wait and cannot switch away: as if it had not. */
void lwkt_s_undo_wait(void);
/* May the running thread be preempted now? */
bool lwkt_s_may_preempt(void);
/* Is the program over, so that even a thread that never waits must end? */
bool lwkt_s_must_end(void);
/* Is the running thread to stop computing: is the time of a `timeout` up that it is in, or has it
 * swallowed an abort or Ctrl-C? */
bool lwkt_s_must_unwind(void);
/* The running thread has called `lwkt.exit`: what is to be closed in one of its coroutines is about to be,
 * which may wait; or has been. */
void lwkt_s_exit_closes(void);
void lwkt_s_exit_goes_on(void);
/* The error to be raised then. */
int lwkt_s_unwind(lua_State *L);
/* The running thread is the prompt, and its evaluation is over. */
void lwkt_s_evaluation_over(void);
/* Is the running thread inside one that the coroutine `L` has entered? */
bool lwkt_s_is_scoped(lua_State *L);
/* Has Ctrl-C been meant for the running thread? Takes it. */
bool lwkt_s_take_interrupt(void);
/* It could not be raised here: it is still to come. */
void lwkt_s_return_interrupt(void);

/* `require` has loaded the module whose name is at index 1. */
int lwkt_s_note_module(lua_State *L);

/* End the running thread from where it cannot yield. [-0, +0, e] */
int lwkt_raise_exit(lua_State *L);
/* Carry out what a Swift function has answered with a code. */
int lwkt_finish(lua_State *L, int result);
/* Raise the error of a call where no thread runs. */
int lwkt_no_thread(lua_State *L);

/* Call a Swift function for Lua: the body of every trampoline. */
static inline int lwkt_call(lua_State *L, int (*function)(lua_State *)) {
  struct lwkt_percpu *self = lwkt_percpu();
  if (self->td == NULL) return lwkt_no_thread(L);
  self->swift_depth++;
  int result = function(L);
  lwkt_percpu()->swift_depth--;
  return result >= 0 ? result : lwkt_finish(L, result);
}

/* How a thread's turn ended; LWKTCore's RunOutcome. */
enum lwkt_outcome { LWKT_YIELDED, LWKT_PREEMPTED, LWKT_WAITING, LWKT_ENDED };

/* A thread's turn: resume its coroutine, with `count` arguments on its stack, until it gives way,
 * waits or ends. A thread's first turn comes without a coroutine. The loop calls this for every switch,
 * and nothing stands between: a yield jumps back over a dozen C frames, after which the processor
 * predicts every return on the way wrongly. */
int lwkt_run(void *td, void *machine, int count);

/* The first turn of `td`: its coroutine, with what is to be called and `count` arguments on its stack;
 * NULL if it ended without. */
lua_State *lwkt_s_first_turn(void *td, int *count);
/* The coroutine has returned, failed or exited: `status` and `results` are lua_resume's, `kind` is the
 * switch's. */
void lwkt_s_turn_ended(void *td, lua_State *L, int status, int kind, int results);

/* Give way while runnable: what `lwkt.yield` is. */
int lwkt_yield_function(lua_State *L);

/* ---- preemption (preempt.c) ---- */

/* Does `L` run code that an error from outside must not tear apart: a part of this library that is
 * written in Lua, or a `__close`? Looks a hundred calls up. [-0, +0, -] */
bool lwkt_is_delicate(lua_State *L);
/* Does the message handler of an `xpcall` run, as far as `L` shows? [-0, +0, -] */
bool lwkt_in_handler(lua_State *L);
/* Is the running function one of the prompt's driver? (prompt.c) */
bool lwkt_runs_driver(lua_State *L);
/* Note which functions pcall and xpcall are. The standard libraries are open. [-0, +0, m] */
void lwkt_note_protected_calls(lua_State *L);
/* Install the handler of the preemption signal. Once a process. */
void lwkt_preempt_install(void);
/* Yield in a hook, and leave no trace of it. The last thing the hook does. [-0, +0, e] */
void lwkt_hook_yield(lua_State *L);
/* Make `kernel_thread`'s running coroutine yield at its next instruction. */
void lwkt_preempt_signal(unsigned long kernel_thread);
/* The same for the running coroutine of this worker. */
void lwkt_preempt_self(void);
/* The same, if that of `co` was to and has not: it has just been left. */
void lwkt_preempt_after(lua_State *co);

/* ---- opening (open.c) ---- */

struct lwkt_arena;

struct lwkt_heap {
  size_t used;  /* bytes Lua has now */
  size_t limit; /* the most it may have while Lua code runs; 0: no limit */
  void *swift;  /* the Swift side of this heap */
  lua_State *state; /* what the heap was made with and is closed by; no thread runs in it */
  struct lwkt_arena *arena; /* its small blocks (alloc.c) */
  size_t awaited;           /* handles that are marked so and not freed yet (handle.c) */
  bool warning_continues;   /* a piece of a warning is out, more will follow */
  bool making_handle;       /* the next userdata of a handle's size is one */
  bool reveals;             /* coroutines may be known to anybody: see slot.c */
  lua_State *shelf;         /* see slot.c */
  /* Places in the registry, so that no key need be hashed. */
  int handles;      /* see handle.c */
  int globals_meta; /* the metatable of threads' globals, 0 in the main heap */
  int package_note; /* see package.c; 0 before the first use */
  /* What package.path and cpath were when they were noted, as addresses, which the note keeps alive, and
   * how many modules were preloaded. */
  const void *noted_path;
  const void *noted_cpath;
  lua_Integer noted_preload;
};

/* Places on the shelf: the coroutines and globals of threads; C libraries that are loaded; `package`, the
 * names of its fields, and the table of functions that load modules. */
enum {
  LWKT_SHELF_ANCHORS = 1,
  LWKT_SHELF_LIBRARIES,
  LWKT_SHELF_PACKAGE,
  LWKT_SHELF_PATH_NAME,
  LWKT_SHELF_CPATH_NAME,
  LWKT_SHELF_PRELOAD, /* the last */
};

static inline struct lwkt_heap *lwkt_heap_of(lua_State *L) {
  void *heap;
  lua_getallocf(L, &heap);
  return (struct lwkt_heap *)heap;
}

/* A coroutine's extra space: the thread (its own coroutine) that is inside it, running or switched
 * away; NULL when it is at rest. Threads that share a heap can see each other's coroutines, and must
 * not resume one that waits for another thread's message. A thread's own coroutine has itself there,
 * and one byte more once a script may know it. So has a coroutine of which no more runs than what it has
 * to close: one byte more than the thread that closes it. */
static inline void **lwkt_inside(lua_State *co) { return (void **)lua_getextraspace(co); }
static inline void *lwkt_closing_mark(void *base) { return base == NULL ? NULL : (char *)base + 1; }
static inline bool lwkt_is_closing(lua_State *L) {
  void *base = lwkt_percpu()->base_L;
  return base != NULL && L != base && *lwkt_inside(L) == lwkt_closing_mark(base);
}

/* Can the thread that runs `L` go back to the loop by yielding? Else its native stack is parked. It
 * cannot across a C function that calls back, nor across one that resumes a coroutine itself, past our
 * library, and would take the yield for the coroutine's own. [-0, +0, -] */
static inline bool lwkt_can_yield(lua_State *L) {
  const void *base = lwkt_percpu()->base_L;
  return lua_isyieldable(L) && (L == base || *lwkt_inside(L) == base);
}

/* The allocator of Lua heaps: `ud` is the heap. */
void *lwkt_allocate(void *ud, void *block, size_t old_size, size_t new_size);
/* Give back what a heap still keeps when its state is closed. */
void lwkt_heap_dispose(struct lwkt_heap *heap);
/* What a handle's userdata holds. */
struct lwkt_handle {
  void *object;
  const char *mark; /* one of the following */
};
/* It is in the heap's list of handles, or was until the collector found it unused; the same, and others may
 * wait for the end of its use: a port, a message, a thread that is not started; it is in no list. */
enum lwkt_handle_mark { LWKT_LISTED, LWKT_AWAITED, LWKT_HOLDER, LWKT_HANDLE_MARKS };
extern const char lwkt_handle_marks[LWKT_HANDLE_MARKS];
/* A userdata without user values has its bytes behind so many of Lua's. */
#define LWKT_USERDATA_HEAD 32

/* A new Lua heap with its libraries; NULL without memory. `is_main` keeps one globals table, as in
 * stock Lua; else threads have globals of their own over a common standard one. */
lua_State *lwkt_newheap(struct lwkt_heap *heap, bool is_main);

/* ---- the places of threads in a heap (slot.c) ---- */

/* A coroutine that the heap keeps for itself: scripts that find it in the registry cannot resume or close
 * it. Needs 1 stack slot. [-0, +0, m] */
lua_State *lwkt_newkept(lua_State *L);
/* Make the table of places. The standard libraries are open. [-0, +0, m] */
void lwkt_open_slots(lua_State *L);
/* The coroutine for a thread at `slot`, new or used again. It shares the globals of the thread at
 * `environment_of`, unless that is -1. Needs 6 stack slots. Only by Swift. [-0, +0, m] */
lua_State *lwkt_newthread(lua_State *L, int slot, int environment_of);
/* The thread at `slot`, whose coroutine was `co`, is over. If `keep`, and nobody can know the coroutine,
 * it stays there for the next one; returns whether. [-0, +0, -] */
bool lwkt_dropthread(lua_State *co, int slot, bool keep);
/* To whoever asks the registry, `co` is the main thread of its heap, the state `L`. [-0, +0, m] */
void lwkt_name_main(lua_State *L, lua_State *co);
/* A script is shown this coroutine: if it is a thread's own it will be no other's. [-0, +0, -] */
void lwkt_reveal(lua_State *co);
/* The thread at `slot` goes on with the standard globals, which are its function's _ENV. Needs 1 stack
 * slot. Only by Swift. [-0, +0, m] */
void lwkt_usestandard(lua_State *L, int slot, int function);
/* Push the globals of `slot`'s thread, a table of its own. Needs 6 stack slots. [-0, +1, m] */
void lwkt_pushenvironment(lua_State *L, int slot);
/* Push the globals of the running thread, a table of its own; outside threads, the heap's. Needs 6
 * stack slots. [-0, +1, m] */
void lwkt_pushownenvironment(lua_State *L);
/* Push the heap's standard globals. [-0, +1, -] */
void lwkt_pushstandard(lua_State *L);

/* ---- the globals of threads (globals.c) ---- */

/* Have threads of this heap read their globals through to the standard ones. [-0, +0, m] */
void lwkt_open_globals(lua_State *L);
/* The table at `env`, if it is a thread's globals, is about to be seen as a table. Needs 6 stack slots.
 * [-0, +0, m] */
void lwkt_complete_globals(lua_State *L, int env);
/* The metatable that a script has given to the running thread's globals, if they are not the heap's
 * own; or NULL. [-0, +0, -] */
const void *lwkt_globals_metatable(lua_State *L);
/* The module named at index 1 has been required: the running thread's globals get what it has set.
 * `is_new`: it was loaded now, and `before` was their metatable before that. Needs 8 stack slots.
 * [-0, +0, m] */
void lwkt_follow_globals(lua_State *L, bool is_new, const void *before);

/* Close a dead or abandoned coroutine: its pending to-be-closed variables run. Returns the status;
 * the error value is on its stack. [-?, +?, -] */
int lwkt_closethread(lua_State *L);

/* Push the traceback of a coroutine that died, as text. [-0, +1, -] */
void lwkt_pushtraceback(lua_State *L, lua_State *dead, bool is_main);
/* Push the traceback of a thread that is not running now, as text: `base` is its own coroutine; what
 * waits is the innermost of those it is in. [-0, +1, -] */
void lwkt_pushwaitingtraceback(lua_State *L, lua_State *base);

/* ---- the level in C calls (level.c) ---- */

/* Make the resumer of all threads. Once a process, before the first thread. */
void lwkt_make_resumer(void);
extern lua_State *lwkt_resumer;
/* Before the call of a main chunk by the function at the bottom of L: have it begin, by giving way at
 * its first instruction, at the level in C calls that main chunks have. [-0, +0, -] */
void lwkt_begin_at_level(lua_State *L);
/* Push the text for an error value at `index`, as the standalone interpreter words it. [-0, +1, -] */
void lwkt_pusherrortext(lua_State *L, int index);

/* Load a chunk from memory. Status; the function or the message is pushed. [-0, +1, -] */
int lwkt_loadbuffer(lua_State *L, const char *bytes, size_t count, const char *name);

/* The source and line of the Lua function that called the running C function. False: there is
 * none. `source` is Lua's until the function is collected. [-0, +0, -] */
bool lwkt_where(lua_State *L, const char **source, int *line);

/* Push a string that may be too big for the heap: false, and the message instead, when it is.
 * [-0, +1, -] */
bool lwkt_pushbig(lua_State *L, const char *bytes, size_t count);

/* The coroutine library whose resume knows waits from yields (coroutine.c). */
int lwkt_open_coroutine(lua_State *L);
/* The coroutines that the running one, `L`, is in, the thread's own first: how many there are, at most
 * `room`. As far as they have resumed each other by the coroutine library. [-0, +0, -] */
int lwkt_enclosing(lua_State *L, lua_State **out, int room);
/* debug.sethook and gethook that get on with preemption (preempt.c). */
void lwkt_open_hooks(lua_State *L);
/* From now on the program has threads. Any kernel thread. (base.c) */
void lwkt_note_threads(void);
/* print, load and the rest that differ from stock (base.c). */
void lwkt_open_base(lua_State *L, bool is_main);
/* The lwkt module: pushes it. (module.c) */
int lwkt_open_module(lua_State *L);

/* lua_settop where no to-be-closed variable stands above `top`. [-?, +?, -] */
static inline void lua_settop_plain(lua_State *L, int top) { lua_settop(L, top); }
/* lua_xmove between coroutines of one heap, room made. [-n, +n, -] */
static inline void lwkt_move(lua_State *from, lua_State *to, int count) {
  lua_xmove(from, to, count);
}
/* Does a finaliser of L's heap run now? [-0, +0, -] */
bool lwkt_in_finaliser(lua_State *L);
/* Push the C function that begins a thread from inside. [-0, +1, -] */
void lwkt_push_starter(lua_State *L);
/* Push the C function that is the body of a thread that collects its heap: at once, or a little at a
 * time. [-0, +1, -] */
void lwkt_push_collector(lua_State *L, bool at_once);
/* Is the error value at the top that of lwkt.exit? [-0, +0, -] */
bool lwkt_is_exit(lua_State *L);

/* Marks in the registry. */
const void *lwkt_exit_key(void);
const void *lwkt_require_key(void);
void lwkt_open_warnings(lua_State *L);
/* The module's parts that are written in Lua (prelude.c). */
extern const char lwkt_prelude[];
#define lwkt_prelude_source "=[lwkt]"

/* Type names and kinds of handles; LWKTCore's ObjectKind. */
enum {
  LWKT_KIND_THREAD = 1,
  LWKT_KIND_PORT,
  LWKT_KIND_MESSAGE,
  LWKT_KIND_TOKEN,
  LWKT_KIND_COUNTER,
  LWKT_KIND_TABLE,
  LWKT_KIND_ARRAY,
  LWKT_KIND_BOX = 10,
  LWKT_KIND_TABLE_SNAPSHOT,
};

/* Make and push a metatable for handles whose methods are `methods`, less `prefix`. [-0, +1, m] */
void lwkt_new_handle_type(lua_State *L, const char *name, const struct luaL_Reg *methods,
                          const char *prefix);

/* tok:with(fn, ...) (module.c) */
int lwkt_token_with(lua_State *L);
/* Add the table `shared` to the lwkt module at the top. [-0, +0, m] (shared.c) */
void lwkt_open_shared(lua_State *L);

/* ---- package settings (package.c) ---- */

/* Do package.path, cpath and preload differ from what was noted last? [-0, +0, -] */
bool lwkt_package_changed(lua_State *L);
/* Note them as they are. [-0, +0, m] */
void lwkt_package_note(lua_State *L);
/* Push package.path or another raw field of `package`. [-0, +1, m] */
void lwkt_package_push(lua_State *L, const char *field);
/* Push package.path and package.cpath as they were noted last. [-0, +2, m] */
void lwkt_package_push_noted(lua_State *L);
/* Set a raw field of `package` to the value at the top. [-1, +0, m] */
void lwkt_package_set(lua_State *L, const char *field);
/* Put a `require` that notes what it has loaded in the place of the stock one. [-0, +0, m] */
void lwkt_open_require(lua_State *L);
/* Make the functions of the table at the top package.preload's too. [-1, +0, m] */
void lwkt_package_preload(lua_State *L);

/* Make a global function that calls the registered Swift function `number`. [-0, +0, m] */
void lwkt_register(lua_State *L, const char *name, int number);
/* Push a function that calls the registered Swift function `number`. [-0, +1, m] */
void lwkt_pushregistered(lua_State *L, int number);
/* The number of the registered function that runs. */
int lwkt_registered_number(lua_State *L);

/* Set a global of the heap, raw, to the value at the top. [-1, +0, m] */
void lwkt_setglobal(lua_State *L, const char *name);

#endif
