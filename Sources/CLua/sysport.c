/* sysport.c: the tables that system calls return, and the names of errnos. */
#include "clua.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

static int system_call(lua_State *L) { return lwkt_call(L, lwkt_s_system_call); }

void lwkt_push_system_call(lua_State *L, int number) {
  lua_pushinteger(L, number);
  lua_pushcclosure(L, system_call, 1);
}

/* ---- results ---- */

static void set_integer(lua_State *L, const char *name, uint64_t value) {
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, name);
}

static void set_number(lua_State *L, const char *name, double value) {
  lua_pushnumber(L, value);
  lua_setfield(L, -2, name);
}

static void set_type(lua_State *L, mode_t mode) {
  const char *type = S_ISREG(mode)    ? "file"
                     : S_ISDIR(mode)  ? "directory"
                     : S_ISLNK(mode)  ? "link"
                     : S_ISFIFO(mode) ? "fifo"
                     : S_ISSOCK(mode) ? "socket"
                     : S_ISCHR(mode)  ? "char"
                     : S_ISBLK(mode)  ? "block"
                                      : "unknown";
  lua_pushstring(L, type);
  lua_setfield(L, -2, "type");
}

void lwkt_push_stat(lua_State *L, const void *statx) {
  struct lwkt_stat stat;
  lwkt_stat_decode(statx, &stat);
  lua_createtable(L, 0, 12);
  set_type(L, stat.mode);
  set_integer(L, "mode", stat.mode & 07777);
  set_integer(L, "size", stat.size);
  set_integer(L, "blocks", stat.blocks);
  set_integer(L, "ino", stat.inode);
  set_integer(L, "dev", stat.device);
  set_integer(L, "nlink", stat.links);
  set_integer(L, "uid", stat.uid);
  set_integer(L, "gid", stat.gid);
  set_number(L, "atime", stat.atime);
  set_number(L, "mtime", stat.mtime);
  set_number(L, "ctime", stat.ctime);
}

void lwkt_push_entries(lua_State *L, const char *entries, int count) {
  lua_createtable(L, count, 0);
  for (int n = 1; n <= count; n++) {
    lua_createtable(L, 0, 2);
    set_type(L, DTTOIF((unsigned char)*entries));
    lua_pushstring(L, entries + 1);
    lua_setfield(L, -2, "name");
    lua_rawseti(L, -2, n);
    entries += strlen(entries + 1) + 2;
  }
}

/* ---- lwkt.errno: filled when it is first looked into, since few heaps do ---- */

static void fill_errno(lua_State *L, int table) {
  int number;
  const char *name;
  for (number = 1; number <= LWKT_ERRNO_LAST; number++) {
    if ((name = lwkt_errno_name(number)) == NULL) continue;
    lua_pushinteger(L, number);
    lua_setfield(L, table, name);
  }
  for (int n = 0; (name = lwkt_errno_synonym(n, &number)) != NULL; n++) {
    lua_pushinteger(L, number);
    lua_setfield(L, table, name);
  }
  lua_pushnil(L);
  lua_setmetatable(L, table);
}

static int errno_index(lua_State *L) {
  lua_settop(L, 2);
  fill_errno(L, 1);
  lua_rawget(L, 1);
  return 1;
}

static int errno_next(lua_State *L) {
  lua_settop(L, 2);
  return lua_next(L, 1) ? 2 : 0;
}

static int errno_pairs(lua_State *L) {
  fill_errno(L, 1);
  lua_pushcfunction(L, errno_next);
  lua_pushvalue(L, 1);
  return 2;
}

void lwkt_open_sysport(lua_State *L) {
  /* Not by lwkt_call: a heap may be opened where no thread runs. */
  lwkt_percpu()->swift_depth++;
  lwkt_s_open_sysport(L);
  lwkt_percpu()->swift_depth--;
  lua_createtable(L, 0, 0);
  lua_createtable(L, 0, 2);
  lua_pushcfunction(L, errno_index);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, errno_pairs);
  lua_setfield(L, -2, "__pairs");
  lua_setmetatable(L, -2);
  lua_setfield(L, -2, "errno");
}
