/*
 * timer.c: timers on the loop's heap. See timer.h.
 */
#include "fiber/timer.h"

#include "fiber/loop.h"

void bk__timer_set(struct bk_loop *loop, struct bk__timer *timer, uint64_t at_ms)
{
    bk__heap_remove(&loop->timers, &timer->node);
    bk__heap_insert(&loop->timers, &timer->node, at_ms);
}

void bk__timer_at_least(struct bk_loop *loop, struct bk__timer *timer, uint64_t at_ms)
{
    if (bk__heap_linked(&timer->node) && timer->node.at <= at_ms)
        return;
    bk__timer_set(loop, timer, at_ms);
}

void bk__timer_stop(struct bk_loop *loop, struct bk__timer *timer)
{
    bk__heap_remove(&loop->timers, &timer->node);
}
