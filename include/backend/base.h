/**
 * @file backend/base.h
 * @brief What every other header needs: linkage, attributes, and bk_str.
 *
 * Conventions that hold in all of libbackend, so that the other headers need not repeat them:
 *
 * - **Threads.** A function is for the thread that runs the app's loop, unless its doc says
 *   `@threads Any.`
 * - **Waiting.** A function marked #BK_YIELDS may suspend the calling fiber while others run.
 *   After it returns, anything shared may have changed. It ends by result, by deadline
 *   (BK_ETIMEDOUT) or by cancellation (BK_ECANCELED), and leaves its objects usable.
 * - **Ownership.** *Borrowed*: yours, only read, for the time said. *Copied*: done with when the
 *   call returns. *Taken*: ours from now on. *Request-owned*: lives as long as the request (or
 *   the fiber, or the job). *Yours*: free it with the matching `bk_x_free`.
 * - **Pointers** are not NULL unless the doc says "may be NULL"; passing NULL elsewhere is a bug
 *   and stops the program with the place named.
 * - **Options** are structs passed by address. NULL, and a zero field, mean the default.
 * - **Memory.** Sizes that come from outside are bounded and refused with BK_ETOOBIG; when
 *   malloc itself fails the process stops, and its supervisor starts another.
 */
#ifndef BACKEND_BASE_H
#define BACKEND_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** @def BK_BEGIN_DECLS
 *  C linkage for what follows, also in C++.
 *  @def BK_END_DECLS
 *  Ends it. */
#ifdef __cplusplus
#define BK_BEGIN_DECLS extern "C" {
#define BK_END_DECLS   }
#else
#define BK_BEGIN_DECLS
#define BK_END_DECLS
#endif

/** @def BK_API
 *  A function of the public interface.
 *  @def BK_NODISCARD
 *  The compiler warns when the result is not looked at.
 *  @def BK_PRINTF
 *  The compiler checks the arguments against the format.
 *  @def BK_NORETURN
 *  It does not come back. */
#if defined(__GNUC__) || defined(__clang__)
#define BK_API                 __attribute__((visibility("default")))
#define BK_NODISCARD           __attribute__((warn_unused_result))
#define BK_PRINTF(text, first) __attribute__((format(printf, text, first)))
#define BK_NORETURN            __attribute__((noreturn))
#else
#define BK_API
#define BK_NODISCARD
#define BK_PRINTF(text, first)
#define BK_NORETURN
#endif

/** Marks a function that may suspend the calling fiber. */
#if defined(__clang__)
#define BK_YIELDS __attribute__((annotate("bk_yields")))
#else
#define BK_YIELDS
#endif

BK_BEGIN_DECLS

/** A borrowed run of bytes. Not NUL-terminated. `ptr` is NULL where there is no value at all,
 *  which is not the same as an empty one. */
typedef struct bk_str {
    const char *ptr; /**< First byte; NULL when absent. */
    size_t      len; /**< Number of bytes. */
} bk_str;

/** A bk_str of a string literal: `BK_LIT("id")`. Its length is known to the compiler. */
#ifdef __cplusplus
#define BK_LIT(literal) (bk_str{"" literal, sizeof(literal) - 1})
#else
#define BK_LIT(literal) ((bk_str){"" literal, sizeof(literal) - 1})
#endif

/** A timeout or limit that is switched off. */
#define BK_UNLIMITED UINT32_MAX

/** A point in time: microseconds since 1970-01-01T00:00:00Z (as PostgreSQL stores it). */
typedef int64_t bk_time;

/* Handles that several headers name. */
typedef struct bk_app    bk_app;    /**< An application; backend/app.h. */
typedef struct bk_arena  bk_arena;  /**< Memory that is freed at once; backend/arena.h. */
typedef struct bk_fiber  bk_fiber;  /**< Code that can wait; backend/fiber.h. */
typedef struct bk_req    bk_req;    /**< A request; backend/request.h. */
typedef struct bk_res    bk_res;    /**< Its answer; backend/response.h. */
typedef struct bk_router bk_router; /**< Routes; backend/router.h. */

BK_END_DECLS

#endif
