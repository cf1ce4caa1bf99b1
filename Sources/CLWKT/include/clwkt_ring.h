/* clwkt_ring.h: a worker's io_uring.
 *
 * A thin layer over liburing: one ring, the few operations the sysport's ring engine needs, and no
 * policy. A ring belongs to the kernel thread that made it; nothing here is to be called from
 * another one. Functions return 0 or a count, or a negative errno.
 */
#ifndef CLWKT_RING_H
#define CLWKT_RING_H

#include <stdbool.h>
#include <stdint.h>

struct lwkt_ring;

/* io_uring's operation numbers, by their names there (ring.c checks them against the kernel's
 * header). The later ones are missing in older headers; a kernel without one says so when asked. */
enum {
  LWKT_RING_FSYNC = 3,
  LWKT_RING_POLL_ADD = 6,
  LWKT_RING_SENDMSG = 9,
  LWKT_RING_RECVMSG = 10,
  LWKT_RING_ACCEPT = 13,
  LWKT_RING_ASYNC_CANCEL = 14,
  LWKT_RING_CONNECT = 16,
  LWKT_RING_OPENAT = 18,
  LWKT_RING_CLOSE = 19,
  LWKT_RING_STATX = 21,
  LWKT_RING_READ = 22,
  LWKT_RING_WRITE = 23,
  LWKT_RING_SEND = 26,
  LWKT_RING_RECV = 27,
  LWKT_RING_SHUTDOWN = 34,
  LWKT_RING_RENAMEAT = 35,
  LWKT_RING_UNLINKAT = 36,
  LWKT_RING_MKDIRAT = 37,
  LWKT_RING_SOCKET = 45,
  LWKT_RING_NONE = 255, /* not an operation of io_uring's */
};

/* What of an operation goes where in a submission queue entry. */
struct lwkt_ring_entry {
  uint64_t user_data;
  uint64_t address;
  uint64_t offset; /* also the second address of operations that have two */
  uint32_t length;
  uint32_t flags; /* of the operation: rw_flags, open_flags, poll32_events... */
  int32_t descriptor;
  uint8_t operation;
  uint8_t may_block; /* do not try without blocking first */
};

/* One answer of the kernel's. */
struct lwkt_ring_answer {
  uint64_t user_data;
  int32_t result;
  uint32_t flags;
};

enum { LWKT_RING_MORE = 1 << 1 /* in an answer's flags: it will come again */ };

/* A ring with room for `entries` operations between two submissions and `answers` unread answers
 * (the kernel keeps more, slower); both are rounded up to powers of two. Tries the setup flags that
 * make it fastest and does without those that the kernel refuses; `plain`: without any. NULL and
 * *error (positive) if there is none to be had. */
struct lwkt_ring *lwkt_ring_new(uint32_t entries, uint32_t answers, bool plain, int *error);

/* The kernel gives back what it holds, after cancelling it. NULL is fine. */
void lwkt_ring_free(struct lwkt_ring *ring);

/* Does the kernel know this operation? */
bool lwkt_ring_supports(const struct lwkt_ring *ring, uint8_t operation);

/* Put an operation in the submission queue. False when that is full. */
bool lwkt_ring_put(struct lwkt_ring *ring, const struct lwkt_ring_entry *entry);

/* The same for taking back the operation whose user_data is `target`, and for a poll that answers
 * each time `descriptor` becomes readable. */
bool lwkt_ring_put_cancel(struct lwkt_ring *ring, uint64_t target, uint64_t user_data);
bool lwkt_ring_put_wake_poll(struct lwkt_ring *ring, int descriptor, uint64_t user_data);

/* Operations in the submission queue that the kernel has not seen. */
uint32_t lwkt_ring_unsubmitted(const struct lwkt_ring *ring);

/* Would entering the kernel make answers appear? It asks for it in the shared memory. */
bool lwkt_ring_wants_entry(const struct lwkt_ring *ring);

/* Are there answers to be read? */
bool lwkt_ring_has_answers(const struct lwkt_ring *ring);

/* Enter the kernel: hand over what is in the submission queue, and let answers appear. Does not
 * block. */
int lwkt_ring_enter(struct lwkt_ring *ring);

/* The same, blocking until there is an answer to read or `timeout_ns` have passed (negative: for
 * ever). */
int lwkt_ring_wait(struct lwkt_ring *ring, int64_t timeout_ns);

/* Read up to `most` answers. Returns how many. */
uint32_t lwkt_ring_take(struct lwkt_ring *ring, struct lwkt_ring_answer *answers, uint32_t most);

#endif
