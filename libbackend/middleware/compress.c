/*
 * compress.c: answers in gzip or brotli. See <backend/middleware/compress.h>.
 *
 * A whole body is packed after the handler has returned; a stream by a filter between the handler
 * and the transport. What must hold: the loop is not held up by much, so more than INLINE_BYTES are
 * packed on the offload pool; and nothing fails because of it, for an answer can go as it is.
 */
#include <backend/middleware/compress.h>

#include <stdlib.h>

#include <backend/arena.h>
#include <backend/fiber.h>
#include <backend/loop.h>
#include <backend/request.h>
#include <backend/response.h>
#include <backend/str.h>

#include "core/assert.h"
#include "http/etag.h"
#include "http/exchange.h"
#include "http/header.h"
#include "middleware/encoder.h"

#define INLINE_BYTES (16 * 1024)

struct compress {
    bk_mw_compress_opts opts; /* defaults filled in */
    unsigned offered;         /* codings */
    struct bk__shelf shelf;
};

/* A request whose answer may be packed, in its arena. */
struct packing {
    struct bk__res_filter filter;
    struct compress *self;
    enum bk__coding coding; /* set by choose() */
    struct bk__encoder encoder;
};

/* --- what may be packed ----------------------------------------------------------------------- */

static bool ends_in(bk_str text, bk_str end)
{
    return text.len >= end.len &&
           bk_str_ieq(bk_str_at(text.ptr + text.len - end.len, end.len), end);
}

/* Types that gain by it. */
static bool is_text(bk_str content_type)
{
    static const bk_str others[] = {
        {"application/json", 16},
        {"application/javascript", 22},
        {"application/xml", 15},
        {"application/wasm", 16},
        {"application/x-ndjson", 20},
        {"application/graphql", 19},
        {"application/sql", 15},
        {"application/yaml", 16},
        {"application/toml", 16},
        {"image/vnd.microsoft.icon", 24},
        {"image/bmp", 9},
        {"font/ttf", 8},
        {"font/otf", 8},
    };
    bk_str type = bk__header_media_type(content_type);

    if (type.len >= 5 && bk_str_ieq(bk_str_at(type.ptr, 5), BK_LIT("text/")))
        return !bk_str_ieq(type, BK_LIT("text/event-stream"));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (bk_str_ieq(type, others[i]))
            return true;
    return ends_in(type, BK_LIT("+json")) || ends_in(type, BK_LIT("+xml")) ||
           ends_in(type, BK_LIT("+text"));
}

static bool may_be_packed(const bk_res *res)
{
    return res->status != 204 && res->status != 206 && res->status != 304 &&
           bk_str_present(bk_str_of(res->type)) && is_text(bk_str_of(res->type)) &&
           !bk_str_present(bk_res_get_header(res, "Content-Encoding")) &&
           !bk_str_present(bk_res_get_header(res, "Content-Range")) &&
           !bk__header_list_has(bk_res_get_header(res, "Cache-Control"), BK_LIT("no-transform"));
}

/* The client has it: 304 follows, and all work would be in vain. */
static bool is_known(const bk_res *res)
{
    bk_method method = bk_req_method(res->req);
    bk_str known = bk__req_header(res->req, BK_LIT("if-none-match"));

    return bk_str_present(known) && bk_str_present(res->etag) && res->status == 200 &&
           (method == BK_METHOD_GET || method == BK_METHOD_HEAD) &&
           bk__etag_none_match_hits(known, res->etag);
}

/* False for a client that takes none, or likes none better. */
static bool choose(struct packing *packing, const bk_res *res)
{
    bk_str accepts = bk__req_header(res->req, BK_LIT("accept-encoding"));

    packing->coding = bk__coding_choose(accepts, packing->self->offered);
    return packing->coding != BK__CODING_IDENTITY;
}

/* --- packing ---------------------------------------------------------------------------------- */

static void free_encoder(void *encoder)
{
    bk__encoder_free(encoder);
}

static void begin(struct packing *packing, bk_res *res, size_t size_hint)
{
    bk__encoder_start(&packing->encoder, &packing->self->shelf, packing->coding,
                      packing->self->opts.brotli_quality, size_hint);
    bk_arena_defer(bk_req_arena(res->req), free_encoder, &packing->encoder);
}

struct job {
    struct bk__encoder *encoder;
    bk_str bytes;
    bool last;
};

static void run_job(void *data)
{
    struct job *job = data;

    bk__encoder_run(job->encoder, job->bytes, job->last);
}

/* Here, or on a thread where it would take too long. */
static bk_err pack(struct bk__encoder *encoder, bk_str bytes, bool last)
{
    struct job job = {encoder, bytes, last};

    if (bytes.len > INLINE_BYTES)
        BK_TRY(bk_offload(run_job, &job));
    else
        run_job(&job);
    if (last)
        bk__encoder_stop(encoder);
    return BK_OK;
}

/* What is said of a packed body. Bytes differ from those that a strong ETag stands for, and ranges
 * of them cannot be had. */
static void say(const struct packing *packing, bk_res *res)
{
    bk__res_push_header(res, BK_LIT("Content-Encoding"),
                        packing->coding == BK__CODING_GZIP ? BK_LIT("gzip") : BK_LIT("br"));
    if (bk_str_present(res->etag) && res->etag.ptr[0] == '"')
        res->etag = bk_arena_printf(bk_req_arena(res->req), "W/%.*s", BK_PRI(res->etag));
    if (bk_str_present(bk_res_get_header(res, "Accept-Ranges"))) {
        bk_err err = bk_res_header(res, "Accept-Ranges", BK_LIT("none"));
        bk_debug_assert(err == BK_OK);
        (void)err;
    }
}

/* Packs the body, if that makes it shorter. */
static void pack_whole(struct packing *packing, bk_res *res)
{
    if (!may_be_packed(res))
        return;
    bk__vary(res, BK_LIT("Accept-Encoding"));
    bk_str body = bk__res_body(res);
    if (body.len < packing->self->opts.threshold_bytes || is_known(res) || !choose(packing, res))
        return;
    begin(packing, res, body.len);
    if (pack(&packing->encoder, body, true) != BK_OK) {
        bk_error_clear(); /* no thread was free in time: the body is fine as it is */
        return;
    }
    if (packing->encoder.len >= body.len)
        return;
    res->kind = BK__BODY_TEXT;
    res->body = bk_str_at(packing->encoder.out, packing->encoder.len);
    say(packing, res);
}

/* --- streams ---------------------------------------------------------------------------------- */

static bool begin_stream(struct bk__res_filter *filter, bk_res *res)
{
    struct packing *packing = (struct packing *)filter; /* its first member */
    bool known = res->stream_length != BK_LENGTH_UNKNOWN;

    if (!may_be_packed(res))
        return false;
    bk__vary(res, BK_LIT("Accept-Encoding"));
    if ((known && res->stream_length < packing->self->opts.threshold_bytes) ||
        !choose(packing, res))
        return false;
    begin(packing, res, known ? (size_t)res->stream_length : 0);
    say(packing, res);
    return true;
}

static bk_err pack_piece(struct bk__res_filter *filter, bk_str bytes, bool last, bk_str *out)
{
    struct packing *packing = (struct packing *)filter;

    BK_TRY(pack(&packing->encoder, bytes, last));
    *out = bk_str_at(packing->encoder.out, packing->encoder.len);
    return BK_OK;
}

/* --- the middleware --------------------------------------------------------------------------- */

static bk_err run(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    struct compress *self = data;
    struct packing *packing = BK_NEW(bk_req_arena(req), struct packing);

    if (res->filter != NULL) /* it is used twice around this handler */
        return bk_next_run(next, req, res);
    packing->self = self;
    packing->filter.begin = begin_stream;
    packing->filter.piece = pack_piece;
    res->filter = &packing->filter;
    bk_err err = bk_next_run(next, req, res);
    if (err == BK_OK && !res->started && (res->kind == BK__BODY_TEXT || res->kind == BK__BODY_JSON))
        pack_whole(packing, res);
    return err;
}

/* --- setting up ------------------------------------------------------------------------------- */

static void free_self(void *data)
{
    struct compress *self = data;

    bk__shelf_free(&self->shelf);
    free(self);
}

static const bk_part_type part = {.name = "compress", .free = free_self};

static void fill_in(bk_mw_compress_opts *opts)
{
    if (opts->threshold_bytes == 0)
        opts->threshold_bytes = 1024;
    if (opts->gzip_level == 0)
        opts->gzip_level = 6;
    if (opts->brotli_quality == 0)
        opts->brotli_quality = 4;
    if (opts->gzip_level < 1 || opts->gzip_level > 9)
        bk__setup_error(__FILE__, __LINE__, "bk_mw_compress: gzip has levels 1 to 9");
    if (opts->brotli_quality < 1 || opts->brotli_quality > 11)
        bk__setup_error(__FILE__, __LINE__, "bk_mw_compress: brotli has qualities 1 to 11");
}

bk_middleware bk_mw_compress(bk_app *app, const bk_mw_compress_opts *opts)
{
    struct compress *self = calloc(1, sizeof *self);

    bk_assert(self != NULL);
    if (opts != NULL)
        self->opts = *opts;
    fill_in(&self->opts);
    self->shelf.level = self->opts.gzip_level;
    self->offered = (self->opts.no_gzip ? 0u : BK__CODING_GZIP) |
                    (self->opts.no_brotli ? 0u : BK__CODING_BROTLI);
    bk_app_part(app, &part, self);
    return bk_mw(run, self);
}
