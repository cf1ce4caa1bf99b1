/* clua_copy.h: what copying of values needs from C (copy.c).
 *
 * Marks as in clua.h. Nothing here raises; what allocates in a Lua heap is marked 'm', and may run
 * a step of the collector and so finalisers unless it says otherwise.
 */
#ifndef CLUA_COPY_H
#define CLUA_COPY_H

/* Which Lua this is, such as "Lua 5.4.4". */
const char *lwkt_lua_release(void);

/* ---- code ---- */

/* A growing piece of memory for the bytes of a dumped function. Zero it before the first use; free
 * `data` with free(). */
struct lwkt_bytes {
  char *data;
  size_t count;
  size_t capacity;
};

/* Dump the Lua function at `index`, with debug data, into `out`, replacing what is there. False if
 * it is no Lua function. Needs 1 stack slot. [-0, +0, -] */
bool lwkt_dump(lua_State *L, int index, struct lwkt_bytes *out);

/* What the Lua function at `index` shares with all others that the same source has made; NULL for
 * another value. Valid as long as one of them lives. Lua does not offer this: `BytecodeFormat.check`
 * compares it with the library that is linked. [-0, +0, -] */
const void *lwkt_prototype(lua_State *L, int index);

/* Load a dumped function and push it, or push an error message and return false. Its upvalues
 * are new; the first holds the heap's globals table, the others nil. [-0, +1, -] */
bool lwkt_undump(lua_State *L, const void *data, size_t count);

/* What a heap knows of one code: a userdata that owns a reference to it, with the names of the
 * globals that the code uses as user values 1.. */
struct lwkt_code_record {
  void *code;
};

/* Push a new record, which takes over the caller's reference to `code`. Needs 3 stack slots.
 * [-0, +1, m] */
struct lwkt_code_record *lwkt_newrecord(lua_State *L, void *code, int names);

/* Give back one reference to a code object: implemented in Swift, called by the finaliser. */
void lwkt_code_release(void *code);

/* ---- captured variables ---- */

/* Is upvalue `n` of the function at `index` at this moment a local variable on the stack of L or
 * of one of `others`? Marks the variable for an instant and looks for the mark. Needs 2 stack
 * slots. [-0, +0, -] */
bool lwkt_is_stack_local(lua_State *L, int index, int n, lua_State *const *others, int count);

#endif
