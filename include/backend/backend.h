/**
 * @file backend/backend.h
 * @brief All of libbackend, in reading order.
 */
#ifndef BACKEND_BACKEND_H
#define BACKEND_BACKEND_H

#include <backend/app.h>
#include <backend/arena.h>
#include <backend/base.h>
#include <backend/clock.h>
#include <backend/describe.h>
#include <backend/errors.h>
#include <backend/fiber.h>
#include <backend/json.h>
#include <backend/log.h>
#include <backend/loop.h>
#include <backend/middleware.h>
#include <backend/migrate.h>
#include <backend/pg.h>
#include <backend/pool.h>
#include <backend/request.h>
#include <backend/response.h>
#include <backend/router.h>
#include <backend/str.h>
#include <backend/sync.h>

/** The version of these headers. Compare with bk_version() for that of the library. */
#define BK_VERSION "0.1.0"

BK_BEGIN_DECLS

/** The version of the library that is linked. Static. @threads Any. */
BK_API const char *bk_version(void);

BK_END_DECLS

#endif
