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

#include <backend/errors.h>
#include <backend/loop.h>

struct bk_loop;

/* Beside BK_READABLE and BK_WRITABLE: the peer has closed, so there is an end to be read behind the
 * bytes that came with it. No other event will tell of it. */
#define BK__HUNG_UP 4u

/* A descriptor whose readiness is told to a function, on the loop's stack: for connections that
 * many fibers share. What bk_watch is made of, too. */
struct bk__io {
    struct bk_loop *loop;
    int fd; /* non-blocking, borrowed; -1 while it is not registered */
    /* @p ready: BK_READABLE, BK_WRITABLE, BK__HUNG_UP; an error counts as all. Told once per
     * change: read and write until EAGAIN or a short count, after BK__HUNG_UP until the end of the
     * stream. May remove any bk__io and free what it lies in. */
    void (*fn)(struct bk__io *io, unsigned ready);
};

/* Registers @p fd with the loop of the calling thread. BK_EIO, with words, when the kernel refuses
 * it. */
bk_err bk__io_add(struct bk__io *io, int fd, void (*fn)(struct bk__io *, unsigned));

/* Forgets it, before its descriptor is closed: fn is not called any more, not even for what was
 * reported already. Harmless when it is not registered, also for a zeroed one. */
void bk__io_remove(struct bk__io *io);

/* Takes what the kernel reports and tells it. Called by the loop. */
void bk__watches_run(struct bk_loop *loop);

#endif
