/*
 * static.c: files of a directory. See <backend/middleware/static.h>.
 *
 * A path is made a name below the root here, and bk_res_file() does the rest: that the name stays
 * below it, and all that RFC 9110 says about files. What must hold: a name is decoded once, and
 * decoding makes no slash, so that it has the segments that were sent.
 */
#include <backend/middleware/static.h>

#include <backend/arena.h>
#include <backend/loop.h>
#include <backend/request.h>
#include <backend/response.h>
#include <backend/str.h>

#include "core/assert.h"
#include "core/encode.h"
#include "http/exchange.h"
#include "http/mime.h"
#include "middleware/fields.h"

struct site {
    bk_mw_static_opts opts;
    bk_str prefix; /* without a slash at its end: "" or "/assets" */
    bk_str cache_control;
    unsigned codings; /* of files beside a file */
    bk_arena *arena;  /* holds this */
};

/* What follows the prefix, from its slash on; absent for a path that is not below it. */
static bk_str below(bk_str prefix, bk_str path)
{
    if (!bk_str_starts(path, prefix) || path.len == prefix.len || path.ptr[prefix.len] != '/')
        return (bk_str){NULL, 0};
    return bk_str_at(path.ptr + prefix.len, path.len - prefix.len);
}

/* The name below the root that @p rest asks for: relative, "" or with a slash at the end for a
 * directory. NULL when it asks for none. */
static const char *read_name(bk_arena *arena, bk_str rest)
{
    bk_str raw = bk_str_at(rest.ptr + 1, rest.len - 1), name;
    size_t slashes = 0;

    if (raw.len != 0 && (raw.ptr[0] == '/' || memmem(raw.ptr, raw.len, "//", 2) != NULL))
        return NULL;
    if (bk__percent_decode(arena, raw, false, &name) != BK_OK || !bk_str_utf8(name)) {
        bk_error_clear();
        return NULL;
    }
    for (size_t i = 0; i < raw.len; i++)
        slashes += raw.ptr[i] == '/';
    for (size_t i = 0; i < name.len; i++)
        slashes -= name.ptr[i] == '/';
    if (slashes != 0 || memchr(name.ptr, '\\', name.len) != NULL)
        return NULL;
    return bk_arena_cstr(arena, name);
}

static bool is_directory(const char *name)
{
    size_t len = strlen(name);

    return len == 0 || name[len - 1] == '/';
}

/* BK_ENOTFOUND, with nothing said, when there is no such file. */
static bk_err send_one(const struct site *self, bk_res *res, const char *name, const char *ending,
                       const char *coding)
{
    uint32_t before = res->header_count;
    bk_file_opts opts = {.root = self->opts.root, .type = bk__mime_by_name(bk_str_of(name))};
    bk_str path = bk_arena_printf(bk_req_arena(res->req), "%s%s", name, ending);

    bk__res_push_header(res, BK_LIT("Cache-Control"), self->cache_control);
    if (coding != NULL)
        bk__res_push_header(res, BK_LIT("Content-Encoding"), bk_str_of(coding));
    bk_err err = bk_res_file(res, path.ptr, &opts);
    if (err != BK_OK && !res->started)
        bk__res_drop_representation(res, before);
    return err;
}

/* The file, or one beside it that is packed as the client likes it. */
static bk_err send_best(const struct site *self, bk_res *res, const char *name)
{
    bk_err err = BK_ENOTFOUND;

    if (self->codings == 0)
        return send_one(self, res, name, "", NULL);
    bk_str accepts = bk__req_header(res->req, BK_LIT("accept-encoding"));
    unsigned left = self->codings;
    bk__vary(res, BK_LIT("Accept-Encoding"));
    while (err == BK_ENOTFOUND) {
        enum bk__coding coding = bk__coding_choose(accepts, left);
        if (coding == BK__CODING_IDENTITY)
            return send_one(self, res, name, "", NULL);
        left &= ~(unsigned)coding;
        err = coding == BK__CODING_BROTLI ? send_one(self, res, name, ".br", "br")
                                          : send_one(self, res, name, ".gz", "gzip");
    }
    return err;
}

/* A directory that was asked for without its slash. */
static bk_err redirect(const struct site *self, bk_req *req, bk_res *res, const char *name)
{
    bk_arena *arena = bk_req_arena(req);
    bk_str query = bk_req_query(req), path = bk_req_path(req);
    bk_str index = bk_arena_printf(arena, "%s/%s", name, self->opts.index);

    if (self->opts.no_redirect || self->opts.index[0] == '\0')
        return BK_ENOTFOUND;
    BK_TRY(bk_res_file(res, index.ptr, &(bk_file_opts){.root = self->opts.root}));
    if (res->started)
        return BK_OK; /* a page too large to be taken back: it serves as well */
    bk__res_clear(res);
    bk__res_drop_representation(res, 0);
    return bk_res_redirect(res, 301,
                           bk_arena_printf(arena, "%.*s/%s%.*s", BK_PRI(path),
                                           bk_str_present(query) ? "?" : "", BK_PRI(query)));
}

static bk_err serve(const struct site *self, bk_req *req, bk_res *res, const char *name)
{
    if (!is_directory(name)) {
        bk_err err = send_best(self, res, name);
        return err == BK_ENOTFOUND ? redirect(self, req, res, name) : err;
    }
    if (self->opts.index[0] == '\0')
        return BK_ENOTFOUND;
    return send_best(self, res,
                     bk_arena_printf(bk_req_arena(req), "%s%s", name, self->opts.index).ptr);
}

static bk_err run(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    const struct site *self = data;
    bk_method method = bk_req_method(req);

    if (bk_str_present(bk_req_route(req)) || req->refusal != BK_ENOTFOUND ||
        (method != BK_METHOD_GET && method != BK_METHOD_HEAD))
        return bk_next_run(next, req, res);
    bk_str rest = below(self->prefix, bk_req_path(req));
    if (!bk_str_present(rest))
        return bk_next_run(next, req, res);
    const char *name = read_name(bk_req_arena(req), rest);
    bk_err err = name != NULL ? serve(self, req, res, name) : BK_ENOTFOUND;
    if (err != BK_ENOTFOUND)
        return err;
    if (self->opts.no_fallthrough)
        return bk_fail(BK_ENOTFOUND, "there is no such file");
    bk_error_clear();
    return bk_next_run(next, req, res);
}

/* --- setting up ------------------------------------------------------------------------------- */

static void free_self(void *data)
{
    struct site *self = data;

    bk_arena_free(self->arena);
}

static const bk_part_type part = {.name = "static files", .free = free_self};

bk_middleware bk_mw_static(bk_app *app, const bk_mw_static_opts *opts)
{
    bk_arena *arena = bk_arena_new();
    struct site *self = BK_NEW(arena, struct site);

    if (opts == NULL || opts->root == NULL || opts->root[0] == '\0')
        bk__setup_error(__FILE__, __LINE__, "bk_mw_static: the root must be set");
    self->arena = arena;
    self->opts = *opts;
    self->prefix = opts->prefix != NULL ? bk_str_of(opts->prefix) : BK_LIT("");
    if (self->prefix.len != 0 && self->prefix.ptr[0] != '/')
        bk__setup_error(__FILE__, __LINE__, "bk_mw_static: the prefix must begin with '/'");
    while (self->prefix.len != 0 && self->prefix.ptr[self->prefix.len - 1] == '/')
        self->prefix.len--;
    if (self->opts.index == NULL)
        self->opts.index = "index.html";
    if (opts->precompressed)
        self->codings = BK__CODING_GZIP | BK__CODING_BROTLI;
    self->cache_control = bk_arena_printf(arena, "public, max-age=%u%s", opts->max_age_s,
                                          opts->immutable ? ", immutable" : "");
    bk_app_part(app, &part, self);
    return bk_mw(run, self);
}
