/*
 * part.h: what an app has in each worker besides its handlers. See bk_part_type in
 * <backend/loop.h>.
 *
 * Parts stand in the app's list in the order of their declaration. Who was started later may use
 * who was started earlier, so everything is taken down in reverse.
 */
#ifndef BK_APP_PART_H
#define BK_APP_PART_H

#include <backend/loop.h>

/* Starts all, each on a fiber, up to the first that fails: those after it are not started, those
 * before it stay until bk__parts_stop(). */
bk_err bk__parts_start(bk_app *app);

/* Tells all that requests are to come to their end. */
void bk__parts_drain(bk_app *app);

/* Stops those that were started, each on a fiber of its own once no other is left. */
void bk__parts_stop(bk_app *app);

/* Frees all. */
void bk__parts_free(bk_app *app);

#endif
