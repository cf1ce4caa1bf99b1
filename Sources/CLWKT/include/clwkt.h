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

/* Why a Lua coroutine came back to its worker's loop. */
enum lwkt_switch_kind {
  LWKT_SWITCH_NONE = 0,    /* a script's own coroutine.yield */
  LWKT_SWITCH_YIELD = 1,   /* lwkt.yield: still runnable */
  LWKT_SWITCH_PREEMPT = 2, /* the quantum is over: still runnable */
  LWKT_SWITCH_WAIT = 3,    /* blocked: somebody will schedule it */
};

/* What a worker (a virtual cpu) keeps at a fixed place. Only its own kernel thread and signal
 * handlers running on that kernel thread touch it; hence no atomics, but `volatile` where the
 * handler reads. */
struct lwkt_percpu {
  void *gd;                 /* GlobalData of this worker, NULL on foreign kernel threads */
  void *td;                 /* the LWKT thread that runs now, NULL in the loop */
  void *volatile running_L; /* the lua_State executing now, NULL outside Lua */
  int switch_kind;          /* enum lwkt_switch_kind of the switch in progress */
  int swift_depth;          /* > 0 while Swift runs below Lua: the allocator must not fail */
};

extern _Thread_local struct lwkt_percpu lwkt_percpu_self
    __attribute__((tls_model("initial-exec")));

/* This worker's block. Never NULL. */
static inline struct lwkt_percpu * lwkt_percpu(void) {
  return &lwkt_percpu_self;
}

static inline void *lwkt_mygd(void) { return lwkt_percpu_self.gd; }
static inline void *lwkt_curtd(void) { return lwkt_percpu_self.td; }

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

#endif
