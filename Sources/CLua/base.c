/* base.c: basic functions that differ from stock Lua's. */
#include "clua.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_bool is_threaded;

void lwkt_note_threads(void) {
  atomic_store_explicit(&is_threaded, true, memory_order_relaxed);
}

static void put(const char *text, size_t length, bool is_end) {
  flockfile(stdout);
  fwrite_unlocked(text, 1, length, stdout);
  if (is_end) {
    putc_unlocked('\n', stdout);
    fflush_unlocked(stdout);
  }
  funlockfile(stdout);
}

/* print: in a program with threads the line leaves in one piece, however many of them print. Without
 * threads each argument leaves by itself as in stock Lua, where a `__tostring` that raises or prints
 * finds those before it written. */
static int print(lua_State *L) {
  int count = lua_gettop(L);
  size_t length;
  if (count <= 1 || !atomic_load_explicit(&is_threaded, memory_order_relaxed)) {
    for (int index = 1; index <= count; index++) {
      const char *text = luaL_tolstring(L, index, &length);
      if (index > 1) put("\t", 1, false);
      put(text, length, index == count);
      lua_pop(L, 1);
    }
    if (count == 0) put("", 0, true);
    return 0;
  }
  luaL_Buffer line;
  for (int index = 1; index <= count; index++) {
    luaL_tolstring(L, index, NULL);
    lua_replace(L, index);
  }
  luaL_buffinit(L, &line);
  for (int index = 1; index <= count; index++) {
    if (index > 1) luaL_addchar(&line, '\t');
    lua_pushvalue(L, index);
    luaL_addvalue(&line);
  }
  luaL_pushresult(&line);
  const char *text = lua_tolstring(L, -1, &length);
  put(text, length, true);
  return 0;
}

/* ---- load, loadfile, dofile in a heap whose threads have globals of their own ---- */

/* The chunk at the top, freshly loaded: its _ENV is this thread's globals. */
static void own_environment(lua_State *L) {
  if (!lua_isfunction(L, -1) || lua_iscfunction(L, -1)) return;
  luaL_checkstack(L, 6, "stack overflow");
  lwkt_pushownenvironment(L);
  if (lua_istable(L, -1)) lwkt_complete_globals(L, -1);
  if (lua_setupvalue(L, -2, 1) == NULL) lua_pop(L, 1);
}

static _Atomic(lua_CFunction) stock_load, stock_loadfile; /* the same in every heap */

static int load_with(lua_State *L, lua_CFunction stock, int environment_argument) {
  bool has_environment = !lua_isnone(L, environment_argument);
  int results = stock(L);
  if (results == 1 && !has_environment) own_environment(L);
  return results;
}

static int load(lua_State *L) { return load_with(L, stock_load, 4); }
static int loadfile(lua_State *L) { return load_with(L, stock_loadfile, 3); }

static int dofile_done(lua_State *L, int status, lua_KContext context) {
  (void)status, (void)context;
  return lua_gettop(L) - 1;
}

static int dofile(lua_State *L) {
  const char *path = luaL_optstring(L, 1, NULL);
  lua_settop(L, 1);
  if (luaL_loadfile(L, path) != LUA_OK) return lua_error(L);
  own_environment(L);
  lua_callk(L, 0, LUA_MULTRET, 0, dofile_done);
  return dofile_done(L, LUA_OK, 0);
}

/* ---- os.exit ---- */

/* The C library's `exit` is for one thread: the first ends the process, others that come meanwhile do not go
 * on. In what it calls it may come back. */
static _Noreturn void end_process(int status) {
  static atomic_bool is_ending;
  static _Thread_local bool ends;
  if (!ends && atomic_exchange(&is_ending, true)) {
    for (;;) pause();
  }
  ends = true;
  exit(status);
}

/* The monitor's, for whichever kernel thread gets the signal. Relaxed: what comes of it is one number. */
static atomic_int last_status;

static void leave_now(int number) {
  (void)number;
  _exit(atomic_load_explicit(&last_status, memory_order_relaxed));
}

/* What is written at the end may have to wait for whom the process leaves behind: not for more than a
 * second. */
_Noreturn void lwkt_leave(int status, const char *text, size_t length) {
  atomic_store_explicit(&last_status, status, memory_order_relaxed);
  lwkt_handle_signal(SIGALRM, leave_now);
  lwkt_unblock_signal(SIGALRM);
  alarm(1);
  while (length > 0) {
    ssize_t count = write(STDERR_FILENO, text, length);
    if (count <= 0) break;
    text += count;
    length -= (size_t)count;
  }
  end_process(status);
}

/* Close the running thread and its heap, whatever runs on top of them: like `lua_close` of stock Lua
 * in the same place, this never goes back there. */
static _Noreturn void leave(lua_State *L, int status) {
  lua_State *state = lwkt_heap_of(L)->state;
  if (lwkt_percpu()->base_L != NULL) lwkt_closethread(lwkt_percpu()->base_L);
  lwkt_percpu()->td = NULL;
  lua_close(state);
  end_process(status);
}

static int os_exit(lua_State *L) {
  int status;
  if (lua_isboolean(L, 1)) {
    status = lua_toboolean(L, 1) ? EXIT_SUCCESS : EXIT_FAILURE;
  } else {
    status = (int)luaL_optinteger(L, 1, EXIT_SUCCESS);
  }
  if (lua_toboolean(L, 2)) leave(L, status);
  end_process(status);
}

/* Put `function` in the place of a global C function, which is returned. */
static lua_CFunction replace(lua_State *L, const char *name, lua_CFunction function) {
  lua_getglobal(L, name);
  lua_CFunction stock = lua_tocfunction(L, -1);
  lua_pop(L, 1);
  lua_pushcfunction(L, function);
  lua_setglobal(L, name);
  return stock;
}

void lwkt_open_base(lua_State *L, bool is_main) {
  replace(L, "print", print);
  lwkt_note_protected_calls(L);
  lua_getglobal(L, "os");
  lua_pushcfunction(L, os_exit);
  lua_setfield(L, -2, "exit");
  lua_pop(L, 1);
  if (is_main) return;
  stock_load = replace(L, "load", load);
  stock_loadfile = replace(L, "loadfile", loadfile);
  replace(L, "dofile", dofile);
}

/* ---- warnings ---- */

/* As the standalone interpreter's. "@on" and "@off" count for all threads; pieces of a warning are
 * joined heap by heap. */
static atomic_bool warns;

static void warn(void *ud, const char *message, int to_continue) {
  struct lwkt_heap *heap = ud;
  if (!heap->warning_continues && !to_continue && message[0] == '@') {
    if (strcmp(message, "@off") == 0) atomic_store(&warns, false);
    if (strcmp(message, "@on") == 0) atomic_store(&warns, true);
    return;
  }
  if (!atomic_load(&warns)) return;
  flockfile(stderr);
  if (!heap->warning_continues) fputs("Lua warning: ", stderr);
  fputs(message, stderr);
  if (!to_continue) fputc('\n', stderr);
  fflush(stderr);
  funlockfile(stderr);
  heap->warning_continues = to_continue;
}

void lwkt_open_warnings(lua_State *L) {
  void *heap;
  lua_getallocf(L, &heap);
  lua_setwarnf(L, warn, heap);
}
