/*
 * watch.c: waiting for descriptors. See watch.h and <backend/loop.h>.
 *
 * The kernel's events come in batches, and a callback may remove, even free, what a later event of
 * its batch points to. So the batch stands in the loop while it is gone through, and
 * bk__io_remove() blanks what it finds there.
 *
 * An edge comes once, so a bk_watch keeps what was reported in `ready` until a wait asks for it.
 * One fiber may wait to read and another to write.
 */
#include "fiber/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "core/assert.h"
#include "core/list.h"
#include "fiber/fiber.h"
#include "fiber/loop.h"

#define BATCH 64

/* --- descriptors and functions ---------------------------------------------------------------- */

bk_err bk__io_add(struct bk__io *io, int fd, void (*fn)(struct bk__io *, unsigned))
{
    struct bk_loop *loop = bk__loop_current;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.ptr = io};

    bk_assert(loop != NULL);
    *io = (struct bk__io){.loop = loop, .fd = -1, .fn = fn};
    if (epoll_ctl(loop->watch_epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        return bk_fail(BK_EIO, "cannot watch descriptor %d: %s", fd, strerror(errno));
    io->fd = fd;
    return BK_OK;
}

void bk__io_remove(struct bk__io *io)
{
    struct bk_loop *loop = io->loop;

    if (loop == NULL || io->fd < 0)
        return;
    epoll_ctl(loop->watch_epoll, EPOLL_CTL_DEL, io->fd, NULL);
    io->fd = -1;
    for (int i = 0; i < loop->watch_batch_count; i++)
        if (loop->watch_batch[i].data.ptr == io)
            loop->watch_batch[i].data.ptr = NULL;
}

static unsigned readiness(uint32_t events)
{
    unsigned ready = 0;

    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
        ready |= BK_READABLE;
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0)
        ready |= BK_WRITABLE;
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
        ready |= BK__HUNG_UP;
    return ready;
}

void bk__watches_run(struct bk_loop *loop)
{
    struct epoll_event batch[BATCH];
    int count;

    do {
        count = epoll_wait(loop->watch_epoll, batch, BATCH, 0);
        loop->watch_batch = batch;
        loop->watch_batch_count = count;
        for (int i = 0; i < count; i++) {
            struct bk__io *io = batch[i].data.ptr;
            if (io != NULL)
                io->fn(io, readiness(batch[i].events));
        }
    } while (count == BATCH);
    loop->watch_batch = NULL;
    loop->watch_batch_count = 0;
}

/* --- descriptors and fibers ------------------------------------------------------------------- */

struct bk_watch {
    struct bk__io io;
    unsigned ready;      /* reported and not yet asked for */
    bk_fiber *waiter[2]; /* for reading, for writing */
};

static void on_ready(struct bk__io *io, unsigned ready)
{
    bk_watch *watch = bk__container_of(io, bk_watch, io);

    watch->ready |= ready;
    for (size_t side = 0; side < 2; side++)
        if (watch->waiter[side] != NULL && (watch->ready & (1u << side)) != 0)
            bk_fiber_wake(watch->waiter[side]);
}

bk_err bk_watch_new(int fd, bk_watch **out)
{
    bk_watch *watch = calloc(1, sizeof *watch);

    bk_assert(watch != NULL);
    bk_err err = bk__io_add(&watch->io, fd, on_ready);
    if (err != BK_OK) {
        free(watch);
        return err;
    }
    *out = watch;
    return BK_OK;
}

void bk_watch_free(bk_watch *watch)
{
    if (watch == NULL)
        return;
    bk_assert(watch->waiter[0] == NULL && watch->waiter[1] == NULL);
    bk__io_remove(&watch->io);
    free(watch);
}

bk_err bk_watch_wait(bk_watch *watch, unsigned events, unsigned *ready)
{
    bk_fiber *self = bk_fiber_self();
    bk_err err = BK_OK;

    bk_assert(self != NULL && (events & ~(unsigned)(BK_READABLE | BK_WRITABLE)) == 0);
    for (size_t side = 0; side < 2; side++) {
        if ((events & (1u << side)) == 0)
            continue;
        bk_assert(watch->waiter[side] == NULL); /* one fiber a side */
        watch->waiter[side] = self;
    }
    while ((watch->ready & events) == 0 && err == BK_OK)
        err = bk_fiber_park();
    for (size_t side = 0; side < 2; side++)
        if (watch->waiter[side] == self)
            watch->waiter[side] = NULL;
    if ((watch->ready & events) == 0)
        return err;
    if (ready != NULL)
        *ready = watch->ready & events;
    watch->ready &= ~events;
    return BK_OK;
}
