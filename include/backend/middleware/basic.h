/**
 * @file backend/middleware/basic.h
 * @brief A user and a password that the browser asks for (RFC 7617): for internal pages.
 *
 * @code
 * static const bk_basic_user staff[] = {{"ops", "..."}, {0}};
 *
 * bk_use(internal, bk_mw_basic(app, &(bk_mw_basic_opts){.users = staff, .realm = "metrics"}));
 * @endcode
 *
 * The password goes with each request as it is, so this is for HTTPS or a private network, and for
 * few users who are named in the program's settings. For passwords of a table, give `check`, which
 * calls bk_password_verify() (20 ms each time). Who sends none or wrong ones gets 401 with
 * `WWW-Authenticate: Basic realm="...", charset="UTF-8"`.
 */
#ifndef BACKEND_MIDDLEWARE_BASIC_H
#define BACKEND_MIDDLEWARE_BASIC_H

#include <backend/base.h>
#include <backend/errors.h>
#include <backend/middleware.h>
#include <backend/middleware/guard.h>

BK_BEGIN_DECLS

/** A user. */
typedef struct bk_basic_user {
    const char *name;     /**< Without a colon. NULL ends a list. */
    const char *password; /**< At least one character. */
} bk_basic_user;

/** Checks them. May wait. @param out  Its id is set to the user.
 *  @return BK_OK; BK_EUNAUTHORIZED: 401; other errors end the request. */
typedef bk_err (*bk_basic_check_fn)(bk_req *req, bk_str user, bk_str password, bk_principal *out,
                                    void *data);

/** Settings. Zero means default. All is borrowed as long as the app. */
typedef struct bk_mw_basic_opts {
    const bk_basic_user *users; /**< Who may. */
    bk_basic_check_fn    check; /**< Asked instead of users. One of both must be set. */
    void                *data;  /**< Handed to check. */
    const char          *realm; /**< What the browser shows, without quotes. Default "internal". */
} bk_mw_basic_opts;

/** The middleware. Settings that are missing stop the program. @param opts  Copied. */
BK_API BK_NODISCARD bk_middleware bk_mw_basic(bk_app *app, const bk_mw_basic_opts *opts);

BK_END_DECLS

#endif
