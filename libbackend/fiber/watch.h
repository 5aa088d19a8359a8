/*
 * watch.h: descriptors of others (libpq's, curl's, yours) in one edge-triggered epoll nested in the
 * loop.
 *
 * h2o's loop adds and removes its descriptors as they are read and written; a descriptor that
 * another library owns is registered once and stays. Behind the wall of loop.h nobody needs more
 * than this.
 */
#ifndef BK_FIBER_WATCH_H
#define BK_FIBER_WATCH_H

struct bk_loop;

/* Takes what the kernel reports and wakes who waits for it. Called by the loop. */
void bk__watches_run(struct bk_loop *loop);

#endif
