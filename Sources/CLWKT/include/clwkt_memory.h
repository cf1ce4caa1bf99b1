/* clwkt_memory.h: pages for Lua heaps and for objects (memory.c). Any kernel thread. */
#ifndef CLWKT_MEMORY_H
#define CLWKT_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The tools see each block for itself: nothing is put together in spans. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define LWKT_PLAIN_MALLOC 1
#endif
#endif

/* Are free blocks kept for the next object? Under the tools they go back to malloc at once, so that
 * whoever still uses one is found out. */
bool lwkt_keeps_blocks(void); /* Swift cannot see it here: it reads headers without the tools */

/* There is no memory and nobody to tell: say so and end the process with status 1. */
_Noreturn void lwkt_out_of_memory(size_t bytes);

/* ---- spans: 16 KB of memory, aligned to that ---- */

#define LWKT_SPAN_BYTES ((size_t)16384)

/* A span, whatever it holds; NULL without memory. */
void *lwkt_span_take(void);
/* For anybody who needs one. */
void lwkt_span_give(void *span);
/* Give back to the kernel the pages of spans that have been empty since the last call. True if there are
 * others, for a later one. */
bool lwkt_spans_trim(void);

/* The span that an address lies in. */
static inline void *lwkt_span_of(void *address) {
  return (void *)((uintptr_t)address & ~(uintptr_t)(LWKT_SPAN_BYTES - 1));
}

/* ---- blocks of the objects that there are many of ---- */

enum lwkt_block_kind {
  LWKT_BLOCK_THREAD,
  LWKT_BLOCK_MESSAGE,
  LWKT_BLOCK_PORT,
  LWKT_BLOCK_CALL,
  LWKT_BLOCK_KINDS,
};

/* Some blocks of a kind, each of `size` bytes, always the same for one kind, aligned to 16: linked
 * through their first word, the last to NULL. How many: in *count. NULL without memory. */
void *lwkt_blocks_take(enum lwkt_block_kind kind, size_t size, size_t *count);
/* Give back blocks, linked in this way. */
void lwkt_blocks_give(enum lwkt_block_kind kind, void *first);

#endif
