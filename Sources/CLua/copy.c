/* copy.c: dumping and loading of code, and where a captured variable lives. */
#include "clua.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(LUA_VERSION_NUM == 504, "the bytecode analyser knows Lua 5.4");
_Static_assert(LUA_REGISTRYINDEX == -LUAI_MAXSTACK - 1000, "registryIndex in CopyState.swift");

const char *lwkt_lua_release(void) { return LUA_RELEASE; }

/* ---- code ---- */

static int dump_writer(lua_State *L, const void *data, size_t count, void *context) {
  (void)L;
  struct lwkt_bytes *out = context;
  size_t need = out->count + count;
  if (need > out->capacity) {
    size_t capacity = out->capacity ? out->capacity : 1024;
    while (capacity < need) capacity *= 2;
    char *grown = realloc(out->data, capacity);
    if (grown == NULL) return 1;
    out->data = grown;
    out->capacity = capacity;
  }
  char *to = out->data + out->count;
  if (count == 1) {
    *to = *(const char *)data; /* the most common size by far */
  } else {
    memcpy(to, data, count);
  }
  out->count = need;
  return 0;
}

bool lwkt_dump(lua_State *L, int index, struct lwkt_bytes *out) {
  out->count = 0;
  lua_pushvalue(L, index);
  int status = lua_dump(L, dump_writer, out, 0);
  lwkt_pop(L, 1);
  return status == 0;
}

/* Lua 5.4's closures begin with the head of a collectable object, the number of upvalues, and the
 * collector's link; the prototype follows. */
#define PROTOTYPE_OFFSET (3 * sizeof(void *))

const void *lwkt_prototype(lua_State *L, int index) {
  if (lua_type(L, index) != LUA_TFUNCTION || lua_iscfunction(L, index)) return NULL;
  return *(const void *const *)((const char *)lua_topointer(L, index) + PROTOTYPE_OFFSET);
}

struct source {
  const void *data;
  size_t count;
};

static const char *undump_reader(lua_State *L, void *context, size_t *count) {
  (void)L;
  struct source *source = context;
  *count = source->count;
  source->count = 0;
  return *count == 0 ? NULL : source->data;
}

bool lwkt_undump(lua_State *L, const void *data, size_t count) {
  struct source source = {data, count};
  return lua_load(L, undump_reader, &source, "=copy", "b") == LUA_OK;
}

static const char record_metatable; /* registry: the metatable of code records */

static int record_gc(lua_State *L) {
  struct lwkt_code_record *record = lua_touserdata(L, 1);
  void *code = record->code;
  record->code = NULL;
  if (code != NULL) lwkt_code_release(code);
  return 0;
}

struct lwkt_code_record *lwkt_newrecord(lua_State *L, void *code, int names) {
  struct lwkt_code_record *record = lua_newuserdatauv(L, sizeof *record, names);
  record->code = code;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &record_metatable) == LUA_TNIL) {
    lwkt_pop(L, 1);
    lua_createtable(L, 0, 1);
    lua_pushstring(L, "__gc");
    lua_pushcclosure(L, record_gc, 0);
    lua_rawset(L, -3);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &record_metatable);
  }
  lua_setmetatable(L, -2);
  return record;
}

/* ---- captured variables ---- */

static char stack_mark; /* its address is a value that no script has */

/* Does one of the frames [from, to) hold the mark? [-0, +0, -] */
static bool marked_frame(lua_State *L, int from, int to) {
  lua_Debug frame;
  for (int level = from; level < to && lua_getstack(L, level, &frame); level++) {
    for (int slot = 1; lua_getlocal(L, &frame, slot) != NULL; slot++) {
      bool found = lua_touserdata(L, -1) == &stack_mark;
      lwkt_pop(L, 1);
      if (found) return true;
    }
  }
  return false;
}

/* lua_getstack counts down from the top each time, so a scan of all frames is quadratic. Beyond
 * these many, only the latest and the outermost are looked at: a script's file-level locals are in
 * the outermost, and anything else that a thread function could mean to share in the latest. */
#define FRAMES_FULL 4000
#define FRAMES_LATEST 1000
#define FRAMES_OUTERMOST 100

static bool marked(lua_State *L) {
  if (!lua_checkstack(L, 1)) return false;
  lua_Debug frame;
  if (!lua_getstack(L, FRAMES_FULL, &frame)) return marked_frame(L, 0, FRAMES_FULL);
  if (marked_frame(L, 0, FRAMES_LATEST)) return true;
  int exists = FRAMES_FULL, missing = exists * 2;
  while (lua_getstack(L, missing, &frame)) {
    exists = missing;
    missing *= 2;
  }
  while (missing - exists > 1) {
    int middle = exists + (missing - exists) / 2;
    if (lua_getstack(L, middle, &frame)) exists = middle; else missing = middle;
  }
  return marked_frame(L, missing - FRAMES_OUTERMOST, missing);
}

bool lwkt_is_stack_local(lua_State *L, int index, int n, lua_State *const *others, int count) {
  index = lua_absindex(L, index);
  if (lua_getupvalue(L, index, n) == NULL) return false;
  lua_pushlightuserdata(L, &stack_mark);
  lua_setupvalue(L, index, n);
  bool found = marked(L);
  for (int i = 0; i < count && !found; i++) found = marked(others[i]);
  lua_setupvalue(L, index, n); /* the value taken out above */
  return found;
}
