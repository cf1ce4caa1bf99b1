/* memory.c: the pages that Lua heaps and objects live in.
 *
 * Both take their memory by *spans* of 16 KB from one pool, and give them back when they are empty, so
 * that what one crowd of threads or messages leaves is there for whatever comes next. What the pool has
 * not needed for a while goes back to the kernel: not at once, or a queue that is long and short by turns
 * would have new pages each time (four senders to one receiver: 5.1 million messages per second, not 7.2).
 *
 * The kernel is asked for spans by the region of 4 MB, which are used from one end to the other. From the
 * second on the pages come 64 KB at a time: a program that has come so far will fill them, and a fault for
 * each page costs nearly twice as much. A small program has no more pages than it uses. Not huge pages:
 * cheaper by far where the kernel has some at hand, but where it must first make room for one it takes
 * four milliseconds. */
#define _GNU_SOURCE
#include "clwkt.h"
#include "clwkt_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void lwkt_out_of_memory(size_t bytes) {
  fflush(stdout);
  fprintf(stderr, "lwkt: not enough memory (%zu bytes are not to be had)\n", bytes);
  _exit(EXIT_FAILURE);
}

/* Where the Swift library finds no memory it would crash with a dump of all threads. The command's linker
 * has it call this instead: see link/ld. */
_Noreturn void __wrap__ZN5swift28swift_abortAllocationFailureEmm(size_t bytes, size_t alignment);
void __wrap__ZN5swift28swift_abortAllocationFailureEmm(size_t bytes, size_t alignment) {
  (void)alignment;
  lwkt_out_of_memory(bytes);
}

bool lwkt_keeps_blocks(void) {
#ifdef LWKT_PLAIN_MALLOC
  return false;
#else
  return true;
#endif
}

#ifndef LWKT_PLAIN_MALLOC

static void lock(char *word) {
  int spins = 0;
  while (__atomic_test_and_set(word, __ATOMIC_ACQUIRE)) {
    if (++spins & 127) lwkt_cpu_pause(); else lwkt_thread_yield();
  }
}

static void unlock(char *word) { __atomic_clear(word, __ATOMIC_RELEASE); }

/* ---- the pool of empty spans ---- */

#define REGION_BYTES ((size_t)4 << 20)
#define LOT_BYTES ((size_t)64 << 10)
/* Empty spans whose pages are kept: 1 MB always, at most 64 MB. */
#define ALWAYS_RESIDENT 64
#define MOST_RESIDENT 4096

struct empty_span {
  struct empty_span *next;
};

static struct {
  char lock;
  struct empty_span *resident;
  size_t resident_count;
  size_t least; /* resident since the latest trim */
  void **returned; /* a stack; their pages hold nothing */
  size_t returned_count;
  size_t returned_capacity;
  char *region; /* what has never been used */
  size_t region_left;
  size_t regions;
} pool;

/* With the lock held. */
static void new_region(void) {
  size_t bytes = REGION_BYTES + LOT_BYTES;
  char *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) return;
  size_t before = -(uintptr_t)start & (LOT_BYTES - 1);
  if (before > 0) munmap(start, before);
  if (before < LOT_BYTES) munmap(start + before + REGION_BYTES, LOT_BYTES - before);
  pool.region = start + before;
  pool.region_left = REGION_BYTES;
  pool.regions++;
}

/* Have pages now that are about to be used. If it cannot be done they come one by one. */
static void populate(void *start, size_t bytes) {
#ifdef MADV_POPULATE_WRITE
  madvise(start, bytes, MADV_POPULATE_WRITE);
#else
  (void)start, (void)bytes;
#endif
}

void *lwkt_span_take(void) {
  void *span = NULL;
  size_t missing = 0;
  lock(&pool.lock);
  if (pool.resident != NULL) {
    span = pool.resident;
    pool.resident = pool.resident->next;
    if (--pool.resident_count < pool.least) pool.least = pool.resident_count;
  } else if (pool.returned_count > 0) {
    span = pool.returned[--pool.returned_count];
    missing = LWKT_SPAN_BYTES;
  } else {
    if (pool.region_left == 0) new_region();
    if (pool.region_left > 0) {
      span = pool.region;
      if (pool.regions > 1 && pool.region_left % LOT_BYTES == 0) missing = LOT_BYTES;
      pool.region += LWKT_SPAN_BYTES;
      pool.region_left -= LWKT_SPAN_BYTES;
    }
  }
  unlock(&pool.lock);
  if (missing > 0) populate(span, missing);
  return span;
}

/* With the lock held: room for one more on the stack of returned spans? */
static bool can_return(void) {
  if (pool.returned_count < pool.returned_capacity) return true;
  size_t capacity = pool.returned_capacity ? pool.returned_capacity * 2 : 256;
  void **grown = realloc(pool.returned, capacity * sizeof *grown);
  if (grown == NULL) return false;
  pool.returned = grown;
  pool.returned_capacity = capacity;
  return true;
}

static void keep_resident(void *span) {
  struct empty_span *empty = span;
  empty->next = pool.resident;
  pool.resident = empty;
  pool.resident_count++;
}

/* Give its pages back to the kernel. */
static void return_span(void *span) {
  bool is_returned = madvise(span, LWKT_SPAN_BYTES, MADV_DONTNEED) == 0;
  lock(&pool.lock);
  if (is_returned && can_return()) {
    pool.returned[pool.returned_count++] = span;
  } else {
    keep_resident(span);
  }
  unlock(&pool.lock);
}

void lwkt_span_give(void *span) {
  lock(&pool.lock);
  bool keep = pool.resident_count < MOST_RESIDENT;
  if (keep) keep_resident(span);
  unlock(&pool.lock);
  if (!keep) return_span(span);
}

bool lwkt_spans_trim(void) {
  struct empty_span *first = NULL;
  lock(&pool.lock);
  for (; pool.least > ALWAYS_RESIDENT; pool.least--) {
    struct empty_span *span = pool.resident;
    pool.resident = span->next;
    pool.resident_count--;
    span->next = first;
    first = span;
  }
  bool has_more = pool.resident_count > ALWAYS_RESIDENT;
  pool.least = pool.resident_count;
  unlock(&pool.lock);
  while (first != NULL) {
    struct empty_span *span = first;
    first = span->next;
    return_span(span);
  }
  return has_more;
}

/* ---- blocks ---- */

struct block {
  struct block *next;
};

/* The head of a span of blocks. */
struct block_span {
  struct block_span *next; /* among those with blocks to give */
  struct block_span *previous;
  struct block *free;
  uint32_t used;
  uint32_t capacity;
};

#define SPAN_HEAD ((sizeof(struct block_span) + 15) & ~(size_t)15)

static struct shelf {
  char lock;
  struct block_span *partial;
} shelves[LWKT_BLOCK_KINDS];

static void link_partial(struct shelf *shelf, struct block_span *span) {
  span->previous = NULL;
  span->next = shelf->partial;
  if (shelf->partial != NULL) shelf->partial->previous = span;
  shelf->partial = span;
}

static void unlink_partial(struct shelf *shelf, struct block_span *span) {
  if (span->next != NULL) span->next->previous = span->previous;
  if (span->previous != NULL) {
    span->previous->next = span->next;
  } else {
    shelf->partial = span->next;
  }
}

/* A new span, all of whose blocks are in use: they are linked for the caller. */
static void *new_blocks(size_t size, size_t *count) {
  char *start = lwkt_span_take();
  if (start == NULL) return NULL;
  size = (size + 15) & ~(size_t)15;
  uint32_t capacity = (uint32_t)((LWKT_SPAN_BYTES - SPAN_HEAD) / size);
  *(struct block_span *)start = (struct block_span){.used = capacity, .capacity = capacity};
  struct block *first = NULL;
  for (uint32_t left = capacity; left > 0; left--) {
    struct block *block = (struct block *)(start + SPAN_HEAD + (left - 1) * size);
    block->next = first;
    first = block;
  }
  *count = capacity;
  return first;
}

void *lwkt_blocks_take(enum lwkt_block_kind kind, size_t size, size_t *count) {
  struct shelf *shelf = &shelves[kind];
  lock(&shelf->lock);
  struct block_span *span = shelf->partial;
  if (span == NULL) {
    unlock(&shelf->lock);
    return new_blocks(size, count);
  }
  unlink_partial(shelf, span);
  struct block *first = span->free;
  *count = span->capacity - span->used;
  span->free = NULL;
  span->used = span->capacity;
  unlock(&shelf->lock);
  return first;
}

void lwkt_blocks_give(enum lwkt_block_kind kind, void *first) {
  struct shelf *shelf = &shelves[kind];
  struct block_span *empty = NULL;
  lock(&shelf->lock);
  for (struct block *block = first, *next; block != NULL; block = next) {
    next = block->next;
    struct block_span *span = lwkt_span_of(block);
    if (span->used == span->capacity) link_partial(shelf, span);
    block->next = span->free;
    span->free = block;
    if (--span->used > 0) continue;
    unlink_partial(shelf, span);
    span->next = empty;
    empty = span;
  }
  unlock(&shelf->lock);
  while (empty != NULL) {
    struct block_span *span = empty;
    empty = span->next;
    lwkt_span_give(span);
  }
}

#else

void *lwkt_span_take(void) { return aligned_alloc(LWKT_SPAN_BYTES, LWKT_SPAN_BYTES); }

void lwkt_span_give(void *span) { free(span); }

bool lwkt_spans_trim(void) { return false; }

void *lwkt_blocks_take(enum lwkt_block_kind kind, size_t size, size_t *count) {
  (void)kind;
  void **block = malloc(size);
  if (block != NULL) *block = NULL;
  *count = 1;
  return block;
}

void lwkt_blocks_give(enum lwkt_block_kind kind, void *first) {
  (void)kind;
  for (void **block = first, **next; block != NULL; block = next) {
    next = *block;
    free(block);
  }
}

#endif
