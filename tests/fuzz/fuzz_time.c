/*
 * fuzz_time.c: what reads as a time is written and read again as the same.
 */
#include <stdint.h>
#include <string.h>

#include <backend/str.h>

#include "core/assert.h"
#include "core/clock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_rfc_3339(bk_time at)
{
    char text[BK_TIME_TEXT];
    bk_time back;
    size_t len = bk_time_format(at, text);
    bk_assert(len < sizeof(text) && strlen(text) == len);
    if (text[0] == '+' || text[0] == '-') /* years beyond RFC 3339 */
        return;
    bk_assert(bk_time_parse(bk_str_at(text, len), &back) == BK_OK && back == at);
}

static void try_http_date(bk_time at)
{
    char text[29], rfc_3339[BK_TIME_TEXT];
    bk_time back;
    bk_time_format(at, rfc_3339);
    if (rfc_3339[0] == '+') /* the leap second that ends the year 9999 */
        return;
    bk__clock_http_date(at, text);
    bk_assert(bk__clock_parse_http_date(bk_str_at(text, sizeof(text)), &back) == BK_OK);
    bk_assert(back == at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bk__clock clock = {.is_virtual = true};
    bk_str text = {(const char *)data, size};
    bk_time at;

    bk__clock_current = &clock; /* two-digit years depend on the present one */
    if (bk_time_parse(text, &at) == BK_OK)
        try_rfc_3339(at);
    if (bk__clock_parse_http_date(text, &at) == BK_OK)
        try_http_date(at);
    if (size >= sizeof(at)) {
        memcpy(&at, data, sizeof(at));
        try_rfc_3339(at);
    }
    bk__clock_current = NULL;
    return 0;
}
