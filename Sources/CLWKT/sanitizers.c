/* sanitizers.c: what a build with the thread or the address sanitizer needs to see things as they are.
 * Any other build has nothing of this. */
#include "clwkt.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)

#include <setjmp.h>

/* Lua's library jumps by the checked longjmp of the C library, which the tools do not know: the frames
 * that are jumped over would stay on the stacks that they keep. The plain one they know. */
_Noreturn void __longjmp_chk(jmp_buf target, int value) { longjmp(target, value); }

#endif
#if __has_feature(thread_sanitizer)

/* For each access by `inout`, to `x.pointee.field` say, Swift has the tool note that the whole pointee
 * is written, besides what is really read and written. Here most blocks have several owners, each field
 * its own: that note would tell of a race between any two of them. `make tsan` links calls of
 * `__tsan_external_write` to this. Reads and writes are watched all the same. */
void __wrap___tsan_external_write(void *address, void *caller, void *tag);
void __wrap___tsan_external_write(void *address, void *caller, void *tag) {
  (void)address, (void)caller, (void)tag;
}

#endif
#endif
