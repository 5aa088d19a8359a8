/*
 * bench_auth.h: who may what, by the tokens that JWT_SECRET signs (HS256).
 */
#ifndef BENCH_AUTH_H
#define BENCH_AUTH_H

#include <backend/backend.h>

/* A group of routes for those who bear a token; NULL: there is no secret. One that is too short
 * ends the program. */
bk_router *bench_auth_group(bk_app *app, const char *secret);

/* GET /api/me. @p group: of bench_auth_group(). */
void bench_auth_routes(bk_router *root, bk_router *group);

#endif
