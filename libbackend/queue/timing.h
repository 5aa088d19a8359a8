/*
 * timing.h: when a schedule runs. Times are milliseconds since 1970, as BullMQ has them.
 */
#ifndef BK_QUEUE_TIMING_H
#define BK_QUEUE_TIMING_H

#include <backend/schedule.h>

struct bk__timing {
    int64_t every;  /* 0: by the pattern */
    int64_t offset; /* of every; -1: counted from the first run */
    bk_str pattern, zone;
    int64_t start, end; /* 0: none */
    int64_t limit;      /* 0: none */
    bk_missed missed;
};

/* The first run of a schedule that is put at @p now. BK_EGONE when there is none before its end;
 * else as bk_cron_parse() and bk_cron_next(). */
bk_err bk__timing_first(const struct bk__timing *timing, int64_t now, int64_t *out);

/* The run after the one at @p run, which is taken at @p now, perhaps late. Errors likewise. */
bk_err bk__timing_next(const struct bk__timing *timing, int64_t run, int64_t now, int64_t *out);

/* Whether both have the same times. */
bool bk__timing_same(const struct bk__timing *a, const struct bk__timing *b);

#endif
