/*
 * trace.c: the trace of a request, and its span. See <backend/middleware/trace.h>.
 *
 * The trace stays with the fiber when the middleware has returned, for what is logged while the
 * answer is being sent. The span ends when that has gone, and is made only if somebody wants it.
 */
#include <backend/middleware/trace.h>

#include <stdlib.h>

#include <backend/arena.h>
#include <backend/clock.h>
#include <backend/request.h>
#include <backend/str.h>

#include "core/arena.h"
#include "core/span.h"
#include "core/trace.h"
#include "http/exchange.h"
#include "middleware/setup.h"

struct trace {
    bk_mw_trace_opts opts;
    bk_str response_header; /* absent: none */
    char lower_text[BK__MW_NAME_MAX];
};

/* A request's span while it is being served, in its arena. */
struct server_span {
    struct bk__req_end end; /* first */
    uint64_t begun_ns;
    struct bk__span span;
};

static bool goes_on(const struct trace *self, bk_req *req, struct bk__trace *out)
{
    bk_str parent = bk__req_believed_header(req, BK_LIT("traceparent"), self->opts.from_anyone);

    if (!bk_str_present(parent) || !bk__trace_continue(parent, out))
        return false;
    bk_str state = bk__req_header(req, BK_LIT("tracestate"));
    if (bk__trace_state_fits(state))
        out->state = state;
    return true;
}

static void begin(const struct trace *self, bk_req *req, struct bk__trace *out)
{
    uint32_t one_in = self->opts.sample_one_in;

    if (goes_on(self, req, out))
        return;
    bk__trace_new(out);
    bk__trace_set_sampled(out, one_in <= 1 ||
                                   (one_in != BK_UNLIMITED && bk__trace_is_one_of(out, one_in)));
}

/* --- the span --------------------------------------------------------------------------------- */

static void on_end(struct bk__req_end *end, bk_req *req)
{
    struct server_span *self = (struct server_span *)end;
    int status = req->res.head.status;

    bk__span_add_str(&self->span, "http.request.method", bk_str_of(bk_method_name(req->method)));
    if (req->route != NULL)
        bk__span_add_str(&self->span, "http.route", bk_req_route(req));
    bk__span_add_i64(&self->span, "http.response.status_code", status);
    bk__span_add_str(&self->span, "url.scheme", bk_req_scheme(req));
    bk__span_add_str(&self->span, "client.address", bk_req_client(req));
    bk__span_add_str(&self->span, "url.path", req->path);
    self->span.err = req->lost ? BK_ECLOSED : status >= 500 ? BK_EINTERNAL : BK_OK;
    self->span.duration_ns = bk_now_ns() - self->begun_ns;
    bk__spans_put(&self->span);
}

static void record(bk_req *req, const struct bk__trace *trace)
{
    struct server_span *self = bk__arena_get(bk_req_arena(req), sizeof *self);
    bk_str name = bk_str_of(bk_method_name(req->method));

    if (req->route != NULL)
        name = bk_arena_printf(bk_req_arena(req), "%.*s %.*s", BK_PRI(name),
                               BK_PRI(bk_req_route(req)));

    (void)bk_req_client(req); /* while the connection is there to be asked */
    self->end.fn = on_end;
    self->begun_ns = bk_now_ns();
    bk__span_init(&self->span, trace, name, BK_SPAN_SERVER);
    bk__req_on_end(req, &self->end);
}

static bk_err run(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    const struct trace *self = data;
    struct bk__trace *trace = bk__arena_get(bk_req_arena(req), sizeof *trace);

    begin(self, req, trace);
    req->fiber->task.trace = trace;
    if (bk_str_present(self->response_header))
        bk__res_push_header(res, self->response_header, bk_trace_header(bk_req_arena(req)));
    if (bk__spans_want(trace))
        record(req, trace);
    return bk_next_run(next, req, res);
}

static const bk_part_type part = {.name = "trace", .free = free};

bk_middleware bk_mw_trace(bk_app *app, const bk_mw_trace_opts *opts)
{
    static const bk_mw_trace_opts defaults = {0};
    struct trace *self = bk__mw_new(app, &part, sizeof *self);

    self->opts = opts != NULL ? *opts : defaults;
    if (self->opts.response_header != NULL) {
        self->response_header = bk_str_of(self->opts.response_header);
        (void)bk__mw_header_name("bk_mw_trace", self->response_header, self->lower_text);
    }
    return bk_mw(run, self);
}
