/*
 * timer.h: timers of a loop, in milliseconds of its clock.
 *
 * All of them lie in one binary heap; the loop sleeps until the earliest. Connections and fibers
 * move their deadlines far more often than these expire, so they leave the timer where it is and
 * look at the deadline when it fires: see bk__timer_at_least().
 */
#ifndef BK_FIBER_TIMER_H
#define BK_FIBER_TIMER_H

#include "core/heap.h"

struct bk_loop;

struct bk__timer {
    struct bk__heap_node node;
    void (*fn)(struct bk__timer *timer); /* runs on the loop's stack */
};

/* Sets it to @p at_ms, wherever it stood. */
void bk__timer_set(struct bk_loop *loop, struct bk__timer *timer, uint64_t at_ms);

/* Makes sure that it fires at @p at_ms or before: cheap where it is set already. When it fires
 * early, the owner sees that its time has not come, and sets it again. */
void bk__timer_at_least(struct bk_loop *loop, struct bk__timer *timer, uint64_t at_ms);

/* Unsets it. Harmless when it is not set. */
void bk__timer_stop(struct bk_loop *loop, struct bk__timer *timer);

#endif
