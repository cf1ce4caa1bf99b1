/* percpu.c: a worker's thread-local block, and sleeping on a word. */
#include "clwkt.h"

#include <errno.h>
#include <sched.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

_Thread_local struct lwkt_percpu lwkt_percpu_self;

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

void lwkt_futex_wake(const void *word, int count) {
  int saved = errno;
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
  errno = saved;
}

void lwkt_thread_yield(void) { sched_yield(); }
