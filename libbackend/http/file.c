/*
 * file.c: bk_res_file(): a file as an answer (RFC 9110, 13 and 14; RFC 6266). See
 * <backend/response.h>.
 *
 * The disk is touched on the offload pool only. A small file is read as a whole, in the usual case
 * together with its opening; a large one is streamed, and what the client does not take is not
 * read. The handler's deadline does not count while it is sent, as it does not for other bodies:
 * the write timeout does.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <backend/str.h>

#include "core/assert.h"
#include "core/clock.h"
#include "core/encode.h"
#include "core/random.h"
#include "http/etag.h"
#include "http/exchange.h"
#include "http/file_open.h"
#include "http/header.h"
#include "http/mime.h"
#include "http/range.h"
#include "http/server.h"

#define SMALL_BYTES (256 * 1024) /* read and sent as a whole */
#define PIECE_BYTES (64 * 1024)  /* of a streamed file */
#define HTTP_DATE   29
#define FRESH_S     2 /* a file may change again within one tick of its clock */
#define BOUNDARY    32

/* A file and what is said about it. */
struct document {
    bk_res *res;
    struct bk__file file;
    const char *type;
    char *whole;   /* its bytes, read when it was opened; NULL: not yet */
    bk_str etag;   /* absent: none */
    bool is_fresh; /* its time may not tell it from its next state */
    char modified[HTTP_DATE];
};

/* --- the disk --------------------------------------------------------------------------------- */

struct opening {
    const char *root, *path;
    bool eager; /* a small one is read as well */
    struct bk__file file;
    char *whole;
    bk_err err;
    int cause;
};

static void open_file(void *data)
{
    struct opening *opening = data;

    opening->err = bk__file_open(opening->root, opening->path, &opening->file);
    if (opening->err == BK_OK && opening->eager && opening->file.size <= SMALL_BYTES) {
        size_t size = (size_t)opening->file.size;
        opening->whole = malloc(size + 1);
        bk_assert(opening->whole != NULL);
        opening->err = bk__file_read(opening->file.fd, 0, opening->whole, size);
    }
    opening->cause = errno;
}

struct reading {
    int fd;
    uint64_t offset;
    char *out;
    size_t len;
    bk_err err;
    int cause;
};

static void read_span(void *data)
{
    struct reading *reading = data;

    reading->err = bk__file_read(reading->fd, reading->offset, reading->out, reading->len);
    reading->cause = errno;
}

static bk_err explain(bk_err err, int cause, const char *path)
{
    if (err == BK_ENOTFOUND) /* the client sees this */
        return bk_fail(BK_ENOTFOUND, "there is no such file");
    return bk_fail(err, "cannot read the file %s: %s", path, strerror(cause));
}

static bk_err fetch(const struct document *doc, uint64_t offset, char *out, size_t len)
{
    struct reading reading = {.fd = doc->file.fd, .offset = offset, .out = out, .len = len};

    BK_TRY(bk_offload(read_span, &reading));
    if (reading.err != BK_OK)
        return explain(reading.err, reading.cause, "that is being sent");
    return BK_OK;
}

static void close_fd(void *fd)
{
    close((int)(intptr_t)fd);
}

/* Opens it for as long as the request lives. */
static bk_err open_document(struct document *doc, const char *root, const char *path, bool eager)
{
    bk_arena *arena = bk_req_arena(doc->res->req);
    struct opening opening = {.root = root, .path = path, .eager = eager, .file.fd = -1};

    BK_TRY(bk_offload(open_file, &opening));
    if (opening.file.fd >= 0)
        bk_arena_defer(arena, close_fd, (void *)(intptr_t)opening.file.fd);
    if (opening.whole != NULL)
        bk_arena_defer(arena, free, opening.whole);
    if (opening.err != BK_OK)
        return explain(opening.err, opening.cause, path);
    doc->file = opening.file;
    doc->whole = opening.whole;
    return BK_OK;
}

/* --- validators and preconditions ------------------------------------------------------------- */

/* Weak while the file is so young that a change could leave both time and size as they are. */
static void make_validators(struct document *doc)
{
    const struct bk__file *file = &doc->file;
    bk_res *res = doc->res;
    int64_t now = bk_time_now() / 1000000;

    doc->is_fresh = file->mtime_s + FRESH_S > now;
    bk__clock_http_date(file->mtime_s * 1000000, doc->modified);
    doc->etag = res->etag;
    if (bk_str_present(doc->etag) || res->no_etag || res->req->server->no_etag)
        return;
    doc->etag = bk_arena_printf(bk_req_arena(res->req), "%s\"%llx-%llx.%x\"",
                                doc->is_fresh ? "W/" : "", (unsigned long long)file->size,
                                (unsigned long long)file->mtime_s, file->mtime_ns);
}

static bk_str sent(const struct document *doc, bk_str name)
{
    return bk__req_header(doc->res->req, name);
}

/* False when the header holds no date. */
static bool read_date(bk_str header, int64_t *seconds)
{
    bk_time at;

    if (!bk_str_present(header) || bk__clock_parse_http_date(header, &at) != BK_OK)
        return false;
    *seconds = at / 1000000;
    return true;
}

/* If-Match, or If-Unmodified-Since where there is none. */
static bool may_be_sent(const struct document *doc)
{
    bk_str match = sent(doc, BK_LIT("if-match"));
    int64_t since;

    if (bk_str_present(match))
        return bk__etag_match_hits(match, doc->etag);
    if (read_date(sent(doc, BK_LIT("if-unmodified-since")), &since))
        return doc->file.mtime_s <= since;
    return true;
}

/* If-None-Match, or If-Modified-Since where there is none. */
static bool is_known(const struct document *doc)
{
    bk_str none_match = sent(doc, BK_LIT("if-none-match"));
    int64_t since;

    if (bk_str_present(none_match))
        return bk__etag_none_match_hits(none_match, doc->etag);
    if (read_date(sent(doc, BK_LIT("if-modified-since")), &since))
        return doc->file.mtime_s <= since;
    return false;
}

/* If-Range: whether ranges of what the client has a part of fit to what is here now. */
static bool is_same_as_before(const struct document *doc)
{
    bk_str before = sent(doc, BK_LIT("if-range"));

    if (!bk_str_present(before))
        return true;
    if (bk__etag_valid(before))
        return bk__etag_match_hits(before, doc->etag);
    return !doc->is_fresh && bk_str_eq(before, bk_str_at(doc->modified, HTTP_DATE));
}

static bool is_conditional(const bk_req *req)
{
    static const bk_str names[] = {
        {"range", 5},    {"if-none-match", 13},       {"if-modified-since", 17},
        {"if-match", 8}, {"if-unmodified-since", 19},
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (bk_str_present(bk__req_header(req, names[i])))
            return true;
    return false;
}

/* --- Content-Disposition ---------------------------------------------------------------------- */

/* RFC 6266, 4.3: for those who do not know filename*, in bytes that nobody misreads. */
static bk_str plain_name(bk_arena *arena, bk_str name, bool *is_same)
{
    char *out = bk_arena_alloc(arena, name.len + 1);

    *is_same = true;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool fits = c >= ' ' && c <= '~' && strchr("\"\\%/", c) == NULL;
        out[i] = fits ? c : '_';
        *is_same &= fits;
    }
    return bk_str_at(out, name.len);
}

static bk_err offer_download(bk_res *res, const char *name)
{
    bk_arena *arena = bk_req_arena(res->req);
    bool is_same;
    bk_str plain = plain_name(arena, bk_str_of(name), &is_same);
    bk_buf text = {.arena = arena};

    bk_buf_printf(&text, "attachment; filename=\"%.*s\"", BK_PRI(plain));
    if (!is_same && bk_str_utf8(bk_str_of(name))) {
        bk_buf_add(&text, BK_LIT("; filename*=UTF-8''"));
        bk_buf_add(&text, bk__percent_encode(arena, bk_str_of(name)));
    }
    return bk_res_header(res, "Content-Disposition", bk_buf_str(&text));
}

/* --- sending ---------------------------------------------------------------------------------- */

static bk_str range_text(const struct document *doc, const struct bk__range *range)
{
    return bk_arena_printf(bk_req_arena(doc->res->req), "bytes %llu-%llu/%llu",
                           (unsigned long long)range->first, (unsigned long long)range->last,
                           (unsigned long long)doc->file.size);
}

/* Sends a run of the file as part of a streamed body. */
static bk_err stream_span(const struct document *doc, char *piece, uint64_t offset, uint64_t len)
{
    while (len != 0) {
        size_t run = len < PIECE_BYTES ? (size_t)len : PIECE_BYTES;
        BK_TRY(fetch(doc, offset, piece, run));
        BK_TRY(bk_res_write(doc->res, bk_str_at(piece, run)));
        offset += run;
        len -= run;
    }
    return BK_OK;
}

static bk_err send_large(const struct document *doc, int status, uint64_t offset, uint64_t len)
{
    char *piece = bk_arena_alloc(bk_req_arena(doc->res->req), PIECE_BYTES);

    BK_TRY(bk_res_stream(doc->res, status, doc->type, len));
    return stream_span(doc, piece, offset, len);
}

static bk_err send_small(const struct document *doc, int status, uint64_t offset, size_t len)
{
    char *bytes = doc->whole;

    if (bytes == NULL) {
        bytes = malloc(len + 1);
        bk_assert(bytes != NULL);
        bk_arena_defer(bk_req_arena(doc->res->req), free, bytes);
        BK_TRY(fetch(doc, offset, bytes, len));
    }
    return bk_res_bytes(doc->res, status, doc->type, bk_str_at(bytes, len));
}

static bk_err send_span(const struct document *doc, int status, uint64_t offset, uint64_t len)
{
    if (doc->res->req->method == BK_METHOD_HEAD)
        return bk_res_stream(doc->res, status, doc->type, len);
    if (len <= SMALL_BYTES)
        return send_small(doc, status, offset, (size_t)len);
    return send_large(doc, status, offset, len);
}

/* RFC 9110, 14.6: each range with a head of its own, and a line behind the last. */
static bk_err send_multipart(const struct document *doc, const struct bk__range *ranges,
                             size_t count)
{
    bk_arena *arena = bk_req_arena(doc->res->req);
    char random[BOUNDARY / 2], boundary[BOUNDARY];
    bk_str heads[BK__RANGES_MAX];
    uint64_t length = 0;

    bk__random(random, sizeof random);
    bk__hex(random, sizeof random, boundary);
    for (size_t i = 0; i < count; i++) {
        bk_str range = range_text(doc, &ranges[i]);
        heads[i] =
            bk_arena_printf(arena, "\r\n--%.*s\r\nContent-Type: %s\r\nContent-Range: %.*s\r\n\r\n",
                            BOUNDARY, boundary, doc->type, BK_PRI(range));
        length += heads[i].len + ranges[i].last - ranges[i].first + 1;
    }
    bk_str tail = bk_arena_printf(arena, "\r\n--%.*s--\r\n", BOUNDARY, boundary);
    bk_str type = bk_arena_printf(arena, "multipart/byteranges; boundary=%.*s", BOUNDARY, boundary);
    char *piece = bk_arena_alloc(arena, PIECE_BYTES);
    BK_TRY(bk_res_stream(doc->res, 206, type.ptr, length + tail.len));
    for (size_t i = 0; i < count; i++) {
        BK_TRY(bk_res_write(doc->res, heads[i]));
        BK_TRY(stream_span(doc, piece, ranges[i].first, ranges[i].last - ranges[i].first + 1));
    }
    return bk_res_write(doc->res, tail);
}

static bk_err not_modified(bk_res *res)
{
    bk_res_status(res, 304);
    res->kind = BK__BODY_NONE;
    res->type = NULL;
    return BK_OK;
}

/* The ranges that are asked for and can be had; none stands for the whole. */
static bk_err choose_ranges(const struct document *doc, struct bk__range ranges[BK__RANGES_MAX],
                            size_t *count)
{
    bk_req *req = doc->res->req;
    bk_str wanted = sent(doc, BK_LIT("range"));

    if (req->method != BK_METHOD_GET || !bk_str_present(wanted) || !is_same_as_before(doc))
        return BK_OK;
    if (bk__range_parse(wanted, doc->file.size, ranges, count) != BK__RANGE_UNSATISFIABLE)
        return BK_OK;
    BK_TRY(bk_res_header(
        doc->res, "Content-Range",
        bk_arena_printf(bk_req_arena(req), "bytes */%llu", (unsigned long long)doc->file.size)));
    return bk_fail(BK_ERANGE, "the file has no such bytes");
}

static bk_err say_validators(const struct document *doc)
{
    if (bk_str_present(doc->etag))
        BK_TRY(bk_res_etag(doc->res, doc->etag));
    return bk_res_header(doc->res, "Last-Modified", bk_str_at(doc->modified, HTTP_DATE));
}

/* In the order of RFC 9110, 13.2.2. */
static bk_err send_document(const struct document *doc, const char *download)
{
    bk_res *res = doc->res;
    bk_method method = res->req->method;
    bool asks = method == BK_METHOD_GET || method == BK_METHOD_HEAD;
    bool known = asks && is_known(doc);
    struct bk__range ranges[BK__RANGES_MAX];
    size_t count = 0;

    if (asks && !may_be_sent(doc))
        return bk_fail(BK_EPRECONDITION, "the file is another one by now");
    if (!known)
        BK_TRY(choose_ranges(doc, ranges, &count));
    BK_TRY(say_validators(doc));
    if (known)
        return not_modified(res);
    BK_TRY(bk_res_header(res, "Accept-Ranges", BK_LIT("bytes")));
    if (download != NULL)
        BK_TRY(offer_download(res, download));
    if (count == 0)
        return send_span(doc, 200, 0, doc->file.size);
    if (count > 1)
        return send_multipart(doc, ranges, count);
    BK_TRY(bk_res_header(res, "Content-Range", range_text(doc, &ranges[0])));
    return send_span(doc, 206, ranges[0].first, ranges[0].last - ranges[0].first + 1);
}

bk_err bk_res_file(bk_res *res, const char *path, const bk_file_opts *opts)
{
    static const bk_file_opts defaults = {0};
    bk_req *req = res->req;
    struct document doc = {.res = res};

    if (opts == NULL)
        opts = &defaults;
    doc.type = opts->type != NULL ? opts->type : bk__mime_by_name(bk_str_of(path));
    bool eager = req->method != BK_METHOD_HEAD && !is_conditional(req);
    BK_TRY(open_document(&doc, opts->root, path, eager));
    make_validators(&doc);
    uint64_t deadline = req->fiber->deadline;
    bk__fiber_set_deadline(req->fiber, BK__NEVER);
    bk_err err = send_document(&doc, opts->download);
    bk__fiber_set_deadline(req->fiber, deadline);
    return err;
}
