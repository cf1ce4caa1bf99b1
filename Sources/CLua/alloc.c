/* alloc.c: the memory of Lua heaps.
 *
 * A heap is used by one kernel thread at a time, and Lua says the size of what it frees. So small
 * blocks need no lock and no header: each size class of a heap has its own *spans*, aligned pieces
 * of 16 KB in which blocks of one size lie side by side. A span's header is found from a block's
 * address. Blocks that have never been used are not touched, so that a heap with little in it has
 * few resident pages. A span without blocks goes back to the pool of all heaps, for any class; what
 * the pool has too much of it gives back to the kernel.
 *
 * Classes are 8 bytes apart up to 128, 16 up to 256; one more fits the stack of a coroutine that has
 * never grown. Everything else is malloc's.
 *
 * Handles have a class of their own: when Lua frees one, the allocator gives back the reference that
 * it holds. So handles need no finaliser, which costs the collector far more than the handle.
 *
 * Under a sanitizer all blocks are malloc's, so that it sees them. */
#include "clua.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* A handle is a userdata: its bytes are behind Lua's header, at the end of the block. */
#define HANDLE_SIZE (LWKT_USERDATA_HEAD + sizeof(struct lwkt_handle))

/* Is this userdata's block that of a handle? Then give its reference back. */
static void give_back(struct lwkt_heap *heap, void *block) {
  struct lwkt_handle *handle = (struct lwkt_handle *)((char *)block + LWKT_USERDATA_HEAD);
  if (handle->mark == &lwkt_handle_marks[LWKT_LISTED]) heap->handles--;
  if (handle->object != NULL) lwkt_s_release(handle->object);
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define PLAIN_MALLOC 1
#endif
#endif

#ifndef PLAIN_MALLOC

#define SPAN_BYTES ((size_t)16384)
#define REGION_SPANS 256
#define STACK_SIZE ((2 * LUA_MINSTACK + 5) * 16)
enum {
  SMALL_CLASSES = 16 + 8, /* up to 128, up to 256 */
  STACK_CLASS = SMALL_CLASSES,
  HANDLE_CLASS,
  CLASSES,
  NO_CLASS = CLASSES,
};

struct span {
  struct span *next; /* in a list of spans with room, or of empty ones */
  struct span *previous;
  void *free;      /* blocks given back, linked through their first word */
  uint32_t unused; /* offset of the first block that has never been used */
  uint32_t size;
  uint32_t used;   /* blocks in use */
  uint16_t class;
  bool is_full;    /* in no list: it had no room when it was last looked at */
};

/* Blocks begin at a multiple of 64 behind the header. */
#define SPAN_HEAD ((uint32_t)64)
_Static_assert(sizeof(struct span) <= 64, "a span's header");

struct lwkt_arena {
  struct span *current[CLASSES]; /* the span that blocks are taken from */
  struct span *partial[CLASSES]; /* others with room */
  struct span *spare;            /* one empty span, so that a boundary is not crossed to and fro */
};

static struct span no_span = {.unused = SPAN_BYTES, .size = 8, .is_full = true};

static inline struct span *span_of(void *block) {
  return (struct span *)((uintptr_t)block & ~(uintptr_t)(SPAN_BYTES - 1));
}

static inline int class_of(size_t size) {
  if (size <= 128) return (int)((size + 7) >> 3) - 1;
  if (size <= 256) return 16 + (int)((size + 15) >> 4) - 9;
  return size == STACK_SIZE ? STACK_CLASS : NO_CLASS;
}

static uint32_t size_of_class(int class) {
  if (class < 16) return (uint32_t)(class + 1) * 8;
  if (class < SMALL_CLASSES) return (uint32_t)(class - 16 + 9) * 16;
  return class == STACK_CLASS ? STACK_SIZE : (uint32_t)((HANDLE_SIZE + 7) & ~(size_t)7);
}

/* ---- the pool of empty spans, for all heaps ---- */

/* Resident spans that are kept, 8 MB; the memory of the rest is given back to the kernel. */
#define POOL_RESIDENT 512

static struct {
  char lock;
  struct span *resident;
  size_t resident_count;
  struct span **returned; /* a stack; their pages hold nothing */
  size_t returned_count;
  size_t returned_capacity;
  char *region; /* what has never been used */
  size_t region_left;
} pool;

static void lock_pool(void) {
  int spins = 0;
  while (__atomic_test_and_set(&pool.lock, __ATOMIC_ACQUIRE)) {
    if (++spins & 127) lwkt_cpu_pause(); else lwkt_thread_yield();
  }
}

static void unlock_pool(void) { __atomic_clear(&pool.lock, __ATOMIC_RELEASE); }

static void *new_region(void) {
  size_t bytes = (REGION_SPANS + 1) * SPAN_BYTES;
  char *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) return NULL;
  return (void *)(((uintptr_t)start + SPAN_BYTES - 1) & ~(uintptr_t)(SPAN_BYTES - 1));
}

static struct span *take_span(void) {
  struct span *span = NULL;
  lock_pool();
  if (pool.resident != NULL) {
    span = pool.resident;
    pool.resident = span->next;
    pool.resident_count--;
  } else if (pool.returned_count > 0) {
    span = pool.returned[--pool.returned_count];
  } else {
    if (pool.region_left == 0 && (pool.region = new_region()) != NULL) {
      pool.region_left = REGION_SPANS;
    }
    if (pool.region_left > 0) {
      span = (struct span *)pool.region;
      pool.region += SPAN_BYTES;
      pool.region_left--;
    }
  }
  unlock_pool();
  return span;
}

/* With the lock held: room for one more on the stack of returned spans? */
static bool can_return(void) {
  if (pool.returned_count < pool.returned_capacity) return true;
  size_t capacity = pool.returned_capacity ? pool.returned_capacity * 2 : 256;
  struct span **grown = realloc(pool.returned, capacity * sizeof *grown);
  if (grown == NULL) return false;
  pool.returned = grown;
  pool.returned_capacity = capacity;
  return true;
}

static void give_span(struct span *span) {
  lock_pool();
  bool keep = pool.resident_count < POOL_RESIDENT;
  if (!keep) {
    unlock_pool();
    keep = madvise(span, SPAN_BYTES, MADV_DONTNEED) != 0;
    lock_pool();
    if (!keep && can_return()) {
      pool.returned[pool.returned_count++] = span;
      unlock_pool();
      return;
    }
  }
  span->next = pool.resident;
  pool.resident = span;
  pool.resident_count++;
  unlock_pool();
}

/* ---- blocks ---- */

static void link_partial(struct lwkt_arena *arena, struct span *span) {
  struct span *first = arena->partial[span->class];
  span->previous = NULL;
  span->next = first;
  if (first != NULL) first->previous = span;
  arena->partial[span->class] = span;
}

static void unlink_partial(struct lwkt_arena *arena, struct span *span) {
  if (span->next != NULL) span->next->previous = span->previous;
  if (span->previous != NULL) {
    span->previous->next = span->next;
  } else {
    arena->partial[span->class] = span->next;
  }
}

static struct lwkt_arena *new_arena(void) {
  struct lwkt_arena *arena = calloc(1, sizeof *arena);
  if (arena == NULL) return NULL;
  for (int class = 0; class < CLASSES; class++) arena->current[class] = &no_span;
  return arena;
}

/* The current span of the class has no room: have another. */
static struct span *next_span(struct lwkt_arena *arena, int class) {
  struct span *span = arena->partial[class];
  if (span != NULL) {
    unlink_partial(arena, span);
  } else {
    span = arena->spare;
    arena->spare = NULL;
    if (span == NULL) span = take_span();
    if (span == NULL) return NULL;
    *span = (struct span){
        .unused = SPAN_HEAD, .size = size_of_class(class), .class = (uint16_t)class};
  }
  if (arena->current[class] != &no_span) arena->current[class]->is_full = true;
  arena->current[class] = span;
  return span;
}

static void *take_from(struct span *span) {
  void *block = span->free;
  if (block != NULL) {
    span->free = *(void **)block;
  } else if (span->unused + span->size <= SPAN_BYTES) {
    block = (char *)span + span->unused;
    span->unused += span->size;
  } else {
    return NULL;
  }
  span->used++;
  return block;
}

static inline void *take(struct lwkt_heap *heap, int class) {
  struct lwkt_arena *arena = heap->arena;
  if (__builtin_expect(arena == NULL, 0)) {
    arena = heap->arena = new_arena();
    if (arena == NULL) return NULL;
  }
  void *block = take_from(arena->current[class]);
  if (__builtin_expect(block != NULL, 1)) return block;
  struct span *span = next_span(arena, class);
  return span == NULL ? NULL : take_from(span);
}

/* A span that is full no longer, or empty. */
static void note_room(struct lwkt_arena *arena, struct span *span) {
  if (span == arena->current[span->class]) return;
  if (span->is_full) {
    span->is_full = false;
    link_partial(arena, span);
  }
  if (span->used > 0) return;
  unlink_partial(arena, span);
  if (arena->spare == NULL) {
    arena->spare = span;
  } else {
    give_span(span);
  }
}

static inline void *new_block(struct lwkt_heap *heap, size_t size) {
  int class = class_of(size);
  return class == NO_CLASS ? malloc(size) : take(heap, class);
}

static void *new_handle(struct lwkt_heap *heap) { return take(heap, HANDLE_CLASS); }

static inline void free_block(struct lwkt_heap *heap, void *block, size_t size) {
  if (class_of(size) == NO_CLASS) return free(block);
  struct span *span = span_of(block);
  if (span->class == HANDLE_CLASS) give_back(heap, block);
  *(void **)block = span->free;
  span->free = block;
  if (--span->used == 0 || span->is_full) note_room(heap->arena, span);
}

static void *resize_block(struct lwkt_heap *heap, void *block, size_t old_size, size_t new_size) {
  int old_class = class_of(old_size), new_class = class_of(new_size);
  if (old_class == new_class) return old_class == NO_CLASS ? realloc(block, new_size) : block;
  void *moved = new_block(heap, new_size);
  if (moved == NULL) return NULL;
  memcpy(moved, block, old_size < new_size ? old_size : new_size);
  free_block(heap, block, old_size);
  return moved;
}

void lwkt_heap_dispose(struct lwkt_heap *heap) {
  struct lwkt_arena *arena = heap->arena;
  if (arena == NULL) return;
  for (int class = 0; class < CLASSES; class++) {
    if (arena->current[class] != &no_span) give_span(arena->current[class]);
    while (arena->partial[class] != NULL) {
      struct span *span = arena->partial[class];
      arena->partial[class] = span->next;
      give_span(span);
    }
  }
  if (arena->spare != NULL) give_span(arena->spare);
  free(arena);
  heap->arena = NULL;
}

#else

/* Blocks of the size of a handle have a word before them that says whether they are one. */
#define PREFIX 16

static void *new_marked(size_t is_handle) {
  char *block = malloc(PREFIX + HANDLE_SIZE);
  if (block == NULL) return NULL;
  *(size_t *)block = is_handle;
  return block + PREFIX;
}

static void *new_block(struct lwkt_heap *heap, size_t size) {
  (void)heap;
  return size == HANDLE_SIZE ? new_marked(0) : malloc(size);
}

static void *new_handle(struct lwkt_heap *heap) {
  (void)heap;
  return new_marked(1);
}

static void free_block(struct lwkt_heap *heap, void *block, size_t size) {
  if (size != HANDLE_SIZE) return free(block);
  char *start = (char *)block - PREFIX;
  if (*(size_t *)start != 0) give_back(heap, block);
  free(start);
}

static void *resize_block(struct lwkt_heap *heap, void *block, size_t old_size, size_t new_size) {
  void *moved = new_block(heap, new_size);
  if (moved == NULL) return NULL;
  memcpy(moved, block, old_size < new_size ? old_size : new_size);
  free_block(heap, block, old_size);
  return moved;
}

void lwkt_heap_dispose(struct lwkt_heap *heap) { (void)heap; }

#endif

/* ---- what Lua calls ---- */

/* While Swift runs, below Lua or in the loop, nothing may be raised, so the allocator does not say no
 * then; a limit is kept the next time Lua code asks. */
static bool may_fail(void) {
  const struct lwkt_percpu *self = lwkt_percpu();
  return self->swift_depth == 0 && self->running_L != NULL;
}

static void *no_memory(size_t old_size, size_t new_size) {
  if (may_fail() || new_size <= old_size) return NULL;
  fprintf(stderr, "lwkt: out of memory (%zu bytes)\n", new_size);
  abort();
}

static bool is_too_much(const struct lwkt_heap *heap, size_t extra) {
  return heap->limit != 0 && heap->used + extra > heap->limit && may_fail();
}

void *lwkt_allocate(void *ud, void *block, size_t old_size, size_t new_size) {
  struct lwkt_heap *heap = ud;
  if (block == NULL) {
    /* The old size is the kind of object. */
    if (new_size == 0 || is_too_much(heap, new_size)) return NULL;
    if (old_size == LUA_TUSERDATA && heap->making_handle && new_size == HANDLE_SIZE) {
      block = new_handle(heap);
      heap->making_handle = block == NULL;
    } else {
      block = new_block(heap, new_size);
    }
    if (block == NULL) return no_memory(0, new_size);
    heap->used += new_size;
    return block;
  }
  if (new_size == 0) {
    heap->used -= old_size;
    free_block(heap, block, old_size);
    return NULL;
  }
  if (new_size > old_size && is_too_much(heap, new_size - old_size)) return NULL;
  void *resized = resize_block(heap, block, old_size, new_size);
  if (resized == NULL) return no_memory(old_size, new_size);
  heap->used += new_size - old_size;
  return resized;
}
