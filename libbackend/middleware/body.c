/*
 * body.c: request bodies that come compressed. See <backend/middleware/body.h>.
 *
 * What a body becomes is bounded before it is unpacked: by what the route takes, and by how much
 * longer than itself an honest body is. The handler finds the unpacked one in its place.
 */
#include <backend/middleware/body.h>

#include <stdlib.h>

#include <backend/fiber.h>
#include <backend/loop.h>
#include <backend/request.h>
#include <backend/response.h>
#include <backend/str.h>

#include "core/assert.h"
#include "http/exchange.h"
#include "middleware/inflate.h"

#define INLINE_BYTES    (8 * 1024)
#define ANY_RATIO_BELOW (64 * 1024)
#define MAX_BYTES       (10u << 20)

struct body {
    bk_mw_body_opts opts;
};

/* --- unpacking -------------------------------------------------------------------------------- */

struct job {
    enum bk__packed how;
    bk_str in;
    size_t limit;
    char *out;
    size_t out_len;
    bk_err err;
};

static void run_job(void *data)
{
    struct job *job = data;

    job->err = bk__inflate(job->how, job->in, job->limit, &job->out, &job->out_len);
}

static size_t limit_of(const struct body *self, const bk_req *req)
{
    size_t most = self->opts.max_bytes != 0         ? self->opts.max_bytes
                  : req->body_limit != BK_UNLIMITED ? req->body_limit
                                                    : MAX_BYTES;
    size_t honest = req->body_len * (size_t)self->opts.max_ratio;

    if (honest < ANY_RATIO_BELOW)
        honest = ANY_RATIO_BELOW;
    return most < honest ? most : honest;
}

/* The fields that spoke of the packed body. */
static void drop_fields(bk_req *req)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < req->header_count; i++)
        if (!bk_str_eq(req->headers[i].name, BK_LIT("content-encoding")) &&
            !bk_str_eq(req->headers[i].name, BK_LIT("content-length")))
            req->headers[kept++] = req->headers[i];
    req->header_count = kept;
}

static bk_err unpack(const struct body *self, bk_req *req, enum bk__packed how)
{
    struct job job = {.how = how, .in = bk_req_body(req), .limit = limit_of(self, req)};

    if (job.in.len > INLINE_BYTES)
        BK_TRY(bk_offload(run_job, &job));
    else
        run_job(&job);
    if (job.err == BK_ETOOBIG)
        return bk_fail(BK_ETOOBIG, "the body becomes longer than the %zu bytes that are taken",
                       job.limit);
    if (job.err != BK_OK)
        return bk_fail(BK_EINVAL, "the body is not what its Content-Encoding says");
    BK_TRY(bk__req_body_replace(req, job.out, job.out_len));
    drop_fields(req);
    return BK_OK;
}

/* --- the middleware --------------------------------------------------------------------------- */

/* False for a coding that is not understood. */
static bool read_coding(bk_str name, enum bk__packed *out)
{
    static const struct {
        bk_str name;
        enum bk__packed how;
    } codings[] = {
        {{"gzip", 4}, BK__PACKED_GZIP},
        {{"x-gzip", 6}, BK__PACKED_GZIP},
        {{"deflate", 7}, BK__PACKED_DEFLATE},
        {{"br", 2}, BK__PACKED_BROTLI},
    };

    for (size_t i = 0; i < sizeof codings / sizeof codings[0]; i++) {
        if (!bk_str_ieq(name, codings[i].name))
            continue;
        *out = codings[i].how;
        return true;
    }
    return false;
}

static bk_err run(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    bk_str coding = bk_str_trim(bk__req_header(req, BK_LIT("content-encoding")));
    enum bk__packed how;

    if (coding.len == 0 || req->refusal != BK_OK || req->body_len == 0 ||
        bk_str_ieq(coding, BK_LIT("identity")))
        return bk_next_run(next, req, res);
    if (!read_coding(coding, &how)) {
        BK_TRY(bk_res_header(res, "Accept-Encoding", BK_LIT("gzip, deflate, br")));
        return bk_fail(BK_EMEDIATYPE, "the body's Content-Encoding is not understood here");
    }
    BK_TRY(unpack(data, req, how));
    return bk_next_run(next, req, res);
}

static const bk_part_type part = {.name = "body", .free = free};

bk_middleware bk_mw_body(bk_app *app, const bk_mw_body_opts *opts)
{
    struct body *self = calloc(1, sizeof *self);

    bk_assert(self != NULL);
    if (opts != NULL)
        self->opts = *opts;
    if (self->opts.max_ratio == 0)
        self->opts.max_ratio = 100;
    bk_app_part(app, &part, self);
    return bk_mw(run, self);
}
