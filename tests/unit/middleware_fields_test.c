/*
 * Which coding an Accept-Encoding asks for, what an origin is, and how Vary grows.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "text.h"
#include "harness/http_app.h"
#include "middleware/fields.h"

#define BOTH (BK__CODING_GZIP | BK__CODING_BROTLI)

static void test_the_coding_with_the_highest_weight_is_chosen(void **state)
{
    static const struct {
        const char *header;
        enum bk__coding want;
    } cases[] = {
        {"gzip", BK__CODING_GZIP},
        {"br", BK__CODING_BROTLI},
        {"gzip, deflate, br", BK__CODING_BROTLI},
        {"gzip, deflate, br, zstd", BK__CODING_BROTLI},
        {"gzip;q=1.0, br;q=0.9", BK__CODING_GZIP},
        {"br;q=0.001", BK__CODING_BROTLI},
        {"X-GZIP", BK__CODING_GZIP},
        {"GZip ; Q=0.5", BK__CODING_GZIP},
        {"gzip\t;\tq=1.000", BK__CODING_GZIP},
        {"*", BK__CODING_BROTLI},
        {"br;q=0, *", BK__CODING_GZIP},
        {"*;q=0.1, gzip", BK__CODING_GZIP},
        {"identity, gzip;q=0.5", BK__CODING_IDENTITY},
        {"identity;q=0.5, gzip;q=0.5", BK__CODING_GZIP},
        {"identity;q=0, gzip", BK__CODING_GZIP},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(bk__coding_choose(bk_str_of(cases[i].header), BOTH), cases[i].want);
}

static void test_what_is_refused_or_malformed_is_not_chosen(void **state)
{
    static const char *const headers[] = {
        "",           "identity",      "deflate",      "gzip;q=0",      "gzip;q=0.000",
        "gzip;q=",    "gzip;q=2",      "gzip;q=1.001", "gzip;q=0.1234", "gzip;q=-1",
        "gzip;q=.5",  "gzip;q=0,br;q", "gzip;level=9", "gzipp",         "*;q=0",
        "gzip q=1",   "\"gzip\"",      ";q=1",         ",,,",           "gzip;q=1;q=0",
        "gzip;q=1e3",
    };
    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        assert_int_equal(bk__coding_choose(bk_str_of(headers[i]), BOTH), BK__CODING_IDENTITY);
    assert_int_equal(bk__coding_choose((bk_str){NULL, 0}, BOTH), BK__CODING_IDENTITY);
}

static void test_only_what_is_offered_is_chosen(void **state)
{
    (void)state;
    assert_int_equal(bk__coding_choose(BK_LIT("br, gzip"), BK__CODING_GZIP), BK__CODING_GZIP);
    assert_int_equal(bk__coding_choose(BK_LIT("*"), BK__CODING_GZIP), BK__CODING_GZIP);
    assert_int_equal(bk__coding_choose(BK_LIT("br"), BK__CODING_GZIP), BK__CODING_IDENTITY);
    assert_int_equal(bk__coding_choose(BK_LIT("br, gzip"), 0), BK__CODING_IDENTITY);
}

static void test_an_origin_is_scheme_host_and_port(void **state)
{
    static const char *const good[] = {"https://shop.example", "http://localhost:3000",
                                       "http://[::1]:80", "app://x"};
    static const char *const bad[] = {
        "",           "null",        "*",           "shop.example",
        "https://",   "://x",        "https://x/",  "https://x?a",
        "https://X",  "https://a b", "https://u@x", "https://a,https://b",
        "https://*.x"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(bk__origin_valid(bk_str_of(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(bk__origin_valid(bk_str_of(bad[i])));
}

static bk_err vary(bk_req *req, bk_res *res)
{
    bk_str before = bk_req_query_str(req, "before");
    if (before.len != 0)
        BK_TRY(bk_res_header(res, "vary", before));
    bk__vary(res, BK_LIT("Origin"));
    bk__vary(res, BK_LIT("Origin"));
    return bk_res_empty(res);
}

static void routes(bk_router *root)
{
    bk_get(root, "/", vary);
}

static void test_vary_grows_by_what_it_does_not_hold(void **state)
{
    (void)state;
    struct http_app it = http_app_open(routes, NULL, NULL);
    assert_field(bk_test_get(it.test, "/"), "Vary", "Origin");
    assert_field(bk_test_get(it.test, "/?before=Accept"), "Vary", "Accept, Origin");
    assert_field(bk_test_get(it.test, "/?before=a,origin"), "Vary", "a,origin");
    assert_field(bk_test_get(it.test, "/?before=*"), "Vary", "*");
    http_app_close(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_coding_with_the_highest_weight_is_chosen),
        cmocka_unit_test(test_what_is_refused_or_malformed_is_not_chosen),
        cmocka_unit_test(test_only_what_is_offered_is_chosen),
        cmocka_unit_test(test_an_origin_is_scheme_host_and_port),
        cmocka_unit_test(test_vary_grows_by_what_it_does_not_hold),
    };
    return cmocka_run_group_tests_name("middleware_fields", tests, NULL, NULL);
}
