/*
 * metrics.c: a cache as metrics. See metrics.h.
 */
#include "cache/metrics.h"

#include "cache/cache.h"
#include "core/stats.h"

#define REQUESTS      "cache_requests_total"
#define REQUESTS_HELP "Reads, by where the value came from."

static const struct bk__stat stats[] = {
    BK__STAT_BY(bk_cache_stats, l1_hits, REQUESTS, REQUESTS_HELP, "result", "l1_hit"),
    BK__STAT_BY(bk_cache_stats, l2_hits, REQUESTS, REQUESTS_HELP, "result", "l2_hit"),
    BK__STAT_BY(bk_cache_stats, misses, REQUESTS, REQUESTS_HELP, "result", "miss"),
    BK__STAT(bk_cache_stats, stale_hits, "cache_stale_hits_total",
             "Hits of either kind past their time to live."),
    BK__STAT(bk_cache_stats, loads, "cache_loads_total", "Runs of loaders."),
    BK__STAT(bk_cache_stats, load_errors, "cache_load_errors_total", "Runs that failed."),
    BK__STAT(bk_cache_stats, shared, "cache_shared_loads_total",
             "Misses that waited for another's load."),
    BK__STAT(bk_cache_stats, refused_fills, "cache_refused_fills_total",
             "Values not stored because an invalidation came first."),
    BK__STAT(bk_cache_stats, invalidations, "cache_invalidations_total", "Invalidations."),
    BK__STAT(bk_cache_stats, l1_evicted, "cache_l1_evicted_total", "Values dropped for room."),
    BK__STAT(bk_cache_stats, l1_flushes, "cache_l1_flushes_total", "Times L1 forgot all."),
    BK__STAT(bk_cache_stats, l1_items, "cache_l1_items", "Values in L1, of all workers."),
    BK__STAT(bk_cache_stats, l1_bytes, "cache_l1_bytes", "Their bytes."),
    BK__STAT(bk_cache_stats, owed, "cache_owed_invalidations",
             "Invalidations that Redis has not been told of yet."),
};

static void read_stats(const void *object, void *out)
{
    bk_cache_get_stats(object, out);
}

void bk__cache_measure(bk_app *app, bk_cache *cache)
{
    static const struct bk__stats_type type = {
        .label = "cache",
        .stats = stats,
        .count = sizeof stats / sizeof stats[0],
        .read = read_stats,
    };

    (void)bk__stats_sample(app, &type, cache->opts.prefix, cache);
}
