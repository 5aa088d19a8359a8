/*
 * multipart.c: the parts of a form with files.
 *
 * Proxies and firewalls in front of us read the same bytes, and what two readers see differently is
 * where attacks hide. So lines end in CRLF and nothing else, a line that begins like the boundary
 * is the boundary, and what has no one meaning is refused. Parts are views of the body.
 *
 * It is linear in the size of the body: each search begins where the last one ended, memmem looks
 * at a byte a bounded number of times, and heads are bounded before they are searched.
 */
#include "http/multipart.h"

#include <backend/arena.h>
#include <backend/str.h>

#include "core/assert.h"
#include "http/header.h"

#define BOUNDARY_MAX 70 /* RFC 2046, 5.1.1 */

struct reader {
    bk_arena *arena;
    bk_str rest; /* of the body */
    bk_multipart_opts limits;
    char delimiter[4 + BOUNDARY_MAX]; /* CRLF "--" BOUNDARY */
    size_t delimiter_len;
    bk_part *parts;
    size_t count, cap, files;
};

static bk_err malformed(const char *how)
{
    return bk_fail(BK_EINVAL, "The multipart body is malformed: %s", how);
}

static const char *find(bk_str text, bk_str what)
{
    return text.len > 0 ? memmem(text.ptr, text.len, what.ptr, what.len) : NULL;
}

static void advance(bk_str *text, size_t count)
{
    text->ptr += count;
    text->len -= count;
}

/* The boundary. */

static bool is_boundary(bk_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool fits = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                    (c != '\0' && strchr("'()+_,-./:=? ", c) != NULL);
        if (!fits)
            return false;
    }
    return text.len > 0 && text.len <= BOUNDARY_MAX && text.ptr[text.len - 1] != ' ';
}

bk_err bk__multipart_boundary(bk_str content_type, bk_str *out)
{
    bk_str found = {NULL, 0}, rest = bk__header_params(content_type), name, value;

    if (!bk_str_ieq(bk__header_media_type(content_type), BK_LIT("multipart/form-data")))
        return bk_fail(BK_EMEDIATYPE, "The content type is not multipart/form-data");
    while (bk__header_param_next(&rest, &name, &value)) {
        if (!bk_str_ieq(name, BK_LIT("boundary")))
            continue;
        if (bk_str_present(found))
            return malformed("it has two boundaries");
        found = value.ptr[0] == '"' ? bk_str_at(value.ptr + 1, value.len - 2) : value;
    }
    if (rest.len > 0 || !is_boundary(found))
        return malformed("its boundary is missing or wrong");
    *out = found;
    return BK_OK;
}

/* Moves to what follows the next delimiter; @p before receives what precedes it. */
static bool to_delimiter(struct reader *reader, bk_str *before)
{
    const char *from = reader->rest.ptr;
    const char *found = find(reader->rest, bk_str_at(reader->delimiter, reader->delimiter_len));
    if (found == NULL)
        return false;
    *before = bk_str_at(from, (size_t)(found - from));
    advance(&reader->rest, before->len + reader->delimiter_len);
    return true;
}

static bool to_first_delimiter(struct reader *reader)
{
    bk_str preamble, line = {reader->delimiter + 2, reader->delimiter_len - 2};
    if (!bk_str_starts(reader->rest, line))
        return to_delimiter(reader, &preamble);
    advance(&reader->rest, line.len);
    return true;
}

/* What stands between a boundary and the end of its line says whether a part follows. */
static bk_err read_boundary_end(struct reader *reader, bool *last)
{
    *last = bk_str_starts(reader->rest, BK_LIT("--"));
    if (*last) {
        advance(&reader->rest, 2);
        if (reader->rest.len == 0)
            return BK_OK;
    }
    if (!bk_str_starts(reader->rest, BK_LIT("\r\n")))
        return malformed("a boundary's line goes on");
    advance(&reader->rest, 2);
    return BK_OK;
}

/* The head of a part. */

/* Browsers write '"' as %22 in quoted strings, others as \"; a backslash in front of anything but
 * these two is a directory separator of a system that has such. */
static bk_str decode_quoted(bk_arena *arena, bk_str value)
{
    if (value.ptr[0] != '"')
        return value;
    bk_str inner = {value.ptr + 1, value.len - 2};
    if (memchr(inner.ptr, '\\', inner.len) == NULL && memchr(inner.ptr, '%', inner.len) == NULL)
        return inner;

    char *plain = bk_arena_alloc(arena, inner.len);
    size_t len = 0;
    while (inner.len > 0) {
        size_t used = 1;
        char c = inner.ptr[0];
        if (bk_str_starts(inner, BK_LIT("%22"))) {
            c = '"';
            used = 3;
        } else if (bk_str_starts(inner, BK_LIT("\\\"")) || bk_str_starts(inner, BK_LIT("\\\\"))) {
            c = inner.ptr[1];
            used = 2;
        }
        plain[len++] = c;
        advance(&inner, used);
    }
    return bk_str_at(plain, len);
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

/* What can be shown as a file's name: no directories, no control bytes. Absent when nothing is
 * left. */
static bk_str base_name(bk_arena *arena, bk_str name)
{
    size_t start = name.len, len = 0;
    bool clean = true;
    while (start > 0 && name.ptr[start - 1] != '/' && name.ptr[start - 1] != '\\')
        clean &= !is_control(name.ptr[--start]);

    bk_str base = {name.ptr + start, name.len - start};
    if (!clean) {
        char *copy = bk_arena_alloc(arena, base.len);
        for (size_t i = 0; i < base.len; i++) {
            if (!is_control(base.ptr[i]))
                copy[len++] = base.ptr[i];
        }
        base = bk_str_at(copy, len);
    }
    bool empty = base.len == 0 || bk_str_eq(base, BK_LIT(".")) || bk_str_eq(base, BK_LIT(".."));
    return empty ? (bk_str){NULL, 0} : base;
}

static bk_err read_disposition(struct reader *reader, bk_str value, bk_part *part)
{
    bk_str rest = bk__header_params(value), name, raw;
    bool has_filename = false;

    if (bk_str_present(part->name))
        return malformed("a part has two Content-Disposition");
    if (!bk_str_ieq(bk__header_media_type(value), BK_LIT("form-data")))
        return malformed("a part's Content-Disposition is not form-data");
    while (bk__header_param_next(&rest, &name, &raw)) {
        bool is_name = bk_str_ieq(name, BK_LIT("name"));
        if (!is_name && !bk_str_ieq(name, BK_LIT("filename")))
            continue; /* filename* too: RFC 7578, 4.2, forbids it */
        if (is_name ? bk_str_present(part->name) : has_filename)
            return malformed("a part has two names");
        bk_str plain = decode_quoted(reader->arena, raw);
        if (!bk_str_utf8(plain))
            return malformed("a part's name is not UTF-8");
        if (is_name)
            part->name = plain;
        else
            part->filename = base_name(reader->arena, plain);
        has_filename |= !is_name;
    }
    if (rest.len > 0 || !bk_str_present(part->name))
        return malformed("a part's Content-Disposition has no name or cannot be read");
    return BK_OK;
}

static bk_err read_header(struct reader *reader, bk_str line, bk_part *part)
{
    bk_str boundary = {reader->delimiter + 2, reader->delimiter_len - 2};
    bk_str value = line, name;

    (void)bk_str_split(&value, ':', &name);
    value = bk_str_trim(value);
    if (bk_str_starts(line, boundary) || !bk_str_present(value) || !bk__header_is_token(name) ||
        !bk__header_is_value(value))
        return malformed("a line of a part's head is no header");
    if (bk_str_ieq(name, BK_LIT("content-disposition")))
        return read_disposition(reader, value, part);
    if (bk_str_ieq(name, BK_LIT("content-type"))) {
        bk_str multipart = BK_LIT("multipart/");
        if (bk_str_present(part->content_type))
            return malformed("a part has two Content-Type");
        if (value.len >= multipart.len &&
            bk_str_ieq(bk_str_at(value.ptr, multipart.len), multipart))
            return malformed("a part holds parts");
        part->content_type = value;
    }
    if (bk_str_ieq(name, BK_LIT("content-transfer-encoding")) &&
        !bk_str_ieq(value, BK_LIT("binary")) && !bk_str_ieq(value, BK_LIT("8bit")) &&
        !bk_str_ieq(value, BK_LIT("7bit")))
        return malformed("a part is encoded");
    return BK_OK;
}

/* Up to the CRLF that ends the empty line behind the head, so that it can begin a delimiter. */
static bk_err read_head(struct reader *reader, bk_part *part)
{
    size_t most = reader->limits.max_head_bytes;
    bk_str window = reader->rest;
    if (window.len > 4 && window.len - 4 > most)
        window.len = most + 4;
    const char *end = find(window, BK_LIT("\r\n\r\n"));
    if (end == NULL && window.len < reader->rest.len)
        return bk_fail(BK_ETOOBIG, "The head of a part is over %zu bytes", most);
    if (end == NULL)
        return malformed("it ends in the head of a part");

    while (reader->rest.ptr <= end) {
        const char *line_end = find(reader->rest, BK_LIT("\r\n"));
        bk_str line = {reader->rest.ptr, (size_t)(line_end - reader->rest.ptr)};
        BK_TRY(read_header(reader, line, part));
        advance(&reader->rest, line.len + 2);
    }
    if (!bk_str_present(part->name))
        return malformed("a part has no Content-Disposition");
    if (part->content_type.len == 0)
        part->content_type = BK_LIT("text/plain");
    return BK_OK;
}

/* The parts. */

static bk_err read_data(struct reader *reader, bk_str *out)
{
    bk_str delimiter = {reader->delimiter, reader->delimiter_len};
    if (!bk_str_starts(reader->rest, delimiter))
        advance(&reader->rest, 2);
    if (!to_delimiter(reader, out))
        return malformed("its last boundary is missing");
    if (out->len > reader->limits.max_part_bytes)
        return bk_fail(BK_ETOOBIG, "A part is over %zu bytes", reader->limits.max_part_bytes);
    return BK_OK;
}

static bk_err add_part(struct reader *reader, const bk_part *part)
{
    if (bk_str_present(part->filename) && ++reader->files > reader->limits.max_files)
        return bk_fail(BK_ETOOBIG, "More than %zu files", reader->limits.max_files);
    if (reader->count == reader->cap) {
        size_t cap = reader->cap == 0 ? 8 : reader->cap * 2;
        bk_part *parts = bk_arena_alloc(reader->arena, cap * sizeof(*parts));
        if (reader->count > 0)
            memcpy(parts, reader->parts, reader->count * sizeof(*parts));
        reader->parts = parts;
        reader->cap = cap;
    }
    reader->parts[reader->count++] = *part;
    return BK_OK;
}

static bk_err read_part(struct reader *reader)
{
    bk_part part = {0};
    if (reader->count == reader->limits.max_parts)
        return bk_fail(BK_ETOOBIG, "More than %zu parts", reader->limits.max_parts);
    BK_TRY(read_head(reader, &part));
    BK_TRY(read_data(reader, &part.data));
    return add_part(reader, &part);
}

static size_t or_default(size_t set, size_t value)
{
    return set != 0 ? set : value;
}

bk_err bk__multipart_parse(bk_arena *arena, bk_str body, bk_str boundary,
                           const bk_multipart_opts *opts, bk_parts *out)
{
    struct reader reader = {.arena = arena, .rest = body};
    bool last = false;

    bk_assert(is_boundary(boundary));
    if (opts != NULL)
        reader.limits = *opts;
    reader.limits.max_parts = or_default(reader.limits.max_parts, 100);
    reader.limits.max_files = or_default(reader.limits.max_files, 20);
    reader.limits.max_part_bytes = or_default(reader.limits.max_part_bytes, 10 << 20);
    reader.limits.max_head_bytes = or_default(reader.limits.max_head_bytes, 4 << 10);
    memcpy(reader.delimiter, "\r\n--", 4);
    memcpy(reader.delimiter + 4, boundary.ptr, boundary.len);
    reader.delimiter_len = 4 + boundary.len;

    if (!to_first_delimiter(&reader))
        return malformed("it has no boundary");
    for (;;) {
        BK_TRY(read_boundary_end(&reader, &last));
        if (last)
            break;
        BK_TRY(read_part(&reader));
    }
    *out = (bk_parts){reader.parts, reader.count};
    return BK_OK;
}
