/*
 * The headers of helmet 8, byte for byte, and how each is changed or left out.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include <backend/middleware/security_headers.h>

#include "text.h"
#include "harness/http_app.h"
#include "harness/stops.h"

/* What `helmet()` of npm's helmet 8 sends. */
static const char *const helmet[][2] = {
    {"Content-Security-Policy",
     "default-src 'self';base-uri 'self';font-src 'self' https: data:;form-action "
     "'self';frame-ancestors 'self';img-src 'self' data:;object-src 'none';script-src "
     "'self';script-src-attr 'none';style-src 'self' https: "
     "'unsafe-inline';upgrade-insecure-requests"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Origin-Agent-Cluster", "?1"},
    {"Referrer-Policy", "no-referrer"},
    {"Strict-Transport-Security", "max-age=31536000; includeSubDomains"},
    {"X-Content-Type-Options", "nosniff"},
    {"X-DNS-Prefetch-Control", "off"},
    {"X-Download-Options", "noopen"},
    {"X-Frame-Options", "SAMEORIGIN"},
    {"X-Permitted-Cross-Domain-Policies", "none"},
    {"X-XSS-Protection", "0"},
};

static bk_err show(bk_req *req, bk_res *res)
{
    (void)req;
    return bk_res_text(res, 200, BK_LIT("here"));
}

static bk_err show_own(bk_req *req, bk_res *res)
{
    (void)req;
    BK_TRY(bk_res_header(res, "x-frame-options", BK_LIT("DENY")));
    return bk_res_text(res, 200, BK_LIT("here"));
}

static bk_err refuse(bk_req *req, bk_res *res)
{
    (void)req, (void)res;
    return bk_fail(BK_ECONFLICT, "not now");
}

static bk_err stream(bk_req *req, bk_res *res)
{
    (void)req;
    BK_TRY(bk_res_stream(res, 200, "text/plain", BK_LENGTH_UNKNOWN));
    return bk_res_write(res, BK_LIT("piece"));
}

static bk_err outer(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    (void)data;
    BK_TRY(bk_res_header(res, "referrer-policy", BK_LIT("origin")));
    return bk_next_run(next, req, res);
}

static struct http_app open_with(const bk_mw_security_headers_opts *opts)
{
    struct http_app it = {.app = bk_app_new(NULL)};
    bk_router *root = bk_app_router(it.app), *outside = bk_router_group(root, "/outer");

    bk_router *inside = bk_router_group(outside, "/");
    bk_use(outside, bk_mw(outer, NULL));
    bk_use(inside, bk_mw_security_headers(it.app, opts));
    bk_get(inside, "/show", show);
    bk_router *all = bk_router_group(root, "/all");
    bk_use(all, bk_mw_security_headers(it.app, opts));
    bk_get(all, "/show", show);
    bk_get(all, "/own", show_own);
    bk_get(all, "/refused", refuse);
    bk_get(all, "/stream", stream);
    it.test = bk_test_new(it.app, NULL);
    return it;
}

static void test_every_answer_has_those_of_helmet(void **state)
{
    static const char *const targets[] = {"/all/show", "/all/refused", "/all/stream"};
    (void)state;
    struct http_app it = open_with(NULL);
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        bk_test_res *res = bk_test_get(it.test, targets[i]);
        for (size_t k = 0; k < sizeof helmet / sizeof helmet[0]; k++)
            assert_field(res, helmet[k][0], helmet[k][1]);
        assert_false(bk_str_present(bk_test_header(res, "X-Powered-By")));
        assert_false(bk_str_present(bk_test_header(res, "Cross-Origin-Embedder-Policy")));
    }
    http_app_close(&it);
}

static void test_what_others_set_stays(void **state)
{
    (void)state;
    struct http_app it = open_with(NULL);
    assert_field(bk_test_get(it.test, "/all/own"), "X-Frame-Options", "DENY");
    assert_field(bk_test_get(it.test, "/outer/show"), "Referrer-Policy", "origin");
    assert_field(bk_test_get(it.test, "/outer/show"), "X-Frame-Options", "SAMEORIGIN");
    http_app_close(&it);
}

static void test_each_can_be_changed_or_left_out(void **state)
{
    (void)state;
    struct http_app it = open_with(&(bk_mw_security_headers_opts){
        .frame_options = "DENY",
        .strict_transport_security = BK_HEADER_OFF,
        .cross_origin_embedder_policy = "require-corp",
        .content_security_policy_report_only = "default-src 'self'",
    });
    bk_test_res *res = bk_test_get(it.test, "/all/show");
    assert_field(res, "X-Frame-Options", "DENY");
    assert_false(bk_str_present(bk_test_header(res, "Strict-Transport-Security")));
    assert_field(res, "Cross-Origin-Embedder-Policy", "require-corp");
    assert_field(res, "Content-Security-Policy-Report-Only", "default-src 'self'");
    assert_field(res, "X-XSS-Protection", "0");
    http_app_close(&it);
}

static void test_a_service_without_pages_allows_nothing(void **state)
{
    (void)state;
    struct http_app it = open_with(&(bk_mw_security_headers_opts){.api = true});
    assert_field(bk_test_get(it.test, "/all/show"), "Content-Security-Policy",
                 "default-src 'none'; frame-ancestors 'none'");
    http_app_close(&it);
}

static void make_wrong(void)
{
    bk_middleware it = bk_mw_security_headers(
        bk_app_new(NULL), &(bk_mw_security_headers_opts){.referrer_policy = "origin\r\nX-Evil: 1"});
    (void)it;
}

static void test_a_value_with_a_line_break_stops_the_program(void **state)
{
    char words[512];
    (void)state;
    assert_true(stops(make_wrong, words, sizeof words));
    assert_non_null(strstr(words, "Referrer-Policy"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_answer_has_those_of_helmet),
        cmocka_unit_test(test_what_others_set_stays),
        cmocka_unit_test(test_each_can_be_changed_or_left_out),
        cmocka_unit_test(test_a_service_without_pages_allows_nothing),
        cmocka_unit_test(test_a_value_with_a_line_break_stops_the_program),
    };
    return cmocka_run_group_tests_name("middleware_security_headers", tests, NULL, NULL);
}
