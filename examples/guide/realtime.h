/* realtime.h: see realtime.c. */
#ifndef GUIDE_REALTIME_H
#define GUIDE_REALTIME_H

#include <backend/backend.h>

/* redis may be NULL: then this worker only. */
void realtime_declare(bk_app *app, bk_redis *redis);

#endif
