/*
 * range.c: which bytes of a representation are asked for.
 *
 * The danger is amplification: a short header that makes a server send the same bytes many times.
 * So no byte is in two ranges of the result, whose sum is at most the size, and there are few.
 */
#include "http/range.h"

#include <backend/str.h>

#include "http/header.h"

/* One element of the list, before the size is known to it. */
struct spec {
    bool suffix; /* the last `last` bytes */
    uint64_t first, last;
};

/* One or more digits. What is beyond 64 bits is as good as their largest value. */
static bool read_number(bk_str text, uint64_t *out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(text.ptr[i] - '0');
        value = value > (UINT64_MAX - digit) / 10 ? UINT64_MAX : value * 10 + digit;
    }
    *out = value;
    return text.len > 0;
}

/* "FIRST-LAST", "FIRST-" or "-LENGTH". */
static bool read_spec(bk_str text, struct spec *out)
{
    bk_str last = text, first;
    (void)bk_str_split(&last, '-', &first);
    if (!bk_str_present(last))
        return false;

    *out = (struct spec){.suffix = first.len == 0, .first = 0, .last = UINT64_MAX};
    if (out->suffix)
        return read_number(last, &out->last);
    if (!read_number(first, &out->first) || (last.len > 0 && !read_number(last, &out->last)))
        return false;
    return out->first <= out->last;
}

/* False when it holds no byte of the representation. */
static bool place(const struct spec *spec, uint64_t size, struct bk__range *out)
{
    if (spec->suffix) {
        uint64_t length = spec->last < size ? spec->last : size;
        *out = (struct bk__range){size - length, size - 1};
        return length > 0;
    }
    *out = (struct bk__range){spec->first, spec->last < size ? spec->last : size - 1};
    return spec->first < size;
}

/* Adds @p range where the first of those that it overlaps or touches is, in place of all of
 * them. */
static size_t merge(struct bk__range *ranges, size_t count, struct bk__range range)
{
    size_t at = count;
    for (size_t i = count; i-- > 0;) {
        if (ranges[i].first > range.last + 1 || range.first > ranges[i].last + 1)
            continue;
        if (ranges[i].first < range.first)
            range.first = ranges[i].first;
        if (ranges[i].last > range.last)
            range.last = ranges[i].last;
        memmove(&ranges[i], &ranges[i + 1], (count - i - 1) * sizeof(ranges[0]));
        count--;
        at = i;
    }
    memmove(&ranges[at + 1], &ranges[at], (count - at) * sizeof(ranges[0]));
    ranges[at] = range;
    return count + 1;
}

enum bk__range_verdict bk__range_parse(bk_str header, uint64_t size,
                                       struct bk__range ranges[BK__RANGES_MAX], size_t *count)
{
    bk_str list = header, unit, element;
    size_t specs = 0;
    bool all_of_nothing = false;

    *count = 0;
    (void)bk_str_split(&list, '=', &unit);
    if (!bk_str_present(list) || !bk_str_ieq(unit, BK_LIT("bytes")))
        return BK__RANGE_NONE;
    while (bk__header_list_next(&list, &element)) {
        struct spec spec;
        struct bk__range range;
        if (!read_spec(element, &spec) || ++specs > BK__RANGES_MAX) {
            *count = 0;
            return BK__RANGE_NONE;
        }
        if (place(&spec, size, &range))
            *count = merge(ranges, *count, range);
        else if (spec.suffix && spec.last > 0)
            all_of_nothing = true; /* size 0: satisfied, by a range that cannot be written down */
    }
    if (*count > 0)
        return BK__RANGE_SOME;
    return specs == 0 || all_of_nothing ? BK__RANGE_NONE : BK__RANGE_UNSATISFIABLE;
}
