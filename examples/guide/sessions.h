/* sessions.h: what the handlers of sessions.c share. */
#ifndef GUIDE_SESSIONS_H
#define GUIDE_SESSIONS_H

#include <backend/backend.h>

struct club { /* what handlers find by bk_req_state() */
    bk_sessions *sessions;
};

/* @p redis may be NULL. @p secrets ends with NULL. */
void sessions_declare(bk_app *app, struct club *club, bk_redis *redis, const char *const *secrets);

#endif
