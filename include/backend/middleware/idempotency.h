/**
 * @file backend/middleware/idempotency.h
 * @brief A POST that is sent twice is done once: the second is told what the first was told.
 *
 * @code
 * bk_use(payments, bk_mw_idempotency(app, &(bk_mw_idempotency_opts){.redis = redis}));
 *
 * // POST /payments
 * // Idempotency-Key: 8e03978e-40d5-43dd-bc93-6894a57f9324
 * @endcode
 *
 * A client that has heard nothing cannot know whether its request was done. It sends the same
 * request with the same Idempotency-Key again, as often as it takes
 * (draft-ietf-httpapi-idempotency-key-header).
 *
 * **What happens** to a POST or PATCH with such a header:
 * - The key is new: the handler runs, and its answer is kept for `ttl_ms`.
 * - The answer is there: it is sent again, with `Idempotent-Replayed: true`; nothing runs.
 * - The first request is still being done: 409 with `Retry-After: 1`.
 * - The key came with another method, target or body before: 422.
 * - The key is none: 400. It has 1 to 255 visible ASCII characters, which may stand in quotes.
 * - Redis does not answer: 503, and nothing runs.
 *
 * **What is kept**: status, headers and body, but no Set-Cookie. Not kept, so that the next request
 * with the key runs the handler again: answers from 500 on and 401, 403, 408, 409, 425 and 429,
 * which say that nothing was done yet. An answer that is streamed or larger than `answer_bytes`
 * cannot be repeated; later requests get 409 then.
 *
 * **Whose key it is**: keys belong to who sends them, by Authorization and X-API-Key, or by what
 * `scope` says. Where a cookie tells who it is, set `scope`, to the session's user for example:
 * else those who send neither header share their keys, and whoever knows key and body gets the
 * answer.
 *
 * **Without Redis** each worker keeps its own, so that suits one worker, and tests. With Redis the
 * key is held by a lease, which is renewed while the handler runs: if the host dies, the key is
 * free `lease_ms` later. A Redis that forgets (a restart without its data, a failover) can let a
 * handler run twice; what must never happen twice needs a constraint in the database as well.
 */
#ifndef BACKEND_MIDDLEWARE_IDEMPOTENCY_H
#define BACKEND_MIDDLEWARE_IDEMPOTENCY_H

#include <backend/base.h>
#include <backend/middleware.h>
#include <backend/redis.h>

BK_BEGIN_DECLS

/** Who sends @p req: any bytes; absent for nobody in particular. Borrowed until the request ends.
 *  May wait. @param data  Of the settings. */
typedef bk_str (*bk_idempotency_scope_fn)(bk_req *req, void *data);

/** Settings. Zero means default. */
typedef struct bk_mw_idempotency_opts {
    bk_redis   *redis;     /**< Where answers are kept. NULL: in this worker's memory. */
    const char *name;      /**< In Redis, keys are `idempotency:<name>:<digest>`; borrowed. Default
                                "default". */
    uint64_t ttl_ms;       /**< How long an answer is kept. Default 24 hours. */
    uint32_t lease_ms;     /**< How long a key stays taken when its host has died. At least 1,000.
                                Default 60,000. */
    uint32_t answer_bytes; /**< The largest answer that is kept. Default 1 MiB. */
    uint32_t memory_bytes; /**< Without Redis: all answers together; the oldest go first. Default
                                16 MiB. */
    bool                    required; /**< Refuse a POST or PATCH that has no key with 400. */
    bk_idempotency_scope_fn scope;    /**< May be NULL. */
    void                   *data;     /**< For `scope`. May be NULL. */
} bk_mw_idempotency_opts;

/** The middleware. Settings that are not possible stop the program with words.
 *  @param opts  Copied. May be NULL. */
BK_API BK_NODISCARD bk_middleware bk_mw_idempotency(bk_app                       *app,
                                                    const bk_mw_idempotency_opts *opts);

BK_END_DECLS

#endif
