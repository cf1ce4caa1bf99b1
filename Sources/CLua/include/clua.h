/* clua.h: Lua 5.4 for Swift. See the longjmp rule in docs/internals.md. */
#ifndef CLUA_H
#define CLUA_H

#include <lua5.4/lua.h>
#include <lua5.4/lauxlib.h>
#include <lua5.4/lualib.h>

#endif
