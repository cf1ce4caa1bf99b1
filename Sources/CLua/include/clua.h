/* clua.h: Lua 5.4 for Swift.
 *
 * Everything here that is called from Swift keeps the longjmp rule: it cannot raise. Functions
 * carry Lua's own mark [-o, +p, x]: values popped, pushed, and what may be raised ('-' nothing,
 * 'm' memory only, which the domain's allocator rules out while Swift runs).
 */
#ifndef CLUA_H
#define CLUA_H

#include "clwkt.h"
#include <lua5.4/lua.h>
#include <lua5.4/lauxlib.h>
#include <lua5.4/lualib.h>

/* ---- handles: full userdata that refer to an object outside (handle.c) ---- */

#define LWKT_KINDS 16

/* The object behind the handle at `index`, borrowed; NULL if that is no handle. [-0, +0, -] */
void *lwkt_tohandle(lua_State *L, int index);

/* Push the handle of `object` that this Lua heap already has, or a new one. Returns 1 when new:
 * the caller then owes one reference to it, which is given back when Lua frees the handle. Needs 3
 * stack slots.
 * [-0, +1, m] */
int lwkt_pushhandle(lua_State *L, void *object, int kind);

/* The same for an object that no handle in this heap refers to yet. The caller owes a reference.
 * [-0, +1, m] */
void lwkt_pushfirst(lua_State *L, void *object, int kind);

/* Push a handle of `object` that no other part of the heap has, and take over the caller's
 * reference. For objects that scripts never see. [-0, +1, m] */
void lwkt_pushholder(lua_State *L, void *object, int kind);

/* Empty a handle: its object, whose reference is the caller's now. [-0, +0, -] */
void *lwkt_takeholder(lua_State *L, int index);

/* May others wait for the end of the use of the listed handle at the top? As for a thread that may never
 * be started, and not for the sysport. [-0, +0, -] */
void lwkt_set_awaited(lua_State *L, bool is_awaited);
/* May this heap hold something that others wait for? With many handles in it the answer is yes. Needs 4
 * stack slots. [-0, +0, -] */
bool lwkt_may_hold_up(lua_State *L);

/* Is the heap's collector running, as far as scripts have a say? [-0, +0, -] */
static inline bool lwkt_collects(lua_State *L) { return lua_gc(L, LUA_GCISRUNNING) != 0; }

/* Make this heap's cache of handles. [-0, +0, m] */
void lwkt_handle_open(lua_State *L);

/* Register the metatable at the top of the stack for a kind and pop it. [-1, +0, m] */
void lwkt_handle_setmetatable(lua_State *L, int kind);

#include "clua_copy.h"

/* ---- function-like macros of lua.h that Swift does not import ---- */

static inline void lwkt_pop(lua_State *L, int n) { lua_settop(L, -n - 1); }

/* One step of a traversal in which nothing is assigned, so that the key is always found: with that,
 * lua_next raises nothing. [-1, +(2|0), -] */
static inline int lwkt_next(lua_State *L, int index) { return lua_next(L, index); }

#include "clua_binding.h"
#include "clua_program.h"
#include "clua_sysport.h"

#endif
