/*
 * session.h: a session from inside, for the middleware that reads its cookie and sends it.
 */
#ifndef BK_SESSION_SESSION_H
#define BK_SESSION_SESSION_H

#include <backend/arena.h>
#include <backend/session.h>

#include "session/cookie_sid.h"
#include "session/data.h"
#include "session/store.h"

struct bk_sessions {
    bk_sessions_opts opts; /* defaults filled in; but for `secrets` and `prefix`, which were the
                              caller's */
    struct bk__sid_keys keys;
    const struct bk__session_store_type *type;
    void *store;
    char *prefix;
};

struct bk_session {
    bk_sessions *owner;
    bk_arena *arena; /* the request's */
    struct bk__session_data data;
    bk_str id;                /* under which the store has it; absent: it does not */
    uint64_t ttl_ms;          /* that the store gives it yet */
    int64_t max_age;          /* ms; -1: until the browser closes */
    bk_str user, user_before; /* now, and in the store; absent: nobody */
    int64_t since;            /* its begin, or the user's login; ms since 1970; 0: unknown */
    bool changed, rotates, logged_in, destroyed;
};

/* What saving a session means for its cookie. */
struct bk__session_saved {
    bool fresh;   /* it has an id that the client does not know */
    bool changed; /* its data, or how long it lasts */
    bool gone;    /* the client's cookie is good for nothing any more */
};

/* Loads the session of a cookie, or makes a new one in @p arena.
 * @p cookie: as the client sent it; may be absent.
 * @p attributes: of the cookie, as express-session notes them: `"httpOnly":true,"path":"/"`. */
BK_YIELDS bk_err bk__session_open(bk_sessions *sessions, bk_arena *arena, bk_str cookie,
                                  bk_str attributes, bk_session **out);

/* Writes it where that is due. Calling it again after more changes is fine. */
BK_YIELDS bk_err bk__session_save(bk_session *session, struct bk__session_saved *saved);

/* The value of its cookie; it must have been saved. */
bk_str bk__session_cookie(const bk_session *session);

/* Milliseconds since 1970. */
int64_t bk__session_now_ms(void);

/* Writes max_age into the member "cookie", whose other members stay as they are. */
void bk__session_note_max_age(bk_session *session);

/* Ends the oldest of a user's that are more than there may be. @p keep: the one that does not go.
 */
BK_YIELDS bk_err bk__sessions_trim(bk_sessions *sessions, bk_str user, bk_str keep);

#endif
