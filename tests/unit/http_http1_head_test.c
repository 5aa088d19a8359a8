/*
 * Reading an HTTP/1 request head, and a chunked body: all that is refused, and that it does not
 * matter in which portions the bytes come.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include <backend/arena.h>
#include <backend/str.h>

#include "text.h"

#include "http/http1_head.h"

#define HEAD_LINES_MAX 200

static const struct bk__http1_limits no_limits = {SIZE_MAX, SIZE_MAX, SIZE_MAX};

/* A head that was read, with the bytes that it points into. */
struct reading {
    char *bytes;
    bk_pair fields[HEAD_LINES_MAX];
    struct bk__http1_head head;
    bk_err err;
    const char *why;
};

/* Scans and parses @p text, which begins with a head. In a block of its own size, so that a
 * sanitizer sees each read past its end. */
static struct reading *read_text(bk_str text, const struct bk__http1_limits *limits)
{
    struct reading *it = calloc(1, sizeof *it);
    struct bk__http1_scan scan = {0};
    size_t len = 0;

    it->bytes = malloc(text.len);
    memcpy(it->bytes, text.ptr, text.len);
    it->head.headers = it->fields;
    it->err = bk__http1_scan(&scan, it->bytes, text.len, limits, &len, &it->why);
    if (it->err != BK_OK)
        return it;
    assert_true(scan.lines <= HEAD_LINES_MAX);
    char *exact = malloc(len);
    memcpy(exact, it->bytes, len);
    free(it->bytes);
    it->bytes = exact;
    it->err = bk__http1_parse(it->bytes, len, &it->head, &it->why);
    return it;
}

static struct reading *read_head(const char *text)
{
    return read_text(bk_str_of(text), &no_limits);
}

static void done(struct reading *it)
{
    free(it->bytes);
    free(it);
}

#define assert_refused(text, err)          check_refused(bk_str_of(text), err, __LINE__)
#define assert_refused_bytes(literal, err) check_refused(BK_LIT(literal), err, __LINE__)

static void check_refused(bk_str text, bk_err want, int line)
{
    struct reading *it = read_text(text, &no_limits);

    if (it->err != want)
        fail_msg("line %d: %s, not %s", line, bk_err_slug(it->err), bk_err_slug(want));
    assert_non_null(it->why);
    done(it);
}

/* Header fields put into a request that is fine otherwise. */
#define REQUEST(fields) "GET / HTTP/1.1\r\nHost: a\r\n" fields "\r\n"

/* --- what is read ----------------------------------------------------------------------------- */

static void test_a_head_is_taken_apart(void **state)
{
    struct reading *it = read_head("POST /a?b=c HTTP/1.1\r\nHost: example.com:80\r\nX-Empty:\r\n"
                                   "X-Blanks: \t a \t b \t\r\nContent-Length: 42\r\n\r\nbody");

    (void)state;
    assert_int_equal(it->err, BK_OK);
    assert_text(it->head.method, "POST");
    assert_text(it->head.target, "/a?b=c");
    assert_int_equal(it->head.version, 11);
    assert_text(it->head.host, "example.com:80");
    assert_int_equal(it->head.count, 4);
    assert_text(it->fields[0].name, "host");
    assert_text(it->fields[1].name, "x-empty");
    assert_text(it->fields[1].value, "");
    assert_text(it->fields[2].value, "a \t b");
    assert_true(it->head.has_length && !it->head.chunked && it->head.keep_alive);
    assert_int_equal(it->head.length, 42);
    done(it);
}

static void test_names_become_lower_case_and_values_stay(void **state)
{
    struct reading *it = read_head(REQUEST("X-UPPER_Case.1!#$%&'*+^`|~: VALUE\r\n"));

    (void)state;
    assert_int_equal(it->err, BK_OK);
    assert_text(it->fields[1].name, "x-upper_case.1!#$%&'*+^`|~");
    assert_text(it->fields[1].value, "VALUE");
    done(it);
}

static void test_values_of_any_length_are_read(void **state)
{
    (void)state;
    for (size_t len = 0; len < 40; len++) {
        char text[128], value[64] = "";
        memset(value, '\xe4', len);
        snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\nx: %s\r\n\r\n", value);
        struct reading *it = read_head(text);
        assert_int_equal(it->err, BK_OK);
        assert_text(it->fields[1].value, value);
        done(it);
    }
}

static void check_keep_alive(const char *text, bool want)
{
    struct reading *it = read_head(text);

    assert_int_equal(it->err, BK_OK);
    assert_int_equal(it->head.keep_alive, want);
    done(it);
}

static void test_connections_stay_open_as_their_version_says(void **state)
{
    (void)state;
    check_keep_alive(REQUEST(""), true);
    check_keep_alive(REQUEST("Connection: close\r\n"), false);
    check_keep_alive(REQUEST("Connection: keep-alive, x, CLOSE\r\n"), false);
    check_keep_alive(REQUEST("Connection: keep-alive\r\nConnection: close\r\n"), false);
    check_keep_alive(REQUEST("Connection: closed\r\n"), true);
    check_keep_alive("GET / HTTP/1.0\r\n\r\n", false);
    check_keep_alive("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true);
    check_keep_alive("GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n",
                     false);
}

static void test_an_expectation_is_noted(void **state)
{
    struct reading *it = read_head(REQUEST("Expect: 100-Continue\r\n"));

    (void)state;
    assert_int_equal(it->err, BK_OK);
    assert_true(it->head.expects_continue);
    done(it);
    assert_refused(REQUEST("Expect: 200-ok\r\n"), BK_EEXPECTATION);
    it = read_head("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n");
    assert_int_equal(it->err, BK_OK);
    assert_false(it->head.expects_continue);
    done(it);
}

static void test_later_minor_versions_are_1_1(void **state)
{
    struct reading *it = read_head("GET / HTTP/1.9\r\nHost: a\r\n\r\n");

    (void)state;
    assert_int_equal(it->err, BK_OK);
    assert_int_equal(it->head.version, 11);
    done(it);
}

/* --- what is refused -------------------------------------------------------------------------- */

static void test_request_lines_are_strict(void **state)
{
    (void)state;
    assert_refused("\r\n\r\n", BK_EINVAL);
    assert_refused("GET / HTTP/1.1\nHost: a\r\n\r\n", BK_EINVAL);
    assert_refused("GET /\r\n\r\n", BK_EINVAL);
    assert_refused("GET / \r\n\r\n", BK_EINVAL);
    assert_refused("GET\r\n\r\n", BK_EINVAL);
    assert_refused(" / HTTP/1.1\r\n\r\n", BK_EINVAL);
    assert_refused(" GET / HTTP/1.1\r\n\r\n", BK_EINVAL);
    assert_refused("G(T / HTTP/1.1\r\n\r\n", BK_EINVAL);
    assert_refused("GET  / HTTP/1.1\r\n\r\n", BK_EINVAL);
    assert_refused("GET\t/ HTTP/1.1\r\n\r\n", BK_EINVAL);
    assert_refused("GET /  HTTP/1.1\r\n\r\n", BK_EINVAL);
    assert_refused("GET / HTTP/1.1 \r\n\r\n", BK_EINVAL);
    assert_refused("GET /\tHTTP/1.1\r\n\r\n", BK_EINVAL);
    assert_refused("GET /a b HTTP/1.1\r\n\r\n", BK_EINVAL);
    assert_refused("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", BK_EINVAL);
    assert_refused("GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", BK_EINVAL);
    assert_refused("GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", BK_EINVAL);
    assert_refused_bytes("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", BK_EINVAL);
    assert_refused("GET / http/1.1\r\nHost: a\r\n\r\n", BK_EINVAL);
    assert_refused("GET / HTTP/1\r\nHost: a\r\n\r\n", BK_EINVAL);
    assert_refused("GET / HTTP/1.\r\nHost: a\r\n\r\n", BK_EINVAL);
    assert_refused("GET / HTTP/1.11\r\nHost: a\r\n\r\n", BK_EINVAL);
    assert_refused("GET / HTTP/1.1\rX\r\nHost: a\r\n\r\n", BK_EINVAL);
    assert_refused("GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", BK_EINVAL);
    assert_refused("GET / HTTP/2.0\r\nHost: a\r\n\r\n", BK_EVERSION);
    assert_refused("GET / HTTP/0.9\r\nHost: a\r\n\r\n", BK_EVERSION);
    assert_refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BK_EVERSION);
}

static void test_lines_end_with_cr_and_lf(void **state)
{
    (void)state;
    assert_refused("GET / HTTP/1.1\r\nHost: a\n\r\n", BK_EINVAL);
    assert_refused("GET / HTTP/1.1\r\nHost: a\r\n\n", BK_EINVAL);
    assert_refused("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", BK_EINVAL);
    assert_refused("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", BK_EINVAL);
    assert_refused("GET / HTTP/1.1\r\nHost: a\r\n\rb: c\r\n\r\n", BK_EINVAL);
    assert_refused("GET / HTTP/1.1\r\nHost: a\r\n\r\r\n\r\n", BK_EINVAL);
}

static void test_fields_are_strict(void **state)
{
    (void)state;
    assert_refused(REQUEST("X : a\r\n"), BK_EINVAL);
    assert_refused(REQUEST("X\t: a\r\n"), BK_EINVAL);
    assert_refused(REQUEST(": a\r\n"), BK_EINVAL);
    assert_refused(REQUEST("X\r\n"), BK_EINVAL);
    assert_refused(REQUEST("X Y: a\r\n"), BK_EINVAL);
    assert_refused(REQUEST("X\xe4: a\r\n"), BK_EINVAL);
    assert_refused(REQUEST("X: a\r\n b\r\n"), BK_EINVAL);
    assert_refused(REQUEST("X: a\r\n\tb\r\n"), BK_EINVAL);
    assert_refused("GET / HTTP/1.1\r\n Host: a\r\n\r\n", BK_EINVAL);
    assert_refused(REQUEST("X: a\x01\r\n"), BK_EINVAL);
    assert_refused(REQUEST("X: 12345678\x7f\r\n"), BK_EINVAL);
    assert_refused(REQUEST("X: 1234567\x1f and so on and on\r\n"), BK_EINVAL);
    assert_refused_bytes("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", BK_EINVAL);
}

static void test_a_host_is_needed_once(void **state)
{
    (void)state;
    assert_refused("GET / HTTP/1.1\r\n\r\n", BK_EINVAL);
    assert_refused(REQUEST("Host: a\r\n"), BK_EINVAL);
    assert_refused(REQUEST("HOST: b\r\n"), BK_EINVAL);
    assert_refused("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", BK_EINVAL);
    struct reading *it = read_head("GET / HTTP/1.0\r\n\r\n");
    assert_int_equal(it->err, BK_OK);
    assert_absent(it->head.host);
    done(it);
}

static void test_lengths_are_unmistakable(void **state)
{
    (void)state;
    assert_refused(REQUEST("Content-Length: 5\r\nContent-Length: 5\r\n"), BK_EINVAL);
    assert_refused(REQUEST("Content-Length: 5\r\nContent-Length: 6\r\n"), BK_EINVAL);
    assert_refused(REQUEST("Content-Length: 5, 5\r\n"), BK_EINVAL);
    assert_refused(REQUEST("Content-Length:\r\n"), BK_EINVAL);
    assert_refused(REQUEST("Content-Length: +5\r\n"), BK_EINVAL);
    assert_refused(REQUEST("Content-Length: -5\r\n"), BK_EINVAL);
    assert_refused(REQUEST("Content-Length: 5x\r\n"), BK_EINVAL);
    assert_refused(REQUEST("Content-Length: 0x5\r\n"), BK_EINVAL);
    assert_refused(REQUEST("Content-Length: 5 5\r\n"), BK_EINVAL);
    assert_refused(REQUEST("Content-Length: 99999999999999999999\r\n"), BK_EINVAL);
    struct reading *it = read_head(REQUEST("Content-Length: 9999999999999999999\r\n"));
    assert_int_equal(it->err, BK_OK);
    assert_true(it->head.length == 9999999999999999999u);
    done(it);
}

static void test_a_transfer_coding_stands_alone(void **state)
{
    (void)state;
    assert_refused(REQUEST("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), BK_EINVAL);
    assert_refused(REQUEST("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), BK_EINVAL);
    assert_refused(REQUEST("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
                   BK_EINVAL);
    assert_refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", BK_EINVAL);
    assert_refused(REQUEST("Transfer-Encoding: chunked, chunked\r\n"), BK_ENOTIMPL);
    assert_refused(REQUEST("Transfer-Encoding: gzip, chunked\r\n"), BK_ENOTIMPL);
    assert_refused(REQUEST("Transfer-Encoding: chunked;x=1\r\n"), BK_ENOTIMPL);
    assert_refused(REQUEST("Transfer-Encoding: xchunked\r\n"), BK_ENOTIMPL);
    assert_refused(REQUEST("Transfer-Encoding: \"chunked\"\r\n"), BK_ENOTIMPL);
    assert_refused(REQUEST("Transfer-Encoding: identity\r\n"), BK_ENOTIMPL);
    assert_refused(REQUEST("Transfer-Encoding:\r\n"), BK_ENOTIMPL);
    assert_refused(REQUEST("Transfer-Encoding: \x0b"
                           "chunked\r\n"),
                   BK_EINVAL);
    struct reading *it = read_head(REQUEST("Transfer-Encoding: Chunked\r\n"));
    assert_int_equal(it->err, BK_OK);
    assert_true(it->head.chunked && !it->head.has_length);
    done(it);
}

static void test_method_and_target_are_known_for_the_log(void **state)
{
    struct reading *it = read_head("GET /a HTTP/3.0\r\n\r\n");

    (void)state;
    assert_int_equal(it->err, BK_EVERSION);
    assert_text(it->head.method, "GET");
    assert_text(it->head.target, "/a");
    done(it);
}

/* --- limits, and portions --------------------------------------------------------------------- */

static void check_limited(const char *text, const struct bk__http1_limits *limits, bk_err want)
{
    struct reading *it = read_text(bk_str_of(text), limits);

    assert_int_equal(it->err, want);
    done(it);
}

static void test_a_scan_has_limits(void **state)
{
    const struct bk__http1_limits target = {20, SIZE_MAX, SIZE_MAX};
    const struct bk__http1_limits bytes = {SIZE_MAX, 30, SIZE_MAX};
    const struct bk__http1_limits count = {SIZE_MAX, SIZE_MAX, 2};
    char text[128];

    (void)state;
    /* What is left of a request line beside its target is 64 bytes. */
    snprintf(text, sizeof text, "GET /%070d HTTP/1.1\r\n\r\n", 0);
    check_limited(text, &target, BK_EURITOOLONG);
    check_limited("GET /01234567890123456789 HTTP/1.0\r\n\r\n", &target, BK_OK);
    /* The fields alone count. */
    check_limited("GET /01234567890123456789 HTTP/1.0\r\na: 0123456789\r\nb: 0123456\r\n\r\n",
                  &bytes, BK_OK);
    check_limited("GET / HTTP/1.0\r\na: 0123456789\r\nb: 0123456789\r\n\r\n", &bytes, BK_EHEADERS);
    check_limited("GET / HTTP/1.0\r\na: 1\r\nb: 2\r\n\r\n", &count, BK_OK);
    check_limited("GET / HTTP/1.0\r\na: 1\r\nb: 2\r\nc: 3\r\n\r\n", &count, BK_EHEADERS);
    /* They hold before a line is whole. */
    memset(text, 'a', 100);
    text[100] = '\0';
    check_limited(text, &target, BK_EURITOOLONG);
    check_limited("GET / HTTP/1.0\r\na: 01234567890123456789012345678901234", &bytes, BK_EHEADERS);
}

static const char *const samples[] = {
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /a/b?c HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nX: y\r\n\r\nbody",
    "GET / HTTP/1.1\r\nHost: a\n\r\n",
    "\n",
    "\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n\r",
    "GET / HTTP/1.1\r\na: 1\r\nb: 2\r\nc: 3\r\nx: 4\r\ne: 5\r\n\r\n",
    "GET /a/target/that/is/longer/than/all/the/others/by/far/and/then/some/more/of/that HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a name that goes beyond its limit by a few bytes, no more\r\n\r\n",
};

/* Whatever the portions, the result of the first scan that is not BK_EAGAIN is that of the whole.
 */
static void test_portions_do_not_matter_to_a_scan(void **state)
{
    const struct bk__http1_limits limits = {16, 50, 4};

    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        for (size_t step = 1; step < 8; step++) {
            struct bk__http1_scan whole = {0}, parts = {0};
            size_t len = strlen(samples[i]), whole_len = 0, parts_len = 0, at = 0;
            const char *why = NULL, *why_parts = NULL;
            bk_err want = bk__http1_scan(&whole, samples[i], len, &limits, &whole_len, &why);
            bk_err got = BK_EAGAIN;

            while (got == BK_EAGAIN && at < len) {
                at = at + step < len ? at + step : len;
                char *exact = malloc(at);
                memcpy(exact, samples[i], at);
                got = bk__http1_scan(&parts, exact, at, &limits, &parts_len, &why_parts);
                free(exact);
            }
            assert_int_equal(got, want);
            assert_int_equal(parts_len, whole_len);
            assert_ptr_equal(why_parts, why);
        }
    }
}

/* --- chunks ----------------------------------------------------------------------------------- */

/* Decodes all of @p text, cut after @p split bytes; @p out receives the data. @p left says how much
 * input was not used. */
static bk_err decode(bk_str text, size_t split, char *out, size_t *out_len, size_t *left)
{
    struct bk__http1_chunks chunks = {0};
    size_t at = 0;
    bk_err err = BK_EAGAIN;

    *out_len = 0;
    for (int part = 0; part < 2 && err == BK_EAGAIN; part++) {
        size_t end = part == 0 ? split : text.len, used = 1;
        while (err == BK_EAGAIN && at < end && used != 0) {
            bk_str data;
            char *exact = malloc(end - at);
            memcpy(exact, text.ptr + at, end - at);
            err = bk__http1_chunks_next(&chunks, exact, end - at, &used, &data);
            assert_true(used <= end - at);
            assert_true(data.ptr >= exact && data.ptr + data.len <= exact + used);
            memcpy(out + *out_len, data.ptr, data.len);
            *out_len += data.len;
            free(exact);
            at += used;
        }
    }
    *left = text.len - at;
    return err;
}

#define assert_chunks(literal, want, data, rest)                                                   \
    check_chunks(BK_LIT(literal), want, data, rest, __LINE__)

/* At every split the same. */
static void check_chunks(bk_str text, bk_err want, const char *data, size_t rest, int line)
{
    char out[256];

    for (size_t split = 0; split <= text.len; split++) {
        size_t len, left;
        bk_err err = decode(text, split, out, &len, &left);
        if (err != want)
            fail_msg("line %d, split at %zu: %s, not %s", line, split, bk_err_slug(err),
                     bk_err_slug(want));
        assert_text(bk_str_at(out, len), data);
        if (want == BK_OK)
            assert_int_equal(left, rest);
    }
}

static void test_chunks_are_joined(void **state)
{
    (void)state;
    assert_chunks("0\r\n\r\n", BK_OK, "", 0);
    assert_chunks("5\r\nhello\r\n0\r\n\r\n", BK_OK, "hello", 0);
    assert_chunks("5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\nGET /", BK_OK, "hello, world", 5);
    assert_chunks("a\r\n0123456789\r\nB\r\n0123456789a\r\n000\r\n\r\n", BK_OK,
                  "01234567890123456789a", 0);
    assert_chunks("1;ext=\"x\";y\r\na\r\n0;z\r\n\r\n", BK_OK, "a", 0);
    assert_chunks("1\r\na\r\n0\r\nTrailer: x\r\nOther:\r\n\r\n", BK_OK, "a", 0);
    assert_chunks("4\r\n\r\n\r\n\r\n0\r\n\r\n", BK_OK, "\r\n\r\n", 0);
}

static void test_chunks_may_be_incomplete(void **state)
{
    (void)state;
    assert_chunks("", BK_EAGAIN, "", 0);
    assert_chunks("5", BK_EAGAIN, "", 0);
    assert_chunks("5\r\nhe", BK_EAGAIN, "he", 0);
    assert_chunks("5\r\nhello\r\n0\r\n", BK_EAGAIN, "hello", 0);
    assert_chunks("5\r\nhello\r\n0\r\n\r", BK_EAGAIN, "hello", 0);
}

static void test_chunks_are_strict(void **state)
{
    (void)state;
    assert_chunks("\r\n", BK_EINVAL, "", 0);
    assert_chunks(";x\r\n", BK_EINVAL, "", 0);
    assert_chunks("x\r\n", BK_EINVAL, "", 0);
    assert_chunks("0x5\r\n", BK_EINVAL, "", 0);
    assert_chunks("-5\r\n", BK_EINVAL, "", 0);
    assert_chunks("+5\r\n", BK_EINVAL, "", 0);
    assert_chunks(" 5\r\n", BK_EINVAL, "", 0);
    assert_chunks("5 \r\n", BK_EINVAL, "", 0);
    assert_chunks("5 ;x\r\n", BK_EINVAL, "", 0);
    assert_chunks("5\n", BK_EINVAL, "", 0);
    assert_chunks("5\r5", BK_EINVAL, "", 0);
    assert_chunks("5\r\r\n", BK_EINVAL, "", 0);
    assert_chunks("5;a\nb\r\n", BK_EINVAL, "", 0);
    assert_chunks("5;a\rb\r\n", BK_EINVAL, "", 0);
    assert_chunks("5;a\0b\r\n", BK_EINVAL, "", 0);
    assert_chunks("1\r\nab", BK_EINVAL, "a", 0);
    assert_chunks("1\r\na\n", BK_EINVAL, "a", 0);
    assert_chunks("1\r\na\rb", BK_EINVAL, "a", 0);
    assert_chunks("1\r\na\r\n\r\n", BK_EINVAL, "a", 0);
    assert_chunks("0\r\n\n", BK_EINVAL, "", 0);
    assert_chunks("0\r\n\rx", BK_EINVAL, "", 0);
    assert_chunks("0\r\n a: b\r\n", BK_EINVAL, "", 0);
    assert_chunks("0\r\n: b\r\n", BK_EINVAL, "", 0);
    assert_chunks("0\r\na: b\n", BK_EINVAL, "", 0);
    assert_chunks("0\r\na: b\rc", BK_EINVAL, "", 0);
    assert_chunks("1000000000000000\r\n", BK_EINVAL, "", 0); /* more than 15 digits */
    assert_chunks("0000000000000005\r\n", BK_EINVAL, "", 0);
}

static void test_chunks_cannot_be_mostly_overhead(void **state)
{
    static char text[10000];
    char out[1];
    size_t len, left;

    (void)state;
    memset(text, 'x', sizeof text);
    memcpy(text, "1;", 2);
    assert_int_equal(decode(bk_str_at(text, sizeof text), 5000, out, &len, &left), BK_EINVAL);
    memcpy(text, "0\r\nt", 4);
    assert_int_equal(decode(bk_str_at(text, sizeof text), 100, out, &len, &left), BK_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_head_is_taken_apart),
        cmocka_unit_test(test_names_become_lower_case_and_values_stay),
        cmocka_unit_test(test_values_of_any_length_are_read),
        cmocka_unit_test(test_connections_stay_open_as_their_version_says),
        cmocka_unit_test(test_an_expectation_is_noted),
        cmocka_unit_test(test_later_minor_versions_are_1_1),
        cmocka_unit_test(test_request_lines_are_strict),
        cmocka_unit_test(test_lines_end_with_cr_and_lf),
        cmocka_unit_test(test_fields_are_strict),
        cmocka_unit_test(test_a_host_is_needed_once),
        cmocka_unit_test(test_lengths_are_unmistakable),
        cmocka_unit_test(test_a_transfer_coding_stands_alone),
        cmocka_unit_test(test_method_and_target_are_known_for_the_log),
        cmocka_unit_test(test_a_scan_has_limits),
        cmocka_unit_test(test_portions_do_not_matter_to_a_scan),
        cmocka_unit_test(test_chunks_are_joined),
        cmocka_unit_test(test_chunks_may_be_incomplete),
        cmocka_unit_test(test_chunks_are_strict),
        cmocka_unit_test(test_chunks_cannot_be_mostly_overhead),
    };
    return cmocka_run_group_tests_name("http1_head", tests, NULL, NULL);
}
