/*
 * http_client.c: a client's settings and life, and how a request is sent. See client.h.
 */
#include <backend/fiber.h>
#include <backend/loop.h>

#include <stdlib.h>
#include <unistd.h>

#include "client/client.h"
#include "client/error.h"
#include "core/assert.h"
#include "core/random.h"

enum {
    PAUSE_MS = 100, /* before the second attempt; twice as long before each further one */
    PAUSE_MAX_MS = 5000
};

/* --- one attempt ------------------------------------------------------------------------------ */

static uint64_t limit_of(uint32_t said, uint64_t fallback)
{
    return said == 0 ? fallback : said == BK_UNLIMITED ? UINT64_MAX : said;
}

static void prepare_exchange(struct bk__exchange *exchange, bk_http_client *client,
                             const bk_http_request *request)
{
    bk_arena *own = bk_fiber_arena();

    *exchange = (struct bk__exchange){
        .transfer = {.set_up = bk__exchange_set_up, .ended = bk__exchange_ended},
        .client = client,
        .request = request,
        .arena = request->arena != NULL ? request->arena : own,
        .method = bk__http_method(request),
        .url = bk_arena_cstr(own, request->url),
        .body_max = limit_of(request->body_bytes, limit_of(client->opts.body_bytes, 0)),
        .stream_max = limit_of(request->body_bytes, UINT64_MAX),
    };
    exchange->repeatable = bk__http_repeatable(exchange->method);
    exchange->body.arena = exchange->arena;
    if (request->on_body != NULL) {
        exchange->pipe.fill = bk_arena_alloc(own, BK__PIPE_BYTES);
        exchange->pipe.drain = bk_arena_alloc(own, BK__PIPE_BYTES);
    }
}

BK_YIELDS static bk_err attempt(bk_http_client *client, const bk_http_request *request,
                                bk_http_answer *answer, bool *again)
{
    struct bk__exchange exchange;

    prepare_exchange(&exchange, client, request);
    BK_TRY(bk__exchange_head(&exchange));
    bk__transfer_start(&client->multi, &exchange.transfer);
    bk_err err = bk__exchange_wait(&exchange);
    if (err != BK_OK) {
        bool begun = request->on_body != NULL && exchange.body_bytes != 0;
        *again = exchange.fault == BK__EXCHANGE_FINE && !begun && exchange.transfer.done &&
                 bk__curl_transient(exchange.transfer.result) && bk_fiber_interrupted() == BK_OK;
        return err;
    }
    *answer = (bk_http_answer){
        .status = (int)exchange.status,
        .headers = exchange.headers,
        .header_count = exchange.header_count,
        .body = bk_buf_str(&exchange.body),
        .url = exchange.final_url,
        .attempts = answer->attempts,
    };
    *again = answer->status == 429 || (answer->status >= 502 && answer->status <= 504);
    return BK_OK;
}

/* --- all attempts ----------------------------------------------------------------------------- */

/* Random, so that those who failed together do not come back together; not before the server asks
 * to. */
static uint64_t pause_ms(const bk_http_answer *answer)
{
    uint32_t dice;
    int64_t asked_s = 0;
    uint64_t most = PAUSE_MAX_MS;

    if (answer->attempts < 6)
        most = (uint64_t)PAUSE_MS << answer->attempts;
    bk__random(&dice, sizeof dice);
    uint64_t pause = most / 2 + dice % (most / 2);
    if (bk_str_to_i64(bk_http_answer_header(answer, "retry-after"), &asked_s) == BK_OK &&
        asked_s > 0 && asked_s < INT32_MAX && (uint64_t)asked_s * 1000 > pause)
        pause = (uint64_t)asked_s * 1000;
    return pause;
}

BK_YIELDS static bk_err send_all(bk_http_client *client, const bk_http_request *request,
                                 bk_http_answer *answer)
{
    for (;;) {
        bool again = false;
        answer->attempts++;
        bk_err err = attempt(client, request, answer, &again);
        if (!again || answer->attempts > request->retries)
            return err;
        uint64_t pause = pause_ms(answer);
        if (pause >= bk_deadline_left_ms())
            return err;
        client->stats.retries++;
        BK_TRY(bk_sleep_ms(pause));
        *answer = (bk_http_answer){.attempts = answer->attempts};
        bk_error_clear();
    }
}

bk_err bk_http_send(bk_http_client *client, const bk_http_request *request, bk_http_answer *answer)
{
    const bk_http_client_opts *opts = &client->opts;
    uint32_t timeout_ms = request->timeout_ms != 0 ? request->timeout_ms : opts->timeout_ms;
    bk_deadline before;

    bk_assert(client->multi.loop != NULL && bk_fiber_self() != NULL); /* the app runs */
    *answer = (bk_http_answer){0};
    BK_TRY(bk_context(bk__http_request_check(request), "%s", opts->name));
    if (client->stats.in_flight >= opts->requests)
        return bk_fail(BK_EUNAVAILABLE, "%s: %u requests are in flight", opts->name,
                       opts->requests);
    client->stats.in_flight++;
    if (timeout_ms != BK_UNLIMITED)
        before = bk_deadline_push(timeout_ms);
    bk_span *span = bk__http_span_begin(client, request);
    bk_err err = send_all(client, request, answer);
    bk__http_span_end(span, request, answer, err);
    if (timeout_ms != BK_UNLIMITED)
        bk_deadline_pop(before);
    client->stats.in_flight--;
    client->stats.requests++;
    if (err == BK_OK)
        return BK_OK;
    client->stats.failed++;
    *answer = (bk_http_answer){0};
    bk_str words = bk__http_request_words(bk_fiber_arena(), request);
    return bk_context(err, "%s: %.*s", opts->name, BK_PRI(words));
}

bk_str bk_http_answer_header(const bk_http_answer *answer, const char *name)
{
    bk_str wanted = bk_str_of(name);

    for (size_t i = 0; i < answer->header_count; i++)
        if (bk_str_ieq(answer->headers[i].name, wanted))
            return answer->headers[i].value;
    return bk_str_at(NULL, 0);
}

/* --- settings and life ------------------------------------------------------------------------ */

static bk_err start(void *data)
{
    bk_http_client *client = data;

    client->stats = (bk_http_client_stats){0};
    return bk__multi_open(&client->multi);
}

static void stop(void *data)
{
    bk_http_client *client = data;

    bk__multi_close(&client->multi);
}

static const bk_part_type part = {
    .name = "http_client", .start = start, .stop = stop, .free = free};

static void fill(uint32_t *value, uint32_t fallback)
{
    if (*value == 0)
        *value = fallback;
}

static void check_opts(const bk_http_client_opts *opts)
{
    if (opts->ca_file != NULL && access(opts->ca_file, R_OK) != 0)
        bk__setup_error("bk_http_client_opts", 0, "ca_file: cannot read %s", opts->ca_file);
    if (opts->redirects > 50)
        bk__setup_error("bk_http_client_opts", 0, "redirects is %u, it may be 50 at most",
                        opts->redirects);
    if (opts->connect_ms == BK_UNLIMITED || opts->connections == BK_UNLIMITED ||
        opts->connections_per_host == BK_UNLIMITED || opts->idle_ms == BK_UNLIMITED)
        bk__setup_error("bk_http_client_opts", 0,
                        "connect_ms, connections, connections_per_host and idle_ms cannot be "
                        "unlimited");
}

bk_http_client *bk_http_client_new(bk_app *app, const bk_http_client_opts *opts)
{
    bk_http_client *client = calloc(1, sizeof *client);

    bk_assert(client != NULL);
    if (opts != NULL) {
        check_opts(opts);
        client->opts = *opts;
    }
    bk_http_client_opts *all = &client->opts;
    if (all->name == NULL)
        all->name = "http_client";
    if (all->user_agent == NULL)
        all->user_agent = "libbackend";
    fill(&all->connect_ms, 3000);
    fill(&all->timeout_ms, 10000);
    fill(&all->body_bytes, 10 * 1024 * 1024);
    fill(&all->header_bytes, 64 * 1024);
    fill(&all->connections, 256);
    fill(&all->connections_per_host, 64);
    fill(&all->requests, 10000);
    fill(&all->idle_ms, 60000);
    client->multi.connections = all->connections;
    client->multi.connections_per_host = all->connections_per_host;
    bk_app_part(app, &part, client);
    return client;
}

void bk_http_client_get_stats(const bk_http_client *client, bk_http_client_stats *stats)
{
    *stats = client->stats;
}
