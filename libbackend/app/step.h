/*
 * step.h: the steps of an app's life are fibers: its user's functions may wait in them.
 */
#ifndef BK_APP_STEP_H
#define BK_APP_STEP_H

#include <backend/errors.h>

struct bk_loop;

/* Runs @p fn on a fiber, and the loop until it has ended; to be called on the loop's stack. An
 * error is logged with @p name and returned. */
bk_err bk__step_run(struct bk_loop *loop, const char *name, bk_err (*fn)(void *data), void *data);

/* Cancels all fibers and turns the loop until none is left. Those that do not end are named in the
 * log: their stacks are in use, so there is nothing to do but wait. The clock must be real. */
void bk__step_end_fibers(struct bk_loop *loop);

/* Turns the loop until @p count is 0 or @p ms have passed; returns whether it is 0. */
bool bk__step_until_zero(struct bk_loop *loop, const size_t *count, uint32_t ms);

#endif
