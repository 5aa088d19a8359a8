/*
 * Routing as a client sees it: which handler, which refusal.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "harness/aborts.h"
#include "harness/stops.h"
#include "text.h"
#include "harness/http_app.h"

/* Answers with the pattern of its route. */
static bk_err say_route(bk_req *req, bk_res *res)
{
    return bk_res_text(res, 200, bk_req_route(req));
}

static bk_err say_id(bk_req *req, bk_res *res)
{
    return bk_res_text(res, 200, bk_req_param(req, "id"));
}

static bk_err say_rest(bk_req *req, bk_res *res)
{
    return bk_res_text(res, 200, bk_req_param(req, "path"));
}

static bk_err say_path(bk_req *req, bk_res *res)
{
    bk_str path = bk_req_path(req), query = bk_req_query(req);

    return bk_res_text(res, 200,
                       bk_arena_printf(bk_req_arena(req), "%.*s|%.*s", (int)path.len, path.ptr,
                                       (int)query.len, bk_str_present(query) ? query.ptr : ""));
}

static bk_err say_options(bk_req *req, bk_res *res)
{
    (void)req;
    return bk_res_text(res, 200, BK_LIT("my own options"));
}

static void routes(bk_router *root)
{
    bk_get(root, "/", say_path);
    bk_get(root, "/items/{id}", say_id);
    bk_put(root, "/items/{id}", say_route);
    bk_patch(root, "/items/{id}", say_route);
    bk_delete(root, "/items/{id}", say_route);
    bk_get(root, "/items/new", say_route);
    bk_get(root, "/files/{path*}", say_rest);
    bk_post(root, "/jobs", say_route);
    bk_head(root, "/head-only", say_route);
    bk_options(root, "/own", say_options);
    bk_get(root, "/own", say_route);
}

static int open_app(void **state)
{
    static struct http_app it;

    it = http_app_open(routes, NULL, NULL);
    *state = &it;
    return 0;
}

static int close_app(void **state)
{
    http_app_close(*state);
    return 0;
}

static void test_static_text_wins_over_a_parameter(void **state)
{
    struct http_app *it = *state;

    assert_answer(bk_test_get(it->test, "/items/new"), 200, "/items/new");
    assert_answer(bk_test_get(it->test, "/items/newer"), 200, "newer");
}

static void test_parameters_are_decoded_once_and_never_split(void **state)
{
    struct http_app *it = *state;

    assert_answer(bk_test_get(it->test, "/items/a%2Fb"), 200, "a/b");
    assert_answer(bk_test_get(it->test, "/items/a%252Fb"), 200, "a%2Fb");
    assert_answer(bk_test_get(it->test, "/items/a+b"), 200, "a+b");
    assert_answer(bk_test_get(it->test, "/items/%C3%A4"), 200, "\xc3\xa4");
}

static void test_a_parameter_that_is_no_text_is_refused(void **state)
{
    struct http_app *it = *state;

    assert_problem(bk_test_get(it->test, "/items/%FF"), 400, "UTF-8");
    assert_problem(bk_test_get(it->test, "/items/a%00b"), 400, "UTF-8");
    assert_problem(bk_test_get(it->test, "/items/%zz"), 400, "parameter");
}

static void test_a_wildcard_takes_the_rest(void **state)
{
    struct http_app *it = *state;

    assert_answer(bk_test_get(it->test, "/files/a/b.txt"), 200, "a/b.txt");
    assert_problem(bk_test_get(it->test, "/files"), 404, "Not Found");
    assert_problem(bk_test_get(it->test, "/files/a/../b"), 404, "Not Found");
    assert_problem(bk_test_get(it->test, "/files/a/%2e%2e/b"), 404, "Not Found");
}

static void test_a_trailing_slash_does_not_matter_and_case_does(void **state)
{
    struct http_app *it = *state;

    assert_answer(bk_test_get(it->test, "/items/new/"), 200, "/items/new");
    assert_problem(bk_test_get(it->test, "/Items/new"), 404, "Not Found");
}

static void test_what_is_nowhere_is_404(void **state)
{
    struct http_app *it = *state;

    assert_problem(bk_test_get(it->test, "/nowhere"), 404,
                   "\"detail\":\"There is no such resource\"");
}

static void test_another_method_is_405_with_allow(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = http_send(it, "POST", "/items/7", NULL, NULL);

    assert_problem(res, 405, "Method Not Allowed");
    assert_field(res, "Allow", "GET, HEAD, PUT, PATCH, DELETE, OPTIONS");
    res = bk_test_get(it->test, "/jobs");
    assert_problem(res, 405, "Method Not Allowed");
    assert_field(res, "Allow", "POST, OPTIONS");
}

static void test_head_is_get_without_a_body(void **state)
{
    struct http_app *it = *state;
    bk_test_res *got = bk_test_get(it->test, "/items/seven");
    bk_test_res *res = http_send(it, "HEAD", "/items/seven", NULL, NULL);

    assert_answer(res, 200, "");
    assert_field(res, "Content-Length", "5");
    assert_field(res, "Content-Type", "text/plain; charset=utf-8");
    assert_true(bk_str_eq(bk_test_header(res, "ETag"), bk_test_header(got, "ETag")));
    assert_answer(http_send(it, "HEAD", "/head-only", NULL, NULL), 200, "");
    res = bk_test_get(it->test, "/head-only");
    assert_status(res, 405);
    assert_field(res, "Allow", "HEAD, OPTIONS");
}

static void test_an_error_answer_to_head_has_no_body(void **state)
{
    struct http_app *it = *state;

    assert_answer(http_send(it, "HEAD", "/nowhere", NULL, NULL), 404, "");
}

static void test_options_lists_the_methods(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = http_send(it, "OPTIONS", "/items/7", NULL, NULL);

    assert_answer(res, 204, "");
    assert_field(res, "Allow", "GET, HEAD, PUT, PATCH, DELETE, OPTIONS");
    assert_field(res, "Content-Length", NULL);
    assert_problem(http_send(it, "OPTIONS", "/nowhere", NULL, NULL), 404, "Not Found");
    assert_answer(http_send(it, "OPTIONS", "/own", NULL, NULL), 200, "my own options");
}

static void test_the_asterisk_is_for_options_alone(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = http_send(it, "OPTIONS", "*", NULL, NULL);

    assert_answer(res, 204, "");
    assert_field(res, "Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    assert_problem(bk_test_get(it->test, "*"), 400, "target");
}

static void test_unknown_methods_are_501(void **state)
{
    struct http_app *it = *state;

    assert_problem(http_send(it, "BREW", "/", NULL, NULL), 501, "Not Implemented");
    assert_problem(http_send(it, "get", "/", NULL, NULL), 501, "Not Implemented");
    bk_test_res *res = http_send(it, "CONNECT", "test:443", NULL, NULL);
    assert_problem(res, 501, "Not Implemented");
    assert_field(res, "Connection", "close");
}

static void test_targets_of_no_form_are_400(void **state)
{
    struct http_app *it = *state;
    const char *const targets[] = {"items", "ftp://test/", "http://", "http:///a",
                                   "//",    "?a=b",        "test:80"};

    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        bk_test_res *res = bk_test_get(it->test, targets[i]);
        int want = strcmp(targets[i], "//") == 0 ? 404 : 400;
        if (bk_test_status(res) != want)
            fail_msg("%s: %d", targets[i], bk_test_status(res));
    }
}

static void test_a_whole_url_is_a_target(void **state)
{
    struct http_app *it = *state;

    assert_answer(bk_test_get(it->test, "http://other.example/items/7"), 200, "7");
    assert_answer(bk_test_get(it->test, "HTTPS://other.example:8080/items/7"), 200, "7");
    assert_answer(bk_test_get(it->test, "http://other.example"), 200, "/|");
    assert_answer(bk_test_get(it->test, "http://other.example?a=b"), 200, "/|a=b");
    assert_problem(bk_test_get(it->test, "http://user@other.example/"), 400, "Host");
}

static void test_the_query_is_no_part_of_the_path(void **state)
{
    struct http_app *it = *state;

    assert_answer(bk_test_get(it->test, "/?"), 200, "/|");
    assert_answer(bk_test_get(it->test, "/?a=/b?c"), 200, "/|a=/b?c");
}

/* --- groups, mounts, walking ------------------------------------------------------------------ */

static void nested_routes(bk_router *root)
{
    bk_router *api = bk_router_group(root, "/api/");
    bk_router *v1 = bk_router_group(api, "v1");
    bk_router *shop = bk_router_new();
    bk_router *carts = bk_router_group(shop, "/carts/{cart}");

    bk_get(v1, "/things", say_route);
    bk_get(v1, "", say_route);
    bk_get(carts, "/items/{id}", say_id);
    bk_post(shop, "/", say_route, &(bk_route_opts){.name = "shop"});
    bk_router_mount(root, "/shop", shop);
}

static void test_groups_and_mounts_put_prefixes_before_routes(void **state)
{
    struct http_app it = http_app_open(nested_routes, NULL, NULL);

    (void)state;
    assert_answer(bk_test_get(it.test, "/api/v1/things"), 200, "/api/v1/things");
    assert_answer(bk_test_get(it.test, "/api/v1"), 200, "/api/v1");
    assert_answer(bk_test_get(it.test, "/shop/carts/9/items/7"), 200, "7");
    assert_answer(http_send(&it, "POST", "/shop", NULL, NULL), 200, "/shop");
    http_app_close(&it);
}

struct walk {
    char text[512];
    size_t count;
};

static void note_route(const bk_route_info *route, void *data)
{
    struct walk *walk = data;
    size_t len = strlen(walk->text);

    snprintf(walk->text + len, sizeof walk->text - len, "%s %s %s;", bk_method_name(route->method),
             route->pattern, route->opts->name);
    assert_non_null(strstr(route->file, "http_router_test.c"));
    assert_true(route->line > 0);
    walk->count++;
}

static void test_a_walk_visits_all_routes_in_order(void **state)
{
    bk_router *root = bk_router_new();
    struct walk walk = {.count = 0};

    (void)state;
    nested_routes(root);
    bk_router_walk(root, note_route, &walk);
    assert_string_equal(walk.text,
                        "GET /api/v1 /api/v1;GET /api/v1/things /api/v1/things;"
                        "POST /shop shop;"
                        "GET /shop/carts/{cart}/items/{id} /shop/carts/{cart}/items/{id};");
    bk_router_free(root);
    bk_router_free(NULL);
}

static void test_methods_have_names(void **state)
{
    (void)state;
    assert_string_equal(bk_method_name(BK_METHOD_GET), "GET");
    assert_string_equal(bk_method_name(BK_METHOD_OPTIONS), "OPTIONS");
}

/* --- mistakes --------------------------------------------------------------------------------- */

static void build(bk_router *root)
{
    struct walk walk = {.count = 0};

    bk_router_walk(root, note_route, &walk);
}

static void same_route_twice(void)
{
    bk_router *root = bk_router_new();

    bk_get(root, "/a/{id}", say_id);
    bk_get(root, "/a/{id}/", say_id);
    build(root);
}

static void two_names_for_one_place(void)
{
    bk_router *root = bk_router_new();

    bk_get(root, "/a/{id}", say_id);
    bk_post(root, "/a/{name}/b", say_id);
    build(root);
}

static void bad_pattern(void)
{
    bk_router *root = bk_router_new();

    bk_get(root, "/a/{id", say_id);
    build(root);
}

static void twice_through_a_group(void)
{
    bk_router *root = bk_router_new();
    bk_router *group = bk_router_group(root, "/a");

    bk_get(root, "/a/b", say_id);
    bk_get(group, "/b", say_id);
    build(root);
}

static void no_handler(void)
{
    bk_get(bk_router_new(), "/a", NULL);
}

static void test_mistakes_name_both_places(void **state)
{
    char words[1024];

    (void)state;
    assert_true(stops(same_route_twice, words, sizeof words));
    assert_non_null(strstr(words, "http_router_test.c:"));
    assert_non_null(strstr(words, "GET /a/{id} is there already, at "));
    assert_non_null(strstr(strstr(words, "already"), "http_router_test.c:"));

    assert_true(stops(two_names_for_one_place, words, sizeof words));
    assert_non_null(strstr(words, "POST /a/{name}/b"));
    assert_non_null(strstr(words, "the other is /a/{id} at "));

    assert_true(stops(bad_pattern, words, sizeof words));
    assert_non_null(strstr(words, "GET /a/{id: "));

    assert_true(stops(twice_through_a_group, words, sizeof words));
    assert_non_null(strstr(words, "GET /a/b is there already"));

    assert_true(stops(no_handler, words, sizeof words));
    assert_non_null(strstr(words, "a handler"));
}

static void mount_twice(void)
{
    bk_router *root = bk_router_new(), *child = bk_router_new();

    bk_router_mount(root, "/a", child);
    bk_router_mount(root, "/b", child);
}

static void test_a_router_is_mounted_once(void **state)
{
    (void)state;
    assert_true(aborts(mount_twice));
}

#define with_app(test) cmocka_unit_test_setup_teardown(test, open_app, close_app)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_app(test_static_text_wins_over_a_parameter),
        with_app(test_parameters_are_decoded_once_and_never_split),
        with_app(test_a_parameter_that_is_no_text_is_refused),
        with_app(test_a_wildcard_takes_the_rest),
        with_app(test_a_trailing_slash_does_not_matter_and_case_does),
        with_app(test_what_is_nowhere_is_404),
        with_app(test_another_method_is_405_with_allow),
        with_app(test_head_is_get_without_a_body),
        with_app(test_an_error_answer_to_head_has_no_body),
        with_app(test_options_lists_the_methods),
        with_app(test_the_asterisk_is_for_options_alone),
        with_app(test_unknown_methods_are_501),
        with_app(test_targets_of_no_form_are_400),
        with_app(test_a_whole_url_is_a_target),
        with_app(test_the_query_is_no_part_of_the_path),
        cmocka_unit_test(test_groups_and_mounts_put_prefixes_before_routes),
        cmocka_unit_test(test_a_walk_visits_all_routes_in_order),
        cmocka_unit_test(test_methods_have_names),
        cmocka_unit_test(test_mistakes_name_both_places),
        cmocka_unit_test(test_a_router_is_mounted_once),
    };
    return cmocka_run_group_tests_name("router", tests, NULL, NULL);
}
