/*
 * meter.c: requests as metrics. See meter.h.
 *
 * A series is found by route, method and status: each route keeps those that it has seen, the one
 * seen last first, so that in the end a request costs two looks at the clock and a few additions.
 */
#include "http/meter.h"

#include <stdlib.h>

#include <backend/clock.h>
#include <backend/loop.h>
#include <backend/metrics.h>
#include <backend/router.h>
#include <backend/str.h>

#include "core/assert.h"
#include "core/number.h"
#include "http/exchange.h"
#include "http/server.h"
#include "http/table.h"

#define SERIES 1000 /* of routes, methods and statuses together */

/* What a route counts in for one method and status. */
struct kind {
    struct kind *next;
    bk_str method; /* static */
    int status;
    bk_histogram *duration;
    bk_counter *received, *sent;
};

struct bk__meter {
    struct bk__server *server;
    bk_histogram *duration; /* the metrics */
    bk_counter *received, *sent;
    bk_gauge *active, *connections;
    struct kind **kinds; /* by the number of the route; the last is for requests without one */
    size_t route_count;
};

/* As OpenTelemetry has it: a method that is not known is not a label. */
static bk_str method_of(const bk_req *req)
{
    static const bk_str names[] = {
        [BK_METHOD_GET] = {"GET", 3},         [BK_METHOD_HEAD] = {"HEAD", 4},
        [BK_METHOD_POST] = {"POST", 4},       [BK_METHOD_PUT] = {"PUT", 3},
        [BK_METHOD_PATCH] = {"PATCH", 5},     [BK_METHOD_DELETE] = {"DELETE", 6},
        [BK_METHOD_OPTIONS] = {"OPTIONS", 7},
    };

    return req->admitted ? names[req->method] : BK_LIT("_OTHER");
}

static struct kind *new_kind(const struct bk__meter *meter, const bk_req *req, bk_str method,
                             int status)
{
    struct kind *kind = calloc(1, sizeof *kind);
    bk_str route = bk_str_of(req->route != NULL ? req->route->pattern : "");
    char digits[BK__I64_TEXT];

    bk_assert(kind != NULL);
    bk_str code = bk_str_at(digits, bk__i64_text(status, digits));
    kind->method = method;
    kind->status = status;
    kind->duration = bk_histogram_with(meter->duration, BK_LABELS(method, route, code));
    kind->received = bk_counter_with(meter->received, BK_LABELS(method, route));
    kind->sent = bk_counter_with(meter->sent, BK_LABELS(method, route));
    return kind;
}

static struct kind *kind_of(const struct bk__meter *meter, const bk_req *req)
{
    const struct bk__table *table = req->server->table;
    size_t number = req->route != NULL ? (size_t)(req->route - table->routes) : meter->route_count;
    struct kind **head = &meter->kinds[number], **at = head;
    bk_str method = method_of(req);
    int status = req->res.head.status;

    while (*at != NULL && ((*at)->status != status || (*at)->method.ptr != method.ptr))
        at = &(*at)->next;
    if (at == head && *at != NULL)
        return *at;
    struct kind *kind = *at != NULL ? *at : new_kind(meter, req, method, status);
    if (*at != NULL)
        *at = kind->next;
    kind->next = *head;
    *head = kind;
    return kind;
}

static uint64_t body_bytes(const bk_res *res)
{
    if (res->started)
        return res->stream_sent;
    return res->head.bodiless || res->head.length == BK_LENGTH_UNKNOWN ? 0 : res->head.length;
}

void bk__meter_count(struct bk__meter *meter, const bk_req *req)
{
    if (meter->kinds == NULL)
        return; /* it has not started, or has stopped */
    const struct kind *kind = kind_of(meter, req);
    uint64_t sent = body_bytes(&req->res);

    bk_histogram_observe(kind->duration, (double)(bk_now_ns() - req->begun_ns) * 1e-9);
    if (req->body_len != 0)
        bk_counter_add(kind->received, (double)req->body_len);
    if (sent != 0)
        bk_counter_add(kind->sent, (double)sent);
}

/* --- its life --------------------------------------------------------------------------------- */

static bk_err start(void *data)
{
    struct bk__meter *meter = data;

    meter->route_count = meter->server->table->route_count;
    meter->kinds = calloc(meter->route_count + 1, sizeof(struct kind *));
    bk_assert(meter->kinds != NULL);
    return BK_OK;
}

static void stop(void *data)
{
    struct bk__meter *meter = data;

    for (size_t i = 0; i <= meter->route_count; i++) {
        for (struct kind *next, *it = meter->kinds[i]; it != NULL; it = next) {
            next = it->next;
            free(it);
        }
    }
    free(meter->kinds);
    meter->kinds = NULL;
}

static const bk_part_type part = {.name = "meter", .start = start, .stop = stop, .free = free};

static void sample(void *data)
{
    const struct bk__meter *meter = data;

    bk_gauge_set(meter->active, (double)meter->server->request_count);
    bk_gauge_set(meter->connections, (double)meter->server->connection_count);
}

void bk__meter_declare(bk_app *app)
{
    struct bk__server *server = bk__server_of(app);
    struct bk__meter *meter;

    if (server->meter != NULL)
        return;
    meter = calloc(1, sizeof *meter);
    bk_assert(meter != NULL);
    meter->server = server;
    meter->duration = bk_histogram_new(
        app, &(bk_metric_opts){
                 .name = "http_server_request_duration_seconds",
                 .help = "From the whole request to the last byte of its answer.",
                 .labels = {"http_request_method", "http_route", "http_response_status_code"},
                 .series = SERIES,
             });
    meter->received = bk_counter_new(app, &(bk_metric_opts){
                                              .name = "http_server_request_body_bytes_total",
                                              .help = "Bytes of request bodies.",
                                              .labels = {"http_request_method", "http_route"},
                                              .series = SERIES,
                                          });
    meter->sent = bk_counter_new(app, &(bk_metric_opts){
                                          .name = "http_server_response_body_bytes_total",
                                          .help = "Bytes of response bodies.",
                                          .labels = {"http_request_method", "http_route"},
                                          .series = SERIES,
                                      });
    meter->active = bk_gauge_new(app, &(bk_metric_opts){
                                          .name = "http_server_active_requests",
                                          .help = "Requests that are being answered.",
                                      });
    meter->connections = bk_gauge_new(app, &(bk_metric_opts){
                                               .name = "http_server_open_connections",
                                               .help = "Connections of clients.",
                                           });
    bk_metrics_sample(app, sample, meter);
    bk_app_part(app, &part, meter);
    server->meter = meter;
}
