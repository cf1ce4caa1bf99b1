/* alloc.c: the memory of Lua heaps.
 *
 * A heap is used by one kernel thread at a time, and Lua says the size of what it frees. So small
 * blocks need no lock and no header: each size class of a heap has its own *spans* (CLWKT/memory.c) in
 * which blocks of one size lie side by side. A span's header is found from a block's address. Blocks
 * that have never been used are not touched. A span without blocks goes back for any use.
 *
 * But most classes of most heaps hold a few blocks, and a span has a page resident at least. So the
 * first 4 KB of each class lie in spans that all classes of the heap have in common, which are given
 * back with the heap.
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

/* A handle is a userdata: its bytes are behind Lua's header, at the end of the block. */
#define HANDLE_SIZE (LWKT_USERDATA_HEAD + sizeof(struct lwkt_handle))

/* Is this userdata's block that of a handle? Then give its reference back. */
static void give_back(struct lwkt_heap *heap, void *block) {
  struct lwkt_handle *handle = (struct lwkt_handle *)((char *)block + LWKT_USERDATA_HEAD);
  if (handle->mark == &lwkt_handle_marks[LWKT_AWAITED]) heap->awaited--;
  if (handle->object != NULL) lwkt_s_release(handle->object);
}

#ifndef LWKT_PLAIN_MALLOC

#define SPAN_BYTES LWKT_SPAN_BYTES
#define STACK_SIZE ((2 * LUA_MINSTACK + 5) * 16)
enum {
  SMALL_CLASSES = 16 + 8, /* up to 128, up to 256 */
  STACK_CLASS = SMALL_CLASSES,
  HANDLE_CLASS,
  CLASSES,
  NO_CLASS = CLASSES,
  COMMON_CLASS, /* of a span with blocks of all classes but handles */
};

struct span {
  struct span *next; /* in a list of spans with room */
  struct span *previous;
  void *free;      /* blocks given back, linked through their first word */
  uint32_t unused; /* offset of the first block that has never been used */
  uint32_t size;
  uint32_t used;   /* blocks in use */
  uint16_t class;
  bool is_full;    /* in no list: it had no room when it was last looked at */
  bool is_common;  /* no span: it stands for a class's blocks in common ones, and has no unused ones */
};

/* Blocks begin at a multiple of 64 behind the header. */
#define SPAN_HEAD ((uint32_t)64)
_Static_assert(sizeof(struct span) <= 64, "a span's header");

/* How much of each class is in common spans, and how much of it is taken from there at a time. */
#define COMMON_BYTES ((uint32_t)4096)
#define RUN_BYTES ((uint32_t)256)

struct lwkt_arena {
  struct span *current[CLASSES]; /* the span that blocks are taken from */
  struct span *partial[CLASSES]; /* others with room */
  struct span *spare;            /* one empty span, so that a boundary is not crossed to and fro */
  struct span *common;           /* the common spans, the one with unused memory first */
  uint32_t run_bytes[CLASSES];   /* taken from there */
  struct span few[CLASSES];      /* what stands for the blocks there */
};

static inline struct span *span_of(void *block) { return lwkt_span_of(block); }

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
  for (int class = 0; class < CLASSES; class++) {
    arena->few[class] = (struct span){
        .unused = SPAN_BYTES, .size = size_of_class(class), .class = (uint16_t)class, .is_common = true};
    arena->current[class] = &arena->few[class];
  }
  arena->run_bytes[HANDLE_CLASS] = COMMON_BYTES; /* none: they are known by their span */
  return arena;
}

static struct span *new_span(struct lwkt_arena *arena, int class) {
  struct span *span = arena->spare;
  arena->spare = NULL;
  if (span == NULL) span = lwkt_span_take();
  if (span == NULL) return NULL;
  *span = (struct span){
      .unused = SPAN_HEAD, .size = size_of_class(class), .class = (uint16_t)class};
  return span;
}

/* Give a class some more blocks in common spans. False without memory. */
static bool add_run(struct lwkt_arena *arena, int class) {
  struct span *few = &arena->few[class];
  uint32_t bytes = few->size > RUN_BYTES ? few->size : RUN_BYTES / few->size * few->size;
  struct span *span = arena->common;
  if (span == NULL || span->unused + bytes > SPAN_BYTES) {
    span = new_span(arena, class);
    if (span == NULL) return false;
    span->class = COMMON_CLASS;
    span->next = arena->common;
    arena->common = span;
  }
  char *start = (char *)span + span->unused;
  for (uint32_t offset = 0; offset < bytes; offset += few->size) {
    void **block = (void **)(start + offset);
    *block = offset + few->size < bytes ? (char *)block + few->size : few->free;
  }
  few->free = start;
  span->unused += bytes;
  arena->run_bytes[class] += bytes;
  return true;
}

/* The current span of the class has no room: have another. */
static struct span *next_span(struct lwkt_arena *arena, int class) {
  struct span *span = arena->partial[class];
  if (span != NULL) {
    unlink_partial(arena, span);
  } else if (arena->run_bytes[class] < COMMON_BYTES) {
    span = &arena->few[class];
    if (!add_run(arena, class)) return NULL;
  } else {
    span = new_span(arena, class);
    if (span == NULL) return NULL;
  }
  if (arena->current[class] != span) arena->current[class]->is_full = true;
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
  if (span->used > 0 || span->is_common) return;
  unlink_partial(arena, span);
  if (arena->spare == NULL) {
    arena->spare = span;
  } else {
    lwkt_span_give(span);
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
  if (span->class >= HANDLE_CLASS) {
    if (span->class == HANDLE_CLASS) {
      give_back(heap, block);
    } else {
      span = &heap->arena->few[class_of(size)];
    }
  }
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
    if (!arena->current[class]->is_common) lwkt_span_give(arena->current[class]);
    for (struct span *span = arena->partial[class], *next; span != NULL; span = next) {
      next = span->next;
      if (!span->is_common) lwkt_span_give(span);
    }
  }
  for (struct span *span = arena->common, *next; span != NULL; span = next) {
    next = span->next;
    lwkt_span_give(span);
  }
  if (arena->spare != NULL) lwkt_span_give(arena->spare);
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
  lwkt_out_of_memory(new_size);
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
