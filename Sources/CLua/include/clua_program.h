/* clua_program.h: running a program as the command does (program.c, interactive.c). */
#ifndef CLUA_PROGRAM_H
#define CLUA_PROGRAM_H

#include <lua5.4/lua.h>
#include <stdbool.h>

/* One thing the command line asks for. They are done in order until one fails. */
enum lwkt_step_kind {
  LWKT_STEP_CHUNK,    /* run `text`, a chunk called `name` */
  LWKT_STEP_FILE,     /* run the file `text`; NULL: the standard input */
  LWKT_STEP_SCRIPT,   /* the same, with the elements of the global `arg` as its arguments */
  LWKT_STEP_LIBRARY,  /* require the library `text`, which may be 'global=library' */
  LWKT_STEP_WARNINGS, /* turn warnings on */
  LWKT_STEP_BODY,     /* the last one: go on as `body` */
};

struct lwkt_step {
  enum lwkt_step_kind kind;
  const char *text;
  const char *name;
  /* Called in the frame of the program's own body, so that tracebacks end as they should. On its
   * stack are LWKT_BODY_TOP values, the message handler at LWKT_BODY_HANDLER. It makes its own
   * reports, and returns a boolean to Lua: has all gone well? */
  lua_CFunction body;
};

/* What stock `lua -v` says: LUA_COPYRIGHT. */
const char *lwkt_lua_copyright(void);

enum { LWKT_BODY_HANDLER = 3, LWKT_BODY_TOP = 3 };

struct lwkt_program {
  const char *name; /* put before messages */
  const struct lwkt_step *steps;
  int count;
};

/* Push the body of the main thread: a function that does what `program` says, reports errors as
 * the standalone interpreter does, and returns whether all went well. [-0, +1, m] */
void lwkt_push_program(lua_State *L, const struct lwkt_program *program);

/* The handler of errors for what a program runs: a message with a traceback. [-1, +1, m] */
int lwkt_message_handler(lua_State *L);

/* The error value at the top, from a call with that handler, goes to stderr, after `name` unless
 * that is NULL; it is popped. lwkt.exit is not an error: it is raised again. [-1, +0, v] */
void lwkt_report_error(lua_State *L, const char *name);

/* The process ends with `status` although a worker does not let go, and says `text`. Any kernel thread.
 * (base.c) */
_Noreturn void lwkt_leave(int status, const char *text, size_t length);
/* Have the worker on this kernel thread stay where it is until `lwkt_let_go`: the thread that it runs, or
 * NULL if it is not to be found there. Once a process, at its end. (preempt.c) */
void *lwkt_hold_still(unsigned long kernel_thread);
void lwkt_let_go(void);

/* A body: read, evaluate, print, from a standard input that is no terminal. */
int lwkt_interactive(lua_State *L);

/* A body: the host's prompt (prompt.c). */
int lwkt_prompt(lua_State *L);
/* Push the prompt's driver and a table of functions for it. */
int lwkt_s_prompt_open(lua_State *L);

/* Has the deadlock report been made, which says all there is to say? */
bool lwkt_s_is_deadlocked(void);

/* ---- settings of every heap, made before the first one ---- */

/* Ignore LUA_PATH and the like (-E). */
void lwkt_ignore_environment(void);
/* The main thread will be a prompt (promptlib.c). */
void lwkt_have_prompt(void);
/* Refuse precompiled chunks, except those that threads are made of (--no-bytecode; textonly.c). */
void lwkt_refuse_bytecode(void);

/* What a chunk may be, for luaL_loadbufferx and its like: NULL or "t". */
const char *lwkt_load_mode(void);
/* The message at the top, of a failed load: if it is because of that, say so, and of which file
 * unless `path` is NULL. [-1, +1, m] */
void lwkt_explain_refusal(lua_State *L, const char *path);
/* In a new heap: what loads chunks keeps to that. [-0, +0, m] */
void lwkt_open_textonly(lua_State *L);
/* In a new heap: library functions that heed the prompt, if there is one. [-0, +0, m] */
void lwkt_open_for_prompt(lua_State *L);

#endif
