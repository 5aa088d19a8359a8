/*
 * Which origins are named to browsers, what a preflight gets, and that it meets the middleware of
 * the route that it asks about.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <backend/middleware/cors.h>

#include "text.h"
#include "harness/stops.h"
#include "harness/http_app.h"

#define SHOP "https://shop.example"

static const char *const origins[] = {SHOP, "http://localhost:3000", NULL};
static const char *const headers[] = {"content-type", "authorization", NULL};
static const char *const exposed[] = {"X-Total", "X-Page", NULL};

static bk_err show(bk_req *req, bk_res *res)
{
    (void)req;
    return bk_res_text(res, 200, BK_LIT("here"));
}

static bk_err refuse(bk_req *req, bk_res *res)
{
    (void)req, (void)res;
    return bk_fail(BK_ECONFLICT, "not now");
}

static char root_mark[] = "root", api_mark[] = "api", put_mark[] = "put";

static bk_err mark(bk_req *req, bk_res *res, bk_next *next, void *name)
{
    BK_TRY(bk_res_add_header(res, "X-Mark", bk_str_of(name)));
    return bk_next_run(next, req, res);
}

static struct http_app open_with(const bk_mw_cors_opts *opts)
{
    static const bk_middleware own[] = {{mark, put_mark}, {NULL, NULL}};
    static const bk_route_opts put = {.use = own};
    struct http_app it = {.app = bk_app_new(NULL)};
    bk_router *root = bk_app_router(it.app), *api = bk_router_group(root, "/api");

    bk_use(root, bk_mw(mark, root_mark));
    bk_use(api, bk_mw(mark, api_mark));
    bk_use(api, bk_mw_cors(it.app, opts));
    bk_get(api, "/things/{id}", show);
    bk_put(api, "/things/{id}", show, &put);
    bk_post(api, "/broken", refuse);
    bk_get(root, "/other", show);
    it.test = bk_test_new(it.app, NULL);
    return it;
}

#define preflight(it, target, origin, method, ...)                                                 \
    http_send(it, "OPTIONS", target,                                                               \
              FIELDS("origin", origin, "access-control-request-method", method, ##__VA_ARGS__),    \
              NULL)

static void test_no_origin_is_allowed_by_default(void **state)
{
    (void)state;
    struct http_app it = open_with(NULL);
    bk_test_res *res = http_get(&it, "/api/things/1", "origin", SHOP);
    assert_answer(res, 200, "here");
    assert_false(bk_str_present(bk_test_header(res, "Access-Control-Allow-Origin")));
    res = preflight(&it, "/api/things/1", SHOP, "PUT");
    assert_status(res, 204);
    assert_false(bk_str_present(bk_test_header(res, "Access-Control-Allow-Origin")));
    assert_false(bk_str_present(bk_test_header(res, "Access-Control-Allow-Methods")));
    http_app_close(&it);
}

static void test_a_listed_origin_is_named_and_the_answer_varies(void **state)
{
    (void)state;
    struct http_app it =
        open_with(&(bk_mw_cors_opts){.origins = origins, .credentials = true, .expose = exposed});
    bk_test_res *res = http_get(&it, "/api/things/1", "origin", SHOP);
    assert_answer(res, 200, "here");
    assert_field(res, "Access-Control-Allow-Origin", SHOP);
    assert_field(res, "Access-Control-Allow-Credentials", "true");
    assert_field(res, "Access-Control-Expose-Headers", "X-Total,X-Page");
    assert_field(res, "Vary", "Origin");
    http_app_close(&it);
}

static void test_others_are_not_named_but_the_answer_varies(void **state)
{
    static const char *const others[] = {"https://evil.example",      "null",
                                         "https://shop.example.evil", "http://shop.example",
                                         "https://SHOP.example",      ""};
    (void)state;
    struct http_app it = open_with(&(bk_mw_cors_opts){.origins = origins});
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        bk_test_res *res = http_get(&it, "/api/things/1", "origin", others[i]);
        assert_false(bk_str_present(bk_test_header(res, "Access-Control-Allow-Origin")));
        assert_field(res, "Vary", "Origin");
    }
    assert_field(bk_test_get(it.test, "/api/things/1"), "Vary", "Origin");
    http_app_close(&it);
}

static void test_an_error_names_the_origin_too(void **state)
{
    (void)state;
    struct http_app it = open_with(&(bk_mw_cors_opts){.origins = origins});
    bk_test_res *res = http_send(&it, "POST", "/api/broken", FIELDS("origin", SHOP), NULL);
    assert_problem(res, 409, "not now");
    assert_field(res, "Access-Control-Allow-Origin", SHOP);
    http_app_close(&it);
}

static void test_a_preflight_gets_all_that_was_set(void **state)
{
    (void)state;
    struct http_app it = open_with(&(bk_mw_cors_opts){
        .origins = origins, .headers = headers, .max_age_s = 600, .private_network = true});
    bk_test_res *res =
        preflight(&it, "/api/things/1", SHOP, "PUT", "access-control-request-headers",
                  "x-evil, content-type", "access-control-request-private-network", "true");
    assert_answer(res, 204, "");
    assert_field(res, "Access-Control-Allow-Origin", SHOP);
    assert_field(res, "Access-Control-Allow-Methods", "GET,HEAD,PUT,PATCH,POST,DELETE");
    assert_field(res, "Access-Control-Allow-Headers", "content-type,authorization");
    assert_field(res, "Access-Control-Max-Age", "600");
    assert_field(res, "Access-Control-Allow-Private-Network", "true");
    assert_field(res, "Vary", "Origin");
    http_app_close(&it);
}

static void test_reflected_headers_are_those_asked_for(void **state)
{
    (void)state;
    struct http_app it = open_with(&(bk_mw_cors_opts){.any_origin = true, .reflect_headers = true});
    bk_test_res *res = preflight(&it, "/api/things/1", SHOP, "PUT",
                                 "access-control-request-headers", "x-one,x-two");
    assert_field(res, "Access-Control-Allow-Origin", "*");
    assert_field(res, "Access-Control-Allow-Headers", "x-one,x-two");
    assert_field(res, "Vary", "Access-Control-Request-Headers");
    http_app_close(&it);
}

static bool allow_tenants(bk_str origin, void *suffix)
{
    bk_str end = bk_str_of(suffix);
    return origin.len > end.len &&
           bk_str_eq(bk_str_at(origin.ptr + origin.len - end.len, end.len), end);
}

static void test_a_function_is_asked_about_others(void **state)
{
    char suffix[] = ".tenant.example";
    (void)state;
    struct http_app it = open_with(&(bk_mw_cors_opts){.allow = allow_tenants, .data = suffix});
    assert_field(http_get(&it, "/api/things/1", "origin", "https://a.tenant.example"),
                 "Access-Control-Allow-Origin", "https://a.tenant.example");
    bk_test_res *res = http_get(&it, "/api/things/1", "origin", "https://tenant.evil");
    assert_false(bk_str_present(bk_test_header(res, "Access-Control-Allow-Origin")));
    assert_field(res, "Vary", "Origin");
    http_app_close(&it);
}

static void test_a_preflight_runs_the_middleware_of_the_route_it_asks_about(void **state)
{
    (void)state;
    struct http_app it = open_with(&(bk_mw_cors_opts){.origins = origins});
    assert_field(preflight(&it, "/api/things/1", SHOP, "PUT"), "X-Mark", "root, api");
    assert_field(http_send(&it, "OPTIONS", "/other", NULL, NULL), "X-Mark", "root");
    http_app_close(&it);
}

static void test_plain_options_and_405_run_the_groups_middleware(void **state)
{
    (void)state;
    struct http_app it = open_with(&(bk_mw_cors_opts){.origins = origins});
    bk_test_res *res = http_send(&it, "OPTIONS", "/api/things/1", FIELDS("origin", SHOP), NULL);
    assert_answer(res, 204, "");
    assert_field(res, "Allow", "GET, HEAD, PUT, OPTIONS");
    assert_field(res, "Access-Control-Allow-Origin", SHOP);
    assert_field(res, "X-Mark", "root, api");
    res = http_send(&it, "DELETE", "/api/things/1", FIELDS("origin", SHOP), NULL);
    assert_problem(res, 405, "method");
    assert_field(res, "Access-Control-Allow-Origin", SHOP);
    res = http_send(&it, "OPTIONS", "/api/things/1", FIELDS("access-control-request-method", "PUT"),
                    NULL);
    assert_field(res, "X-Mark", "root, api, put");
    res = http_get(&it, "/api/nothing", "origin", SHOP);
    assert_status(res, 404);
    assert_field(res, "X-Mark", "root");
    http_app_close(&it);
}

static const bk_mw_cors_opts *tried;

static void make(void)
{
    bk_middleware it = bk_mw_cors(bk_app_new(NULL), tried);
    (void)it;
}

static void test_what_cannot_be_stops_the_program(void **state)
{
    static const char *const slash[] = {"https://shop.example/", NULL};
    static const char *const upper[] = {"https://Shop.example", NULL};
    static const char *const star[] = {"*", NULL};
    static const char *const split[] = {"x-a\r\nx-b", NULL};
    struct {
        bk_mw_cors_opts opts;
        const char *words;
    } wrong[] = {
        {{.any_origin = true, .credentials = true}, "list the origins"},
        {{.any_origin = true, .origins = origins}, "any_origin"},
        {{.origins = slash}, "is no origin"},
        {{.origins = upper}, "is no origin"},
        {{.origins = star}, "is no origin"},
        {{.headers = split}, "is no header name"},
        {{.methods = "GET\r\nX: y"}, "no header value"},
        {{.reflect_headers = true, .headers = headers}, "reflect_headers"},
    };
    char words[512];
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        tried = &wrong[i].opts;
        assert_true(stops(make, words, sizeof words));
        assert_non_null(strstr(words, wrong[i].words));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_origin_is_allowed_by_default),
        cmocka_unit_test(test_a_listed_origin_is_named_and_the_answer_varies),
        cmocka_unit_test(test_others_are_not_named_but_the_answer_varies),
        cmocka_unit_test(test_an_error_names_the_origin_too),
        cmocka_unit_test(test_a_preflight_gets_all_that_was_set),
        cmocka_unit_test(test_reflected_headers_are_those_asked_for),
        cmocka_unit_test(test_a_function_is_asked_about_others),
        cmocka_unit_test(test_a_preflight_runs_the_middleware_of_the_route_it_asks_about),
        cmocka_unit_test(test_plain_options_and_405_run_the_groups_middleware),
        cmocka_unit_test(test_what_cannot_be_stops_the_program),
    };
    return cmocka_run_group_tests_name("middleware_cors", tests, NULL, NULL);
}
