/*
 * tz.h: time zones from the system's files (TZif, RFC 8536).
 *
 * Our own reader, because the C library has one zone for the whole process (tzset) and asks the
 * environment for it.
 */
#ifndef BK_QUEUE_TZ_H
#define BK_QUEUE_TZ_H

#include <backend/base.h>
#include <backend/errors.h>

#include "queue/tz_rule.h"

/* A zone; never changes. */
struct bk__tz;

/* The zone named @p name. Yours. BK_EINVAL for what cannot be a name, BK_ENOTFOUND when there is
 * none, BK_EIO when its file cannot be read or is none. */
BK_NODISCARD bk_err bk__tz_open(bk_str name, struct bk__tz **out);

/* The zone whose file holds @p bytes. Yours. BK_EINVAL when they are no TZif file, or one that
 * counts leap seconds. */
BK_NODISCARD bk_err bk__tz_read(bk_str bytes, struct bk__tz **out);

/* May be NULL. */
void bk__tz_free(struct bk__tz *tz);

/* The span around @p at, which is in the years 1 to 9999. Neighbours may have the same offset. */
void bk__tz_span(const struct bk__tz *tz, int64_t at, struct bk__tz_span *out);

#endif
