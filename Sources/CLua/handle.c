/* handle.c: how a Lua heap refers to objects that live outside it.
 *
 * One handle per object and heap, so that handles compare and index tables as values should. The
 * cache is weak: Lua clears an entry before it frees the handle. There is no finaliser: the allocator
 * sees a handle's memory come back (alloc.c). */
#include "clua.h"

#include <stdio.h>
#include <stdlib.h>

/* In the registry, at `handles` of the heap: object -> handle, weak values; at the number of a kind its
 * metatable, which the registry holds too. */
static void push_handles(lua_State *L) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, lwkt_heap_of(L)->handles);
}

static const char handle_keys[LWKT_KINDS]; /* registry: the metatable of each kind */

/* Every argument of every call is asked whether it is a handle, so the answer is in the block itself:
 * no other userdata has this size and one of these addresses in it. */
const char lwkt_handle_marks[LWKT_HANDLE_MARKS];

/* Push a new handle, and the table of handles. [-0, +2, m] */
static void new_handle(lua_State *L, void *object, int kind, enum lwkt_handle_mark mark) {
  struct lwkt_heap *heap = lwkt_heap_of(L);
  heap->making_handle = true;
  struct lwkt_handle *handle = lua_newuserdatauv(L, sizeof *handle, 0);
  handle->object = object;
  handle->mark = &lwkt_handle_marks[mark];
  if (mark == LWKT_AWAITED) heap->awaited++;
  lua_rawgeti(L, LUA_REGISTRYINDEX, heap->handles);
  lua_rawgeti(L, -1, kind);
  lua_setmetatable(L, -3);
}

/* The length says first that it is a userdata, or a string or table that has no address. */
static struct lwkt_handle *to_handle(lua_State *L, int index) {
  if (lua_rawlen(L, index) != sizeof(struct lwkt_handle)) return NULL;
  struct lwkt_handle *handle = lua_touserdata(L, index);
  if (handle == NULL) return NULL;
  bool is_marked = (uintptr_t)handle->mark - (uintptr_t)lwkt_handle_marks < LWKT_HANDLE_MARKS;
  return is_marked ? handle : NULL;
}

void lwkt_handle_open(lua_State *L) {
  lua_createtable(L, LWKT_KINDS, 8);
  lua_pushvalue(L, -1);
  lwkt_heap_of(L)->handles = luaL_ref(L, LUA_REGISTRYINDEX);
  new_handle(L, NULL, 0, LWKT_HOLDER);
  if (lwkt_heap_of(L)->making_handle) {
    fprintf(stderr, "lwkt: this Lua lays out its userdata in another way than LWKT_USERDATA_HEAD\n");
    abort();
  }
  lua_pop(L, 2);
  lua_createtable(L, 0, 1);
  lua_pushstring(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_pop(L, 1);
}

void lwkt_handle_setmetatable(lua_State *L, int kind) {
  push_handles(L);
  lua_pushvalue(L, -2);
  lua_rawseti(L, -2, kind);
  lua_pop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &handle_keys[kind]);
}

void *lwkt_tohandle(lua_State *L, int index) {
  struct lwkt_handle *handle = to_handle(L, index);
  return handle != NULL ? handle->object : NULL;
}

void lwkt_pushfirst(lua_State *L, void *object, int kind) {
  bool is_awaited = kind == LWKT_KIND_PORT || kind == LWKT_KIND_MESSAGE;
  new_handle(L, object, kind, is_awaited ? LWKT_AWAITED : LWKT_LISTED);
  lua_pushvalue(L, -2);
  lua_rawsetp(L, -2, object);
  lwkt_pop(L, 1);
}

int lwkt_pushhandle(lua_State *L, void *object, int kind) {
  push_handles(L);
  if (lua_rawgetp(L, -1, object) != LUA_TNIL) {
    lua_copy(L, -1, -2);
    lwkt_pop(L, 1);
    return 0;
  }
  lwkt_pop(L, 2);
  lwkt_pushfirst(L, object, kind);
  return 1;
}

void lwkt_set_awaited(lua_State *L, bool is_awaited) {
  struct lwkt_handle *handle = to_handle(L, -1);
  const char *mark = &lwkt_handle_marks[is_awaited ? LWKT_AWAITED : LWKT_LISTED];
  if (handle == NULL || handle->mark == mark) return;
  handle->mark = mark;
  if (is_awaited) lwkt_heap_of(L)->awaited++; else lwkt_heap_of(L)->awaited--;
}

/* So many handles are looked at, a quarter of a millisecond's worth. */
enum { MOST_EXAMINED = 4096 };

bool lwkt_may_hold_up(lua_State *L) {
  size_t awaited = lwkt_heap_of(L)->awaited;
  bool does = false;
  push_handles(L);
  int base = lua_gettop(L);
  lua_pushnil(L);
  for (int left = MOST_EXAMINED; awaited > 0 && !does && left > 0 && lwkt_next(L, base); left--) {
    struct lwkt_handle *handle = to_handle(L, -1);
    lwkt_pop(L, 1);
    if (handle == NULL || handle->mark != &lwkt_handle_marks[LWKT_AWAITED]) continue;
    awaited--;
    does = lwkt_s_holds_others_up(handle->object);
  }
  /* What was not met, or has been struck off the list by the collector but not freed yet, may be
   * anything. */
  lua_settop(L, base - 1);
  return does || awaited > 0;
}

void lwkt_pushholder(lua_State *L, void *object, int kind) {
  new_handle(L, object, kind, LWKT_HOLDER);
  lwkt_pop(L, 1);
}

void *lwkt_takeholder(lua_State *L, int index) {
  struct lwkt_handle *handle = to_handle(L, index);
  if (handle == NULL) return NULL;
  void *object = handle->object;
  handle->object = NULL;
  return object;
}
