/*
 * fuzz_cron.c: a text either is refused or is an expression whose times rise, in UTC and where
 * clocks are changed.
 */
#include <stdint.h>

#include <backend/cron.h>

#include "core/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DECEMBER_2026 INT64_C(1796083200000000)

static void try_zone(bk_str text, bk_str zone)
{
    bk_cron *cron;
    bk_time at = DECEMBER_2026;

    if (bk_cron_parse(text, zone, &cron) != BK_OK)
        return;
    for (int i = 0; i < 20; i++) {
        bk_time before = at, again;
        if (bk_cron_next(cron, at, &at) != BK_OK)
            break; /* in the year 9999 */
        bk_assert(at > before && at % 1000000 == 0);
        bk_assert(bk_cron_next(cron, at - 1, &again) == BK_OK && again == at);
    }
    bk_cron_free(cron);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bk_str text = {(const char *)data, size};

    try_zone(text, (bk_str){0});
    try_zone(text, BK_LIT("America/New_York"));
    return 0;
}
