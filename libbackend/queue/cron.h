/*
 * cron.h: a cron expression as sets of bits, and how its text becomes that.
 */
#ifndef BK_QUEUE_CRON_H
#define BK_QUEUE_CRON_H

#include <backend/cron.h>

#include "queue/tz.h"

struct bk_cron {
    uint64_t seconds, minutes; /* bit n: n fits; no set is empty */
    uint32_t hours, months;    /* months from bit 1 */
    uint32_t days;             /* of the month, from bit 1; empty where only `last_day` is said */
    uint8_t weekdays;          /* bit 0 is Sunday; likewise */
    uint8_t last_weekdays;     /* fit in the last seven days of a month only */
    int nth;                   /* 1 to 5: the weekday fits in that week only; 0: in any */
    bool last_day;             /* the last day of a month fits */
    bool any_day;              /* the day of the month is `*`: the day of the week decides alone */
    bool any_weekday;          /* and the other way round */
    struct bk__tz *tz;         /* NULL: UTC */
};

/* Fills all of @p out but its zone. BK_EINVAL with words. */
bk_err bk__cron_read(bk_str text, bk_cron *out);

/* The days of a month that fit, from bit 1. */
uint32_t bk__cron_days(const bk_cron *cron, int64_t year, int month);

#endif
