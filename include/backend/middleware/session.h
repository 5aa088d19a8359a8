/**
 * @file backend/middleware/session.h
 * @brief The session of a request, by its cookie. What a session is: backend/session.h.
 *
 * @code
 * bk_use(api, bk_mw_session(app, &(bk_mw_session_opts){.sessions = sessions}));
 *
 * static bk_err me(bk_req *req, bk_res *res)
 * {
 *     bk_session *session;
 *     BK_TRY(bk_session_of(req, &session));
 *     if (!bk_str_present(bk_session_user(session)))
 *         return bk_fail(BK_EUNAUTHORIZED, "log in first");
 *     bk_session_set_i64(session, "views", bk_session_i64(session, "views", 0) + 1);
 *     return bk_res_text(res, 200, bk_session_user(session));
 * }
 * @endcode
 *
 * **Cost.** A request whose handler does not ask for its session costs nothing, and does not
 * prolong it. The first to ask waits for Redis, one round trip; saving is another one, for a
 * session that was changed or is to be prolonged.
 *
 * **The cookie** is `__Host-sid`, or `connect.sid` with `express_compatible`; `Path=/; HttpOnly;
 * Secure; SameSite=Lax` (RFC 6265, RFC 6265bis for the prefix). It is sent when the session is
 * first saved, when its id changes, and where it has a Max-Age also when it was changed. Secure is
 * left out for a browser on this machine that came to `localhost` in plain HTTP, unless the name
 * begins with `__Host-` or `__Secure-`, which browsers take from there with Secure as well.
 *
 * **What clients send** is not trusted: a cookie that is no text of ours, whose signature is wrong
 * or whose session has ended is as none: the request has a new, empty session, under a new id. An
 * id that a client made up is never used.
 *
 * **Redis cannot be asked**: bk_session_of() fails with BK_EUNAVAILABLE, which is a 503 with
 * Retry-After when it is passed on. Nobody is taken for logged out. When a session cannot be saved,
 * the answer of the handler is replaced by that 503: a login that is not kept is none.
 *
 * **Errors.** A session is saved also when the handler fails: a count of wrong passwords must stay.
 *
 * **Streams.** Before bk_res_stream(), bk_sse_open() and the like call bk_session_commit(): once
 * the head of an answer is sent no cookie can go with it.
 */
#ifndef BACKEND_MIDDLEWARE_SESSION_H
#define BACKEND_MIDDLEWARE_SESSION_H

#include <backend/base.h>
#include <backend/errors.h>
#include <backend/middleware.h>
#include <backend/response.h>
#include <backend/session.h>

BK_BEGIN_DECLS

/** Settings. Zero means default. */
typedef struct bk_mw_session_opts {
    bk_sessions *sessions;  /**< Must be set. */
    const char  *cookie;    /**< Its name; borrowed as long as the app. Default "__Host-sid"; with
                                 express_compatible "connect.sid". */
    const char  *domain;    /**< Its Domain; borrowed likewise. Default none: this host only. */
    bk_same_site same_site; /**< Default Lax. */
    bool         insecure;  /**< Never say Secure. For sites that have plain HTTP in earnest. */
    bool rolling; /**< Send the cookie with each answer to a request that looked at its session, so
                       that its Max-Age begins anew. As `rolling` of express-session. */
} bk_mw_session_opts;

/** The middleware. Settings that are not possible stop the program with words. Where it stands
 * twice around a handler, the outer one serves. @param opts  Copied; kept for as long as @p app. */
BK_API BK_NODISCARD bk_middleware bk_mw_session(bk_app *app, const bk_mw_session_opts *opts);

/** The session of @p req; a new one where the client has none. The same for each call. A request
 *  without the middleware around it stops the program.
 *  @return BK_OK; BK_EUNAVAILABLE when the store cannot be asked; BK_EINTERNAL when what it holds
 * is no session; BK_ETIMEDOUT or BK_ECANCELED. @yields The first time. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_session_of(bk_req *req, bk_session **out);

/** Saves the session of @p req now, and puts the cookie into @p res. Only for answers that are
 *  streamed; else it is done without asking.
 *  @return BK_OK; BK_ETOOBIG; what bk_session_of() can return. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_session_commit(bk_req *req, bk_res *res);

BK_END_DECLS

#endif
