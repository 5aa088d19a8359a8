/*
 * Which answers are packed, that they unpack to what they were, and what is said about them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include <backend/middleware/compress.h>

#include "text.h"
#include "harness/http_app.h"
#include "harness/stops.h"
#include "middleware/inflate.h"

#define LONG (200 * 1024) /* is packed on a thread */

static char text[LONG + 1];

/* A body of `len` bytes with a header of the query's choice. */
static bk_err show(bk_req *req, bk_res *res)
{
    int64_t len, status;
    bk_str field = bk_req_query_str(req, "field"), value = bk_req_query_str(req, "value");
    bk_str type = bk_req_query_str(req, "type"), tag = bk_req_query_str(req, "tag");
    BK_TRY(bk_req_query_i64(req, "len", 2000, 0, LONG, &len));
    BK_TRY(bk_req_query_i64(req, "status", 200, 200, 599, &status));
    if (field.len != 0)
        BK_TRY(bk_res_header(res, bk_arena_cstr(bk_req_arena(req), field), value));
    if (tag.len != 0)
        BK_TRY(bk_res_etag(res, tag));
    return bk_res_bytes(res, (int)status,
                        type.len != 0 ? bk_arena_cstr(bk_req_arena(req), type) : "text/plain",
                        bk_str_at(text, (size_t)len));
}

static bk_err show_json(bk_req *req, bk_res *res)
{
    (void)req;
    bk_json_writer *writer = bk_res_json_writer(res, 200);
    bk_json_begin_array(writer);
    for (int i = 0; i < 500; i++)
        bk_json_write_i64(writer, i);
    bk_json_end_array(writer);
    return BK_OK;
}

/* Pieces of 100 bytes, then one long one. */
static bk_err stream(bk_req *req, bk_res *res)
{
    int64_t length;
    bk_str type = bk_req_query_str(req, "type");
    BK_TRY(bk_req_query_i64(req, "length", -1, -1, LONG, &length));
    BK_TRY(bk_res_stream(res, 200,
                         type.len != 0 ? bk_arena_cstr(bk_req_arena(req), type) : "text/css",
                         length < 0 ? BK_LENGTH_UNKNOWN : (uint64_t)length));
    size_t all = length < 0 ? LONG : (size_t)length, at = 0;
    for (int i = 0; i < 5 && all - at >= 100; i++, at += 100)
        BK_TRY(bk_res_write(res, bk_str_at(text + at, 100)));
    return bk_res_write(res, bk_str_at(text + at, all - at));
}

static bk_err drip(bk_req *req, bk_res *res)
{
    (void)req;
    BK_TRY(bk_res_stream(res, 200, "text/plain", BK_LENGTH_UNKNOWN));
    BK_TRY(bk_res_write(res, BK_LIT("early")));
    BK_TRY(bk_sleep_ms(1000));
    return bk_res_write(res, BK_LIT(" and late"));
}

static bk_err break_off(bk_req *req, bk_res *res)
{
    (void)req;
    BK_TRY(bk_res_stream(res, 200, "text/plain", BK_LENGTH_UNKNOWN));
    BK_TRY(bk_res_write(res, BK_LIT("early")));
    return bk_fail(BK_EIO, "the rest is lost");
}

static bk_err refuse(bk_req *req, bk_res *res)
{
    (void)req, (void)res;
    return bk_fail(BK_ECONFLICT, "not now");
}

static struct http_app open_with(const bk_mw_compress_opts *opts, bool virtual_clock)
{
    struct http_app it = {.app = bk_app_new(NULL)};
    bk_router *root = bk_app_router(it.app);

    for (size_t i = 0; i < LONG; i++)
        text[i] = "the quick brown fox "[(i * i / 7) % 20];
    bk_use(root, bk_mw_compress(it.app, opts));
    bk_get(root, "/", show);
    bk_post(root, "/", show);
    bk_get(root, "/json", show_json);
    bk_get(root, "/stream", stream);
    bk_get(root, "/drip", drip);
    bk_get(root, "/broken", break_off);
    bk_get(root, "/refused", refuse);
    it.test = bk_test_new(it.app, &(bk_test_opts){.virtual_clock = virtual_clock});
    return it;
}

#define get(it, target, accepts) http_get(it, target, "accept-encoding", accepts)

/* The answer is packed in @p coding and unpacks to the first @p len bytes of the text. */
static void assert_packed(const bk_test_res *res, const char *coding, const char *want, size_t len)
{
    char *out;
    size_t out_len;
    bk_str body = bk_test_body(res);
    enum bk__packed how = coding[0] == 'b' ? BK__PACKED_BROTLI : BK__PACKED_GZIP;

    assert_true(bk_test_done(res));
    assert_field(res, "Content-Encoding", coding);
    assert_holds(bk_test_header(res, "Vary"), "Accept-Encoding");
    assert_int_equal(bk__inflate(how, body, LONG, &out, &out_len), BK_OK);
    assert_int_equal(out_len, len);
    assert_memory_equal(out, want, len);
    assert_true(body.len < len);
    free(out);
}

static void assert_plain(const bk_test_res *res)
{
    assert_true(bk_test_done(res));
    assert_false(bk_str_present(bk_test_header(res, "Content-Encoding")));
}

static void test_answers_are_packed_as_the_client_likes_it(void **state)
{
    (void)state;
    struct http_app it = open_with(NULL, false);
    for (int i = 0; i < 3; i++) { /* gzip's state is used again */
        assert_packed(get(&it, "/", "gzip"), "gzip", text, 2000);
        assert_packed(get(&it, "/", "gzip, br"), "br", text, 2000);
        assert_packed(get(&it, "/?len=204800", "gzip"), "gzip", text, LONG);
        assert_packed(get(&it, "/?len=204800", "br"), "br", text, LONG);
    }
    bk_test_res *res = get(&it, "/json", "gzip");
    assert_field(res, "Content-Encoding", "gzip");
    assert_field(res, "Content-Type", "application/json");
    assert_packed(http_send(&it, "POST", "/", FIELDS("accept-encoding", "br"), ""), "br", text,
                  2000);
    http_app_close(&it);
}

static void test_a_client_that_takes_none_gets_it_plain_and_told(void **state)
{
    (void)state;
    struct http_app it = open_with(NULL, false);
    bk_test_res *res = bk_test_get(it.test, "/");
    assert_plain(res);
    assert_field(res, "Vary", "Accept-Encoding");
    assert_int_equal(bk_test_body(res).len, 2000);
    assert_plain(get(&it, "/", "deflate"));
    assert_plain(get(&it, "/", "gzip;q=0"));
    http_app_close(&it);
}

static void test_what_gains_nothing_is_left_as_it_is(void **state)
{
    static const char *const targets[] = {
        "/?len=1023",
        "/?type=image/png",
        "/?type=text/event-stream",
        "/?type=video/mp4",
        "/?type=application/zip",
        "/?field=cache-control&value=public,%20no-transform",
        "/?field=content-encoding&value=zstd",
        "/?status=206&field=content-range&value=bytes%200-1999/9999",
        "/?field=content-range&value=x",
    };
    (void)state;
    struct http_app it = open_with(NULL, false);
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        bk_test_res *res = get(&it, targets[i], "gzip, br");
        bk_str coding = bk_test_header(res, "Content-Encoding");
        assert_true(bk_test_done(res));
        assert_true(!bk_str_present(coding) || bk_str_eq(coding, BK_LIT("zstd")));
        assert_true(bk_str_eq(bk_test_body(res), bk_str_at(text, bk_test_body(res).len)));
    }
    assert_packed(get(&it, "/?len=1024", "gzip"), "gzip", text, 1024);
    assert_problem(get(&it, "/refused", "gzip"), 409, "not now");
    http_app_close(&it);
}

static void test_types_that_gain_are_packed(void **state)
{
    static const char *const types[] = {"text/html;%20charset=utf-8", "TEXT/CSS",
                                        "application/problem%2Bjson", "image/svg%2Bxml",
                                        "application/wasm"};
    char target[64];
    (void)state;
    struct http_app it = open_with(NULL, false);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        snprintf(target, sizeof target, "/?type=%s", types[i]);
        assert_packed(get(&it, target, "gzip"), "gzip", text, 2000);
    }
    http_app_close(&it);
}

static void test_etags_become_weak_and_still_match(void **state)
{
    char tag[64];
    (void)state;
    struct http_app it = open_with(NULL, false);
    assert_field(get(&it, "/?tag=%22v1%22", "gzip"), "ETag", "W/\"v1\"");
    assert_field(get(&it, "/?tag=%22v1%22", "x"), "ETag", "\"v1\"");
    bk_str made = bk_test_header(get(&it, "/", "br"), "ETag");
    snprintf(tag, sizeof tag, "%.*s", BK_PRI(made));
    assert_field(bk_test_get(it.test, "/"), "ETag", tag);
    bk_test_res *res = http_get(&it, "/", "accept-encoding", "br", "if-none-match", tag);
    assert_answer(res, 304, "");
    assert_field(res, "ETag", tag);
    assert_field(res, "Vary", "Accept-Encoding");
    http_app_close(&it);
}

static void test_head_says_what_get_does(void **state)
{
    (void)state;
    struct http_app it = open_with(NULL, false);
    bk_test_res *res = http_send(&it, "HEAD", "/", FIELDS("accept-encoding", "gzip"), NULL);
    assert_answer(res, 200, "");
    assert_field(res, "Content-Encoding", "gzip");
    res = http_send(&it, "HEAD", "/stream", FIELDS("accept-encoding", "gzip"), NULL);
    assert_answer(res, 200, "");
    assert_field(res, "Content-Encoding", "gzip");
    http_app_close(&it);
}

static void test_streams_are_packed_piece_by_piece(void **state)
{
    (void)state;
    struct http_app it = open_with(NULL, false);
    for (int i = 0; i < 3; i++) {
        assert_packed(get(&it, "/stream", "gzip"), "gzip", text, LONG);
        assert_packed(get(&it, "/stream", "br"), "br", text, LONG);
        assert_packed(get(&it, "/stream?length=5000", "gzip"), "gzip", text, 5000);
    }
    assert_plain(get(&it, "/stream?length=1000", "gzip"));
    assert_plain(get(&it, "/stream?type=image/png", "gzip"));
    bk_test_res *res = bk_test_get(it.test, "/stream");
    assert_plain(res);
    assert_field(res, "Vary", "Accept-Encoding");
    http_app_close(&it);
}

static void test_what_was_written_arrives_before_the_end(void **state)
{
    static const bk_pair gzip[] = {{{"accept-encoding", 15}, {"gzip", 4}}, {{NULL, 0}, {NULL, 0}}};
    (void)state;
    struct http_app it = open_with(NULL, true);
    bk_test_res *res = bk_test_begin(it.test, &(bk_test_req){.target = "/drip", .headers = gzip});
    bk_test_settle(it.test);
    bk_str early = bk_test_body(res);
    assert_true(early.len > 10 + 5); /* gzip's head and more: a flushed piece, not yet the end */
    assert_memory_equal(early.ptr + early.len - 4, "\0\0\xff\xff", 4);
    bk_test_advance(it.test, 1000);
    bk_test_finish(it.test, res);
    char *out;
    size_t len;
    assert_int_equal(bk__inflate(BK__PACKED_GZIP, bk_test_body(res), 100, &out, &len), BK_OK);
    assert_true(bk_str_eq(bk_str_at(out, len), BK_LIT("early and late")));
    free(out);
    http_app_close(&it);
}

static void test_a_stream_that_fails_is_broken_off(void **state)
{
    (void)state;
    struct http_app it = open_with(NULL, false);
    assert_false(bk_test_done(get(&it, "/broken", "gzip")));
    assert_false(bk_test_done(get(&it, "/broken", "br")));
    http_app_close(&it);
}

static void test_a_client_that_leaves_takes_nothing_with_it(void **state)
{
    static const bk_pair gzip[] = {{{"accept-encoding", 15}, {"gzip", 4}}, {{NULL, 0}, {NULL, 0}}};
    (void)state;
    struct http_app it = open_with(NULL, true);
    bk_test_res *res = bk_test_begin(it.test, &(bk_test_req){.target = "/drip", .headers = gzip});
    bk_test_settle(it.test);
    bk_test_reset(it.test, res);
    assert_at_rest(&it);
    http_app_close(&it);
}

static void test_codings_can_be_left_out(void **state)
{
    (void)state;
    struct http_app it = open_with(
        &(bk_mw_compress_opts){.no_brotli = true, .gzip_level = 1, .threshold_bytes = 100}, false);
    assert_packed(get(&it, "/?len=100", "br, gzip"), "gzip", text, 100);
    assert_plain(get(&it, "/", "br"));
    http_app_close(&it);
}

static void make_wrong(void)
{
    bk_middleware it = bk_mw_compress(bk_app_new(NULL), &(bk_mw_compress_opts){.gzip_level = 10});
    (void)it;
}

static void test_a_level_that_is_none_stops_the_program(void **state)
{
    char words[512];
    (void)state;
    assert_true(stops(make_wrong, words, sizeof words));
    assert_non_null(strstr(words, "1 to 9"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_are_packed_as_the_client_likes_it),
        cmocka_unit_test(test_a_client_that_takes_none_gets_it_plain_and_told),
        cmocka_unit_test(test_what_gains_nothing_is_left_as_it_is),
        cmocka_unit_test(test_types_that_gain_are_packed),
        cmocka_unit_test(test_etags_become_weak_and_still_match),
        cmocka_unit_test(test_head_says_what_get_does),
        cmocka_unit_test(test_streams_are_packed_piece_by_piece),
        cmocka_unit_test(test_what_was_written_arrives_before_the_end),
        cmocka_unit_test(test_a_stream_that_fails_is_broken_off),
        cmocka_unit_test(test_a_client_that_leaves_takes_nothing_with_it),
        cmocka_unit_test(test_codings_can_be_left_out),
        cmocka_unit_test(test_a_level_that_is_none_stops_the_program),
    };
    return cmocka_run_group_tests_name("middleware_compress", tests, NULL, NULL);
}
