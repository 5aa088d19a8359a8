/**
 * @file backend/session.h
 * @brief Server-side sessions: what a client's visits have in common, kept in Redis.
 *
 * The client holds a signed id in a cookie, and all else stays here. A handler gets its session
 * from bk_session_of() (backend/middleware/session.h), which also writes it back.
 *
 * @code
 * bk_sessions *sessions = bk_sessions_new(app, &(bk_sessions_opts){
 *     .redis = redis, .secrets = (const char *const[]){getenv("SESSION_SECRET"), NULL}});
 * bk_use(api, bk_mw_session(app, &(bk_mw_session_opts){.sessions = sessions}));
 *
 * static bk_err login(bk_req *req, bk_res *res)
 * {
 *     bk_session *session;
 *     ... the password is right ...
 *     BK_TRY(bk_session_of(req, &session));
 *     BK_TRY(bk_session_login(session, user.id));
 *     return bk_res_empty(res);
 * }
 * @endcode
 *
 * **Shared with Node.** With `express_compatible` cookie, keys and values are those of npm
 * express-session with connect-redis: a login at one service is a login at the other. The cookie is
 * `connect.sid`, `s:ID.SIGNATURE` percent-encoded; the key is `sess:ID`, the value JSON such as
 * `{"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"},"views":3}`. Members
 * that others wrote are kept byte by byte. Ours is `_bk`, which the others keep.
 *
 * **How long.** A session ends idle_ms after the last request that looked at it, give or take a
 * minute, since Redis is told at most that often; and absolute_ms after its beginning.
 *
 * **Concurrency.** A session is read when a handler first asks for it, and written whole, once,
 * when that handler has returned and before the answer leaves; and only when it was changed. Of two
 * requests that change it at once the last to write wins, as with express-session. One that was
 * ended meanwhile (a logout elsewhere, bk_sessions_revoke()) is not written again: it stays ended.
 *
 * **Without Redis** sessions live in this worker's memory: for development, tests, and programs of
 * one worker.
 */
#ifndef BACKEND_SESSION_H
#define BACKEND_SESSION_H

#include <backend/base.h>
#include <backend/describe.h>
#include <backend/errors.h>
#include <backend/json.h>
#include <backend/redis.h>

BK_BEGIN_DECLS

/** Sessions of an app, as this worker sees them. */
typedef struct bk_sessions bk_sessions;

/** One client's session. Request-owned. */
typedef struct bk_session bk_session;

/** Settings. Zero means default. */
typedef struct bk_sessions_opts {
    bk_redis          *redis;   /**< NULL: this worker's memory. */
    const char *const *secrets; /**< The first one signs, all verify; so a new one is put in front,
                                     and the old one goes a while later. Ends with NULL; copied. At
                                     least one, of at least 32 bytes, or with express_compatible of
                                     any length. */
    bool        express_compatible; /**< Share sessions with express-session and connect-redis. */
    const char *prefix;             /**< Of keys in Redis; copied. Default "sess:". */
    uint32_t    idle_ms;            /**< A session ends so long after its last use. Default 24 h. */
    uint32_t absolute_ms; /**< It ends so long after its beginning in any case. Default: never. */
    bool     persistent; /**< It outlives the browser: the cookie has Max-Age, idle_ms. That is what
                              `cookie.maxAge` is to express-session. Default: ends with the browser. */
    bool save_uninitialized; /**< Keep and send also sessions in which nothing was put, as
                                  `saveUninitialized` does. Default: those leave no trace. */
    uint32_t data_bytes;     /**< Largest session, as JSON; a larger one is not saved, and the
                                  request fails with BK_ETOOBIG. Default 64 KiB. */
    uint32_t per_user;       /**< Sessions that a user may have at once; a login beyond that ends
                                  the oldest. Default 100. */
    uint32_t memory_count;   /**< Sessions kept in memory where there is no Redis; beyond that the
                                  one not used for longest goes. Default 100,000. */
} bk_sessions_opts;

/** Declares sessions of @p app, before the app runs. Settings that are not possible stop the
 * program with words. Freed with the app. @param opts  Copied, but for what its fields say. */
BK_API BK_NODISCARD bk_sessions *bk_sessions_new(bk_app *app, const bk_sessions_opts *opts);

/* --- reading ---------------------------------------------------------------------------------- */

/* Keys are the program's: 1 to 128 printable ASCII characters without quote and backslash; not
 * "cookie" and "_bk", which belong to the library. Another one stops the program. */

/** The value under @p key; NULL when there is none. Request-owned. */
BK_API const bk_json *bk_session_get(const bk_session *session, const char *key);

/** A string under @p key; absent when there is none or it is something else. */
BK_API bk_str bk_session_str(const bk_session *session, const char *key);

/** An integer under @p key; @p fallback when there is none or it is something else. */
BK_API int64_t bk_session_i64(const bk_session *session, const char *key, int64_t fallback);

/** True when true stands under @p key. */
BK_API bool bk_session_bool(const bk_session *session, const char *key);

/** Binds the object under @p key to a described struct. BK_ENOTFOUND when there is nothing; else as
 *  bk_bind_json(). */
BK_API BK_NODISCARD bk_err bk_session_bind(const bk_session *session, const char *key,
                                           bk_desc_fn desc, void *out);

/** Whom bk_session_login() bound it to; absent when nobody. */
BK_API bk_str bk_session_user(const bk_session *session);

/** True when it was made for this request: the client had none that is good. */
BK_API bool bk_session_is_new(const bk_session *session);

/* --- changing --------------------------------------------------------------------------------- */

/* All this is in memory; it is written when the handler has returned. */

/** Puts @p value, which is copied, under @p key. */
BK_API void bk_session_set(bk_session *session, const char *key, const bk_json *value);

/** Puts a string under @p key. @param text  Copied; UTF-8. */
BK_API void bk_session_set_str(bk_session *session, const char *key, bk_str text);

/** Puts an integer under @p key. */
BK_API void bk_session_set_i64(bk_session *session, const char *key, int64_t value);

/** Puts true or false under @p key. */
BK_API void bk_session_set_bool(bk_session *session, const char *key, bool value);

/** Puts a described struct under @p key. @param object  Copied. */
BK_API void bk_session_set_object(bk_session *session, const char *key, bk_desc_fn desc,
                                  const void *object);

/** Takes away what stands under @p key, if anything. */
BK_API void bk_session_unset(bk_session *session, const char *key);

/** "Remember me", or not: from now on this session outlives the browser and ends @p idle_ms after
 *  its last use; with 0 it ends with the browser. */
BK_API void bk_session_set_max_age(bk_session *session, uint32_t idle_ms);

/** Gives it a new id; the old one is no more. For whenever a client gains rights: who had planted
 * or seen the old id has nothing then. The data stay. */
BK_API void bk_session_rotate(bk_session *session);

/** bk_session_rotate(), and binds it to @p user, for bk_sessions_list() and bk_sessions_revoke().
 *  @param user  1 to 256 bytes; copied. Best an id that never changes.
 *  @return BK_OK; BK_EINVAL for a user of another length or with wrong UTF-8. */
BK_API BK_NODISCARD bk_err bk_session_login(bk_session *session, bk_str user);

/** Ends it: it is empty from now on, what is put in is dropped, the client's cookie goes. */
BK_API void bk_session_destroy(bk_session *session);

/* --- a user's sessions ------------------------------------------------------------------------ */

/** One of a user's sessions. */
typedef struct bk_session_info {
    bk_str         name;  /**< For bk_sessions_end(). Not its id, so it may be shown. */
    bk_time        since; /**< When the user logged in. */
    const bk_json *data;  /**< All that is in it, as an object. NULL where another service put in
                               what bk_json_parse() does not take. */
} bk_session_info;

/** The sessions of @p user that have not ended, the oldest first: "where you are logged in".
 *  @param out  Receives them. Request-owned. @return BK_OK; BK_EUNAVAILABLE. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_sessions_list(bk_sessions *sessions, bk_str user,
                                                      const bk_session_info **out, size_t *count);

/** Ends that one of @p user. BK_ENOTFOUND when there is none of that name; BK_EUNAVAILABLE. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_sessions_end(bk_sessions *sessions, bk_str user,
                                                     bk_str name);

/** Ends all sessions of @p user, as when the password was changed. Those that only another service
 *  knows as theirs are not found.
 *  @param except  One to be kept, or NULL.
 *  @return BK_OK when all have ended; BK_EUNAVAILABLE: some may not have, try again. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_sessions_revoke(bk_sessions *sessions, bk_str user,
                                                        const bk_session *except);

BK_END_DECLS

#endif
