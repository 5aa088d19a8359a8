/*
 * http1_head.c: an HTTP/1 request head and chunked bodies, strictly. See http1_head.h.
 *
 * Two passes: the first finds the end of the head and counts its lines, touching only line ends,
 * and can go on when more bytes arrive; the second reads the whole head in place, each byte once.
 */
#include "http/http1_head.h"

#include <string.h>

#include "core/assert.h"
#include "http/header.h"

/* What a byte may be part of. */
enum {
    TOKEN = 1,
    VALUE = 2,
    TARGET = 4
};

static const uint8_t classes[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    2, 7, 6, 3, 7, 7, 7, 7, 6, 6, 7, 7, 6, 7, 7, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 6, 6, 6, 6, 6, 6,
    6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 6, 6, 6, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 6, 7, 6, 7, 0,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
};

static bool is(char c, int class)
{
    return (classes[(uint8_t)c] & class) != 0;
}

static bk_err refuse(const char **why, bk_err err, const char *text)
{
    *why = text;
    return err;
}

/* What a request line may hold beside its target. */
#define METHOD_AND_VERSION 64

bk_err bk__http1_scan(struct bk__http1_scan *scan, const char *bytes, size_t len,
                      const struct bk__http1_limits *limits, size_t *head_len, const char **why)
{
    for (;;) {
        const char *line = bytes + scan->at;
        const char *end = memchr(line, '\n', len - scan->at);
        size_t seen = end != NULL ? (size_t)(end - line) : len - scan->at;

        if (scan->lines == 0 && seen > METHOD_AND_VERSION &&
            seen - METHOD_AND_VERSION > limits->target_bytes)
            return refuse(why, BK_EURITOOLONG, "the request line is too long");
        if (scan->lines > 0 && scan->at - scan->fields + seen > limits->header_bytes)
            return refuse(why, BK_EHEADERS, "the header fields are too long");
        if (end == NULL)
            return BK_EAGAIN;
        if (seen == 0 || end[-1] != '\r')
            return refuse(why, BK_EINVAL, "a line ends with LF alone");
        scan->at += seen + 1;
        if (seen == 1 && scan->lines > 0) {
            *head_len = scan->at;
            return BK_OK;
        }
        if (seen == 1)
            return refuse(why, BK_EINVAL, "the request line is empty");
        if (scan->lines == 0)
            scan->fields = scan->at;
        if (++scan->lines > limits->header_count + 1 && limits->header_count != SIZE_MAX)
            return refuse(why, BK_EHEADERS, "there are too many header fields");
    }
}

/* "HTTP/d.d" and the end of the line. */
static bool is_version(const char *p, const char *end)
{
    return end - p >= 10 && memcmp(p, "HTTP/", 5) == 0 && p[5] >= '0' && p[5] <= '9' &&
           p[6] == '.' && p[7] >= '0' && p[7] <= '9' && p[8] == '\r' && p[9] == '\n';
}

static bk_err parse_request_line(char **at, const char *end, struct bk__http1_head *head,
                                 const char **why)
{
    char *p = *at;

    head->method.ptr = p;
    while (is(*p, TOKEN))
        p++;
    head->method.len = (size_t)(p - head->method.ptr);
    if (head->method.len == 0 || *p != ' ')
        return refuse(why, BK_EINVAL, "the method is no token");
    head->target.ptr = ++p;
    while (is(*p, TARGET))
        p++;
    head->target.len = (size_t)(p - head->target.ptr);
    if (head->target.len == 0 || *p != ' ')
        return refuse(why, BK_EINVAL, "the request target holds what it may not");
    p++;
    if (!is_version(p, end))
        return refuse(why, BK_EINVAL, "the request line has no HTTP version");
    if (p[5] != '1')
        return refuse(why, BK_EVERSION, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    head->version = p[7] == '0' ? 10 : 11;
    *at = p + 10;
    return BK_OK;
}

/* Reads eight value bytes at a time: none is a control, DEL or (harmlessly refused here) tab. */
static char *skip_value(char *p, const char *end)
{
    const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;

    while (end - p >= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        uint64_t low = word & ~highs;
        uint64_t controls = (low - ones * 0x20) & ~low;
        uint64_t dels = ((low ^ ones * 0x7f) - ones) & ~(low ^ ones * 0x7f);
        if (((controls | dels) & highs) != 0)
            break;
        p += 8;
    }
    while (p < end && is(*p, VALUE))
        p++;
    return p;
}

static bk_err parse_field(char **at, const char *end, bk_pair *field, const char **why)
{
    char *p = *at;

    field->name.ptr = p;
    while (is(*p, TOKEN)) {
        if (*p >= 'A' && *p <= 'Z')
            *p |= 0x20;
        p++;
    }
    field->name.len = (size_t)(p - field->name.ptr);
    if (field->name.len == 0 || *p != ':') {
        bool folded = field->name.len == 0 && (*p == ' ' || *p == '\t');
        return refuse(why, BK_EINVAL,
                      folded ? "a header field is folded" : "a header field's name is no token");
    }
    p++;
    while (*p == ' ' || *p == '\t')
        p++;
    char *value = p;
    p = skip_value(p, end);
    if (end - p < 2 || p[0] != '\r' || p[1] != '\n')
        return refuse(why, BK_EINVAL, "a header field's value holds what it may not");
    *at = p + 2;
    while (p > value && (p[-1] == ' ' || p[-1] == '\t'))
        p--;
    field->value = (bk_str){value, (size_t)(p - value)};
    return BK_OK;
}

static bk_err read_length(bk_str text, uint64_t *out)
{
    uint64_t length = 0;

    if (text.len == 0 || text.len > 19)
        return BK_EINVAL;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return BK_EINVAL;
        length = length * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    *out = length;
    return BK_OK;
}

/* What the fields say of framing and connection, gathered in one walk. */
struct notes {
    size_t hosts, codings;
    bool close, keep_alive;
};

static bk_err note(struct bk__http1_head *head, const bk_pair *field, struct notes *notes,
                   const char **why)
{
    bk_str name = field->name, value = field->value;

    switch (name.len) {
    case 4:
        if (memcmp(name.ptr, "host", 4) == 0) {
            head->host = value;
            notes->hosts++;
        }
        break;
    case 6:
        if (memcmp(name.ptr, "expect", 6) == 0) {
            if (!bk_str_ieq(value, BK_LIT("100-continue")))
                return refuse(why, BK_EEXPECTATION, "only 100-continue can be expected");
            head->expects_continue = true;
        }
        break;
    case 10:
        if (memcmp(name.ptr, "connection", 10) == 0) {
            notes->close |= bk__header_list_has(value, BK_LIT("close"));
            notes->keep_alive |= bk__header_list_has(value, BK_LIT("keep-alive"));
        }
        break;
    case 14:
        if (memcmp(name.ptr, "content-length", 14) == 0) {
            if (head->has_length)
                return refuse(why, BK_EINVAL, "there is more than one Content-Length");
            if (read_length(value, &head->length) != BK_OK)
                return refuse(why, BK_EINVAL, "Content-Length is no number");
            head->has_length = true;
        }
        break;
    case 17:
        if (memcmp(name.ptr, "transfer-encoding", 17) == 0) {
            if (!bk_str_ieq(value, BK_LIT("chunked")))
                return refuse(why, BK_ENOTIMPL, "the only transfer coding known is chunked");
            head->chunked = true;
            notes->codings++;
        }
        break;
    default:
        break;
    }
    return BK_OK;
}

static bk_err settle(struct bk__http1_head *head, const struct notes *notes, const char **why)
{
    if (notes->codings > 1)
        return refuse(why, BK_EINVAL, "there is more than one Transfer-Encoding");
    if (head->chunked && head->has_length)
        return refuse(why, BK_EINVAL, "Transfer-Encoding stands beside Content-Length");
    if (head->chunked && head->version == 10)
        return refuse(why, BK_EINVAL, "HTTP/1.0 has no Transfer-Encoding");
    if (notes->hosts > 1)
        return refuse(why, BK_EINVAL, "there is more than one Host");
    if (notes->hosts == 0 && head->version != 10)
        return refuse(why, BK_EINVAL, "Host is missing");
    if (head->version == 10)
        head->expects_continue = false; /* RFC 9110, 10.1.1 */
    head->keep_alive = !notes->close && (head->version == 11 || notes->keep_alive);
    return BK_OK;
}

bk_err bk__http1_parse(char *bytes, size_t len, struct bk__http1_head *head, const char **why)
{
    char *p = bytes;
    const char *end = bytes + len;
    struct notes notes = {0};

    bk_debug_assert(len >= 4 && memcmp(end - 4, "\r\n\r\n", 4) == 0);
    BK_TRY(parse_request_line(&p, end, head, why));
    while (*p != '\r') {
        bk_pair *field = &head->headers[head->count];
        BK_TRY(parse_field(&p, end, field, why));
        head->count++;
        BK_TRY(note(head, field, &notes, why));
    }
    if (p + 2 != end)
        return refuse(why, BK_EINVAL, "a header field begins with CR");
    return settle(head, &notes, why);
}

enum {
    SIZE,      /* hexadecimal digits of a chunk's size */
    EXTENSION, /* after ';': passed over up to CR */
    SIZE_LF,   /* the LF of a size line */
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER,      /* at the start of a trailer line */
    TRAILER_LINE, /* in one: passed over up to CR */
    TRAILER_LF,
    LAST_LF
};

#define OVERHEAD_MAX                                                                               \
    8192 /* size lines with their extensions, or trailers, between two runs of data */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A byte of a size line or trailer. Returns the next state, or -1. */
static int step(struct bk__http1_chunks *chunks, char c)
{
    switch (chunks->state) {
    case SIZE: {
        int digit = hex_value(c);
        if (digit >= 0 && chunks->digits < 15) {
            chunks->left = chunks->left << 4 | (uint64_t)digit;
            chunks->digits++;
            return SIZE;
        }
        if (chunks->digits == 0)
            return -1;
        return c == '\r' ? SIZE_LF : c == ';' ? EXTENSION : -1;
    }
    case EXTENSION:
        return c == '\r' ? SIZE_LF : is(c, VALUE) ? EXTENSION : -1;
    case SIZE_LF:
        chunks->digits = 0;
        return c != '\n' ? -1 : chunks->left != 0 ? DATA : TRAILER;
    case DATA_CR:
        return c == '\r' ? DATA_LF : -1;
    case DATA_LF:
        return c == '\n' ? SIZE : -1;
    case TRAILER:
        return c == '\r' ? LAST_LF : is(c, TOKEN) ? TRAILER_LINE : -1;
    case TRAILER_LINE:
        return c == '\r' ? TRAILER_LF : is(c, VALUE) ? TRAILER_LINE : -1;
    case TRAILER_LF:
        return c == '\n' ? TRAILER : -1;
    default:
        return -1;
    }
}

bk_err bk__http1_chunks_next(struct bk__http1_chunks *chunks, const char *bytes, size_t len,
                             size_t *used, bk_str *data)
{
    size_t at = 0;

    *data = (bk_str){bytes, 0};
    while (at < len) {
        if (chunks->state == DATA) {
            size_t run = chunks->left < len - at ? (size_t)chunks->left : len - at;
            *data = (bk_str){bytes + at, run};
            *used = at + run;
            chunks->left -= run;
            chunks->overhead = 0;
            if (chunks->left == 0)
                chunks->state = DATA_CR;
            return BK_EAGAIN;
        }
        char c = bytes[at++];
        if (chunks->state == LAST_LF) {
            *used = at;
            return c == '\n' ? BK_OK : BK_EINVAL;
        }
        int next = step(chunks, c);
        *used = at;
        if (next < 0 || ++chunks->overhead > OVERHEAD_MAX)
            return BK_EINVAL;
        chunks->state = (uint8_t)next;
    }
    *used = at;
    return BK_EAGAIN;
}
