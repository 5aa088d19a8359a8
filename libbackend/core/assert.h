/*
 * assert.h: what must never happen, checked in release builds too.
 *
 * bk_assert is for cheap checks and stays on; bk_debug_assert is for costly ones and goes away with
 * NDEBUG; bk_unreachable marks a place that cannot be reached; bk_setup_error ends the program for
 * a mistake in how the library was set up, naming the caller's place. All print to standard error;
 * the first three add a backtrace and abort, so that a supervisor starts another worker.
 */
#ifndef BK_CORE_ASSERT_H
#define BK_CORE_ASSERT_H

#include <backend/base.h>

BK_NORETURN void bk__assert_fail(const char *file, int line, const char *function,
                                 const char *what);

/* "FILE:LINE: words", then exit(1). */
BK_NORETURN void bk__setup_error(const char *file, int line, const char *format, ...)
    BK_PRINTF(3, 4);

#define bk__likely(x)   __builtin_expect(!!(x), 1)
#define bk__unlikely(x) __builtin_expect(!!(x), 0)

#define bk_assert(condition)                                                                       \
    (bk__likely(condition) ? (void)0 : bk__assert_fail(__FILE__, __LINE__, __func__, #condition))

#ifdef NDEBUG
#define bk_debug_assert(condition) ((void)sizeof(!(condition)))
#else
#define bk_debug_assert(condition) bk_assert(condition)
#endif

#define bk_unreachable(why) bk__assert_fail(__FILE__, __LINE__, __func__, "unreachable: " why)

#endif
