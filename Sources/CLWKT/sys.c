/* sys.c: plain system calls, for what does not go through the ring. */
#define _GNU_SOURCE
#include "clwkt_sys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

_Static_assert(LWKT_STATX_BYTES == sizeof(struct statx), "");
_Static_assert(LWKT_STATX_MASK == STATX_BASIC_STATS, "");

int64_t lwkt_syscall(int32_t number, const uint64_t arguments[6]) {
  int saved = errno;
  long result = syscall(number, arguments[0], arguments[1], arguments[2], arguments[3],
                        arguments[4], arguments[5]);
  if (result == -1) result = -errno;
  errno = saved;
  return result;
}

/* Asked to flush nothing of it, the kernel says whether it is a file; a third of fstat's price, and
 * unlike fstat it does not make the next write take a new time stamp. */
int lwkt_has_position(int descriptor) {
  int saved = errno;
  int result = 1;
  struct stat status;
  if (sync_file_range(descriptor, 0, 0, 0) == 0) return 1;
  if (errno == ESPIPE) {
    result = 0;
  } else if (errno == EBADF) {
    result = -EBADF;
  } else if (fstat(descriptor, &status) < 0) {
    result = -errno;
  } else {
    result = S_ISREG(status.st_mode) || S_ISBLK(status.st_mode);
  }
  errno = saved;
  return result;
}

int64_t lwkt_read_nowait(int descriptor, void *buffer, size_t bytes) {
  int saved = errno;
  struct iovec part = {buffer, bytes};
  ssize_t result = preadv2(descriptor, &part, 1, -1, RWF_NOWAIT);
  if (result < 0) result = -errno;
  errno = saved;
  return result;
}

int lwkt_isatty(int descriptor) {
  int saved = errno;
  int result = isatty(descriptor);
  if (result == 0 && errno == EBADF) result = -EBADF;
  errno = saved;
  return result;
}

int lwkt_clock(int clock, double *to) {
  int saved = errno;
  struct timespec now;
  int result = clock_gettime(clock, &now) == 0 ? 0 : -errno;
  if (result == 0) *to = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
  errno = saved;
  return result;
}

int lwkt_poll_now(int descriptor, int events) {
  int saved = errno;
  struct pollfd entry = {.fd = descriptor, .events = (short)events};
  int result = poll(&entry, 1, 0);
  result = result < 0 ? -errno : result == 0 ? 0 : entry.revents;
  if (result > 0 && (result & POLLNVAL)) result = -EBADF;
  errno = saved;
  return result;
}

/* ---- interrupting a kernel thread that blocks ---- */

static void interrupted(int signal) { (void)signal; }

static void install(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = interrupted; /* without SA_RESTART: what blocks ends with EINTR */
  sigfillset(&action.sa_mask);
  sigaction(SIGRTMIN + LWKT_INTERRUPTION, &action, NULL);
}

void lwkt_prepare_interruption(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, install);
}

void lwkt_be_interruptible(void) {
  sigset_t set;
  lwkt_prepare_interruption();
  sigfillset(&set);
  sigdelset(&set, SIGRTMIN + LWKT_INTERRUPTION);
  pthread_sigmask(SIG_SETMASK, &set, NULL);
}

int lwkt_interruption(void) { return SIGRTMIN + LWKT_INTERRUPTION; }

void lwkt_interrupt(unsigned long kernel_thread) {
  pthread_kill((pthread_t)kernel_thread, SIGRTMIN + LWKT_INTERRUPTION);
}

/* ---- directories ---- */

static int by_name(const void *a, const void *b) {
  return strcmp(*(char *const *)a + 1, *(char *const *)b + 1);
}

/* Entries as they are gathered: `text` is what lwkt_readdir returns, unsorted. */
struct gathering {
  char *text;
  size_t used, room, count;
};

static int gather(struct gathering *to, unsigned char type, const char *name) {
  size_t length = strlen(name) + 1;
  if (to->used + length + 1 > to->room) {
    size_t room = to->room == 0 ? 1024 : to->room * 2;
    while (room < to->used + length + 1) room *= 2;
    char *text = realloc(to->text, room);
    if (text == NULL) return -ENOMEM;
    to->text = text;
    to->room = room;
  }
  to->text[to->used] = (char)type;
  memcpy(to->text + to->used + 1, name, length);
  to->used += length + 1;
  to->count++;
  return 0;
}

/* Some file systems do not tell the type with the name. */
static unsigned char type_of(DIR *directory, const struct dirent *entry) {
  struct stat status;
  if (entry->d_type != DT_UNKNOWN) return entry->d_type;
  if (fstatat(dirfd(directory), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) return DT_UNKNOWN;
  return IFTODT(status.st_mode);
}

static int sort(struct gathering *from, char **entries, size_t *bytes) {
  char **order = malloc((from->count + 1) * sizeof *order);
  char *sorted = malloc(from->used + 1);
  if (order == NULL || sorted == NULL) {
    free(order);
    free(sorted);
    return -ENOMEM;
  }
  char *next = from->text;
  for (size_t n = 0; n < from->count; n++) {
    order[n] = next;
    next += strlen(next + 1) + 2;
  }
  qsort(order, from->count, sizeof *order, by_name);
  *bytes = 0;
  for (size_t n = 0; n < from->count; n++) {
    size_t length = strlen(order[n] + 1) + 2;
    memcpy(sorted + *bytes, order[n], length);
    *bytes += length;
  }
  free(order);
  *entries = sorted;
  return 0;
}

int64_t lwkt_readdir(const char *path, char **entries, size_t *bytes) {
  int saved = errno;
  int64_t result = 0;
  struct gathering all = {NULL, 0, 0, 0};
  DIR *directory = opendir(path);
  if (directory == NULL) {
    result = -errno;
  } else {
    struct dirent *entry;
    while (errno = 0, result == 0 && (entry = readdir(directory)) != NULL) {
      const char *name = entry->d_name;
      if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
        result = gather(&all, type_of(directory, entry), name);
    }
    if (result == 0) result = -errno;
    closedir(directory);
  }
  if (result == 0) result = sort(&all, entries, bytes);
  free(all.text);
  errno = saved;
  return result < 0 ? result : (int64_t)all.count;
}

static double seconds(struct statx_timestamp stamp) {
  return (double)stamp.tv_sec + (double)stamp.tv_nsec / 1e9;
}

void lwkt_stat_decode(const void *raw, struct lwkt_stat *to) {
  struct statx from;
  memcpy(&from, raw, sizeof from);
  to->mode = from.stx_mode;
  to->links = from.stx_nlink;
  to->uid = from.stx_uid;
  to->gid = from.stx_gid;
  to->inode = from.stx_ino;
  to->size = from.stx_size;
  to->blocks = from.stx_blocks;
  to->device = makedev(from.stx_dev_major, from.stx_dev_minor);
  to->atime = seconds(from.stx_atime);
  to->mtime = seconds(from.stx_mtime);
  to->ctime = seconds(from.stx_ctime);
}

const char *lwkt_errno_name(int number) { return number > 0 ? strerrorname_np(number) : NULL; }

const char *lwkt_errno_synonym(int n, int *number) {
  static const struct {
    const char *name;
    int number;
  } synonyms[] = {
      {"EWOULDBLOCK", EWOULDBLOCK}, {"EDEADLOCK", EDEADLOCK}, {"ENOTSUP", ENOTSUP}};
  if (n < 0 || n >= (int)(sizeof synonyms / sizeof *synonyms)) return NULL;
  *number = synonyms[n].number;
  return synonyms[n].name;
}

const char *lwkt_strerror(int number, char *words, size_t bytes) {
  return strerror_r(number, words, bytes);
}
