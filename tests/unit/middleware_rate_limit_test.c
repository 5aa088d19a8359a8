/*
 * Who is counted, what answers say, and who is turned away.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include <backend/middleware/rate_limit.h>

#include "text.h"
#include "harness/http_app.h"
#include "harness/stops.h"

static bk_err hello(bk_req *req, bk_res *res)
{
    (void)req;
    return bk_res_text(res, 200, BK_LIT("hello"));
}

static bk_err wrong(bk_req *req, bk_res *res)
{
    (void)req, (void)res;
    return bk_fail(BK_EUNAUTHORIZED, "wrong password");
}

static struct http_app open_app(const bk_mw_rate_limit_opts *opts)
{
    static const char *const proxies[] = {"192.0.2.9", NULL};
    struct http_app it = {.app = bk_app_new(&(bk_app_opts){.trusted_proxies = proxies})};
    bk_router *root = bk_app_router(it.app);

    bk_use(root, bk_mw_rate_limit(it.app, opts));
    bk_get(root, "/", hello);
    bk_get(root, "/login", wrong);
    /* 2026-01-01 */
    it.test =
        bk_test_new(it.app, &(bk_test_opts){.virtual_clock = true, .start_at = 1767225600000000});
    return it;
}

static bk_test_res *ask(const struct http_app *it, const char *client)
{
    return bk_test_send(it->test, &(bk_test_req){.client = client});
}

static void test_by_default_an_address_has_a_hundred_in_a_minute(void **state)
{
    struct http_app it = open_app(NULL);

    (void)state;
    bk_test_res *first = bk_test_get(it.test, "/");
    assert_answer(first, 200, "hello");
    assert_field(first, "RateLimit-Policy", "\"default\";q=100;w=60");
    assert_field(first, "RateLimit", "\"default\";r=99;t=60");
    assert_false(bk_str_present(bk_test_header(first, "X-RateLimit-Limit")));
    assert_false(bk_str_present(bk_test_header(first, "Retry-After")));
    for (int i = 1; i < 100; i++)
        assert_status(bk_test_get(it.test, "/"), 200);
    bk_test_advance(it.test, 17500);
    bk_test_res *beyond = bk_test_get(it.test, "/");
    assert_problem(beyond, 429, "\"detail\":\"Too many requests, please try again later.\"");
    assert_field(beyond, "Retry-After", "43");
    assert_field(beyond, "RateLimit", "\"default\";r=0;t=43");
    assert_status(ask(&it, "198.51.100.1"), 200);
    bk_test_advance(it.test, 42500);
    assert_status(bk_test_get(it.test, "/"), 200);
    http_app_close(&it);
}

static void test_answers_without_a_route_are_counted_and_marked(void **state)
{
    struct http_app it = open_app(&(bk_mw_rate_limit_opts){.limit = {.limit = 1}});

    (void)state;
    bk_test_res *res = bk_test_get(it.test, "/nowhere");
    assert_problem(res, 404, "Not Found");
    assert_field(res, "RateLimit", "\"default\";r=0;t=60");
    assert_status(bk_test_get(it.test, "/"), 429);
    http_app_close(&it);
}

static void test_ipv6_clients_are_counted_by_their_56(void **state)
{
    struct http_app it = open_app(&(bk_mw_rate_limit_opts){.limit = {.limit = 1}});

    (void)state;
    assert_status(ask(&it, "2001:db8:1:aa00::1"), 200);
    assert_status(ask(&it, "2001:db8:1:aaff:ffff::2"), 429);
    assert_status(ask(&it, "2001:db8:1:ab00::1"), 200);
    http_app_close(&it);
}

static void test_behind_a_trusted_proxy_it_is_the_client_that_is_counted(void **state)
{
    struct http_app it = open_app(&(bk_mw_rate_limit_opts){.limit = {.limit = 1}});
    const bk_pair one[] = {{BK_LIT("x-forwarded-for"), BK_LIT("203.0.113.1")},
                           {{NULL, 0}, {NULL, 0}}};
    const bk_pair two[] = {{BK_LIT("x-forwarded-for"), BK_LIT("203.0.113.2")},
                           {{NULL, 0}, {NULL, 0}}};

    (void)state;
    bk_test_req by_proxy = {.client = "192.0.2.9", .headers = one};
    assert_status(bk_test_send(it.test, &by_proxy), 200);
    assert_status(bk_test_send(it.test, &by_proxy), 429);
    by_proxy.headers = two;
    assert_status(bk_test_send(it.test, &by_proxy), 200);
    /* Who is no proxy is not believed. */
    assert_status(bk_test_send(it.test, &(bk_test_req){.client = "192.0.2.8", .headers = one}),
                  200);
    assert_status(bk_test_send(it.test, &(bk_test_req){.client = "192.0.2.8", .headers = two}),
                  429);
    http_app_close(&it);
}

static void test_by_a_header_and_without_it_by_address(void **state)
{
    struct http_app it =
        open_app(&(bk_mw_rate_limit_opts){.limit = {.limit = 1}, .header = "X-API-Key"});

    (void)state;
    assert_status(http_get(&it, "/", "x-api-key", "one"), 200);
    assert_status(http_get(&it, "/", "x-api-key", "one"), 429);
    assert_status(http_get(&it, "/", "x-api-key", "two"), 200);
    assert_status(http_get(&it, "/", "x-api-key", "127.0.0.1"), 200);
    assert_status(bk_test_get(it.test, "/"), 200);
    assert_status(bk_test_get(it.test, "/"), 429);
    http_app_close(&it);
}

static void test_a_header_of_any_length_is_a_key(void **state)
{
    struct http_app it =
        open_app(&(bk_mw_rate_limit_opts){.limit = {.limit = 1}, .header = "X-API-Key"});
    static char key[4001];

    (void)state;
    memset(key, 'k', sizeof key - 1);
    key[4000] = '\0';
    assert_status(http_get(&it, "/", "x-api-key", key), 200);
    assert_status(http_get(&it, "/", "x-api-key", key), 429);
    key[3999] = 'l';
    assert_status(http_get(&it, "/", "x-api-key", key), 200);
    assert_status(http_get(&it, "/", "x-api-key", ""), 200);
    http_app_close(&it);
}

static bk_str by_query(bk_req *req, void *data)
{
    assert_string_equal(data, "the data");
    return bk_req_query_str(req, "user");
}

static uint32_t cost_by_query(bk_req *req, void *data)
{
    int64_t cost;

    (void)data;
    return bk_req_query_i64(req, "cost", 1, 0, 1000000000, &cost) == BK_OK ? (uint32_t)cost : 1;
}

static void test_by_a_function_with_costs(void **state)
{
    static char data[] = "the data";
    struct http_app it = open_app(&(bk_mw_rate_limit_opts){
        .limit = {.limit = 10}, .key = by_query, .cost = cost_by_query, .data = data});

    (void)state;
    assert_field(bk_test_get(it.test, "/?user=ann&cost=7"), "RateLimit", "\"default\";r=3;t=60");
    bk_test_res *refused = bk_test_get(it.test, "/?user=ann&cost=4");
    assert_problem(refused, 429, "Too many");
    assert_field(refused, "RateLimit", "\"default\";r=3;t=60");
    assert_status(bk_test_get(it.test, "/?user=ann&cost=3"), 200);
    bk_test_res *free_of_charge = bk_test_get(it.test, "/?user=ann&cost=0");
    assert_status(free_of_charge, 200);
    assert_false(bk_str_present(bk_test_header(free_of_charge, "RateLimit")));
    assert_field(bk_test_get(it.test, "/?user=bob&cost=999999999"), "RateLimit",
                 "\"default\";r=0;t=60");
    assert_status(bk_test_get(it.test, "/?user=bob&cost=999999999"), 429);
    /* What a function says is nobody's address. */
    assert_status(bk_test_get(it.test, "/?user=127.0.0.1&cost=10"), 200);
    assert_status(bk_test_get(it.test, "/"), 200);
    http_app_close(&it);
}

static void test_only_failures_count_where_so_asked(void **state)
{
    struct http_app it =
        open_app(&(bk_mw_rate_limit_opts){.limit = {.limit = 2}, .failures_only = true});

    (void)state;
    for (int i = 0; i < 5; i++)
        assert_status(bk_test_get(it.test, "/"), 200);
    assert_problem(bk_test_get(it.test, "/login"), 401, "wrong password");
    assert_status(bk_test_get(it.test, "/"), 200);
    assert_status(bk_test_get(it.test, "/login"), 401);
    assert_status(bk_test_get(it.test, "/login"), 429);
    assert_status(bk_test_get(it.test, "/"), 429);
    http_app_close(&it);
}

static void test_the_older_headers_are_sent_where_so_asked(void **state)
{
    struct http_app it = open_app(&(bk_mw_rate_limit_opts){
        .limit = {.name = "old", .limit = 5, .window_ms = 1500}, .legacy_headers = true});
    bk_test_res *res = bk_test_get(it.test, "/");

    (void)state;
    assert_field(res, "RateLimit-Policy", "\"old\";q=5;w=2");
    assert_field(res, "X-RateLimit-Limit", "5");
    assert_field(res, "X-RateLimit-Remaining", "4");
    assert_field(res, "X-RateLimit-Reset", "1767225602");
    http_app_close(&it);
}

static void test_two_with_one_limiter_count_together(void **state)
{
    struct http_app it = {.app = bk_app_new(NULL)};
    bk_router *root = bk_app_router(it.app);
    bk_limiter *shared = bk_limiter_new(it.app, &(bk_limiter_opts){.name = "shared", .limit = 1});

    (void)state;
    const bk_mw_rate_limit_opts opts = {.limiter = shared};
    bk_router *a = bk_router_group(root, "/a"), *b = bk_router_group(root, "/b");
    bk_use(a, bk_mw_rate_limit(it.app, &opts));
    bk_use(b, bk_mw_rate_limit(it.app, &opts));
    bk_get(a, "/x", hello);
    bk_get(b, "/x", hello);
    it.test = bk_test_new(it.app, NULL);
    assert_status(bk_test_get(it.test, "/a/x"), 200);
    assert_status(bk_test_get(it.test, "/b/x"), 429);
    http_app_close(&it);
}

static void two_keys(void)
{
    bk_use(NULL, bk_mw_rate_limit(bk_app_new(NULL),
                                  &(bk_mw_rate_limit_opts){.header = "x", .key = by_query}));
}

static void a_name_that_breaks_out(void)
{
    bk_use(NULL, bk_mw_rate_limit(bk_app_new(NULL),
                                  &(bk_mw_rate_limit_opts){.limit = {.name = "a\";q=1"}}));
}

static void test_settings_that_are_not_possible_stop_the_program(void **state)
{
    (void)state;
    char words[256];

    assert_true(stops(two_keys, words, sizeof words));
    assert_non_null(strstr(words, "not both"));
    assert_true(stops(a_name_that_breaks_out, words, sizeof words));
    assert_non_null(strstr(words, "printable ASCII"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_default_an_address_has_a_hundred_in_a_minute),
        cmocka_unit_test(test_answers_without_a_route_are_counted_and_marked),
        cmocka_unit_test(test_ipv6_clients_are_counted_by_their_56),
        cmocka_unit_test(test_behind_a_trusted_proxy_it_is_the_client_that_is_counted),
        cmocka_unit_test(test_by_a_header_and_without_it_by_address),
        cmocka_unit_test(test_a_header_of_any_length_is_a_key),
        cmocka_unit_test(test_by_a_function_with_costs),
        cmocka_unit_test(test_only_failures_count_where_so_asked),
        cmocka_unit_test(test_the_older_headers_are_sent_where_so_asked),
        cmocka_unit_test(test_two_with_one_limiter_count_together),
        cmocka_unit_test(test_settings_that_are_not_possible_stop_the_program),
    };

    return cmocka_run_group_tests_name("middleware_rate_limit", tests, NULL, NULL);
}
