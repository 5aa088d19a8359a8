/*
 * prometheus.c: the text format of Prometheus, version 0.0.4, and the route that serves it.
 */
#include <backend/app.h>
#include <backend/fiber.h>
#include <backend/metrics.h>
#include <backend/request.h>
#include <backend/response.h>
#include <backend/str.h>

#include "core/metrics.h"
#include "core/number.h"
#include "http/exchange.h"
#include "http/meter.h"
#include "http/server.h"
#include "ops/runtime.h"

#define SERIES_AT_ONCE 50

static const char *const kinds[] = {
    [BK__COUNTER] = "counter", [BK__GAUGE] = "gauge", [BK__HISTOGRAM] = "histogram"};

/* Of a help text, a quote is not escaped. */
static void add_escaped(bk_buf *out, bk_str text, bool quote)
{
    size_t plain = 0; /* where that begins which is not written yet */

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c != '\n' && c != '\\' && (c != '"' || !quote))
            continue;
        bk_buf_add(out, bk_str_at(text.ptr + plain, i - plain));
        bk_buf_add_char(out, '\\');
        bk_buf_add_char(out, c == '\n' ? 'n' : c);
        plain = i + 1;
    }
    bk_buf_add(out, bk_str_at(text.ptr + plain, text.len - plain));
}

static void add_number(bk_buf *out, double value)
{
    if (isnan(value))
        bk_buf_add(out, BK_LIT("NaN"));
    else if (isinf(value))
        bk_buf_add(out, value > 0 ? BK_LIT("+Inf") : BK_LIT("-Inf"));
    else if (value == trunc(value) && fabs(value) < 1e15)
        bk_buf_add_i64(out, (int64_t)value); /* most are counts */
    else
        bk_buf_add_f64(out, value);
}

static void add_label(bk_buf *out, bool *first, bk_str name, bk_str value)
{
    bk_buf_add_char(out, *first ? '{' : ',');
    *first = false;
    bk_buf_add(out, name);
    bk_buf_add(out, BK_LIT("=\""));
    add_escaped(out, value, true);
    bk_buf_add_char(out, '"');
}

struct line {
    const struct bk__metric *metric;
    const struct bk__reading *reading;
    bk_str suffix; /* of the name */
    bk_str bound;  /* of a bucket; absent: it is none */
};

static void add_line(bk_buf *out, const struct line *line, double value)
{
    const struct bk__metric *metric = line->metric;
    bk_str left = line->reading->labels;
    bool first = true;
    char text[BK__I64_TEXT];

    bk_buf_add(out, bk_str_of(metric->name));
    bk_buf_add(out, line->suffix);
    for (size_t i = 0; i < metric->label_count; i++)
        add_label(out, &first, bk_str_of(metric->labels[i]), bk__label_cut(&left));
    if (metric->policy == BK_GAUGE_BY_WORKER)
        add_label(out, &first, BK_LIT("worker"),
                  bk_str_at(text, bk__i64_text(line->reading->slot, text)));
    if (bk_str_present(line->bound))
        add_label(out, &first, BK_LIT("le"), line->bound);
    if (!first)
        bk_buf_add_char(out, '}');
    bk_buf_add_char(out, ' ');
    add_number(out, value);
    bk_buf_add_char(out, '\n');
}

static void add_histogram(bk_buf *out, struct line line)
{
    const struct bk__metric *metric = line.metric;
    const double *cells = line.reading->cells;
    char text[BK__F64_TEXT];
    double total = 0;

    line.suffix = BK_LIT("_bucket");
    for (size_t i = 0; i < metric->bound_count; i++) {
        total += cells[i];
        line.bound = bk_str_at(text, bk__f64_text(metric->bounds[i], text));
        add_line(out, &line, total);
    }
    total += cells[metric->bound_count];
    line.bound = BK_LIT("+Inf");
    add_line(out, &line, total);
    line.bound = (bk_str){NULL, 0};
    line.suffix = BK_LIT("_sum");
    add_line(out, &line, cells[metric->bound_count + 1]);
    line.suffix = BK_LIT("_count");
    add_line(out, &line, total);
}

static void add_head(bk_buf *out, const struct bk__metric *metric)
{
    bk_buf_add(out, BK_LIT("# HELP "));
    bk_buf_add(out, bk_str_of(metric->name));
    bk_buf_add_char(out, ' ');
    add_escaped(out, bk_str_of(metric->help), false);
    bk_buf_printf(out, "\n# TYPE %s %s\n", metric->name, kinds[metric->kind]);
}

/* Nothing where it has no series. There may be thousands of lines, so others run meanwhile. */
BK_YIELDS static bk_err add_metric(bk_buf *out, const struct bk__metric *metric)
{
    struct bk__reading **readings;
    size_t count = bk__metric_read(metric, out->arena, &readings);
    bool begun = false;

    for (size_t i = 0; i < count; i++) {
        struct line line = {.metric = metric, .reading = readings[i]};
        if (isnan(readings[i]->cells[0]))
            continue; /* a gauge that nobody has set */
        if (!begun)
            add_head(out, metric);
        begun = true;
        if (metric->kind == BK__HISTOGRAM)
            add_histogram(out, line);
        else
            add_line(out, &line, readings[i]->cells[0]);
        if (i % SERIES_AT_ONCE == SERIES_AT_ONCE - 1)
            BK_TRY(bk_yield());
    }
    return BK_OK;
}

static bk_err serve(bk_req *req, bk_res *res)
{
    bk_app *app = bk_req_route_data(req);
    const struct bk__metrics *metrics = bk__metrics_of(app);
    bk_buf out = {.arena = bk_req_arena(req)};

    if (req->server == bk__server_of(app)) /* else its loop is another thread's */
        bk__metrics_run_samplers(metrics);
    for (const struct bk__metric *it = metrics->first; it != NULL; it = it->next)
        BK_TRY(add_metric(&out, it));
    bk_res_no_etag(res);
    BK_TRY(bk_res_header(res, "Cache-Control", BK_LIT("no-store")));
    return bk_res_bytes(res, 200, "text/plain; version=0.0.4; charset=utf-8", bk_buf_str(&out));
}

void bk_metrics_serve(bk_app *app, bk_router *router, const char *path)
{
    bk__meter_declare(app);
    bk__runtime_declare(app);
    bk_get(router != NULL ? router : bk_app_router(app), path != NULL ? path : "/metrics", serve,
           &(bk_route_opts){
               .summary = "Metrics for Prometheus", .data = app, .priority = BK_PRIORITY_CRITICAL});
}
