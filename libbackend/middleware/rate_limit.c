/*
 * rate_limit.c: so many requests per client and minute. See <backend/middleware/rate_limit.h>.
 *
 * The counting is the limiter's. Here it is decided who is counted, and said what is left. Keys of
 * the three kinds begin with different letters, so that no header's value is somebody's address.
 * What a client or an application may make long or secret becomes a digest: a key has a length that
 * the limiter takes, and Redis holds nobody's API key.
 */
#include <backend/middleware/rate_limit.h>

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <backend/arena.h>
#include <backend/clock.h>
#include <backend/loop.h>

#include "core/assert.h"
#include "core/encode.h"
#include "crypto/hmac.h"
#include "http/exchange.h"
#include "limit/limit.h"

enum {
    KEY_MAX = 96,
    NUMBER_MAX = 20,
    PREFIX_BYTES = 7 /* an IPv6 /56 */
};

struct rate_limit {
    bk_mw_rate_limit_opts opts;
    bk_limiter *limiter;
    struct bk__hmac *digest; /* by a key that all hosts know: they must have the same sums */
    char *policy;            /* the value of RateLimit-Policy */
    bk_str front;            /* what RateLimit begins with: "name";r= */
    bk_str most;             /* X-RateLimit-Limit */
};

/* --- who is counted --------------------------------------------------------------------------- */

static bk_str address_key(bk_req *req, char out[KEY_MAX])
{
    bk_str client = bk_req_client(req);
    struct in6_addr address;
    char text[INET6_ADDRSTRLEN];

    memcpy(out, "a:", 2);
    if (client.len >= sizeof text || memchr(client.ptr, ':', client.len) == NULL) {
        size_t len = client.len < KEY_MAX - 2 ? client.len : KEY_MAX - 2;
        memcpy(out + 2, client.ptr, len);
        return bk_str_at(out, 2 + len);
    }
    memcpy(text, client.ptr, client.len);
    text[client.len] = '\0';
    if (inet_pton(AF_INET6, text, &address) != 1)
        memset(&address, 0, sizeof address);
    memset(address.s6_addr + PREFIX_BYTES, 0, sizeof address - PREFIX_BYTES);
    const char *fits = inet_ntop(AF_INET6, &address, out + 2, KEY_MAX - 2);
    bk_assert(fits != NULL);
    size_t len = strlen(out);
    memcpy(out + len, "/56", 3);
    return bk_str_at(out, len + 3);
}

static bk_str digest_key(const struct rate_limit *self, char kind, bk_str value, char out[KEY_MAX])
{
    unsigned char sum[BK__HMAC_MAX];

    size_t len = bk__hmac_sum(self->digest, &value, 1, sum);
    out[0] = kind;
    out[1] = ':';
    bk__hex(sum, len, out + 2);
    return bk_str_at(out, 2 + 2 * len);
}

static BK_YIELDS bk_str key_of(const struct rate_limit *self, bk_req *req, char out[KEY_MAX])
{
    bk_str value = {NULL, 0};

    if (self->opts.key != NULL)
        value = self->opts.key(req, self->opts.data);
    else if (self->opts.header != NULL)
        value = bk_req_header(req, self->opts.header);
    if (!bk_str_present(value))
        return address_key(req, out);
    if (self->opts.key == NULL || value.len > KEY_MAX - 2)
        return digest_key(self, self->opts.key != NULL ? 'd' : 'h', value, out);
    out[0] = 'k';
    out[1] = ':';
    if (value.len != 0)
        memcpy(out + 2, value.ptr, value.len);
    return bk_str_at(out, 2 + value.len);
}

/* --- what the answer says --------------------------------------------------------------------- */

static uint64_t in_seconds(uint64_t ms)
{
    return (ms + 999) / 1000;
}

/* @p value in decimal at @p at; returns what follows it. */
static char *put_number(char *at, uint64_t value)
{
    char digits[NUMBER_MAX];
    size_t count = 0;

    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    while (count != 0)
        *at++ = digits[--count];
    return at;
}

static bk_str number(bk_req *req, uint64_t value)
{
    char *text = bk_arena_alloc(bk_req_arena(req), NUMBER_MAX);

    return bk_str_at(text, (size_t)(put_number(text, value) - text));
}

static void say_legacy(const struct rate_limit *self, bk_res *res, const bk_limit_result *result)
{
    uint64_t reset = in_seconds((uint64_t)bk_time_now() / 1000 + result->reset_ms);

    bk__res_push_header(res, BK_LIT("X-RateLimit-Limit"), self->most);
    bk__res_push_header(res, BK_LIT("X-RateLimit-Remaining"), number(res->req, result->remaining));
    bk__res_push_header(res, BK_LIT("X-RateLimit-Reset"), number(res->req, reset));
}

static void say(const struct rate_limit *self, bk_res *res, const bk_limit_result *result)
{
    char *text = bk_arena_alloc(bk_req_arena(res->req), self->front.len + 3 + 2 * NUMBER_MAX);
    char *at = text + self->front.len;

    memcpy(text, self->front.ptr, self->front.len);
    at = put_number(at, result->remaining);
    memcpy(at, ";t=", 3);
    at = put_number(at + 3, in_seconds(result->reset_ms));
    bk__res_push_header(res, BK_LIT("RateLimit-Policy"), bk_str_of(self->policy));
    bk__res_push_header(res, BK_LIT("RateLimit"), bk_str_at(text, (size_t)(at - text)));
    if (self->opts.legacy_headers)
        say_legacy(self, res, result);
}

static bk_err refuse(bk_res *res, const bk_limit_result *result)
{
    uint64_t wait = in_seconds(result->retry_after_ms);

    bk__res_push_header(res, BK_LIT("Retry-After"), number(res->req, wait != 0 ? wait : 1));
    return bk_fail(BK_ELIMITED, "Too many requests, please try again later.");
}

/* --- the middleware --------------------------------------------------------------------------- */

static uint32_t cost_of(const struct rate_limit *self, bk_req *req)
{
    uint32_t most = bk__limiter_most(self->limiter);

    if (self->opts.cost == NULL)
        return 1;
    uint32_t cost = self->opts.cost(req, self->opts.data);
    return cost < most ? cost : most;
}

/* That a failure could not be counted must not cover it up. */
static BK_YIELDS bk_err count_failure(const struct rate_limit *self, bk_str key, uint32_t cost,
                                      bk_res *res, bk_err err)
{
    bk_limit_result result;

    if (err == BK_OK && res->status < 400)
        return BK_OK;
    if (bk_fiber_interrupted() != BK_OK)
        return err;
    (void)!bk_limiter_take(self->limiter, key, cost, &result);
    return err;
}

static bk_err run(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    const struct rate_limit *self = data;
    uint32_t cost = cost_of(self, req);
    bk_limit_result result;
    char room[KEY_MAX];

    if (cost == 0)
        return bk_next_run(next, req, res);
    bk_str key = key_of(self, req, room);
    BK_TRY(bk_limiter_take(self->limiter, key, self->opts.failures_only ? 0 : cost, &result));
    say(self, res, &result);
    if (!result.allowed)
        return refuse(res, &result);
    bk_err err = bk_next_run(next, req, res);
    return self->opts.failures_only ? count_failure(self, key, cost, res, err) : err;
}

/* --- its life --------------------------------------------------------------------------------- */

static void free_self(void *data)
{
    struct rate_limit *self = data;

    bk__hmac_free(self->digest);
    free(self->policy);
    free(self);
}

static const bk_part_type part = {.name = "rate limit", .free = free_self};

/* The name stands in quotes (RFC 8941, 3.3.3). */
static void check_name(const char *name)
{
    for (const char *at = name; *at != '\0'; at++)
        if (*at < ' ' || *at > '~' || *at == '"' || *at == '\\')
            bk__setup_error(__FILE__, __LINE__,
                            "rate limit: the name of a limiter goes into a header; it is made of "
                            "printable ASCII, without quotes and backslashes");
}

/* The texts that are the same for every answer, one behind the other. */
static void write_texts(struct rate_limit *self)
{
    const bk_limiter_opts *limit = bk__limiter_opts(self->limiter);
    size_t name = strlen(limit->name);
    char *at = malloc(2 * name + 32 + 3 * NUMBER_MAX);

    bk_assert(at != NULL);
    self->policy = at;
    *at++ = '"';
    at = mempcpy(at, limit->name, name);
    at = mempcpy(at, "\";q=", 4);
    at = put_number(at, limit->limit);
    at = mempcpy(at, ";w=", 3);
    at = put_number(at, in_seconds(limit->window_ms));
    *at++ = '\0';
    char *front = at;
    *at++ = '"';
    at = mempcpy(at, limit->name, name);
    at = mempcpy(at, "\";r=", 4);
    self->front = bk_str_at(front, (size_t)(at - front));
    char *most = at;
    at = put_number(at, bk__limiter_most(self->limiter));
    self->most = bk_str_at(most, (size_t)(at - most));
}

bk_middleware bk_mw_rate_limit(bk_app *app, const bk_mw_rate_limit_opts *opts)
{
    struct rate_limit *self = calloc(1, sizeof *self);

    bk_assert(self != NULL);
    if (opts != NULL)
        self->opts = *opts;
    if (self->opts.key != NULL && self->opts.header != NULL)
        bk__setup_error(__FILE__, __LINE__, "rate limit: by a header or by a function, not both");
    self->limiter =
        self->opts.limiter != NULL ? self->opts.limiter : bk_limiter_new(app, &self->opts.limit);
    self->digest = bk__hmac_new("SHA256", BK_LIT("rate limit"));
    check_name(bk__limiter_opts(self->limiter)->name);
    write_texts(self);
    bk_app_part(app, &part, self);
    return bk_mw(run, self);
}
