/*
 * stats.h: a struct of statistics, as pools and clients keep one, as metrics.
 *
 *     static const struct bk__stat stats[] = {
 *         BK__STAT(bk_redis_stats, commands, "redis_commands_total", "Commands answered."),
 *     };
 */
#ifndef BK_CORE_STATS_H
#define BK_CORE_STATS_H

#include <stddef.h>

#include <backend/metrics.h>

/* A member that is an uint64_t, uint32_t or bool: a counter where the name ends with _total, else a
 * gauge. */
struct bk__stat {
    const char *name, *help;
    size_t offset, size;
    const char *label, *value; /* besides that of the struct; NULL: none */
};

#define BK__STAT(type, member, name, help)                                                         \
    {                                                                                              \
        name, help, offsetof(type, member), sizeof(((type *)0)->member), NULL, NULL                \
    }
#define BK__STAT_BY(type, member, name, help, label, value)                                        \
    {                                                                                              \
        name, help, offsetof(type, member), sizeof(((type *)0)->member), label, value              \
    }

/* Of one kind of objects. */
struct bk__stats_type {
    const char *label; /* tells objects apart */
    const struct bk__stat *stats;
    size_t count;
    void (*read)(const void *object, void *out); /* fills the struct */
    bk_gauge_policy policy; /* of its gauges: for what all workers see alike, BK_GAUGE_MAX */
    uint32_t series;        /* of each metric: objects, and their second label; 0: 16 */
};

#define BK__STATS_BYTES 512 /* of the struct, at most */

/* Has the metrics of @p object sampled, under @p name, or where that is taken, "NAME-2" and so on.
 * @p type and @p object live as long as the app. Returns the name, which does so too. */
bk_str bk__stats_sample(bk_app *app, const struct bk__stats_type *type, const char *name,
                        const void *object);

#endif
