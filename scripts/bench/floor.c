/* floor.c: what the same things cost in C, without a scheduler: less than this no host of Lua
 * coroutines can take. `floor NAME [count]` prints one figure; without a name it does nothing, which
 * is the floor of a start-up. */
#include <lua5.4/lauxlib.h>
#include <lua5.4/lua.h>
#include <lua5.4/lualib.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static double resident(void) {
  long pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (!file || fscanf(file, "%*d %ld", &pages) != 1) exit(1);
  fclose(file);
  return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static int yields(lua_State *L) { return lua_yield(L, lua_gettop(L)); }
static int nothing(lua_State *L) { (void)L; return 0; }

static lua_State *open_lua(void) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  lua_register(L, "yields", yields);
  lua_register(L, "nothing", nothing);
  return L;
}

static void load(lua_State *L, const char *code) {
  if (luaL_loadstring(L, code) != LUA_OK) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    exit(1);
  }
}

/* A coroutine that yields for ever, or a number that goes there and back between two of them:
 * nanoseconds per resume and yield, or per two of them. */
static double resumes(long count, int values) {
  static const char *const code[] = {
    "while true do yields() end", "local n = 0 while true do n = yields(n) end" };
  lua_State *L = open_lua(), *co[2];
  for (int i = 0; i < 2; i++) {
    int got;
    co[i] = lua_newthread(L);
    load(co[i], code[values]);
    lua_resume(co[i], L, 0, &got);
    lua_settop(co[i], 0);
  }
  double started = now();
  for (long i = 0; i < count; i++) {
    for (int side = 0; side <= values; side++) {
      int got;
      if (values) lua_pushinteger(co[side], i);
      if (lua_resume(co[side], L, values, &got) != LUA_YIELD) exit(1);
      lua_settop(co[side], 0);
    }
  }
  return (now() - started) / (double)count * 1e9;
}

/* Coroutines that have each begun and wait: bytes each. */
static double memory(long count) {
  lua_State *L = open_lua();
  load(L, "return function() yields() end");
  lua_call(L, 0, 1);
  lua_createtable(L, (int)count, 0);
  double before = resident();
  for (long i = 1; i <= count; i++) {
    int got;
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    lua_resume(co, L, 0, &got);
    lua_rawseti(L, 2, i);
  }
  return (resident() - before) / (double)count;
}

/* A coroutine made, run to its end and dropped: microseconds. */
static double create(long count) {
  lua_State *L = open_lua();
  load(L, "return function() end");
  lua_call(L, 0, 1);
  double started = now();
  for (long i = 0; i < count; i++) {
    int got;
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    if (lua_resume(co, L, 0, &got) != LUA_OK) exit(1);
    lua_settop(L, 1);
  }
  return (now() - started) / (double)count * 1e6;
}

/* Two calls of C functions that do nothing, and an addition between: nanoseconds. */
static double calls(long count) {
  lua_State *L = open_lua();
  load(L, "local count, nothing, sum = ..., nothing, 0\n"
          "for _ = 1, count do nothing() sum = sum + 1 nothing() end");
  lua_pushinteger(L, count);
  double started = now();
  lua_call(L, 1, 0);
  return (now() - started) / (double)count * 1e9;
}

static void *hog(void *unused) {
  for (volatile long n = 0;; n++) {}
  return unused;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* A kernel thread that wakes every millisecond next to four that compute: how late in the middle,
 * one time in a hundred, at worst; in milliseconds. */
static void ticker(long ticks) {
  double *late = calloc((size_t)ticks, sizeof *late);
  for (int i = 0; i < 4; i++) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, hog, NULL)) exit(1);
  }
  double due = now();
  for (long i = 0; i < ticks; i++) {
    due += 1e-3;
    double left = due - now();
    struct timespec ts = { 0, left > 0 ? (long)(left * 1e9) : 0 };
    nanosleep(&ts, NULL);
    double woken = now();
    late[i] = (woken - due) * 1e3;
    if (woken > due + 1e-3) due = woken;
  }
  qsort(late, (size_t)ticks, sizeof *late, compare);
  printf("%g %g %g\n", late[ticks / 2], late[ticks - 1 - ticks / 100], late[ticks - 1]);
}

int main(int argc, char **argv) {
  const char *name = argc > 1 ? argv[1] : "";
  long count = argc > 2 ? atol(argv[2]) : 0;
  if (!*name) return 0;
  if (!strcmp(name, "yield")) printf("%g\n", resumes(count ? count : 5000000, 0));
  else if (!strcmp(name, "pingpong")) printf("%g\n", resumes(count ? count : 2000000, 1));
  else if (!strcmp(name, "memory")) printf("%g\n", memory(count ? count : 100000));
  else if (!strcmp(name, "create")) printf("%g\n", create(count ? count : 1000000));
  else if (!strcmp(name, "calls")) printf("%g\n", calls(count ? count : 5000000));
  else if (!strcmp(name, "ticker")) ticker(count ? count : 1000);
  else return fprintf(stderr, "floor: no '%s'\n", name), 1;
  return 0;
}
