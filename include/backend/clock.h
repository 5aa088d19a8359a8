/**
 * @file backend/clock.h
 * @brief Time.
 *
 * Inside an app both clocks are read once per loop turn, so they cost nothing and stand still
 * within a turn; under a test's virtual clock they follow it (backend/testing.h). On threads that
 * run no app they ask the system.
 */
#ifndef BACKEND_CLOCK_H
#define BACKEND_CLOCK_H

#include <backend/base.h>
#include <backend/errors.h>

BK_BEGIN_DECLS

/** Room that bk_time_format() needs, with its NUL. */
#define BK_TIME_TEXT 32

/** Monotonic milliseconds, for measuring and for deadlines. Follows the virtual clock.
 *  @threads Any. */
BK_API uint64_t bk_now_ms(void);

/** Monotonic nanoseconds, asked of the system at each call; never virtual. For measuring.
 *  @threads Any. */
BK_API uint64_t bk_now_ns(void);

/** The time of day. Follows the virtual clock. @threads Any. */
BK_API bk_time bk_time_now(void);

/** @p at as RFC 3339 in UTC with milliseconds: "2026-11-23T18:30:00.000Z". Microseconds are
 *  written where they are not zero. Years outside 0000 to 9999 have a sign and six digits, as
 *  ECMAScript writes them.
 *  @param out  At least BK_TIME_TEXT bytes.
 *  @return Length without the NUL. @threads Any. */
BK_API size_t bk_time_format(bk_time at, char *out);

/** Reads an RFC 3339 date-time with zone. Finer than a microsecond is cut. BK_EINVAL when it is
 *  not one; @p out is untouched then. @threads Any. */
BK_API BK_NODISCARD bk_err bk_time_parse(bk_str text, bk_time *out);

BK_END_DECLS

#endif
