/*
 * metrics.h: a cache as metrics.
 */
#ifndef BK_CACHE_METRICS_H
#define BK_CACHE_METRICS_H

#include <backend/cache.h>

/* @p cache is being declared. */
void bk__cache_measure(bk_app *app, bk_cache *cache);

#endif
