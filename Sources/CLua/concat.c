/*
 * concat.c: a pointer that Debian's Lua 5.4.4 loses.
 *
 * luaV_concat keeps the top of the stack in a register while it calls `__concat` and writes it back
 * afterwards: into memory that was given up, if the metamethod made the stack grow. From then on the
 * operands that are left, and what the collector marks, are whatever is there. Any script whose `__concat`
 * calls a little deeper than anything before it dies of that, or goes on with wrong values. The register
 * cannot be reached from Lua, but the call goes from one object file of the library to another: the
 * command is linked with `--wrap=luaT_tryconcatTM` (Package.swift), and so it comes by here.
 *
 * Only where the instruction that comes next is the one that writes that register back is anything
 * done: a library that was built otherwise, or mended, is left alone. A program that is linked without the
 * option has Lua as it is.
 */
#include <lua5.4/lua.h>

void __wrap_luaT_tryconcatTM(lua_State *L);

#if defined(__x86_64__) && LUA_VERSION_RELEASE_NUM == 50404

/* `stack`, the beginning of the stack, is at 0x30 in a lua_State. Nothing is kept that an error, which
   leaves by longjmp, would have to restore. */
__attribute__((naked)) void __wrap_luaT_tryconcatTM(__attribute__((unused)) lua_State *L) {
  __asm__(
      ".weak __real_luaT_tryconcatTM\n" /* for programs that are linked without the option */
      "push %rbx\n"
      ".cfi_adjust_cfa_offset 8\n"
      ".cfi_rel_offset %rbx, 0\n"
      "mov %rdi, %rbx\n"
      "sub $16, %rsp\n"
      ".cfi_adjust_cfa_offset 16\n"
      "mov 0x30(%rbx), %rax\n"
      "mov %rax, (%rsp)\n"
      "call __real_luaT_tryconcatTM\n"
      "mov 24(%rsp), %rax\n" /* where it returns to */
      "cmpl $0x107d894c, (%rax)\n" /* mov %r15, 0x10(%rbp): L->top = top - 1 */
      "jne 1f\n"
      "mov 0x30(%rbx), %rax\n"
      "sub (%rsp), %rax\n"
      "add %rax, %r15\n" /* by as much as the stack has moved */
      "1:\n"
      "add $16, %rsp\n"
      ".cfi_adjust_cfa_offset -16\n"
      "pop %rbx\n"
      ".cfi_adjust_cfa_offset -8\n"
      ".cfi_restore %rbx\n"
      "ret\n");
}

#else

void __real_luaT_tryconcatTM(lua_State *L) __attribute__((weak));
void __wrap_luaT_tryconcatTM(lua_State *L) { __real_luaT_tryconcatTM(L); }

#endif
