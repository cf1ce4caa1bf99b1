/* arguments.c: where Swift's `CommandLine` has the arguments from, in the command.
 *
 * The Swift library finds them in a constructor, before `main`: it reads all of /proc/self/maps and
 * searches the stack. That is a twentieth of the time that `lua -e ''` takes altogether. The dynamic
 * linker passes them to every constructor anyway. These two functions take the place of the library's;
 * so its file with the constructor is not linked. */
#include "carguments.h"

static char **all;
static int all_count;

__attribute__((constructor)) static void note(int count, char **arguments) {
  all = arguments;
  all_count = count;
}

char **_swift_stdlib_getUnsafeArgvArgc(int *count) {
  *count = all_count;
  return all;
}

void _swift_stdlib_overrideUnsafeArgvArgc(char **arguments, int count) {
  all = arguments;
  all_count = count;
}
