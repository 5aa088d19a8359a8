/*
 * bench_db.h: the paths of the bench server that need PostgreSQL.
 */
#ifndef BENCH_DB_H
#define BENCH_DB_H

#include <backend/backend.h>

/* Adds them to @p router. @p db: the pool; NULL: they answer 503. @p cache: for the paths below
 * /api/cached; NULL: these answer 503. @p signed_in: the group of those who may create; NULL:
 * likewise. */
void bench_db_routes(bk_app *app, bk_pg *db, bk_cache *cache, bk_router *signed_in);

#endif
