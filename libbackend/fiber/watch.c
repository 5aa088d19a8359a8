/*
 * watch.c: waiting for descriptors. See watch.h and <backend/loop.h>.
 *
 * An edge comes once, so what was reported is kept in `ready` until a wait asks for it. One fiber
 * may wait to read and another to write.
 */
#include <backend/loop.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "core/assert.h"
#include "fiber/fiber.h"
#include "fiber/loop.h"
#include "fiber/watch.h"

#define BATCH 64

struct bk_watch {
    struct bk_loop *loop;
    int fd;
    unsigned ready;      /* reported and not yet asked for */
    bk_fiber *waiter[2]; /* for reading, for writing */
};

bk_err bk_watch_new(int fd, bk_watch **out)
{
    struct bk_loop *loop = bk__loop_current;

    bk_assert(loop != NULL);
    struct bk_watch *watch = calloc(1, sizeof *watch);
    bk_assert(watch != NULL);
    watch->loop = loop;
    watch->fd = fd;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.ptr = watch};
    if (epoll_ctl(loop->watch_epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        bk_err err = bk_fail(BK_EIO, "cannot watch descriptor %d: %s", fd, strerror(errno));
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
    epoll_ctl(watch->loop->watch_epoll, EPOLL_CTL_DEL, watch->fd, NULL);
    free(watch);
}

/* Waking only makes fibers ready, so no watch is freed while the batch is gone through. */
void bk__watches_run(struct bk_loop *loop)
{
    struct epoll_event events[BATCH];
    int count;

    do {
        count = epoll_wait(loop->watch_epoll, events, BATCH, 0);
        for (int i = 0; i < count; i++) {
            struct bk_watch *watch = events[i].data.ptr;
            uint32_t got = events[i].events;
            if ((got & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
                watch->ready |= BK_READABLE;
            if ((got & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0)
                watch->ready |= BK_WRITABLE;
            for (size_t side = 0; side < 2; side++)
                if (watch->waiter[side] != NULL && (watch->ready & (1u << side)) != 0)
                    bk_fiber_wake(watch->waiter[side]);
        }
    } while (count == BATCH);
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
