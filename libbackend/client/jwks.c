/*
 * jwks.c: a JWK Set that is fetched. See <backend/jwks.h>.
 *
 * Each fetch runs on a fiber of its own, so that whoever waits for it may leave, and what it takes
 * is given back. A timer starts the next one. At most one is under way.
 */
#include <backend/jwks.h>

#include <stdlib.h>

#include <backend/clock.h>
#include <backend/fiber.h>
#include <backend/log.h>
#include <backend/sync.h>

#include "client/client.h"
#include "client/field.h"
#include "core/assert.h"
#include "core/random.h"
#include "core/stats.h"
#include "crypto/jwt_keys.h"
#include "fiber/loop.h"

struct bk_jwks {
    bk_jwks_opts opts;    /* defaults filled in */
    struct bk_loop *loop; /* NULL while the app does not run */
    struct bk__timer timer;
    bk_cond *fetched; /* one has ended */
    bool is_fetching;
    bool has_failed;     /* the last one */
    uint32_t in_a_row;   /* failures */
    uint64_t fetched_at; /* when the last one ended */
    char *set;           /* the keys' text, malloc; NULL: none yet */
    size_t set_len;
    bk_jwks_stats stats;
};

/* --- a set that came -------------------------------------------------------------------------- */

static bk_err check_public(const bk_jwt_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++)
        if (keys->items[i].hmac != NULL)
            return bk_fail(BK_EUPSTREAM, "the set has a secret in it");
    return BK_OK;
}

static void remember(bk_jwks *self, bk_str set)
{
    free(self->set);
    self->set = malloc(set.len);
    bk_assert(self->set != NULL);
    memcpy(self->set, set.ptr, set.len);
    self->set_len = set.len;
}

static bool is_known(const bk_jwks *self, bk_str set)
{
    return self->set != NULL && bk_str_eq(bk_str_at(self->set, self->set_len), set);
}

static bk_err take(bk_jwks *self, bk_str set)
{
    if (is_known(self, set))
        return BK_OK;
    bk_jwt_keys *fresh = bk_jwt_keys_new(NULL);
    bk_err err = bk_jwt_keys_add_jwk(fresh, set, NULL);
    if (err == BK_OK)
        err = check_public(fresh);
    if (err != BK_OK) {
        bk_jwt_keys_free(fresh);
        return err;
    }
    bk_jwt_keys_replace(self->opts.keys, fresh);
    remember(self, set);
    self->stats.changes++;
    bk_info("jwks.changed", bk_kv_cstr("name", self->opts.name),
            bk_kv_i64("keys", (int64_t)bk_jwt_keys_count(self->opts.keys)));
    return BK_OK;
}

/* --- a fetch ---------------------------------------------------------------------------------- */

static uint64_t within(uint64_t ms, uint64_t least, uint64_t most)
{
    return ms < least ? least : ms > most ? most : ms;
}

/* How long what the answer brought may be used. */
static uint64_t life_of(const bk_jwks *self, const bk_http_answer *answer)
{
    const bk_jwks_opts *opts = &self->opts;
    int64_t age_s = bk__field_max_age(bk_http_answer_header(answer, "cache-control"));
    uint64_t ms = age_s < 0 ? opts->every_ms : (uint64_t)age_s * 1000;

    return within(ms, opts->least_ms, opts->most_ms);
}

BK_YIELDS static bk_err fetch(bk_jwks *self, uint64_t *life_ms)
{
    static const bk_http_header headers[] = {
        {{"Accept", 6}, {"application/jwk-set+json, application/json", 42}},
        {{NULL, 0}, {NULL, 0}},
    };
    const bk_http_request request = {.url = bk_str_of(self->opts.url),
                                     .headers = headers,
                                     .timeout_ms = self->opts.timeout_ms,
                                     .body_bytes = self->opts.bytes};
    bk_http_answer answer;

    BK_TRY(bk_http_send(self->opts.client, &request, &answer));
    if (answer.status != 200)
        return bk_fail(BK_EUPSTREAM, "the answer has status %d", answer.status);
    *life_ms = life_of(self, &answer);
    return take(self, answer.body);
}

/* Twice as long after each failure, up to what is usual. */
static uint64_t pause_ms(const bk_jwks *self)
{
    uint64_t ms = self->opts.refresh_ms;

    for (uint32_t i = 1; i < self->in_a_row && ms < self->opts.every_ms; i++)
        ms *= 2;
    return within(ms, 1, within(self->opts.every_ms, self->opts.refresh_ms, UINT32_MAX));
}

static void tell(const bk_jwks *self, bk_err err)
{
    const bk_error_link *link = bk_error_chain();

    while (link != NULL && link->cause != NULL)
        link = link->cause;
    bk_warn("jwks.failed", bk_kv_cstr("name", self->opts.name),
            bk_kv_cstr("code", bk_err_slug(err)),
            bk_kv_str("why", link != NULL ? link->message : bk_str_of(bk_err_text(err))),
            bk_kv_i64("keys", (int64_t)bk_jwt_keys_count(self->opts.keys)));
}

/* Up to a tenth sooner, so that many workers do not come at once. */
static void set_timer(bk_jwks *self, uint64_t ms)
{
    uint32_t dice;

    bk__random(&dice, sizeof dice);
    bk__timer_set(self->loop, &self->timer, bk_now_ms() + ms - dice % (ms / 10 + 1));
}

static bk_err run_fetch(void *data)
{
    bk_jwks *self = data;
    uint64_t life_ms = 0;
    bk_err err = fetch(self, &life_ms);

    self->is_fetching = false;
    bk_cond_broadcast(self->fetched); /* they run later */
    if (err == BK_ECANCELED)
        return err; /* the app stops */
    self->fetched_at = bk_now_ms();
    self->has_failed = err != BK_OK;
    self->in_a_row = err != BK_OK ? self->in_a_row + 1 : 0;
    self->stats.fetches++;
    self->stats.failures += err != BK_OK;
    if (err != BK_OK)
        tell(self, err);
    set_timer(self, err != BK_OK ? pause_ms(self) : life_ms);
    bk_error_clear();
    return BK_OK;
}

static bk_err begin_fetch(bk_jwks *self)
{
    if (self->is_fetching)
        return BK_OK;
    BK_TRY(bk_spawn("jwks", run_fetch, self));
    self->is_fetching = true;
    return BK_OK;
}

static void due(struct bk__timer *timer)
{
    bk_jwks *self = bk__container_of(timer, struct bk_jwks, timer);

    if (begin_fetch(self) == BK_OK)
        return;
    bk_error_clear();
    set_timer(self, self->opts.refresh_ms); /* no fiber was left */
}

bk_err bk_jwks_refresh(bk_jwt_keys *keys, void *jwks)
{
    bk_jwks *self = jwks;
    bool was_fetched = self->stats.fetches != 0;

    bk_assert(keys == self->opts.keys && self->loop != NULL);
    if (self->is_fetching || !was_fetched ||
        bk_now_ms() - self->fetched_at >= self->opts.refresh_ms) {
        BK_TRY(begin_fetch(self));
        while (self->is_fetching)
            BK_TRY(bk_cond_wait(self->fetched));
    }
    return self->has_failed
               ? bk_fail(BK_EUNAVAILABLE, "%s: the keys could not be fetched", self->opts.name)
               : BK_OK;
}

void bk_jwks_get_stats(const bk_jwks *jwks, bk_jwks_stats *stats)
{
    *stats = jwks->stats;
    stats->keys = bk_jwt_keys_count(jwks->opts.keys);
}

/* --- settings and life ------------------------------------------------------------------------ */

static bk_err start(void *data)
{
    bk_jwks *self = data;

    self->loop = bk__loop_current;
    self->stats = (bk_jwks_stats){0};
    self->in_a_row = 0;
    self->has_failed = false;
    self->is_fetching = true;
    return run_fetch(self);
}

static void stop(void *data)
{
    bk_jwks *self = data;

    bk__timer_stop(self->loop, &self->timer);
    self->is_fetching = false;
    self->loop = NULL;
}

static void free_jwks(void *data)
{
    bk_jwks *self = data;

    bk_cond_free(self->fetched);
    free(self->set);
    free(self);
}

static const bk_part_type part = {.name = "jwks", .start = start, .stop = stop, .free = free_jwks};

static const struct bk__stat stats[] = {
    BK__STAT(bk_jwks_stats, fetches, "jwks_fetches_total", "Fetches of the JWK Set."),
    BK__STAT(bk_jwks_stats, failures, "jwks_fetch_failures_total",
             "Fetches that brought no set of use."),
    BK__STAT(bk_jwks_stats, changes, "jwks_changes_total", "Fetches that brought other keys."),
    BK__STAT(bk_jwks_stats, keys, "jwks_keys", "Keys, of the worker that has fewest."),
};

static void read_stats(const void *object, void *out)
{
    bk_jwks_get_stats(object, out);
}

static const struct bk__stats_type metrics_type = {
    .label = "jwks",
    .stats = stats,
    .count = sizeof stats / sizeof stats[0],
    .read = read_stats,
    .policy = BK_GAUGE_MIN,
};

static void check_opts(const bk_jwks_opts *opts)
{
    static const char where[] = "bk_jwks_opts";

    bk_assert(opts != NULL);
    if (opts->client == NULL || opts->keys == NULL || opts->url == NULL)
        bk__setup_error(where, 0, "client, url and keys must be set");
    const bk_http_request request = {.url = bk_str_of(opts->url)};
    if (bk__http_request_check(&request) != BK_OK)
        bk__setup_error(where, 0, "url: %s is none that can be asked", opts->url);
    if (!opts->plain_http && strncasecmp(opts->url, "https://", 8) != 0)
        bk__setup_error(where, 0, "url: %s is not https; see plain_http", opts->url);
    if (!opts->plain_http && opts->client->opts.redirects != 0)
        bk__setup_error(where, 0, "client: it follows redirects, which could leave https");
}

static void fill(uint32_t *value, uint32_t fallback)
{
    if (*value == 0)
        *value = fallback;
}

bk_jwks *bk_jwks_new(bk_app *app, const bk_jwks_opts *opts)
{
    bk_jwks *self = calloc(1, sizeof *self);

    bk_assert(self != NULL);
    check_opts(opts);
    self->opts = *opts;
    if (opts->name == NULL)
        self->opts.name = "jwks";
    fill(&self->opts.every_ms, 10 * 60 * 1000);
    fill(&self->opts.least_ms, 60 * 1000);
    fill(&self->opts.most_ms, 24 * 60 * 60 * 1000);
    fill(&self->opts.refresh_ms, 30 * 1000);
    fill(&self->opts.timeout_ms, 5000);
    fill(&self->opts.bytes, 256 * 1024);
    if (self->opts.least_ms > self->opts.most_ms)
        bk__setup_error("bk_jwks_opts", 0, "least_ms is more than most_ms");
    self->timer.fn = due;
    self->fetched = bk_cond_new();
    bk_app_part(app, &part, self);
    (void)bk__stats_sample(app, &metrics_type, self->opts.name, self);
    return self;
}
