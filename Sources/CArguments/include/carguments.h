/* carguments.h: see arguments.c. */
#ifndef CARGUMENTS_H
#define CARGUMENTS_H

/* The process's arguments and their number: what Swift's `CommandLine` asks its library for. */
char **_swift_stdlib_getUnsafeArgvArgc(int *count);
void _swift_stdlib_overrideUnsafeArgvArgc(char **arguments, int count);

#endif
