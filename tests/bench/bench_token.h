/*
 * bench_token.h: the token of POST /api/products: HS256, checked by hand as the Go peer does.
 */
#ifndef BENCH_TOKEN_H
#define BENCH_TOKEN_H

#include <backend/backend.h>

/* BK_EUNAUTHORIZED unless the request bears a token that JWT_SECRET signed and that has not
 * expired. */
bk_err bench_token_check(bk_req *req);

#endif
