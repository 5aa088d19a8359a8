/*
 * fuzz_tz.c: a file either is refused or gives spans that follow one another, and times that rise.
 */
#include <stdint.h>

#include <backend/str.h>

#include "core/assert.h"
#include "queue/cron.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define YEAR     INT64_C(31556952)
#define EARLIEST INT64_C(-62135596800)

static void walk(const struct bk__tz *tz)
{
    struct bk__tz_span span;
    int64_t at = EARLIEST;

    for (int i = 0; i < 2000 && at < 8000 * YEAR; i++) {
        bk__tz_span(tz, at, &span);
        bk_assert(span.from <= at && at < span.until);
        bk_assert(span.offset >= -28 * 3600 && span.offset <= 28 * 3600);
        at = span.until;
    }
}

static void ask(struct bk__tz *tz)
{
    bk_cron cron;
    bk_time at = 0;

    bk_assert(bk__cron_read(BK_LIT("30 2 * * *"), &cron) == BK_OK);
    cron.tz = tz;
    for (int i = 0; i < 100; i++) {
        bk_time before = at;
        bk_assert(bk_cron_next(&cron, at, &at) == BK_OK && at > before);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bk__tz_rule rule;
    struct bk__tz *tz;

    (void)bk__tz_rule_parse(bk_str_at((const char *)data, size), &rule);
    if (bk__tz_read(bk_str_at((const char *)data, size), &tz) != BK_OK)
        return 0;
    walk(tz);
    ask(tz);
    bk__tz_free(tz);
    return 0;
}
