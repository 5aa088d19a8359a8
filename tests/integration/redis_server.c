/*
 * redis_server.c: a service whose Redis is ill-treated. For redis_survival_test.py.
 *
 * REDIS_URL names the Redis. The truth is in the service's memory: the version of each key, which a
 * write counts up. So a read can be judged by the writes that were answered before it began.
 */
#include <stdlib.h>

#include <backend/backend.h>
#include <backend/cache.h>
#include <backend/limit.h>
#include <backend/pubsub.h>
#include <backend/redis.h>
#include <backend/sse.h>

#define HANDLER_MS 3000
#define COMMAND_MS 500
#define KEYS       50

struct service {
    bk_redis *redis;
    bk_sessions *sessions;
    bk_cache *cache;
    bk_limiter *limiter;
    bk_pubsub *hub;
    int64_t versions[KEYS];
    uint64_t events, gaps;
};

static struct service *service_of(bk_req *req)
{
    return bk_req_state(req);
}

static bk_err key_of(bk_req *req, int64_t *index, bk_str *key)
{
    BK_TRY(bk_req_query_i64(req, "id", 0, 0, INT64_MAX, index));
    *index %= KEYS;
    *key = bk_arena_printf(bk_req_arena(req), "item:%lld", (long long)*index);
    return BK_OK;
}

static bk_err send_number(bk_req *req, bk_res *res, int status, int64_t number)
{
    return bk_res_text(res, status, bk_arena_printf(bk_req_arena(req), "%lld", (long long)number));
}

/* --- without Redis ---------------------------------------------------------------------------- */

static bk_err plaintext(bk_req *req, bk_res *res)
{
    (void)req;
    return bk_res_text(res, 200, BK_LIT("Hello, World!"));
}

static bk_err stats(bk_req *req, bk_res *res)
{
    const struct service *it = service_of(req);
    bk_redis_stats redis;
    bk_cache_stats cache;
    bk_limiter_stats limiter;

    bk_redis_get_stats(it->redis, &redis);
    bk_cache_get_stats(it->cache, &cache);
    bk_limiter_get_stats(it->limiter, &limiter);
    const struct {
        const char *name;
        uint64_t value;
    } values[] = {
        {"up", redis.up},
        {"failed", redis.failed},
        {"connects", redis.connects},
        {"disconnects", redis.disconnects},
        {"pending", redis.pending},
        {"l1_hits", cache.l1_hits},
        {"l2_hits", cache.l2_hits},
        {"loads", cache.loads},
        {"owed", cache.owed},
        {"l1_flushes", cache.l1_flushes},
        {"degraded", limiter.degraded},
        {"events", it->events},
        {"gaps", it->gaps},
    };

    bk_json_writer *writer = bk_res_json_writer(res, 200);
    bk_json_begin_object(writer);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        bk_json_write_key(writer, bk_str_of(values[i].name));
        bk_json_write_i64(writer, (int64_t)values[i].value);
    }
    bk_json_end_object(writer);
    return BK_OK;
}

/* --- the cache -------------------------------------------------------------------------------- */

/* A run of the loader: of which key. */
struct load {
    const struct service *service;
    int64_t index;
};

/* The version is read first, so that what is handed back is old by the time that it took. */
static bk_err load_version(bk_str key, void *data, bk_str *out)
{
    const struct load *load = data;
    int64_t version = load->service->versions[load->index];

    (void)key;
    BK_TRY(bk_sleep_ms(2));
    *out = bk_arena_printf(bk_fiber_arena(), "%lld", (long long)version);
    return BK_OK;
}

static bk_err read_cached(bk_req *req, bk_res *res)
{
    struct load load = {.service = service_of(req)};
    bk_str key, value;

    BK_TRY(key_of(req, &load.index, &key));
    BK_TRY(bk_cache_fetch(load.service->cache, key, NULL, load_version, &load, &value));
    return bk_res_text(res, 200, value);
}

/* 201: all have heard of it. 202: Redis has not yet, but this host has. */
static bk_err write_version(bk_req *req, bk_res *res)
{
    struct service *it = service_of(req);
    int64_t index;
    bk_str key;

    BK_TRY(key_of(req, &index, &key));
    int64_t version = ++it->versions[index];
    bk_err err = bk_cache_del(it->cache, key);
    if (err != BK_OK && err != BK_EUNAVAILABLE)
        return err;
    return send_number(req, res, err == BK_OK ? 201 : 202, version);
}

/* --- the rest --------------------------------------------------------------------------------- */

static bk_err count(bk_req *req, bk_res *res)
{
    int64_t counted;

    BK_TRY(bk_redis_i64(service_of(req)->redis, "INCR counter", BK_NO_ARGS, &counted));
    return send_number(req, res, 200, counted);
}

static bk_err limited(bk_req *req, bk_res *res)
{
    bk_limit_result result;

    BK_TRY(bk_limiter_take(service_of(req)->limiter, BK_LIT("client"), 1, &result));
    return bk_res_text(res, result.allowed ? 200 : 429,
                       result.degraded ? BK_LIT("degraded") : BK_LIT("whole"));
}

static bk_err publish(bk_req *req, bk_res *res)
{
    int64_t number;

    BK_TRY(bk_req_query_i64(req, "id", 0, 0, INT64_MAX, &number));
    bk_str text = bk_arena_printf(bk_req_arena(req), "%lld", (long long)number);
    BK_TRY(bk_publish(service_of(req)->hub, BK_LIT("news"), text, NULL));
    return bk_res_text(res, 200, text);
}

static bk_err follow(bk_req *req, bk_res *res)
{
    struct service *it = service_of(req);
    bk_subscription *news;
    bk_pubsub_event event;
    bk_sse *sse;

    BK_TRY(bk_subscribe(it->hub, BK_LIT("news"), NULL, &news));
    BK_TRY(bk_sse_open(req, res, NULL, &sse));
    for (;;) {
        BK_TRY(bk_subscription_next(news, &event));
        it->events++;
        it->gaps += event.gap;
        if (event.gap)
            BK_TRY(bk_sse_send(sse, &(bk_sse_event){.event = BK_LIT("gap"), .data = BK_LIT("-")}));
        if (event.bytes.ptr != NULL)
            BK_TRY(bk_sse_send(sse, &(bk_sse_event){.data = event.bytes}));
    }
}

static bk_err login(bk_req *req, bk_res *res)
{
    bk_session *session;

    BK_TRY(bk_session_of(req, &session));
    BK_TRY(bk_session_login(session, BK_LIT("ann")));
    return bk_res_empty(res);
}

static bk_err who(bk_req *req, bk_res *res)
{
    bk_session *session;

    BK_TRY(bk_session_of(req, &session));
    bk_session_set_i64(session, "visits", bk_session_i64(session, "visits", 0) + 1);
    bk_str user = bk_session_user(session);
    return bk_res_text(res, 200, bk_str_present(user) ? user : BK_LIT("nobody"));
}

int main(int argc, char **argv)
{
    static const char *const secrets[] = {"a secret of at least thirty-two bytes", NULL};
    struct service service = {0};
    bk_app *app = bk_app_new(&(bk_app_opts){
        .name = "survivor", .data = &service, .timeouts = {.handler_ms = HANDLER_MS}});
    bk_router *router = bk_app_router(app);

    service.redis = bk_redis_new(
        app, &(bk_redis_opts){.url = bk_str_of(getenv("REDIS_URL")), .command_ms = COMMAND_MS});
    service.cache = bk_cache_new(app, &(bk_cache_opts){.redis = service.redis});
    service.limiter = bk_limiter_new(
        app, &(bk_limiter_opts){.redis = service.redis, .limit = 1000000, .window_ms = 1000});
    service.hub = bk_pubsub_new(app, &(bk_pubsub_opts){.redis = service.redis});
    service.sessions =
        bk_sessions_new(app, &(bk_sessions_opts){.redis = service.redis, .secrets = secrets});
    bk_use(router, bk_mw_session(app, &(bk_mw_session_opts){.sessions = service.sessions}));
    bk_get(router, "/plaintext", plaintext);
    bk_get(router, "/stats", stats);
    bk_get(router, "/cached", read_cached);
    bk_post(router, "/write", write_version);
    bk_post(router, "/count", count);
    bk_get(router, "/limited", limited);
    bk_post(router, "/publish", publish);
    bk_get(router, "/events", follow);
    bk_post(router, "/login", login);
    bk_get(router, "/who", who);
    return bk_app_main(app, argc, argv);
}
