/* stack.c: native stacks that wait.
 *
 * Every kernel thread of a worker runs the loop on one stack at a time. Parking leaves a loop frame
 * and a thread's frames behind on one stack and begins a fresh loop on another; unparking abandons
 * the loop frame it is called from, which holds nothing, and goes on where the parked one stands. */
#define _GNU_SOURCE
#include "clwkt.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define LWKT_TSAN 1
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);
/* The tool counts the calls of each fiber: a function that is entered on one and left on another
 * must not be counted. */
#define SWITCHES __attribute__((disable_sanitizer_instrumentation))
#endif
#if __has_feature(address_sanitizer)
#define LWKT_ASAN 1
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/asan_interface.h>
#define MOST_ABANDONED ((size_t)8 << 20) /* a stack may have no limit */
#endif
#endif

#ifndef SWITCHES
#define SWITCHES
#endif

/* 200 nested C calls, Lua's limit, with room: a level of gsub takes some 1.5 KB. Untouched pages
 * cost nothing. */
enum { STACK_BYTES = 1 << 20 };

struct stack {
  struct stack *next;
  char *base; /* of the mapping, the guard page first */
  size_t bytes;
  void (*loop)(void);
#ifdef LWKT_TSAN
  void *fiber;
#endif
};

struct parked {
  ucontext_t context;
  struct stack *stack;
  void **where;
#ifdef LWKT_TSAN
  void *fiber;
#endif
#ifdef LWKT_ASAN
  void *fake_stack;
  const void *bottom;
  size_t bytes;
#endif
};

/* Where the kernel thread's first loop was begun, to end the worker wherever the loop has got to. */
static _Thread_local struct parked home;
static _Thread_local volatile int is_home;
/* Where it is noted that a thread is parked on that first stack, if one is. */
static _Thread_local void **parked_at_home;

void *lwkt_stack_new(void) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  size_t bytes = STACK_BYTES + page;
  char *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (base == MAP_FAILED) return NULL;
  if (mprotect(base, page, PROT_NONE) != 0) {
    munmap(base, bytes);
    return NULL;
  }
  struct stack *stack = malloc(sizeof *stack);
  if (stack == NULL) {
    munmap(base, bytes);
    return NULL;
  }
  stack->next = NULL;
  stack->base = base;
  stack->bytes = bytes;
#ifdef LWKT_TSAN
  stack->fiber = NULL;
#endif
  return stack;
}

void lwkt_stack_free(void *raw) {
  struct stack *stack = raw;
#ifdef LWKT_TSAN
  if (stack->fiber != NULL) __tsan_destroy_fiber(stack->fiber);
#endif
#ifdef LWKT_ASAN
  __asan_unpoison_memory_region(stack->base, stack->bytes);
#endif
  munmap(stack->base, stack->bytes);
  free(stack);
}

void *lwkt_stack_next(void *stack) { return ((struct stack *)stack)->next; }
void lwkt_stack_set_next(void *stack, void *next) { ((struct stack *)stack)->next = next; }

/* Before and after each switch: tell the sanitizers. */
SWITCHES static void leave(struct parked *from, struct stack *to, const struct parked *back) {
#ifdef LWKT_TSAN
  if (to != NULL) {
    /* A new one, since the frames that were abandoned on this stack are never left. */
    if (to->fiber != NULL) __tsan_destroy_fiber(to->fiber);
    to->fiber = __tsan_create_fiber(0);
  }
  if (from != NULL) from->fiber = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(to != NULL ? to->fiber : back->fiber, 0);
#endif
#ifdef LWKT_ASAN
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  const void *bottom = to != NULL ? to->base + page : back->bottom;
  size_t bytes = to != NULL ? to->bytes - page : back->bytes;
  /* The frames that were abandoned on this stack are never left. */
  if (to != NULL) __asan_unpoison_memory_region(bottom, bytes);
  __sanitizer_start_switch_fiber(from != NULL ? &from->fake_stack : NULL, bottom, bytes);
#endif
  (void)from, (void)to, (void)back;
}

SWITCHES static void arrive(struct parked *at) {
#ifdef LWKT_ASAN
  __sanitizer_finish_switch_fiber(at != NULL ? at->fake_stack : NULL, NULL, NULL);
#endif
  (void)at;
}

/* Store where this is and go there. The address sanitizer's `swapcontext` does not know of what `leave`
 * and `arrive` tell it, and says on stderr that it may be wrong. */
SWITCHES static void swap(ucontext_t *here, const ucontext_t *there) {
#ifdef LWKT_ASAN
  volatile int is_back = 0;
  getcontext(here);
  if (is_back) return;
  is_back = 1;
  setcontext(there);
#else
  swapcontext(here, there);
#endif
}

static void describe(struct parked *where) {
#ifdef LWKT_ASAN
  struct stack *stack = lwkt_percpu()->stack;
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  if (stack != NULL) {
    where->bottom = stack->base + page;
    where->bytes = stack->bytes - page;
  } else {
    pthread_attr_t attr;
    void *base;
    pthread_getattr_np(pthread_self(), &attr);
    pthread_attr_getstack(&attr, &base, &where->bytes);
    where->bottom = base;
    pthread_attr_destroy(&attr);
  }
#endif
  (void)where;
}

/* The bottom of a spare stack. A loop that returns here has ended its worker. */
SWITCHES static void begin(void) {
  arrive(NULL);
  struct stack *stack = lwkt_percpu()->stack;
  stack->loop();
  is_home = 1;
  leave(NULL, NULL, &home);
  setcontext(&home.context);
  abort();
}

void *lwkt_run_loop(void (*loop)(void)) {
  struct lwkt_percpu *self = lwkt_percpu();
  self->stack = NULL;
  is_home = 0;
  describe(&home);
#ifdef LWKT_TSAN
  home.fiber = __tsan_get_current_fiber();
#endif
  getcontext(&home.context);
  if (!is_home) {
    loop();
    return NULL;
  }
  /* Ended on a spare stack, which nobody needs any more. */
  arrive(&home);
  /* A thread that is parked on this stack is given up with it: its frames are about to be overwritten. */
  if (parked_at_home != NULL) *parked_at_home = NULL;
  parked_at_home = NULL;
#ifdef LWKT_ASAN
  /* Here, too, frames were abandoned: those below this one. */
  char *here = __builtin_frame_address(0);
  size_t below = (size_t)(here - (const char *)home.bottom);
  if (below > MOST_ABANDONED) below = MOST_ABANDONED;
  __asan_unpoison_memory_region(here - below, below);
#endif
  void *left = self->stack;
  self->stack = NULL;
  return left;
}

SWITCHES void *lwkt_park(void *spare, void **where, void (*loop)(void)) {
  struct lwkt_percpu *self = lwkt_percpu();
  struct parked here;
  struct stack *to = spare;
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  ucontext_t fresh;
  here.stack = self->stack;
  here.where = where;
  *where = &here;
  if (here.stack == NULL) parked_at_home = where;
  to->loop = loop;
  getcontext(&fresh);
  fresh.uc_stack.ss_sp = to->base + page;
  fresh.uc_stack.ss_size = to->bytes - page;
  fresh.uc_link = NULL;
  makecontext(&fresh, begin, 0);
  describe(&here);
  self->stack = to;
  self->running_L = NULL;
  leave(&here, to, NULL);
  swap(&here.context, &fresh);
  arrive(&here);
  *where = NULL;
  if (here.stack == NULL) parked_at_home = NULL;
  self = lwkt_percpu();
  void *left = self->left_stack;
  self->left_stack = NULL;
  return left;
}

void *lwkt_parked_stack(void *where) { return ((struct parked *)where)->stack; }

SWITCHES _Noreturn void lwkt_unpark(void *where) {
  struct lwkt_percpu *self = lwkt_percpu();
  struct parked *there = where;
  self->left_stack = self->stack;
  self->stack = there->stack;
  leave(NULL, NULL, there);
  setcontext(&there->context);
  abort();
}
