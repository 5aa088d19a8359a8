/**
 * @file backend/backend.h
 * @brief All of libbackend, in reading order.
 */
#ifndef BACKEND_BACKEND_H
#define BACKEND_BACKEND_H

#include <backend/app.h>
#include <backend/arena.h>
#include <backend/base.h>
#include <backend/cache.h>
#include <backend/clock.h>
#include <backend/cluster.h>
#include <backend/cron.h>
#include <backend/config.h>
#include <backend/describe.h>
#include <backend/errors.h>
#include <backend/fiber.h>
#include <backend/flow.h>
#include <backend/health.h>
#include <backend/http_client.h>
#include <backend/json.h>
#include <backend/jwks.h>
#include <backend/jwt.h>
#include <backend/limit.h>
#include <backend/lock.h>
#include <backend/log.h>
#include <backend/loop.h>
#include <backend/mail.h>
#include <backend/metrics.h>
#include <backend/middleware.h>
#include <backend/middleware/access_log.h>
#include <backend/middleware/api_key.h>
#include <backend/middleware/basic.h>
#include <backend/middleware/body.h>
#include <backend/middleware/compress.h>
#include <backend/middleware/cors.h>
#include <backend/middleware/csrf.h>
#include <backend/middleware/guard.h>
#include <backend/middleware/idempotency.h>
#include <backend/middleware/jwt.h>
#include <backend/middleware/rate_limit.h>
#include <backend/middleware/recover.h>
#include <backend/middleware/request_id.h>
#include <backend/middleware/response_cache.h>
#include <backend/middleware/security_headers.h>
#include <backend/middleware/session.h>
#include <backend/middleware/shed.h>
#include <backend/middleware/static.h>
#include <backend/middleware/timeout.h>
#include <backend/middleware/trace.h>
#include <backend/middleware/validate.h>
#include <backend/migrate.h>
#include <backend/openapi.h>
#include <backend/otlp.h>
#include <backend/outbox.h>
#include <backend/password.h>
#include <backend/pg.h>
#include <backend/pool.h>
#include <backend/pubsub.h>
#include <backend/queue.h>
#include <backend/queue_admin.h>
#include <backend/redis.h>
#include <backend/request.h>
#include <backend/response.h>
#include <backend/router.h>
#include <backend/schedule.h>
#include <backend/schema.h>
#include <backend/session.h>
#include <backend/sse.h>
#include <backend/str.h>
#include <backend/sync.h>
#include <backend/token.h>
#include <backend/trace.h>
#include <backend/websocket.h>
#include <backend/worker.h>

/** The version of these headers. Compare with bk_version() for that of the library. */
#define BK_VERSION "0.1.0"

BK_BEGIN_DECLS

/** The version of the library that is linked. Static. @threads Any. */
BK_API const char *bk_version(void);

BK_END_DECLS

#endif
