/*
 * metrics.h: a pool of PostgreSQL connections as metrics.
 */
#ifndef BK_PG_METRICS_H
#define BK_PG_METRICS_H

#include <backend/pg.h>

/* @p pg is being declared. */
void bk__pg_measure(bk_app *app, bk_pg *pg);

#endif
