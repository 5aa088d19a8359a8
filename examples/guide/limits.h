/* limits.h: see docs/guide/limits.md. */
#ifndef GUIDE_LIMITS_H
#define GUIDE_LIMITS_H

#include <backend/backend.h>

void limits_declare(bk_app *app, bk_redis *redis, const char *const *secrets);

#endif
