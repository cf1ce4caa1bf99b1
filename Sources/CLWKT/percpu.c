/* percpu.c: a worker's thread-local block, and sleeping on a word. */
#define _GNU_SOURCE
#include "clwkt.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

_Thread_local struct lwkt_percpu lwkt_percpu_self;

long lwkt_scoped_coroutines;

int lwkt_futex_wait(const void *word, uint32_t expected, int64_t timeout_ns) {
  struct timespec ts;
  struct timespec *limit = NULL;
  if (timeout_ns >= 0) {
    ts.tv_sec = timeout_ns / 1000000000;
    ts.tv_nsec = timeout_ns % 1000000000;
    limit = &ts;
  }
  if (syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, limit, NULL, 0) == 0) return 0;
  return errno;
}

LWKT_ASYNC void lwkt_futex_wake(const void *word, int count) {
  int saved = errno;
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
  errno = saved;
}

void lwkt_thread_yield(void) { sched_yield(); }

int lwkt_eventfd(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

void lwkt_eventfd_signal(int descriptor) {
  int saved = errno;
  uint64_t one = 1;
  ssize_t written = write(descriptor, &one, sizeof one);
  (void)written; /* full means that it is signalled already */
  errno = saved;
}

void lwkt_eventfd_drain(int descriptor) {
  uint64_t count;
  ssize_t taken = read(descriptor, &count, sizeof count);
  (void)taken; /* nothing there is fine */
}

void lwkt_block_all_signals(void) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, NULL);
}

static _Atomic(int) usual_slack;

void lwkt_be_prompt(void) {
  struct {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t slice, deadline, period;
  } attributes = {0};
  if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) == 0 &&
      attributes.policy == SCHED_OTHER) {
    attributes.slice = 100000;
    attributes.flags |= 1; /* SCHED_FLAG_RESET_ON_FORK: not for kernel threads it starts */
    syscall(SYS_sched_setattr, 0, &attributes, 0);
  }
  atomic_store(&usual_slack, prctl(PR_GET_TIMERSLACK));
  prctl(PR_SET_TIMERSLACK, 1);
}

void lwkt_be_usual(void) {
  int slack = atomic_load(&usual_slack);
  if (slack > 0) prctl(PR_SET_TIMERSLACK, slack);
}

void lwkt_unblock_signal(int number) {
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, number);
  pthread_sigmask(SIG_UNBLOCK, &one, NULL);
}

/* The thread sanitizer puts its own handler in front of those that `sigaction` sets, and calls these
 * at the next call that it intercepts. A loop in Lua makes none. The function has a second name, which
 * it leaves alone. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
int __sigaction(int number, const struct sigaction *action, struct sigaction *old);
#define sigaction(number, action, old) __sigaction(number, action, old)
#endif
#endif

static void handle(int number, void (*handler)(int), int flags) {
  struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
  sigaction(number, &action, NULL);
}

void lwkt_handle_signal(int number, void (*handler)(int)) { handle(number, handler, SA_RESTART); }

/* The beginning of a small file as text: false if there is none. Without stdio, which would cost more
 * than all the rest: this is done whenever a program starts. */
static bool read_text(const char *path, char *text, size_t room) {
  int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return false;
  ssize_t count = read(descriptor, text, room - 1);
  close(descriptor);
  text[count > 0 ? count : 0] = 0;
  return count > 0;
}

/* The quota of the cgroup in whole cpus, rounded up, or `most`. */
static int cgroup_quota(int most) {
  char text[64], *end;
  long quota, period;
  if (read_text("/sys/fs/cgroup/cpu.max", text, sizeof text)) {
    quota = strtol(text, &end, 10); /* "max" is 0 */
    period = strtol(end, NULL, 10);
  } else {
    if (!read_text("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", text, sizeof text)) return most;
    quota = strtol(text, NULL, 10);
    if (quota <= 0 || !read_text("/sys/fs/cgroup/cpu/cpu.cfs_period_us", text, sizeof text)) {
      return most;
    }
    period = strtol(text, NULL, 10);
  }
  if (quota <= 0 || period <= 0) return most;
  long cpus = (quota + period - 1) / period;
  return cpus < most ? (int)cpus : most;
}

int lwkt_usable_cpus(void) {
  cpu_set_t set;
  int cpus = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set)
                                                         : (int)sysconf(_SC_NPROCESSORS_ONLN);
  if (cpus < 1) cpus = 1;
  return cgroup_quota(cpus);
}

void lwkt_print_error(const char *text) {
  fflush(stdout);
  flockfile(stderr);
  fputs_unlocked(text, stderr);
  putc_unlocked('\n', stderr);
  fflush_unlocked(stderr);
  funlockfile(stderr);
}

/* ---- Ctrl-C ---- */

static _Atomic(uint32_t *) interrupt_word;
static _Atomic(_Atomic(bool) *) interrupt_attention;
static _Atomic(bool) was_interrupted;
static _Atomic(bool) never_kills;

LWKT_ASYNC static void on_interrupt(int number) {
  static const struct sigaction deadly = {.sa_handler = SIG_DFL};
  int saved = errno;
  if (!atomic_load(&never_kills)) sigaction(number, &deadly, NULL);
  atomic_store(&was_interrupted, true);
  uint32_t *word = atomic_load(&interrupt_word);
  __atomic_store_n(word, 0, __ATOMIC_SEQ_CST);
  lwkt_futex_wake(word, 1);
  atomic_store(atomic_load(&interrupt_attention), true);
  /* Lua code that runs here is interrupted as if it were to be preempted. */
  tgkill(getpid(), gettid(), SIGURG);
  errno = saved;
}

void lwkt_catch_interrupt(void *word, void *attention) {
  atomic_store(&interrupt_attention, attention);
  atomic_store(&interrupt_word, word);
  /* What blocks, such as a read from a terminal, ends with EINTR, as in stock Lua. */
  handle(SIGINT, on_interrupt, 0);
}

void lwkt_release_interrupt(void) {
  static const struct sigaction deadly = {.sa_handler = SIG_DFL};
  if (atomic_load(&interrupt_word) != NULL) sigaction(SIGINT, &deadly, NULL);
}

bool lwkt_was_interrupted(void) { return atomic_load(&was_interrupted); }

static void on_broken_pipe(int number) { (void)number; }

/* SIGPIPE has a handler that does nothing, since children would inherit that it is ignored. */
void lwkt_keep_process(void) {
  struct sigaction action;
  atomic_store(&never_kills, true);
  if (sigaction(SIGPIPE, NULL, &action) != 0 || action.sa_handler != SIG_DFL) return;
  lwkt_handle_signal(SIGPIPE, on_broken_pipe);
}

bool lwkt_keeps_process(void) { return atomic_load(&never_kills); }

void lwkt_let_interrupt_kill(bool does) {
  static const char text[] =
      "\nCtrl-C is not heard (in a hook, a finaliser or C code?): the next one ends the process\n";
  if (does) {
    handle(SIGINT, lwkt_tty_die, SA_NODEFER);
    ssize_t written = write(2, text, sizeof text - 1);
    (void)written; /* the terminal may be gone */
  } else {
    handle(SIGINT, on_interrupt, 0);
  }
}

bool lwkt_take_interrupt(void) {
  if (!lwkt_was_interrupted()) return false;
  return atomic_exchange(&was_interrupted, false);
}
