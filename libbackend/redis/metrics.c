/*
 * metrics.c: a connection to Redis as metrics. See metrics.h.
 */
#include "redis/metrics.h"

#include "core/stats.h"
#include "redis/redis.h"

static const struct bk__stat stats[] = {
    BK__STAT(bk_redis_stats, up, "redis_client_up", "Workers that can send commands."),
    BK__STAT(bk_redis_stats, pending, "redis_client_pending_commands", "Commands on their way."),
    BK__STAT(bk_redis_stats, commands, "redis_client_commands_total",
             "Commands answered, well or with an error."),
    BK__STAT(bk_redis_stats, errors, "redis_client_command_errors_total",
             "Commands answered with an error."),
    BK__STAT(bk_redis_stats, failed, "redis_client_command_failures_total",
             "Commands that were lost, late, or refused without a connection."),
    BK__STAT(bk_redis_stats, connects, "redis_client_connects_total", "Connections made."),
    BK__STAT(bk_redis_stats, disconnects, "redis_client_disconnects_total", "Connections lost."),
    BK__STAT(bk_redis_stats, redirects, "redis_client_redirects_total", "MOVED and ASK followed."),
    BK__STAT(bk_redis_stats, writes, "redis_client_writes_total", "Writes to sockets."),
};

static void read_stats(const void *object, void *out)
{
    bk_redis_get_stats(object, out);
}

void bk__redis_measure(bk_app *app, bk_redis *redis)
{
    static const struct bk__stats_type type = {
        .label = "client",
        .stats = stats,
        .count = sizeof stats / sizeof stats[0],
        .read = read_stats,
    };

    (void)bk__stats_sample(app, &type, redis->opts.name, redis);
}
