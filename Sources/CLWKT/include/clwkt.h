/* clwkt.h: the kernel side of LWKT in C.
 *
 * What Swift cannot say for itself: thread-local storage that costs nothing to reach, native
 * stacks to park and switch, and a few system calls without a libc wrapper.
 */
#ifndef CLWKT_H
#define CLWKT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <time.h>

#include "clwkt_memory.h"
#include "clwkt_ring.h"
#include "clwkt_sys.h"
#include "clwkt_tty.h"

/* Why a Lua coroutine came back to its worker's loop. */
enum lwkt_switch_kind {
  LWKT_SWITCH_NONE = 0,    /* a script's own coroutine.yield */
  LWKT_SWITCH_YIELD = 1,   /* lwkt.yield: still runnable */
  LWKT_SWITCH_PREEMPT = 2, /* the quantum is over: still runnable */
  LWKT_SWITCH_WAIT = 3,    /* blocked: somebody will schedule it */
  LWKT_SWITCH_EXIT = 4,    /* lwkt.exit: never to go on */
};

/* What a worker (a virtual cpu) keeps at a fixed place. Only its own kernel thread and signal
 * handlers running on that kernel thread touch it; hence no atomics, but `volatile` where the
 * handler reads. */
struct lwkt_percpu {
  void *gd;                 /* GlobalData of this worker, NULL on foreign kernel threads */
  void *td;                 /* the LWKT thread that runs now, NULL in the loop */
  void *base_L;             /* the running thread's own coroutine, NULL outside Lua */
  void *volatile running_L; /* the lua_State executing now, NULL outside Lua */
  int switch_kind;          /* enum lwkt_switch_kind of the switch in progress; NONE in the loop, where
                             * finalisers may run coroutines */
  void *stack;              /* the spare stack the loop runs on, NULL on the thread's own */
  void *left_stack;         /* the one just left, between unpark and park's return */
  int swift_depth;          /* > 0 while Swift runs below Lua: the allocator must not fail */
  unsigned armed_already;   /* how often preemption was to be armed where it was (preempt.c) */
};

extern _Thread_local struct lwkt_percpu lwkt_percpu_self
    __attribute__((tls_model("initial-exec")));

/* This worker's block. Never NULL. */
static inline struct lwkt_percpu * lwkt_percpu(void) {
  return &lwkt_percpu_self;
}

static inline void *lwkt_mygd(void) { return lwkt_percpu_self.gd; }
static inline void *lwkt_curtd(void) { return lwkt_percpu_self.td; }

/* A function that runs in a signal handler, which may have come in the middle of anything: also of a
 * sanitizer's own work, so that none may watch it. It calls only such functions and Lua's. */
#define LWKT_ASYNC __attribute__((disable_sanitizer_instrumentation))

/* Tell the core that we spin. */
static inline void lwkt_cpu_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

/* CLOCK_MONOTONIC in nanoseconds. */
static inline uint64_t lwkt_nanotime(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Sleep while *word == expected, at most timeout_ns (negative: for ever).
 * Returns 0, or the errno (EAGAIN, EINTR, ETIMEDOUT). Any kernel thread. */
int lwkt_futex_wait(const void *word, uint32_t expected, int64_t timeout_ns);
/* Wake up to `count` sleepers of *word. Async-signal-safe. */
void lwkt_futex_wake(const void *word, int count);

/* Give this core to another kernel thread. */
void lwkt_thread_yield(void);

/* A line on stderr, in one piece, after what stdout holds. */
void lwkt_print_error(const char *text);

/* Write to / read away an eventfd. Signal: async-signal-safe. */
int lwkt_eventfd(void);
void lwkt_eventfd_signal(int descriptor);
void lwkt_eventfd_drain(int descriptor);

/* How many cpus this process may use: its affinity mask, cut by its cgroup's cpu quota. */
int lwkt_usable_cpus(void);

/* No signal is delivered to this kernel thread from now on. */
void lwkt_block_all_signals(void);

/* This kernel thread runs seldom and not for long, but then at once: it is woken on time, to some
 * microseconds and not to 50, and may take a core from one that has begun a long slice (Linux 6.12; older
 * kernels know no such slices). */
void lwkt_be_prompt(void);
/* This one may have been started by such a one: its sleeps are as exact as usual. */
void lwkt_be_usual(void);

/* From now on the first Ctrl-C (SIGINT) is counted and wakes whoever sleeps on the futex `word`,
 * which it sets to 0; a second one kills. It also makes the bool `attention` true and raises SIGURG, the
 * signal of preemption, where it is delivered. Once a process. */
void lwkt_catch_interrupt(void *word, void *attention);
/* If it was caught: it kills again. */
void lwkt_release_interrupt(void);
/* Has Ctrl-C come and not been taken? Sequentially consistent: who has stored to `word` and is told no is
 * woken when it comes. */
bool lwkt_was_interrupted(void);
/* Has it? Takes it. */
bool lwkt_take_interrupt(void);
/* There is a prompt to come back to: Ctrl-C kills no more, however often it comes, nor does writing to a
 * pipe that nobody reads, which fails with EPIPE. */
void lwkt_keep_process(void);
bool lwkt_keeps_process(void);
/* At a prompt, where Ctrl-C is caught: from now on it does kill, which is said on descriptor 2, or does not any
 * more. */
void lwkt_let_interrupt_kill(bool does);

/* Let the calling kernel thread have this signal, whatever it has inherited. */
void lwkt_unblock_signal(int number);
/* From now on `handler`, an LWKT_ASYNC function, is called where this signal comes. */
void lwkt_handle_signal(int number, void (*handler)(int));

/* ---- native stacks (stack.c) ---- */

/* A spare stack with a guard page, or NULL. Kept in lists through its `next`. */
void *lwkt_stack_new(void);
void lwkt_stack_free(void *stack);
void *lwkt_stack_next(void *stack);
void lwkt_stack_set_next(void *stack, void *next);

/* Run `loop` so that it may end on another stack than it began on. A worker's kernel thread. Returns
 * the spare stack on which it ended, for the pool, or NULL. */
void *lwkt_run_loop(void (*loop)(void));

/* Store where this thread is in *where, and run `loop` on `spare`. Returns when `lwkt_unpark` is
 * called with *where, which is NULL again then; the result is the stack that was left by that, for
 * the pool, or NULL if it was the kernel thread's own. */
void *lwkt_park(void *spare, void **where, void (*loop)(void));

/* The spare stack that is parked at `where` and will never go on, to be freed; NULL if it is the
 * kernel thread's own. */
void *lwkt_parked_stack(void *where);

/* Leave the present stack for good and go on in `lwkt_park`. */
_Noreturn void lwkt_unpark(void *where);

/* How many timeouts and scopes have been entered by coroutines that are no thread's own, in the whole
 * process: one that yields has nothing to look for as long as there are none. Relaxed: it looks for what
 * it has entered itself. */
extern long lwkt_scoped_coroutines;
static inline bool lwkt_has_scoped_coroutines(void) {
  return __atomic_load_n(&lwkt_scoped_coroutines, __ATOMIC_RELAXED) != 0;
}
static inline void lwkt_count_scoped_coroutine(long change) {
  __atomic_fetch_add(&lwkt_scoped_coroutines, change, __ATOMIC_RELAXED);
}

#endif
