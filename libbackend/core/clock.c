/*
 * clock.c: asking for the time.
 */
#include "core/clock.h"

#include <time.h>

#include "core/assert.h"

/* gcc forgets the model of the header's declaration. */
_Thread_local struct bk__clock *bk__clock_current __attribute__((tls_model("initial-exec")));

static uint64_t read_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static bk_time read_time(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (bk_time)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

void bk__clock_renew(struct bk__clock *clock)
{
    if (clock->is_virtual)
        return;
    clock->now_ms = read_ns() / 1000000;
    clock->now = read_time();
}

void bk__clock_advance(struct bk__clock *clock, uint64_t ms)
{
    bk_assert(clock->is_virtual);
    clock->now_ms += ms;
    clock->now += (bk_time)ms * 1000;
}

uint64_t bk_now_ms(void)
{
    const struct bk__clock *clock = bk__clock_current;
    return clock != NULL ? clock->now_ms : read_ns() / 1000000;
}

uint64_t bk_now_ns(void)
{
    return read_ns();
}

bk_time bk_time_now(void)
{
    const struct bk__clock *clock = bk__clock_current;
    return clock != NULL ? clock->now : read_time();
}
