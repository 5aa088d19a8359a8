/* bench_stack.h: the middleware that most services have, around all routes of the bench server. */
#ifndef BENCH_STACK_H
#define BENCH_STACK_H

#include <backend/backend.h>

/* The stack called "observed" (request ids, traces, a log line for each request, metrics) or
 * "default" (that, and load shedding, a deadline, a rate limit for the host, security headers).
 * False when there is none of that name. @p log: where the lines go. */
bool bench_stack_use(bk_app *app, const char *name, const char *log);

#endif
