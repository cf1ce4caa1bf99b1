/* clwkt_tty.h: the terminal of an interactive run.
 *
 * One terminal a process: descriptors 0 and 1. Its modes are put back however the process ends:
 * exit, a signal that kills, a fault. */
#ifndef CLWKT_TTY_H
#define CLWKT_TTY_H

#include <stdbool.h>
#include <stdio.h>

/* Note the modes, put them back at the end of the process, and begin to catch what concerns a
 * terminal. Returns an eventfd that is written when the window changes its size or the process
 * goes on after a stop, or a negative errno. Once a process. */
int lwkt_tty_open(void);

/* Every key as a byte, nothing echoed, no signals from keys; or the modes as they were found. What
 * has been typed ahead is kept. */
void lwkt_tty_raw(bool raw);

/* While the terminal is raw: does Ctrl-C make a signal all the same? Any kernel thread. */
void lwkt_tty_signals(bool does);

/* A handler of signals that kill: puts the modes back first. Async-signal-safe; with SA_NODEFER. */
void lwkt_tty_die(int number);

/* The text that undoes what was written to the terminal to change it; written at the end if the
 * terminal is raw. Constant, there for ever. */
void lwkt_tty_farewell(const char *text);

/* Columns and rows; false if the terminal does not say. */
bool lwkt_tty_size(int *columns, int *rows);

/* Stop this process, as Ctrl-Z does, until it is told to go on. The modes are the found ones
 * meanwhile. */
void lwkt_tty_suspend(void);

/* Replace stdout (and stderr, if it is the same terminal) by streams whose bytes go through
 * `write`, with the descriptor they are for. Before anybody keeps the old ones. */
void lwkt_tty_divert(long (*write)(int descriptor, const char *bytes, size_t count));

/* Write to the terminal the way diverted streams do; -1: the descriptor is none of theirs. Any kernel
 * thread. */
long lwkt_tty_write(int descriptor, const char *bytes, size_t count);

/* What the diverted stdout still holds, as far as nobody else is writing. */
void lwkt_tty_flush(void);

/* Children write to the terminal themselves. `will_write` is told before one is waited for, `has_written`
 * when one has ended. Once, before a Lua heap is made; by default nobody is told. */
void lwkt_tty_watch_children(void (*will_write)(void), void (*has_written)(void));
void lwkt_tty_child_will_write(void);
void lwkt_tty_child_has_written(void);

#endif
