/*
 * The onion: what runs around a handler, in which order, and what it may do about the answer.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "harness/aborts.h"
#include "text.h"
#include "harness/http_app.h"

/* Writes "name(" before and ")" after what is inside. */
static bk_err mark(bk_req *req, bk_res *res, bk_next *next, void *name)
{
    static const char key;
    bk_buf *path = bk_req_get(req, &key);

    if (path == NULL) {
        path = BK_NEW(bk_req_arena(req), bk_buf);
        path->arena = bk_req_arena(req);
        bk_req_set(req, &key, path);
    }
    bk_buf_add(path, bk_str_of(name));
    bk_buf_add_char(path, '(');
    bk_err err = bk_next_run(next, req, res);
    bk_buf_add_char(path, ')');
    assert_int_equal(bk_res_header(res, "X-Path", bk_buf_str(path)), BK_OK);
    return err;
}

/* Answers by itself. */
static bk_err stop(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    (void)req, (void)next, (void)data;
    return bk_res_text(res, 403, BK_LIT("not here"));
}

static bk_err refuse(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    (void)req, (void)res, (void)next, (void)data;
    return bk_fail(BK_EUNAUTHORIZED, "who are you?");
}

/* Looks at an error before it is rendered, and makes an answer of it. */
static bk_err forgive(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    bk_err err = bk_next_run(next, req, res);

    (void)data;
    if (err == BK_OK)
        return BK_OK;
    assert_int_equal(err, BK_ECONFLICT);
    assert_non_null(bk_error_chain());
    bk_str was = bk_arena_dup(bk_req_arena(req), bk_error_chain()->message);
    bk_error_clear();
    return bk_res_text(res, 200, was);
}

static bk_err change_answer(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    (void)data;
    BK_TRY(bk_next_run(next, req, res));
    BK_TRY(bk_res_header(res, "X-Was",
                         bk_arena_printf(bk_req_arena(req), "%d", bk_res_get_status(res))));
    return bk_res_text(res, 202, BK_LIT("changed"));
}

static bk_err call_twice(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    (void)data;
    BK_TRY(bk_next_run(next, req, res));
    return bk_next_run(next, req, res);
}

static bk_err plain(bk_req *req, bk_res *res)
{
    (void)req;
    return bk_res_text(res, 200, BK_LIT("plain"));
}

static bk_err conflict(bk_req *req, bk_res *res)
{
    (void)req, (void)res;
    return bk_fail(BK_ECONFLICT, "only %d left", 3);
}

static void routes(bk_router *root)
{
    bk_middleware own[] = {{mark, (void *)"route"}, {mark, (void *)"route2"}, {NULL, NULL}};
    static const bk_middleware stopping[] = {{stop, NULL}, {NULL, NULL}};
    static const bk_middleware refusing[] = {{refuse, NULL}, {NULL, NULL}};
    static const bk_middleware forgiving[] = {{forgive, NULL}, {NULL, NULL}};
    static const bk_middleware changing[] = {{change_answer, NULL}, {NULL, NULL}};
    bk_router *group = bk_router_group(root, "/group");
    bk_router *inner = bk_router_group(group, "/inner");

    bk_get(root, "/plain", plain);
    bk_post(group, "/small", plain, &(bk_route_opts){.body_limit_bytes = 10});
    bk_get(group, "/plain", plain);
    bk_get(inner, "/plain", plain, &(bk_route_opts){.use = own});
    own[0] = own[2]; /* it was copied */
    bk_get(root, "/stop", plain, &(bk_route_opts){.use = stopping});
    bk_get(root, "/refuse", plain, &(bk_route_opts){.use = refusing});
    bk_get(root, "/forgive", conflict, &(bk_route_opts){.use = forgiving});
    bk_get(root, "/conflict", conflict);
    bk_get(root, "/change", plain, &(bk_route_opts){.use = changing});
    bk_use(inner, bk_mw(mark, (void *)"inner")); /* the order of registration does not matter */
    bk_use(group, bk_mw(mark, (void *)"group"));
    bk_use(group, bk_mw(mark, (void *)"group2"));
    bk_use(root, bk_mw(mark, (void *)"app"));
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

static void test_middleware_runs_from_the_outside_in_and_back(void **state)
{
    struct http_app *it = *state;

    assert_field(bk_test_get(it->test, "/plain"), "X-Path", "app()");
    assert_field(bk_test_get(it->test, "/group/plain"), "X-Path", "app(group(group2()))");
    assert_field(bk_test_get(it->test, "/group/inner/plain"), "X-Path",
                 "app(group(group2(inner(route(route2())))))");
}

static void test_only_the_apps_own_runs_where_nothing_is(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = bk_test_get(it->test, "/group/nowhere");

    assert_problem(res, 404, "Not Found");
    assert_field(res, "X-Path", "app()");
}

static void test_what_the_router_answers_runs_that_of_the_path(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = http_send(it, "POST", "/group/plain", NULL, NULL);

    assert_problem(res, 405, "Not Allowed");
    assert_field(res, "X-Path", "app(group(group2()))");
    res = http_send(it, "OPTIONS", "/group/plain", NULL, NULL);
    assert_answer(res, 204, "");
    assert_field(res, "X-Path", "app(group(group2()))");
    res = http_send(it, "OPTIONS", "*", NULL, NULL);
    assert_answer(res, 204, "");
    assert_field(res, "X-Path", "app()");
}

static void test_what_is_no_request_is_kept_from_it(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = http_get(it, "/plain", "bad name", "x");

    assert_problem(res, 400, "token");
    assert_field(res, "X-Path", NULL);
}

static void test_a_request_whose_body_is_refused_goes_through_it(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = http_send(it, "POST", "/group/small", NULL, "more than ten bytes");

    assert_problem(res, 413, "Content Too Large");
    assert_field(res, "X-Path", "app(group(group2()))");
}

static void test_a_middleware_may_answer_by_itself(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = bk_test_get(it->test, "/stop");

    assert_answer(res, 403, "not here");
    assert_field(res, "X-Path", "app()");
    assert_problem(bk_test_get(it->test, "/refuse"), 401, "\"detail\":\"who are you?\"");
}

static void test_headers_of_a_middleware_stay_on_errors(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = bk_test_get(it->test, "/conflict");

    assert_problem(res, 409, "\"detail\":\"only 3 left\"");
    assert_field(res, "X-Path", "app()");
}

static void test_an_error_can_be_turned_into_an_answer(void **state)
{
    struct http_app *it = *state;

    assert_answer(bk_test_get(it->test, "/forgive"), 200, "only 3 left");
}

static void test_an_answer_can_be_changed_on_the_way_out(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = bk_test_get(it->test, "/change");

    assert_answer(res, 202, "changed");
    assert_field(res, "X-Was", "200");
}

static void twice_routes(bk_router *root)
{
    bk_use(root, bk_mw(call_twice, NULL));
    bk_get(root, "/", plain);
}

static void run_the_rest_twice(void)
{
    struct http_app it = http_app_open(twice_routes, NULL, NULL);

    (void)!bk_test_get(it.test, "/");
}

static void test_the_rest_runs_once(void **state)
{
    (void)state;
    assert_true(aborts(run_the_rest_twice));
}

#define with_app(test) cmocka_unit_test_setup_teardown(test, open_app, close_app)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_app(test_middleware_runs_from_the_outside_in_and_back),
        with_app(test_only_the_apps_own_runs_where_nothing_is),
        with_app(test_what_the_router_answers_runs_that_of_the_path),
        with_app(test_what_is_no_request_is_kept_from_it),
        with_app(test_a_request_whose_body_is_refused_goes_through_it),
        with_app(test_a_middleware_may_answer_by_itself),
        with_app(test_headers_of_a_middleware_stay_on_errors),
        with_app(test_an_error_can_be_turned_into_an_answer),
        with_app(test_an_answer_can_be_changed_on_the_way_out),
        cmocka_unit_test(test_the_rest_runs_once),
    };
    return cmocka_run_group_tests_name("middleware", tests, NULL, NULL);
}
