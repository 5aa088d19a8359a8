/**
 * @file backend/middleware.h
 * @brief Code around handlers.
 *
 * A middleware wraps what comes after it, as an onion: it runs, calls bk_next_run(), and goes on
 * when that returns. It may answer by itself and not call on. Order: the app's first, then each
 * group's from the outside in, then the route's; within each, as they were added.
 *
 * @code
 * static bk_err timed(bk_req *req, bk_res *res, bk_next *next, void *histogram)
 * {
 *     uint64_t start = bk_now_ns();
 *     bk_err err = bk_next_run(next, req, res);
 *     observe(histogram, bk_now_ns() - start);
 *     return err;
 * }
 * bk_use(api, bk_mw(timed, histogram));
 * @endcode
 *
 * When an error comes back from bk_next_run(), nothing is rendered yet: a middleware may look at
 * it, turn it into an answer (bk_error_clear() and BK_OK), or pass it on. The response can be
 * changed until its first bytes are sent, which is after the outermost middleware returned or, for
 * a streamed body, with the first write.
 */
#ifndef BACKEND_MIDDLEWARE_H
#define BACKEND_MIDDLEWARE_H

#include <backend/base.h>
#include <backend/errors.h>

BK_BEGIN_DECLS

/** What comes after a middleware. Borrowed for its call. */
typedef struct bk_next bk_next;

/** A middleware. @param data  What stands beside it in its bk_middleware. */
typedef bk_err (*bk_middleware_fn)(bk_req *req, bk_res *res, bk_next *next, void *data);

/** A middleware with its data, as functions that make one return it. */
typedef struct bk_middleware {
    bk_middleware_fn fn;   /**< NULL ends a list. */
    void            *data; /**< May be NULL. Borrowed as long as the app lives. */
} bk_middleware;

/** A middleware of your own, with the data that it is to be called with; @p data may be NULL. */
static inline bk_middleware bk_mw(bk_middleware_fn fn, void *data)
{
    bk_middleware middleware = {fn, data};
    return middleware;
}

/** Runs the rest of the onion: the next middleware, or the handler. At most once per call of a
 *  middleware; again is a bug and stops the program. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_next_run(bk_next *next, bk_req *req, bk_res *res);

BK_END_DECLS

#endif
