/*
 * range.h: byte ranges (RFC 9110, 14).
 */
#ifndef BK_HTTP_RANGE_H
#define BK_HTTP_RANGE_H

#include <backend/base.h>

#define BK__RANGES_MAX 16

enum bk__range_verdict {
    BK__RANGE_NONE,         /* no header, another unit, bad syntax or too many: send the whole */
    BK__RANGE_SOME,         /* send these */
    BK__RANGE_UNSATISFIABLE /* 416 */
};

struct bk__range {
    uint64_t first, last; /* inclusive, within the size */
};

/* Parses a Range header value for a representation of @p size bytes. Overlapping or touching ranges
 * are merged; order of the rest is the client's. */
enum bk__range_verdict bk__range_parse(bk_str header, uint64_t size,
                                       struct bk__range ranges[BK__RANGES_MAX], size_t *count);

#endif
