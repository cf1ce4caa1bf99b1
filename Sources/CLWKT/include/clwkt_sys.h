/* clwkt_sys.h: plain system calls, for what does not go through the ring.
 *
 * Every function returns a result >= 0 or a negative errno and leaves `errno` alone. Any kernel
 * thread. All but lwkt_read_nowait and lwkt_has_position may block.
 */
#ifndef CLWKT_SYS_H
#define CLWKT_SYS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

/* The system calls that the sysport makes by number, here because Swift does not see macros that
 * are defined by macros. */
enum {
  LWKT_SYS_READ = SYS_read,
  LWKT_SYS_WRITE = SYS_write,
  LWKT_SYS_PREAD = SYS_pread64,
  LWKT_SYS_PWRITE = SYS_pwrite64,
  LWKT_SYS_OPENAT = SYS_openat,
  LWKT_SYS_CLOSE = SYS_close,
  LWKT_SYS_FSYNC = SYS_fsync,
  LWKT_SYS_STATX = SYS_statx,
  LWKT_SYS_UNLINKAT = SYS_unlinkat,
  LWKT_SYS_RENAMEAT2 = SYS_renameat2,
  LWKT_SYS_MKDIRAT = SYS_mkdirat,
  LWKT_SYS_PIPE2 = SYS_pipe2,
  LWKT_SYS_GETPID = SYS_getpid,
  LWKT_SYS_NONE = -1,
};

/* System call `number` with its six arguments. */
int64_t lwkt_syscall(int32_t number, const uint64_t arguments[6]);

/* Has this descriptor a position in a file, which reads and writes move? 1, 0 or an
 * error. */
int lwkt_has_position(int descriptor);

/* read(2), but only of what is in memory: EAGAIN, EOPNOTSUPP and others mean "ask read(2)". */
int64_t lwkt_read_nowait(int descriptor, void *buffer, size_t bytes);

/* isatty(3): 1, 0 or EBADF; clock_gettime(2) in seconds. */
int lwkt_isatty(int descriptor);
int lwkt_clock(int clock, double *seconds);

/* poll(2) of one descriptor without waiting: the events, 0 for none. */
int lwkt_poll_now(int descriptor, int events);

/* Which of the real-time signals interrupts kernel threads. */
enum { LWKT_INTERRUPTION = 5 };
/* Before `lwkt_interrupt`. */
void lwkt_prepare_interruption(void);
/* The signal that it sends. */
int lwkt_interruption(void);
/* Block all signals but that one for this kernel thread; it ends blocking calls with EINTR. */
void lwkt_be_interruptible(void);
/* Send it. It may come before the call that it is meant for: send it again if need be. */
void lwkt_interrupt(unsigned long kernel_thread);

/* The entries of a directory but "." and "..", sorted by name: for each a byte (DT_REG, ...) and
 * the name with its NUL. Stores a block for free() and its size. Returns how many. */
int64_t lwkt_readdir(const char *path, char **entries, size_t *bytes);

/* What stat tells, of the kernel's struct statx. */
struct lwkt_stat {
  uint32_t mode, links, uid, gid;
  uint64_t inode, size, blocks, device;
  double atime, mtime, ctime;
};
enum { LWKT_STATX_BYTES = 256, LWKT_STATX_MASK = 0x7ff };
void lwkt_stat_decode(const void *statx, struct lwkt_stat *stat);

/* The name of an errno ("ENOENT"), or NULL; the n-th synonym (from 0) of one, or NULL. */
const char *lwkt_errno_name(int number);
const char *lwkt_errno_synonym(int n, int *number);
enum { LWKT_ERRNO_LAST = 133 };

/* strerror, into `words`. */
const char *lwkt_strerror(int number, char *words, size_t bytes);

#endif
