/*
 * Compressed bodies: what the handler sees, and what is refused: bombs above all.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include <brotli/encode.h>
#include <zlib.h>

#include <backend/middleware/body.h>

#include "text.h"
#include "harness/http_app.h"
#include "middleware/inflate.h"

static bk_err echo(bk_req *req, bk_res *res)
{
    if (bk_str_present(bk_req_header(req, "content-encoding")) ||
        bk_str_present(bk_req_header(req, "content-length")))
        return bk_fail(BK_EINTERNAL, "a field of the packed body is left");
    return bk_res_text(res, 200, bk_req_body(req));
}

static bk_err count(bk_req *req, bk_res *res)
{
    bk_str length = bk_arena_printf(bk_req_arena(req), "%zu", bk_req_body(req).len);
    return bk_res_text(res, 200, length);
}

static struct http_app open_with(const bk_mw_body_opts *opts)
{
    struct http_app it = {.app = bk_app_new(NULL)};
    bk_router *root = bk_app_router(it.app);

    bk_use(root, bk_mw_body(it.app, opts));
    bk_post(root, "/echo", echo);
    bk_post(root, "/count", count);
    bk_post(root, "/small", count, &(bk_route_opts){.body_limit_bytes = 1000});
    bk_post(root, "/any", count, &(bk_route_opts){.body_limit_bytes = BK_UNLIMITED});
    it.test = bk_test_new(it.app, NULL);
    return it;
}

/* Of the calling test; window 31: gzip, 15: zlib. */
static bk_str deflated(bk_str text, int window)
{
    z_stream zlib = {0};
    assert_int_equal(deflateInit2(&zlib, 9, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t cap = deflateBound(&zlib, text.len);
    char *out = malloc(cap);
    zlib.next_in = (Bytef *)(uintptr_t)text.ptr;
    zlib.avail_in = (uInt)text.len;
    zlib.next_out = (Bytef *)out;
    zlib.avail_out = (uInt)cap;
    assert_int_equal(deflate(&zlib, Z_FINISH), Z_STREAM_END);
    size_t len = zlib.total_out;
    deflateEnd(&zlib);
    return bk_str_at(out, len);
}

static bk_str brotlied(bk_str text)
{
    size_t len = BrotliEncoderMaxCompressedSize(text.len);
    uint8_t *out = malloc(len);
    assert_true(BrotliEncoderCompress(5, 22, BROTLI_MODE_TEXT, text.len, (const uint8_t *)text.ptr,
                                      &len, out));
    return bk_str_at((char *)out, len);
}

static void drop(bk_str packed)
{
    free((char *)(uintptr_t)packed.ptr);
}

static bk_test_res *post(const struct http_app *it, const char *target, const char *coding,
                         bk_str body)
{
    const bk_pair headers[] = {{BK_LIT("content-encoding"), bk_str_of(coding)},
                               {BK_LIT("content-type"), BK_LIT("text/plain")},
                               {{NULL, 0}, {NULL, 0}}};
    return bk_test_send(it->test, &(bk_test_req){
                                      .method = "POST",
                                      .target = target,
                                      .headers = headers,
                                      .body = body,
                                  });
}

static void test_handlers_see_what_was_packed(void **state)
{
    (void)state;
    struct http_app it = open_with(NULL);
    bk_str gzip = deflated(BK_LIT("hello, world"), 31), zlib = deflated(BK_LIT("hello"), 15);
    bk_str br = brotlied(BK_LIT("hello, brotli"));
    assert_answer(post(&it, "/echo", "gzip", gzip), 200, "hello, world");
    assert_answer(post(&it, "/echo", " X-GZip ", gzip), 200, "hello, world");
    assert_answer(post(&it, "/echo", "deflate", zlib), 200, "hello");
    assert_answer(post(&it, "/echo", "br", br), 200, "hello, brotli");
    assert_answer(post(&it, "/count", "identity", BK_LIT("as it is")), 200, "8");
    assert_answer(post(&it, "/count", "", BK_LIT("as it is")), 200, "8");
    drop(gzip);
    drop(zlib);
    drop(br);
    http_app_close(&it);
}

/* Noise, so that it stays long when it is packed. */
static char *noise(size_t len)
{
    char *bytes = malloc(len);
    uint32_t x = 1;
    for (size_t i = 0; i < len; i++) {
        x = x * 1664525 + 1013904223;
        bytes[i] = (char)(x >> 24);
    }
    return bytes;
}

static void test_a_long_body_is_unpacked_on_a_thread(void **state)
{
    enum {
        LEN = 300000
    };
    char *bytes = noise(LEN);
    (void)state;
    struct http_app it = open_with(NULL);
    bk_str packed = deflated(bk_str_at(bytes, LEN), 31);
    bk_test_res *res = post(&it, "/echo", "gzip", packed);
    assert_status(res, 200);
    assert_true(bk_str_eq(bk_test_body(res), bk_str_at(bytes, LEN)));
    drop(packed);
    free(bytes);
    http_app_close(&it);
}

static void test_members_of_gzip_are_joined(void **state)
{
    char both[256];
    (void)state;
    struct http_app it = open_with(NULL);
    bk_str one = deflated(BK_LIT("one "), 31), two = deflated(BK_LIT("two"), 31);
    memcpy(both, one.ptr, one.len);
    memcpy(both + one.len, two.ptr, two.len);
    assert_answer(post(&it, "/echo", "gzip", bk_str_at(both, one.len + two.len)), 200, "one two");
    drop(one);
    drop(two);
    http_app_close(&it);
}

static void test_other_codings_are_415(void **state)
{
    static const char *const codings[] = {"zstd", "gzip, br", "gzip,gzip", "compress", "gzip;q=1"};
    (void)state;
    struct http_app it = open_with(NULL);
    for (size_t i = 0; i < sizeof codings / sizeof codings[0]; i++) {
        bk_test_res *res = post(&it, "/count", codings[i], BK_LIT("x"));
        assert_problem(res, 415, "Content-Encoding");
        assert_field(res, "Accept-Encoding", "gzip, deflate, br");
    }
    http_app_close(&it);
}

static void test_what_is_damaged_or_cut_short_is_400(void **state)
{
    (void)state;
    struct http_app it = open_with(NULL);
    bk_str gzip = deflated(BK_LIT("hello, world"), 31), br = brotlied(BK_LIT("hello, brotli"));
    char worse[256];
    for (size_t len = 1; len < gzip.len; len++)
        assert_status(post(&it, "/count", "gzip", bk_str_at(gzip.ptr, len)), 400);
    for (size_t len = 1; len < br.len; len++)
        assert_status(post(&it, "/count", "br", bk_str_at(br.ptr, len)), 400);
    memcpy(worse, gzip.ptr, gzip.len);
    worse[gzip.len - 6] ^= 1; /* the checksum */
    assert_problem(post(&it, "/count", "gzip", bk_str_at(worse, gzip.len)), 400,
                   "Content-Encoding");
    memcpy(worse, gzip.ptr, gzip.len);
    worse[gzip.len] = 'x';
    assert_status(post(&it, "/count", "gzip", bk_str_at(worse, gzip.len + 1)), 400);
    memcpy(worse, br.ptr, br.len);
    worse[br.len] = 'x';
    assert_status(post(&it, "/count", "br", bk_str_at(worse, br.len + 1)), 400);
    assert_status(post(&it, "/count", "gzip", BK_LIT("{\"plain\":1}")), 400);
    assert_status(post(&it, "/count", "deflate", gzip), 400);
    drop(gzip);
    drop(br);
    http_app_close(&it);
}

static void test_bombs_are_413(void **state)
{
    enum {
        LEN = 20 << 20
    };
    char *zeros = calloc(1, LEN);
    (void)state;
    struct http_app it = open_with(NULL);
    bk_str gzip = deflated(bk_str_at(zeros, LEN), 31), br = brotlied(bk_str_at(zeros, LEN));
    assert_true(gzip.len > 8192 && br.len < 8192); /* one on a thread, one here */
    assert_problem(post(&it, "/count", "gzip", gzip), 413, "longer");
    assert_problem(post(&it, "/any", "gzip", gzip), 413, "longer");
    assert_problem(post(&it, "/count", "br", br), 413, "longer");
    drop(gzip);
    gzip = deflated(bk_str_at(zeros, 65536), 31); /* below that, any ratio is fine */
    assert_answer(post(&it, "/count", "gzip", gzip), 200, "65536");
    drop(gzip);
    gzip = deflated(bk_str_at(zeros, 65537), 31);
    assert_status(post(&it, "/count", "gzip", gzip), 413);
    drop(gzip);
    drop(br);
    free(zeros);
    http_app_close(&it);
}

static void test_limits_are_the_routes_or_ones_own(void **state)
{
    char bytes[2000];
    memset(bytes, 'x', sizeof bytes);
    (void)state;
    bk_str fits = deflated(bk_str_at(bytes, 1000), 31), over = deflated(bk_str_at(bytes, 1001), 31);
    struct http_app it = open_with(NULL);
    assert_answer(post(&it, "/small", "gzip", fits), 200, "1000");
    assert_problem(post(&it, "/small", "gzip", over), 413, "1000 bytes");
    http_app_close(&it);
    it = open_with(&(bk_mw_body_opts){.max_bytes = 999});
    assert_status(post(&it, "/count", "gzip", fits), 413);
    http_app_close(&it);
    drop(fits);
    drop(over);
}

static void test_the_limit_holds_to_the_byte(void **state)
{
    static const size_t lens[] = {0, 1, 4095, 4096, 4097, 8191, 8192, 8193, 100000};
    char *bytes = noise(100001), *out;
    size_t len;
    (void)state;
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        bk_str packed[] = {deflated(bk_str_at(bytes, lens[i]), 31),
                           deflated(bk_str_at(bytes, lens[i]), 15),
                           brotlied(bk_str_at(bytes, lens[i]))};
        for (int how = BK__PACKED_GZIP; how <= BK__PACKED_BROTLI; how++) {
            assert_int_equal(bk__inflate((enum bk__packed)how, packed[how], lens[i], &out, &len),
                             BK_OK);
            assert_int_equal(len, lens[i]);
            assert_memory_equal(out, bytes, len);
            free(out);
            if (lens[i] != 0)
                assert_int_equal(
                    bk__inflate((enum bk__packed)how, packed[how], lens[i] - 1, &out, &len),
                    BK_ETOOBIG);
            drop(packed[how]);
        }
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handlers_see_what_was_packed),
        cmocka_unit_test(test_a_long_body_is_unpacked_on_a_thread),
        cmocka_unit_test(test_members_of_gzip_are_joined),
        cmocka_unit_test(test_other_codings_are_415),
        cmocka_unit_test(test_what_is_damaged_or_cut_short_is_400),
        cmocka_unit_test(test_bombs_are_413),
        cmocka_unit_test(test_limits_are_the_routes_or_ones_own),
        cmocka_unit_test(test_the_limit_holds_to_the_byte),
    };
    return cmocka_run_group_tests_name("middleware_body", tests, NULL, NULL);
}
