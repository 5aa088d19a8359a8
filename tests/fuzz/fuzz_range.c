/*
 * fuzz_range.c: the input is 8 bytes of a size, then a Range header.
 */
#include <stdint.h>
#include <string.h>

#include "core/assert.h"
#include "http/range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool apart(struct bk__range a, struct bk__range b)
{
    return a.last + 1 < b.first || b.last + 1 < a.first;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bk__range ranges[BK__RANGES_MAX];
    uint64_t whole, sum = 0;
    size_t count = 0;

    if (size < sizeof(whole))
        return 0;
    memcpy(&whole, data, sizeof(whole));
    bk_str header = {(const char *)data + sizeof(whole), size - sizeof(whole)};
    enum bk__range_verdict verdict = bk__range_parse(header, whole, ranges, &count);
    bk_assert((verdict == BK__RANGE_SOME) == (count > 0) && count <= BK__RANGES_MAX);
    for (size_t i = 0; i < count; i++) {
        bk_assert(ranges[i].first <= ranges[i].last && ranges[i].last < whole);
        for (size_t k = 0; k < i; k++)
            bk_assert(apart(ranges[i], ranges[k]));
        sum += ranges[i].last - ranges[i].first + 1;
    }
    bk_assert(sum <= whole);
    return 0;
}
