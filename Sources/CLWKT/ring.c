/* ring.c: a worker's io_uring, over liburing.
 *
 * With DEFER_TASKRUN the kernel finishes operations only inside io_uring_enter(GETEVENTS), so a
 * busy worker is never interrupted; TASKRUN_FLAG makes it say in shared memory that there is
 * something to finish, so that looking costs no system call when there is nothing. */
#define _GNU_SOURCE
#include "clwkt_ring.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Static_assert((int)LWKT_RING_FSYNC == (int)IORING_OP_FSYNC, "");
_Static_assert((int)LWKT_RING_POLL_ADD == (int)IORING_OP_POLL_ADD, "");
_Static_assert((int)LWKT_RING_SENDMSG == (int)IORING_OP_SENDMSG, "");
_Static_assert((int)LWKT_RING_RECVMSG == (int)IORING_OP_RECVMSG, "");
_Static_assert((int)LWKT_RING_ACCEPT == (int)IORING_OP_ACCEPT, "");
_Static_assert((int)LWKT_RING_ASYNC_CANCEL == (int)IORING_OP_ASYNC_CANCEL, "");
_Static_assert((int)LWKT_RING_CONNECT == (int)IORING_OP_CONNECT, "");
_Static_assert((int)LWKT_RING_OPENAT == (int)IORING_OP_OPENAT, "");
_Static_assert((int)LWKT_RING_CLOSE == (int)IORING_OP_CLOSE, "");
_Static_assert((int)LWKT_RING_STATX == (int)IORING_OP_STATX, "");
_Static_assert((int)LWKT_RING_READ == (int)IORING_OP_READ, "");
_Static_assert((int)LWKT_RING_WRITE == (int)IORING_OP_WRITE, "");
_Static_assert((int)LWKT_RING_SEND == (int)IORING_OP_SEND, "");
_Static_assert((int)LWKT_RING_RECV == (int)IORING_OP_RECV, "");
_Static_assert((int)LWKT_RING_SHUTDOWN == (int)IORING_OP_SHUTDOWN, "");
_Static_assert((int)LWKT_RING_RENAMEAT == (int)IORING_OP_RENAMEAT, "");
_Static_assert((int)LWKT_RING_UNLINKAT == (int)IORING_OP_UNLINKAT, "");
_Static_assert((int)LWKT_RING_MKDIRAT == (int)IORING_OP_MKDIRAT, "");
_Static_assert((int)LWKT_RING_SOCKET == (int)IORING_OP_SOCKET, "");
_Static_assert((int)LWKT_RING_MORE == (int)IORING_CQE_F_MORE, "");

struct lwkt_ring {
  struct io_uring ring;
  uint64_t supported[4]; /* bit n: the kernel knows operation n */
};

/* What to try, best first. Each is refused with EINVAL by kernels that do not know it. */
static const unsigned setup_flags[] = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
        IORING_SETUP_SUBMIT_ALL, /* 6.1 */
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
        IORING_SETUP_SUBMIT_ALL,                                                           /* 6.0 */
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,       /* 5.19 */
    0,
};

static void probe(struct lwkt_ring *self) {
  struct io_uring_probe *answer = io_uring_get_probe_ring(&self->ring);
  if (answer == NULL) return;
  for (unsigned n = 0; n < answer->ops_len && n < 255; n++) {
    if (answer->ops[n].flags & IO_URING_OP_SUPPORTED)
      self->supported[answer->ops[n].op >> 6] |= (uint64_t)1 << (answer->ops[n].op & 63);
  }
  io_uring_free_probe(answer);
}

struct lwkt_ring *lwkt_ring_new(uint32_t entries, uint32_t answers, bool plain, int *error) {
  struct lwkt_ring *self = calloc(1, sizeof *self);
  if (self == NULL) {
    *error = ENOMEM;
    return NULL;
  }
  size_t last = sizeof setup_flags / sizeof *setup_flags - 1;
  int result = -EINVAL;
  for (size_t n = plain ? last : 0; n <= last && result == -EINVAL; n++) {
    struct io_uring_params params;
    memset(&params, 0, sizeof params);
    params.flags = setup_flags[n] | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
    params.cq_entries = answers;
    result = io_uring_queue_init_params(entries, &self->ring, &params);
  }
  if (result < 0) {
    free(self);
    *error = -result;
    return NULL;
  }
  io_uring_ring_dontfork(&self->ring);
  /* Saves the kernel looking up the descriptor; it does without. */
  (void)io_uring_register_ring_fd(&self->ring);
  probe(self);
  return self;
}

void lwkt_ring_free(struct lwkt_ring *self) {
  if (self == NULL) return;
  io_uring_queue_exit(&self->ring);
  free(self);
}

bool lwkt_ring_supports(const struct lwkt_ring *self, uint8_t operation) {
  return self->supported[operation >> 6] >> (operation & 63) & 1;
}

bool lwkt_ring_put(struct lwkt_ring *self, const struct lwkt_ring_entry *entry) {
  struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);
  if (sqe == NULL) return false;
  memset(sqe, 0, sizeof *sqe);
  sqe->opcode = entry->operation;
  sqe->flags = entry->may_block ? IOSQE_ASYNC : 0;
  sqe->fd = entry->descriptor;
  sqe->addr = entry->address;
  sqe->off = entry->offset;
  sqe->len = entry->length;
  sqe->rw_flags = (int)entry->flags;
  sqe->user_data = entry->user_data;
  return true;
}

bool lwkt_ring_put_cancel(struct lwkt_ring *self, uint64_t target, uint64_t user_data) {
  struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);
  if (sqe == NULL) return false;
  io_uring_prep_cancel64(sqe, target, 0);
  sqe->user_data = user_data;
  return true;
}

bool lwkt_ring_put_wake_poll(struct lwkt_ring *self, int descriptor, uint64_t user_data) {
  struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);
  if (sqe == NULL) return false;
  io_uring_prep_poll_multishot(sqe, descriptor, POLLIN);
  sqe->user_data = user_data;
  return true;
}

uint32_t lwkt_ring_unsubmitted(const struct lwkt_ring *self) {
  return io_uring_sq_ready(&self->ring);
}

bool lwkt_ring_wants_entry(const struct lwkt_ring *self) {
  return __atomic_load_n(self->ring.sq.kflags, __ATOMIC_RELAXED) &
         (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
}

bool lwkt_ring_has_answers(const struct lwkt_ring *self) {
  return io_uring_cq_ready(&self->ring) != 0;
}

int lwkt_ring_enter(struct lwkt_ring *self) { return io_uring_submit_and_get_events(&self->ring); }

int lwkt_ring_wait(struct lwkt_ring *self, int64_t timeout_ns) {
  struct io_uring_cqe *cqe;
  if (timeout_ns < 0) {
    int result = io_uring_submit_and_wait(&self->ring, 1);
    return result < 0 ? result : 0;
  }
  struct __kernel_timespec ts = {.tv_sec = timeout_ns / 1000000000,
                                 .tv_nsec = timeout_ns % 1000000000};
  int result = io_uring_submit_and_wait_timeout(&self->ring, &cqe, 1, &ts, NULL);
  return result < 0 ? result : 0;
}

uint32_t lwkt_ring_take(struct lwkt_ring *self, struct lwkt_ring_answer *answers, uint32_t most) {
  struct io_uring_cqe *cqe;
  unsigned head;
  uint32_t count = 0;
  io_uring_for_each_cqe(&self->ring, head, cqe) {
    if (count == most) break;
    answers[count].user_data = cqe->user_data;
    answers[count].result = cqe->res;
    answers[count].flags = cqe->flags;
    count++;
  }
  io_uring_cq_advance(&self->ring, count);
  return count;
}
