/* promptlib.c: library functions of a program whose main thread is a prompt.
 *
 * Tracebacks end where the block begins that was entered, as if that were the main chunk. What children
 * write past the C library would stand in the middle of a line that is being typed: the terminal is
 * made ready for it, and the line drawn anew afterwards. */
#define _GNU_SOURCE
#include "clua.h"
#include "clwkt_tty.h"

#include <stdatomic.h>
#include <string.h>

static bool has_prompt; /* written before the first heap is made */

void lwkt_have_prompt(void) { has_prompt = true; }

/* The functions they stand for, the same in every heap. */
static _Atomic(lua_CFunction) stock_traceback, stock_execute, stock_popen, stock_pclose;

/* ---- debug.traceback ---- */

/* The last place of `mark` in the text, or NULL. */
static const char *find_last(const char *text, size_t length, const char *mark) {
  size_t size = strlen(mark);
  for (const char *at = text + length; at-- > text;) {
    if ((size_t)(text + length - at) >= size && memcmp(at, mark, size) == 0) return at;
  }
  return NULL;
}

static int traceback(lua_State *L) {
  int results = stock_traceback(L);
  size_t length;
  const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &length) : NULL;
  if (text == NULL) return results;
  const char *end = find_last(text, length, "\n\t[C]: in function 'xpcall'\n\t[prompt]:");
  if (end == NULL) return results;
  /* The outermost call, if it is the block: a main chunk. */
  const char *block = find_last(text, (size_t)(end - text), ": in function <stdin:");
  bool is_block = block != NULL && memchr(block, '\n', (size_t)(end - block)) == NULL;
  lua_pushlstring(L, text, (size_t)((is_block ? block : end) - text));
  lua_pushstring(L, is_block ? ": in main chunk\n\t[C]: in ?" : "\n\t[C]: in ?");
  lua_concat(L, 2);
  return 1;
}

/* ---- os.execute and io.popen ---- */

static int execute(lua_State *L) {
  luaL_optstring(L, 1, NULL);
  lwkt_tty_child_will_write();
  int results = stock_execute(L);
  lwkt_tty_child_has_written();
  return results;
}

static int close_pipe(lua_State *L) {
  int results = stock_pclose(L);
  lwkt_tty_child_has_written();
  return results;
}

static int open_pipe(lua_State *L) {
  int results = stock_popen(L);
  luaL_Stream *stream = luaL_testudata(L, -1, LUA_FILEHANDLE);
  if (stream != NULL) {
    stock_pclose = stream->closef;
    stream->closef = close_pipe;
  }
  return results;
}

/* Put `function` in the place of the field `name` of the library `library`, which is returned. */
static lua_CFunction replace(
    lua_State *L, const char *library, const char *name, lua_CFunction function) {
  lua_getglobal(L, library);
  lua_getfield(L, -1, name);
  lua_CFunction stock = lua_tocfunction(L, -1);
  lua_pushcfunction(L, function);
  lua_setfield(L, -3, name);
  lua_pop(L, 2);
  return stock;
}

void lwkt_open_for_prompt(lua_State *L) {
  if (!has_prompt) return;
  stock_traceback = replace(L, "debug", "traceback", traceback);
  stock_execute = replace(L, "os", "execute", execute);
  stock_popen = replace(L, "io", "popen", open_pipe);
}
