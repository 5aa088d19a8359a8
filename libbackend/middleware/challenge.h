/*
 * challenge.h: how a request is told that it must say who it is (RFC 9110, 11.6.1).
 */
#ifndef BK_MIDDLEWARE_CHALLENGE_H
#define BK_MIDDLEWARE_CHALLENGE_H

#include <backend/errors.h>
#include <backend/response.h>

/* 401 with WWW-Authenticate: @p challenge, which lives as long as the request. */
bk_err bk__challenge(bk_res *res, const char *challenge, const char *why);

/* What stands behind @p scheme, compared without case, and blanks in Authorization; absent: there
 * is no such thing. */
bk_str bk__credentials(const bk_req *req, const char *scheme);

#endif
