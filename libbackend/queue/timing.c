/*
 * timing.c: when a schedule runs. See timing.h.
 *
 * A run that comes late does not make those after it late: slots stay where they are, and which of
 * those that have passed are made up for is what `missed` says.
 */
#include "queue/timing.h"

#include <backend/str.h>

static bk_err by_pattern(const struct bk__timing *timing, int64_t after, int64_t *out)
{
    bk_cron *cron;
    bk_time next;

    BK_TRY(bk_cron_parse(timing->pattern, timing->zone, &cron));
    bk_err err = bk_cron_next(cron, after * 1000, &next);
    bk_cron_free(cron);
    if (err == BK_OK)
        *out = next / 1000;
    return err;
}

/* The first of every + offset after @p now. */
static int64_t slot_after(const struct bk__timing *timing, int64_t now, int64_t offset)
{
    int64_t slot = now / timing->every * timing->every + offset;
    return slot > now ? slot : slot + timing->every;
}

static bk_err unless_over(const struct bk__timing *timing, int64_t run, int64_t *out)
{
    if (timing->end != 0 && run > timing->end)
        return bk_fail(BK_EGONE, "the schedule has no run before its end");
    *out = run;
    return BK_OK;
}

bk_err bk__timing_first(const struct bk__timing *timing, int64_t now, int64_t *out)
{
    int64_t run = timing->start > now ? timing->start : now;

    if (timing->every == 0)
        BK_TRY(by_pattern(timing, timing->start > now ? run - 1 : run, &run));
    else if (timing->offset >= 0 && timing->start <= now)
        run = slot_after(timing, now, timing->offset);
    return unless_over(timing, run, out);
}

bk_err bk__timing_next(const struct bk__timing *timing, int64_t run, int64_t now, int64_t *out)
{
    bool all = timing->missed == BK_MISSED_ALL;
    int64_t next = run + timing->every;

    if (timing->every == 0)
        BK_TRY(by_pattern(timing, all || run > now ? run : now, &next));
    else if (next <= now && !all)
        next = slot_after(timing, now, run % timing->every);
    return unless_over(timing, next, out);
}

bool bk__timing_same(const struct bk__timing *a, const struct bk__timing *b)
{
    return a->every == b->every && bk_str_eq(a->pattern, b->pattern) &&
           bk_str_eq(a->zone, b->zone) && a->start == b->start && a->end == b->end;
}
