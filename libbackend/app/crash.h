/*
 * crash.h: last words. Only bk_app_main() installs them: a host program's signal handlers are its
 * own.
 */
#ifndef BK_APP_CRASH_H
#define BK_APP_CRASH_H

/* From now on a fatal signal on any thread says which fiber, route and request it hit, and prints a
 * backtrace, before the process dies of that same signal. On the calling thread also when a stack
 * is overflowed. */
void bk__crash_install(void);

#endif
