/*
 * Request ids: whose are believed, and what the client is told.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include <backend/middleware/request_id.h>

#include "text.h"
#include "harness/http_app.h"
#include "harness/stops.h"

static const char *const trusted[] = {"127.0.0.1", NULL};

static bk_err show(bk_req *req, bk_res *res)
{
    bk_info("seen", bk_kv_i64("n", 1));
    return bk_res_text(res, 200, bk_req_id(req));
}

static bk_err failing(bk_req *req, bk_res *res)
{
    (void)req, (void)res;
    return bk_fail(BK_ECONFLICT, "no");
}

static struct http_app open_with(const bk_mw_request_id_opts *opts, const char *const *proxies)
{
    struct http_app it = {.app = bk_app_new(&(bk_app_opts){.trusted_proxies = proxies})};

    bk_use(bk_app_router(it.app), bk_mw_request_id(it.app, opts));
    bk_get(bk_app_router(it.app), "/", show);
    bk_get(bk_app_router(it.app), "/fail", failing);
    it.test = bk_test_new(it.app, NULL);
    return it;
}

static void test_every_answer_tells_its_id(void **state)
{
    (void)state;
    static const char *const targets[] = {"/", "/fail", "/nowhere"};
    struct http_app it = open_with(NULL, NULL);
    bk_str last = BK_LIT("");

    for (size_t i = 0; i < 3; i++) {
        bk_str id = bk_test_header(bk_test_get(it.test, targets[i]), "X-Request-Id");
        assert_int_equal(id.len, 36);
        assert_int_equal(id.ptr[14], '7'); /* UUIDv7 */
        assert_false(bk_str_eq(id, last));
        last = id;
    }
    http_app_close(&it);
}

static void test_the_handler_the_log_and_the_client_see_the_same(void **state)
{
    (void)state;
    char field[64];
    struct http_app it = open_with(NULL, NULL);

    bk_test_res *res = bk_test_get(it.test, "/");
    bk_str id = bk_test_header(res, "X-Request-Id");
    assert_true(bk_str_eq(bk_test_body(res), id));
    snprintf(field, sizeof field, "\"reqId\":\"%.*s\"", BK_PRI(id));
    assert_holds(bk_test_logs(it.test), field);
    http_app_close(&it);
}

static void test_only_trusted_peers_give_ids(void **state)
{
    (void)state;
    struct http_app it = open_with(NULL, NULL);
    assert_int_equal(bk_test_body(http_get(&it, "/", "X-Request-Id", "theirs")).len, 36);
    http_app_close(&it);

    it = open_with(NULL, trusted);
    bk_test_res *res = http_get(&it, "/", "X-Request-Id", "theirs-1.2_3");
    assert_answer(res, 200, "theirs-1.2_3");
    assert_field(res, "X-Request-Id", "theirs-1.2_3");
    res = http_get(&it, "/fail", "X-Request-Id", "theirs");
    assert_problem(res, 409, "\"instance\":\"theirs\"");
    http_app_close(&it);

    it = open_with(&(bk_mw_request_id_opts){.from_anyone = true}, NULL);
    assert_answer(http_get(&it, "/", "X-Request-Id", "theirs"), 200, "theirs");
    http_app_close(&it);
}

static void test_an_id_that_could_do_harm_is_not_taken(void **state)
{
    (void)state;
    char longest[130];
    static const char *const bad[] = {"", "a b", "a\"b", "a/b", "a,b", "\xc3\xa9", "a=b", "<a>"};
    struct http_app it = open_with(&(bk_mw_request_id_opts){.from_anyone = true}, NULL);

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(bk_test_body(http_get(&it, "/", "X-Request-Id", bad[i])).len, 36);
    bk_test_res *twice = http_get(&it, "/", "X-Request-Id", "a", "X-Request-Id", "b");
    assert_int_equal(bk_test_body(twice).len, 36);
    memset(longest, 'x', sizeof longest);
    longest[129] = '\0';
    assert_int_equal(bk_test_body(http_get(&it, "/", "X-Request-Id", longest)).len, 36);
    longest[128] = '\0';
    assert_answer(http_get(&it, "/", "X-Request-Id", longest), 200, longest);
    http_app_close(&it);
}

static void test_the_header_may_have_another_name(void **state)
{
    (void)state;
    struct http_app it = open_with(&(bk_mw_request_id_opts){.header = "X-Correlation-ID"}, trusted);

    bk_test_res *res = http_get(&it, "/", "x-correlation-id", "c-1");
    assert_answer(res, 200, "c-1");
    assert_field(res, "X-Correlation-ID", "c-1");
    assert_absent(bk_test_header(res, "X-Request-Id"));
    http_app_close(&it);
}

static void test_the_echo_can_be_left_out(void **state)
{
    (void)state;
    struct http_app it = open_with(&(bk_mw_request_id_opts){.no_echo = true}, NULL);

    assert_absent(bk_test_header(bk_test_get(it.test, "/"), "X-Request-Id"));
    http_app_close(&it);
}

static bk_str make(bk_req *req, void *data)
{
    return bk_str_eq(bk_req_path(req), BK_LIT("/")) ? bk_str_of(data) : BK_LIT("not an id");
}

static void test_the_application_may_make_them(void **state)
{
    (void)state;
    char own[] = "own-1";
    struct http_app it = open_with(&(bk_mw_request_id_opts){.make = make, .data = own}, trusted);

    assert_answer(bk_test_get(it.test, "/"), 200, "own-1");
    assert_answer(http_get(&it, "/", "X-Request-Id", "theirs"), 200, "theirs");
    bk_test_res *res = bk_test_get(it.test, "/fail");
    assert_int_equal(bk_test_header(res, "X-Request-Id").len, 36);
    assert_problem(res, 409, "\"instance\":\"urn:uuid:");
    http_app_close(&it);
}

static void with_a_bad_name(void)
{
    (void)open_with(&(bk_mw_request_id_opts){.header = "X Request"}, NULL);
}

static void with_a_long_name(void)
{
    static char name[130];

    memset(name, 'x', sizeof name - 1);
    (void)open_with(&(bk_mw_request_id_opts){.header = name}, NULL);
}

static void test_a_name_that_is_none_stops_the_program(void **state)
{
    (void)state;
    char words[1024];

    assert_true(stops(with_a_bad_name, words, sizeof words));
    assert_non_null(strstr(words, "is no name of a header"));
    assert_true(stops(with_a_long_name, words, sizeof words));
    assert_non_null(strstr(words, "is no name of a header"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_answer_tells_its_id),
        cmocka_unit_test(test_the_handler_the_log_and_the_client_see_the_same),
        cmocka_unit_test(test_only_trusted_peers_give_ids),
        cmocka_unit_test(test_an_id_that_could_do_harm_is_not_taken),
        cmocka_unit_test(test_the_header_may_have_another_name),
        cmocka_unit_test(test_the_echo_can_be_left_out),
        cmocka_unit_test(test_the_application_may_make_them),
        cmocka_unit_test(test_a_name_that_is_none_stops_the_program),
    };
    return cmocka_run_group_tests_name("middleware/request_id", tests, NULL, NULL);
}
