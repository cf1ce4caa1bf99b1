/* tty.c: the terminal of an interactive run: modes, signals, diverted streams. */
#define _GNU_SOURCE
#include "clwkt.h"
#include "clwkt_tty.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

static struct termios found; /* constant after lwkt_tty_open */
static struct termios raw_modes;
static _Atomic(bool) is_raw;
static _Atomic(const char *) farewell;
static int wake_descriptor = -1;
/* Held while the terminal's modes are changed: by the prompt's thread, or by the monitor. */
static pthread_mutex_t modes_lock = PTHREAD_MUTEX_INITIALIZER;

/* Any context: async-signal-safe. */
static void restore(void) {
  if (!atomic_exchange(&is_raw, false)) return;
  const char *text = atomic_load(&farewell);
  if (text != NULL) {
    ssize_t written = write(1, text, strlen(text));
    (void)written; /* the terminal may be gone */
  }
  tcsetattr(0, TCSADRAIN, &found);
}

void lwkt_tty_die(int number) {
  restore();
  signal(number, SIG_DFL);
  raise(number);
}

static void on_change(int number) {
  (void)number;
  lwkt_eventfd_signal(wake_descriptor);
}

static void handle(int number, void (*handler)(int), int flags) {
  struct sigaction action;
  if (sigaction(number, NULL, &action) != 0) return;
  /* What the caller ignores (nohup) or another part of the process handles stays so. */
  if (action.sa_handler != SIG_DFL) return;
  memset(&action, 0, sizeof action);
  action.sa_handler = handler;
  action.sa_flags = flags;
  sigemptyset(&action.sa_mask);
  sigaction(number, &action, NULL);
}

int lwkt_tty_open(void) {
  static const int deaths[] = {SIGTERM, SIGHUP, SIGQUIT, SIGABRT, SIGSEGV, SIGBUS,
                               SIGFPE,  SIGILL, SIGTRAP, SIGALRM};
  if (tcgetattr(0, &found) != 0) return -errno;
  raw_modes = found;
  raw_modes.c_iflag &= (tcflag_t) ~(BRKINT | ICRNL | INLCR | IGNCR | INPCK | ISTRIP | IXON);
  raw_modes.c_lflag &= (tcflag_t) ~(ECHO | ICANON | IEXTEN | ISIG);
  raw_modes.c_cc[VMIN] = 1;
  raw_modes.c_cc[VTIME] = 0;
  wake_descriptor = lwkt_eventfd();
  if (wake_descriptor < 0) return -errno;
  atexit(restore);
  for (size_t n = 0; n < sizeof deaths / sizeof *deaths; n++) handle(deaths[n], lwkt_tty_die, SA_NODEFER);
  handle(SIGWINCH, on_change, SA_RESTART);
  handle(SIGCONT, on_change, SA_RESTART);
  return wake_descriptor;
}

void lwkt_tty_farewell(const char *text) { atomic_store(&farewell, text); }

void lwkt_tty_raw(bool raw) {
  pthread_mutex_lock(&modes_lock);
  atomic_store(&is_raw, raw);
  tcsetattr(0, TCSADRAIN, raw ? &raw_modes : &found);
  pthread_mutex_unlock(&modes_lock);
}

void lwkt_tty_signals(bool does) {
  pthread_mutex_lock(&modes_lock);
  if (atomic_load(&is_raw)) {
    struct termios modes = raw_modes;
    if (does) {
      modes.c_lflag |= ISIG;
      modes.c_cc[VQUIT] = modes.c_cc[VSUSP] = _POSIX_VDISABLE;
    }
    tcsetattr(0, TCSANOW, &modes);
  }
  pthread_mutex_unlock(&modes_lock);
}

bool lwkt_tty_size(int *columns, int *rows) {
  struct winsize size;
  if (ioctl(1, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return false;
  *columns = size.ws_col;
  *rows = size.ws_row;
  return true;
}

void lwkt_tty_suspend(void) {
  lwkt_tty_raw(false);
  raise(SIGTSTP);
}

/* ---- diverted streams ---- */

static long (*divert)(int descriptor, const char *bytes, size_t count);
static bool diverts_errors;

static ssize_t cookie_write(void *cookie, const char *bytes, size_t count) {
  return divert((int)(intptr_t)cookie, bytes, count);
}

static FILE *diverted(int descriptor, int buffering) {
  cookie_io_functions_t functions = {.write = cookie_write};
  FILE *stream = fopencookie((void *)(intptr_t)descriptor, "w", functions);
  if (stream == NULL) return NULL;
  setvbuf(stream, NULL, buffering, BUFSIZ);
  /* Whoever asks for the descriptor (a C module) gets the terminal's. */
  stream->_fileno = descriptor;
  return stream;
}

static bool same_terminal(int a, int b) {
  struct stat first, second;
  return isatty(b) && fstat(a, &first) == 0 && fstat(b, &second) == 0 &&
         first.st_rdev == second.st_rdev;
}

void lwkt_tty_divert(long (*write)(int descriptor, const char *bytes, size_t count)) {
  divert = write;
  fflush(NULL);
  FILE *out = diverted(1, _IOLBF);
  if (out != NULL) stdout = out;
  FILE *err = same_terminal(1, 2) ? diverted(2, _IONBF) : NULL;
  if (err != NULL) stderr = err;
  diverts_errors = err != NULL;
}

long lwkt_tty_write(int descriptor, const char *bytes, size_t count) {
  if (divert == NULL || (descriptor != 1 && !(descriptor == 2 && diverts_errors))) return -1;
  int saved = errno;
  bool is_terminal = isatty(descriptor);
  errno = saved;
  return is_terminal ? divert(descriptor, bytes, count) : -1;
}

void lwkt_tty_flush(void) {
  if (ftrylockfile(stdout) != 0) return;
  fflush_unlocked(stdout);
  funlockfile(stdout);
}

/* ---- children ---- */

static void nobody(void) {}

static void (*child_will_write)(void) = nobody;
static void (*child_has_written)(void) = nobody;

void lwkt_tty_watch_children(void (*will_write)(void), void (*has_written)(void)) {
  child_will_write = will_write;
  child_has_written = has_written;
}

void lwkt_tty_child_will_write(void) { child_will_write(); }
void lwkt_tty_child_has_written(void) { child_has_written(); }
