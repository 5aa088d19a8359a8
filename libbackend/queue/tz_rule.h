/*
 * tz_rule.h: the rule at the end of a time zone's file, which holds for all times beyond its table:
 * a TZ string as POSIX has it, with the extensions of RFC 8536 (3.3.1).
 */
#ifndef BK_QUEUE_TZ_RULE_H
#define BK_QUEUE_TZ_RULE_H

#include <backend/base.h>

/* A stretch of time over which a zone's offset to UTC does not change. Seconds since 1970. */
struct bk__tz_span {
    int64_t from, until; /* [from, until); INT64_MIN and INT64_MAX: no bound */
    int32_t offset;      /* seconds to add to UTC */
    int32_t before;      /* the offset up to `from`; equal to `offset` where nothing is known */
};

/* When in a year the clock is changed. */
struct bk__tz_change {
    enum {
        BK__TZ_WEEKDAY, /* Mm.w.d: the w-th weekday d of month m; the fifth is the last */
        BK__TZ_JULIAN,  /* Jn: from 1, leap days are not counted */
        BK__TZ_ORDINAL  /* n: from 0, leap days are */
    } kind;
    int month, week;
    int day;
    int32_t time; /* seconds of local time, -167 to 167 hours */
};

struct bk__tz_rule {
    int32_t standard, summer; /* seconds to add to UTC */
    bool has_summer;
    struct bk__tz_change begin, end; /* of summer time, where there is one */
};

/* False when @p text is no such rule. */
bool bk__tz_rule_parse(bk_str text, struct bk__tz_rule *out);

/* The span around @p at, which is in the years 1 to 9999. Beyond the year before and the year
 * after, a bound may be later or earlier than where the offset changes. */
void bk__tz_rule_span(const struct bk__tz_rule *rule, int64_t at, struct bk__tz_span *out);

#endif
