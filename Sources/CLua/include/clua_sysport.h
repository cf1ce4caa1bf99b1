/* clua_sysport.h: system calls for scripts: `lwkt.sys`, `lwkt.sysport` and `lwkt.errno`. */
#ifndef CLUA_SYSPORT_H
#define CLUA_SYSPORT_H

#include <lua5.4/lua.h>
#include <stddef.h>

/* The function of `lwkt.sys` whose number is upvalue 1. */
int lwkt_s_system_call(lua_State *L);
/* Set `sys` and `sysport` in the module table at the top of the stack. */
int lwkt_s_open_sysport(lua_State *L);

/* Push the function of `lwkt.sys` with this number. [-0, +1, m] */
void lwkt_push_system_call(lua_State *L, int number);
/* Set all three in the module table at the top of the stack. [-0, +0, m] */
void lwkt_open_sysport(lua_State *L);

/* Push the table that `stat` returns for the kernel's struct statx. Needs 4 slots. [-0, +1, m] */
void lwkt_push_stat(lua_State *L, const void *statx);
/* Push the array that `readdir` returns for `count` entries as lwkt_readdir stores them. Needs 4
 * slots. [-0, +1, m] */
void lwkt_push_entries(lua_State *L, const char *entries, int count);

#endif
