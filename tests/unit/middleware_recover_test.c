/*
 * Errors in other forms: Fastify's, the application's own, and with details.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <backend/middleware/recover.h>

#include "text.h"
#include "harness/http_app.h"

static bk_err conflict(bk_req *req, bk_res *res)
{
    (void)req;
    BK_TRY(bk_res_text(res, 200, BK_LIT("a body that must not be seen")));
    return bk_context(bk_fail(BK_ECONFLICT, "only 3 left"), "while reserving");
}

static bk_err broken(bk_req *req, bk_res *res)
{
    (void)req, (void)res;
    return bk_fail(BK_EUPSTREAM, "password of db1 is wrong");
}

static bk_err invalid(bk_req *req, bk_res *res)
{
    (void)req, (void)res;
    return bk_fail_field(BK_EINVAL, BK_LIT("/name"), BK_LIT("required"), BK_LIT("is missing"));
}

static bk_err busy(bk_req *req, bk_res *res)
{
    (void)req, (void)res;
    return bk_fail(BK_EUNAVAILABLE, "too busy");
}

static bk_err number(bk_req *req, bk_res *res)
{
    int64_t id;

    (void)res;
    BK_TRY(bk_req_param_i64(req, "id", &id));
    return bk_res_empty(res);
}

static bk_err half(bk_req *req, bk_res *res)
{
    (void)req;
    BK_TRY(bk_res_stream(res, 200, "text/plain", BK_LENGTH_UNKNOWN));
    BK_TRY(bk_res_write(res, BK_LIT("half")));
    return bk_fail(BK_EINTERNAL, "and then this");
}

static struct http_app open_with(const bk_mw_recover_opts *opts)
{
    struct http_app it = {.app = bk_app_new(NULL)};
    bk_router *root = bk_app_router(it.app);

    bk_use(root, bk_mw_request_id(it.app, NULL));
    bk_use(root, bk_mw_recover(it.app, opts));
    bk_get(root, "/conflict", conflict);
    bk_get(root, "/broken", broken);
    bk_get(root, "/invalid", invalid);
    bk_get(root, "/busy", busy);
    bk_get(root, "/number/{id}", number);
    bk_get(root, "/half", half);
    it.test = bk_test_new(it.app, NULL);
    return it;
}

#define LOGGED "\"msg\":\"request.failed\""

static void test_by_default_nothing_changes(void **state)
{
    (void)state;
    struct http_app it = open_with(NULL);

    bk_test_res *res = bk_test_get(it.test, "/conflict");
    assert_problem(res, 409, "\"detail\":\"only 3 left\"");
    assert_lacks(bk_test_body(res), "chain");
    assert_lacks(bk_test_body(res), "must not be seen");
    res = bk_test_get(it.test, "/broken");
    assert_problem(res, 502, "\"instance\":\"urn:uuid:");
    assert_lacks(bk_test_body(res), "db1");
    assert_problem(bk_test_get(it.test, "/nowhere"), 404, "\"title\":\"Not Found\"");
    http_app_close(&it);
}

static void test_as_fastify_says_it(void **state)
{
    (void)state;
    struct http_app it = open_with(&(bk_mw_recover_opts){.format = BK_ERRORS_FASTIFY});

    bk_test_res *res = bk_test_get(it.test, "/conflict");
    assert_answer(res, 409,
                  "{\"statusCode\":409,\"error\":\"Conflict\",\"message\":\"only 3 left\"}");
    assert_true(bk_str_starts(bk_test_header(res, "Content-Type"), BK_LIT("application/json")));
    assert_absent(bk_test_header(res, "ETag"));
    assert_int_equal(bk_test_header(res, "X-Request-Id").len, 36);
    assert_answer(bk_test_get(it.test, "/broken"), 502,
                  "{\"statusCode\":502,\"error\":\"Bad Gateway\",\"message\":\"Bad Gateway\"}");
    assert_answer(bk_test_get(it.test, "/invalid"), 400,
                  "{\"statusCode\":400,\"code\":\"FST_ERR_VALIDATION\",\"error\":\"Bad Request\","
                  "\"message\":\"body/name is missing\"}");
    assert_answer(bk_test_get(it.test, "/number/x"), 400,
                  "{\"statusCode\":400,\"code\":\"FST_ERR_VALIDATION\",\"error\":\"Bad Request\","
                  "\"message\":\"params/id must be an integer\"}");
    res = bk_test_get(it.test, "/busy");
    assert_status(res, 503);
    assert_field(res, "Retry-After", "1");
    assert_status(bk_test_get(it.test, "/nowhere"), 404);
    http_app_close(&it);
}

static void test_a_5xx_goes_to_the_log_with_its_place(void **state)
{
    (void)state;
    struct http_app it = open_with(&(bk_mw_recover_opts){.format = BK_ERRORS_FASTIFY});

    (void)!bk_test_get(it.test, "/conflict");
    assert_int_equal(bk_test_logs(it.test).len, 0);
    (void)!bk_test_get(it.test, "/broken");
    bk_str logs = bk_test_logs(it.test);
    assert_holds(logs, LOGGED);
    assert_holds(logs, "password of db1 is wrong (");
    assert_holds(logs, "middleware_recover_test.c:");
    assert_holds(logs, "\"reqId\":\"");
    assert_holds(logs, "\"route\":\"/broken\"");
    assert_null(memmem((char *)memmem(logs.ptr, logs.len, LOGGED, strlen(LOGGED)) + 1,
                       (size_t)(logs.ptr + logs.len -
                                (char *)memmem(logs.ptr, logs.len, LOGGED, strlen(LOGGED)) - 1),
                       LOGGED, strlen(LOGGED))); /* once */
    http_app_close(&it);
}

static void test_in_development_the_client_sees_it_all(void **state)
{
    (void)state;
    struct http_app it = open_with(&(bk_mw_recover_opts){.show_details = true});

    bk_test_res *res = bk_test_get(it.test, "/broken");
    assert_problem(res, 502, "\"chain\":[{\"message\":\"password of db1 is wrong\",\"code\":\"");
    assert_holds(bk_test_body(res), "middleware_recover_test.c\",\"line\":");
    res = bk_test_get(it.test, "/conflict");
    assert_problem(res, 409, "\"message\":\"while reserving\"");
    assert_holds(bk_test_body(res), "\"message\":\"only 3 left\"");
    http_app_close(&it);

    it = open_with(&(bk_mw_recover_opts){.format = BK_ERRORS_FASTIFY, .show_details = true});
    assert_holds(bk_test_body(bk_test_get(it.test, "/broken")), "db1 is wrong");
    http_app_close(&it);
}

static bk_err render(bk_req *req, bk_res *res, bk_err err, int status, void *data)
{
    assert_string_equal(data, "mine");
    if (err == BK_EINVAL)
        return bk_fail(BK_EIO, "cannot say it");
    return bk_res_text(res, status == 409 ? 423 : status,
                       bk_arena_printf(bk_req_arena(req), "%s: %.*s", bk_err_slug(err),
                                       BK_PRI(bk_error_chain()->message)));
}

static void test_the_application_may_render_them(void **state)
{
    (void)state;
    char mine[] = "mine";
    struct http_app it = open_with(&(bk_mw_recover_opts){.render = render, .data = mine});

    bk_test_res *res = bk_test_get(it.test, "/conflict");
    assert_status(res, 423);
    assert_holds(bk_test_body(res), "while reserving");
    assert_status(bk_test_get(it.test, "/broken"), 502);
    assert_holds(bk_test_logs(it.test), LOGGED);
    /* One that fails leaves the error as it was. */
    assert_problem(bk_test_get(it.test, "/invalid"), 400, "\"status\":400");
    http_app_close(&it);
}

static void test_what_has_begun_breaks_off(void **state)
{
    (void)state;
    struct http_app it = open_with(&(bk_mw_recover_opts){.format = BK_ERRORS_FASTIFY});

    bk_test_res *res = bk_test_get(it.test, "/half");
    assert_status(res, 200);
    assert_text(bk_test_body(res), "half");
    assert_false(bk_test_done(res));
    assert_holds(bk_test_logs(it.test), LOGGED);
    http_app_close(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_default_nothing_changes),
        cmocka_unit_test(test_as_fastify_says_it),
        cmocka_unit_test(test_a_5xx_goes_to_the_log_with_its_place),
        cmocka_unit_test(test_in_development_the_client_sees_it_all),
        cmocka_unit_test(test_the_application_may_render_them),
        cmocka_unit_test(test_what_has_begun_breaks_off),
    };
    return cmocka_run_group_tests_name("middleware/recover", tests, NULL, NULL);
}
