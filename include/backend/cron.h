/**
 * @file backend/cron.h
 * @brief Cron expressions: when is the next time, in any time zone.
 *
 * An expression has five fields, or six with the seconds first:
 *
 *     second  0-59, 0 when left out       day of month  1-31, L is the last
 *     minute  0-59                        month         1-12 or JAN-DEC
 *     hour    0-23                        day of week   0-7 or SUN-SAT; 0 and 7 are Sunday,
 *                                                       5L is the last Friday, 2#1 the first
 * Tuesday
 *
 * A field is `*`, a value, a range `9-17`, any of these with a step (`10-50/20`; `5/15` begins at 5
 * and goes on to the end), or a list of such items with commas. `?` is `*`. Names may be in any
 * case. Where neither day field is `*`, a day fits when **either** does. Instead of fields:
 * `@yearly`, `@annually`,
 * `@monthly`, `@weekly`, `@daily`, `@hourly`, `@minutely`, `@secondly`, `@weekdays`, `@weekends`.
 *
 * What is accepted is what npm's cron-parser 5 accepts, so that any worker of a queue, in C or in
 * Node, can go on with a schedule. The exceptions: fewer than five fields and Jenkins' `H` are
 * refused, and so are dates that never come, such as 30 February.
 *
 * **Where the clock is put forward,** the times that it skips fire once, together, right after.
 * **Where it is put back,** the times that come twice fire the first time only. An expression that
 * allows every hour goes by time that passes instead: `0/10 * * * *` is each ten minutes, also
 * then.
 */
#ifndef BACKEND_CRON_H
#define BACKEND_CRON_H

#include <backend/base.h>
#include <backend/errors.h>

BK_BEGIN_DECLS

/** An expression that has been read. Never changes: any number of threads may use it. */
typedef struct bk_cron bk_cron;

/**
 * Reads an expression.
 *
 * @param text  At most 256 bytes.
 * @param zone  A name as in /usr/share/zoneinfo: "Europe/Paris". Absent or empty: UTC. What the
 *              process has as its own zone plays no part.
 * @param out   Receives the expression, yours; untouched on error.
 *
 * @return BK_OK; BK_EINVAL with the field and the reason; BK_ENOTFOUND for a zone that there is
 *         not; BK_EIO where its file cannot be read.
 *
 * @threads Any. Reads the file of the zone.
 */
BK_API BK_NODISCARD bk_err bk_cron_parse(bk_str text, bk_str zone, bk_cron **out);

/**
 * The first time after @p after that fits. Costs well under a microsecond, and at most about one
 * millisecond for the rarest dates.
 *
 * @param out  Receives a whole second; untouched on error.
 * @return BK_OK; BK_ENOTFOUND when there is none before the year 10000.
 * @threads Any.
 */
BK_API BK_NODISCARD bk_err bk_cron_next(const bk_cron *cron, bk_time after, bk_time *out);

/** Forgets it. @param cron  May be NULL. @threads Any. */
BK_API void bk_cron_free(bk_cron *cron);

BK_END_DECLS

#endif
