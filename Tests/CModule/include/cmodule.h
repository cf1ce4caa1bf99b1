/* cmodule.h: see cmodule.c. */
#ifndef CMODULE_H
#define CMODULE_H

#include <lua5.4/lua.h>

int luaopen_cmodule(lua_State *L);

#endif
