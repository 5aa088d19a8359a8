/*
 * waiter.h: fibers in line for the same thing.
 *
 * A waiter lies on its fiber's stack and stands in its object's list, in the order of coming. Who
 * has something to give takes the first one out, leaves the thing with it and marks it served: from
 * then on the thing is that waiter's, so nobody who comes later can snatch it before the fiber has
 * run, and a cancel or a deadline that woke the fiber too comes too late. A waiter that was not
 * served leaves the list by itself and has taken nothing.
 */
#ifndef BK_FIBER_WAITER_H
#define BK_FIBER_WAITER_H

#include "core/list.h"
#include "fiber/fiber.h"

struct bk__waiter {
    struct bk__link link; /* in its object's list, until served */
    bk_fiber *fiber;
    bool served;
    bk_err result; /* once served */
};

/* The first in line; NULL when nobody waits. */
static inline struct bk__waiter *bk__waiter_first(const struct bk__list *line)
{
    if (bk__list_empty(line))
        return NULL;
    return bk__container_of(line->anchor.next, struct bk__waiter, link);
}

/* Ends the wait of @p waiter with @p result. */
static inline void bk__waiter_serve(struct bk__waiter *waiter, bk_err result)
{
    bk__list_remove(&waiter->link);
    waiter->result = result;
    waiter->served = true;
    bk_fiber_wake(waiter->fiber);
}

/* Puts the calling fiber in @p line as @p self until it is served: what bk__waiter_serve() was
 * given; else BK_ECANCELED or BK_ETIMEDOUT. */
BK_YIELDS static inline bk_err bk__waiter_wait(struct bk__waiter *self, struct bk__list *line)
{
    bk_err err;

    self->fiber = bk_fiber_self();
    self->served = false;
    bk__list_push(line, &self->link);
    do
        err = bk__fiber_wait(BK__NEVER);
    while (err == BK_OK && !self->served);
    if (self->served)
        return self->result;
    bk__list_remove(&self->link);
    return err;
}

#endif
