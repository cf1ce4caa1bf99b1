/* interactive.c: read, evaluate, print, from a standard input that is no terminal.
 *
 * What the standalone interpreter shows then is what its line editor leaves on a pipe: the prompt, the
 * line as it was read, the results. Lines are read a byte at a time past the buffer of `io`, as the
 * editor does, so that a line read by a script is not seen here, nor the other way round. While there
 * is nothing to read the thread waits for the sysport: other threads go on. */
#include "clua.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The stack of the body. CHUNK is what was read so far of an incomplete chunk, or nil. */
enum { HANDLER = LWKT_BODY_HANDLER, CHUNK, POLL, TOP = POLL };

/* The line that is being read. A process has one standard input. */
static struct {
  char *bytes;
  size_t count, room;
} line;

/* What is to be done next. The stages that call Lua come back in `called`. */
enum stage { PROMPT, READ, WAIT, EVALUATE, PRINT, REPORT, END };

static void put_prompt(lua_State *L) {
  bool is_first = lua_isnil(L, CHUNK);
  const char *prompt = is_first ? "> " : ">> ";
  if (lua_getglobal(L, is_first ? "_PROMPT" : "_PROMPT2") != LUA_TNIL) {
    prompt = luaL_tolstring(L, -1, NULL);
  }
  fputs(prompt, stdout);
  fflush(stdout);
  lua_settop(L, TOP);
}

/* ---- lines ---- */

/* Load the string at `index`; the function or the message is pushed. */
static int load(lua_State *L, int index) {
  size_t length;
  const char *text = lua_tolstring(L, index, &length);
  return luaL_loadbufferx(L, text, length, "=stdin", "t");
}

/* Is the message at the top one about a chunk that has no end yet? */
static bool is_incomplete(lua_State *L, int status) {
  static const char mark[] = "<eof>";
  size_t length;
  const char *text = lua_tolstring(L, -1, &length);
  return status == LUA_ERRSYNTAX && length >= sizeof mark - 1 &&
         strcmp(text + length - (sizeof mark - 1), mark) == 0;
}

static enum stage input_ended(lua_State *L) {
  if (lua_isnil(L, CHUNK)) return END;
  load(L, CHUNK);
  return REPORT;
}

/* A whole line is there: an expression, a chunk, or one more line of a chunk. */
static enum stage line_ended(lua_State *L) {
  if (!isatty(STDIN_FILENO)) {
    flockfile(stdout);
    fwrite_unlocked(line.bytes, 1, line.count, stdout);
    putc_unlocked('\n', stdout);
    fflush_unlocked(stdout);
    funlockfile(stdout);
  }
  lua_pushlstring(L, line.bytes != NULL ? line.bytes : "", line.count);
  if (lua_isnil(L, CHUNK)) {
    if (line.count > 0 && line.bytes[0] == '=') {
      lua_pushfstring(L, "return %s", lua_tostring(L, -1) + 1);
      lua_remove(L, -2);
    }
    lua_pushfstring(L, "return %s", lua_tostring(L, -1));
    if (load(L, -1) == LUA_OK) {
      lua_replace(L, TOP + 1);
      lua_settop(L, TOP + 1);
      return EVALUATE;
    }
    lua_pop(L, 2);
  } else {
    lua_pushvalue(L, CHUNK);
    lua_pushliteral(L, "\n");
    lua_rotate(L, -3, -1);
    lua_concat(L, 3);
  }
  lua_replace(L, CHUNK);
  int status = load(L, CHUNK);
  if (status == LUA_OK) return EVALUATE;
  return is_incomplete(L, status) ? PROMPT : REPORT;
}

static bool keep(char byte) {
  if (line.count == line.room) {
    size_t room = line.room > 0 ? 2 * line.room : 256;
    char *bytes = realloc(line.bytes, room);
    if (bytes == NULL) return false;
    line.bytes = bytes;
    line.room = room;
  }
  line.bytes[line.count++] = byte;
  return true;
}

/* Without an engine for system calls the worker itself waits: `may_block`. */
static enum stage read_line(lua_State *L, bool may_block) {
  lua_settop(L, TOP);
  for (;;) {
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    if (!may_block && poll(&input, 1, 0) == 0) return WAIT;
    may_block = false;
    char byte;
    ssize_t count = read(STDIN_FILENO, &byte, 1);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return line.count > 0 ? line_ended(L) : input_ended(L);
    if (byte == '\n' || byte == '\r') return line_ended(L);
    if (!keep(byte)) luaL_error(L, "not enough memory for a line of input");
  }
}

/* ---- the loop ---- */

static int called(lua_State *L, int status, lua_KContext stage);

/* Call what `stage` calls: the status. */
static int call(lua_State *L, enum stage stage) {
  if (stage == EVALUATE) {
    lua_pushnil(L);
    lua_replace(L, CHUNK);
    return lua_pcallk(L, 0, LUA_MULTRET, HANDLER, stage, called);
  }
  if (stage == PRINT) {
    int count = lua_gettop(L) - TOP;
    luaL_checkstack(L, LUA_MINSTACK, "too many results to print");
    lua_getglobal(L, "print");
    lua_insert(L, TOP + 1);
    return lua_pcallk(L, count, 0, 0, stage, called);
  }
  lua_pushvalue(L, POLL);
  lua_pushinteger(L, STDIN_FILENO);
  lua_pushliteral(L, "r");
  lua_callk(L, 2, 1, stage, called);
  return LUA_OK;
}

/* What comes after the call that `stage` has made. */
static enum stage after_call(lua_State *L, enum stage stage, int status) {
  bool failed = status != LUA_OK && status != LUA_YIELD;
  if (stage == WAIT) return read_line(L, lua_isnil(L, TOP + 1));
  if (stage == EVALUATE) return failed ? REPORT : lua_gettop(L) > TOP ? PRINT : PROMPT;
  if (!failed) return PROMPT;
  if (!lwkt_is_exit(L)) lua_pushfstring(L, "error calling 'print' (%s)", lua_tostring(L, -1));
  return REPORT;
}

static int loop(lua_State *L, enum stage stage) {
  while (stage != END) {
    switch (stage) {
    case PROMPT:
      lua_settop(L, TOP);
      put_prompt(L);
      line.count = 0;
      stage = READ;
      break;
    case READ: stage = read_line(L, false); break;
    case REPORT:
      lwkt_report_error(L, NULL);
      lua_pushnil(L);
      lua_replace(L, CHUNK);
      stage = PROMPT;
      break;
    default: stage = after_call(L, stage, call(L, stage)); break;
    }
  }
  putchar('\n');
  fflush(stdout);
  lua_pushboolean(L, 1);
  return 1;
}

static int called(lua_State *L, int status, lua_KContext stage) {
  return loop(L, after_call(L, (enum stage)stage, status));
}

int lwkt_interactive(lua_State *L) {
  lua_settop(L, LWKT_BODY_TOP);
  lua_pushnil(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_getfield(L, -1, "lwkt");
  lua_getfield(L, -1, "sys");
  lua_getfield(L, -1, "poll");
  lua_replace(L, POLL);
  return loop(L, PROMPT);
}
