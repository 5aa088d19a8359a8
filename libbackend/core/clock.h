/*
 * clock.h: where a thread's time comes from.
 *
 * A loop gives its thread a clock whose readings it renews once a turn; a test's virtual clock is
 * one that nobody renews. Threads without a clock ask the system each time.
 */
#ifndef BK_CORE_CLOCK_H
#define BK_CORE_CLOCK_H

#include <backend/clock.h>

struct bk__clock {
    uint64_t now_ms; /* monotonic */
    bk_time now;     /* time of day */
    bool is_virtual; /* moved only by bk__clock_advance() */
};

/* The thread's clock; NULL: none. */
extern _Thread_local struct bk__clock *bk__clock_current
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* Reads the system into a clock that is not virtual. */
void bk__clock_renew(struct bk__clock *clock);

/* Moves a virtual clock. */
void bk__clock_advance(struct bk__clock *clock, uint64_t ms);

/* `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7) without NUL; 29 bytes. What lies outside the
 * years 0000 to 9999 becomes their first or last second. */
void bk__clock_http_date(bk_time at, char out[29]);

/* Reads the three forms of RFC 9110, 5.6.7. */
bk_err bk__clock_parse_http_date(bk_str text, bk_time *out);

#endif
