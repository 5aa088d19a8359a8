/*
 * A request that is sent twice is done once, and told the same. In memory: with Redis it is an
 * integration test.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include <backend/middleware/idempotency.h>

#include "text.h"
#include "harness/http_app.h"
#include "harness/stops.h"

/* How often the handler ran, and what it is to do. */
static struct {
    int runs;
    uint32_t waits_ms;
    int status;
    bk_err fails;
    bool streams;
} till;

static bk_err pay(bk_req *req, bk_res *res)
{
    till.runs++;
    if (till.waits_ms != 0)
        BK_TRY(bk_sleep_ms(till.waits_ms));
    if (till.fails != BK_OK)
        return bk_fail(till.fails, "payment %d failed", till.runs);
    if (till.streams) {
        BK_TRY(bk_res_stream(res, 201, "text/plain", BK_LENGTH_UNKNOWN));
        return bk_res_write(res, BK_LIT("streamed"));
    }
    BK_TRY(bk_res_header(res, "X-Payment", BK_LIT("7")));
    BK_TRY(bk_res_cookie(res, "seen", BK_LIT("1"), NULL));
    return bk_res_text(res, till.status != 0 ? till.status : 201,
                       bk_arena_printf(bk_req_arena(req), "payment %d", till.runs));
}

static bk_err nothing(bk_req *req, bk_res *res)
{
    (void)req;
    till.runs++;
    return bk_res_empty(res);
}

static bk_err stamp(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    (void)data;
    BK_TRY(bk_res_header(res, "X-Outer", bk_str_of(till.runs == 0 ? "first" : "later")));
    return bk_next_run(next, req, res);
}

static struct http_app open_till(const bk_mw_idempotency_opts *opts)
{
    struct http_app it = {.app = bk_app_new(NULL)};
    bk_router *root = bk_app_router(it.app);

    memset(&till, 0, sizeof till);
    bk_use(root, bk_mw(stamp, NULL));
    bk_use(root, bk_mw_idempotency(it.app, opts));
    bk_post(root, "/pay", pay);
    bk_patch(root, "/pay", pay);
    bk_put(root, "/pay", pay);
    bk_post(root, "/other", pay);
    bk_post(root, "/nothing", nothing);
    it.test = bk_test_new(it.app, &(bk_test_opts){.virtual_clock = true});
    return it;
}

static bk_test_res *post(const struct http_app *it, const char *key, const char *body)
{
    return http_send(it, "POST", "/pay", FIELDS("idempotency-key", key), body);
}

#define assert_replayed(res) assert_field(res, "Idempotent-Replayed", "true")
#define assert_new(res)      assert_false(bk_str_present(bk_test_header(res, "Idempotent-Replayed")))

static void test_the_second_is_told_what_the_first_was(void **state)
{
    struct http_app it = open_till(NULL);

    (void)state;
    bk_test_res *first = post(&it, "k1", "{\"sum\":5}");
    assert_answer(first, 201, "payment 1");
    assert_new(first);
    assert_true(bk_str_present(bk_test_header(first, "Set-Cookie")));
    for (int i = 0; i < 3; i++) {
        bk_test_res *again = post(&it, "k1", "{\"sum\":5}");
        assert_answer(again, 201, "payment 1");
        assert_replayed(again);
        assert_field(again, "X-Payment", "7");
        assert_field(again, "X-Outer", "later");
        assert_field(again, "Content-Type", "text/plain; charset=utf-8");
        assert_false(bk_str_present(bk_test_header(again, "Set-Cookie")));
    }
    assert_answer(post(&it, "k2", "{\"sum\":5}"), 201, "payment 2");
    assert_int_equal(till.runs, 2);
    http_app_close(&it);
}

static void test_quotes_around_a_key_are_not_part_of_it(void **state)
{
    struct http_app it = open_till(NULL);

    (void)state;
    assert_new(post(&it, "\"k1\"", ""));
    assert_replayed(post(&it, "k1", ""));
    http_app_close(&it);
}

static void test_an_answer_without_a_body_is_repeated(void **state)
{
    struct http_app it = open_till(NULL);

    (void)state;
    assert_answer(http_send(&it, "POST", "/nothing", FIELDS("idempotency-key", "k"), NULL), 204,
                  "");
    bk_test_res *again = http_send(&it, "POST", "/nothing", FIELDS("idempotency-key", "k"), NULL);
    assert_answer(again, 204, "");
    assert_replayed(again);
    assert_int_equal(till.runs, 1);
    http_app_close(&it);
}

static void test_other_methods_and_requests_without_a_key_pass(void **state)
{
    struct http_app it = open_till(NULL);

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_new(http_send(&it, "PUT", "/pay", FIELDS("idempotency-key", "k"), "x"));
        assert_new(http_send(&it, "POST", "/pay", NULL, "x"));
    }
    assert_int_equal(till.runs, 4);
    assert_new(http_send(&it, "PATCH", "/pay", FIELDS("idempotency-key", "k"), "x"));
    assert_replayed(http_send(&it, "PATCH", "/pay", FIELDS("idempotency-key", "k"), "x"));
    http_app_close(&it);
}

static void test_a_key_can_be_demanded(void **state)
{
    struct http_app it = open_till(&(bk_mw_idempotency_opts){.required = true});

    (void)state;
    assert_problem(http_send(&it, "POST", "/pay", NULL, "x"), 400, "Idempotency-Key is needed");
    assert_int_equal(till.runs, 0);
    assert_status(http_send(&it, "PUT", "/pay", NULL, "x"), 201);
    http_app_close(&it);
}

static void test_a_malformed_key_is_refused(void **state)
{
    struct http_app it = open_till(NULL);
    static const char *const wrong[] = {"",     "\"\"",   "two words", "a,b",
                                        "a\"b", "\"half", "\x80",      NULL};

    (void)state;
    for (size_t i = 0; wrong[i] != NULL; i++)
        assert_problem(post(&it, wrong[i], "x"), 400, "Idempotency-Key");
    assert_problem(http_send(&it, "POST", "/pay",
                             FIELDS("idempotency-key", "one", "idempotency-key", "two"), "x"),
                   400, "Idempotency-Key");
    assert_int_equal(till.runs, 0);
    http_app_close(&it);
}

static void test_a_key_has_255_characters_at_most(void **state)
{
    struct http_app it = open_till(NULL);
    char key[257];

    (void)state;
    memset(key, 'k', 256);
    key[256] = '\0';
    assert_problem(post(&it, key, "x"), 400, "1 to 255");
    assert_int_equal(till.runs, 0);
    assert_status(post(&it, key + 1, "x"), 201);
    http_app_close(&it);
}

static void test_another_request_under_the_key_is_refused(void **state)
{
    struct http_app it = open_till(NULL);

    (void)state;
    assert_status(post(&it, "k", "one"), 201);
    assert_problem(post(&it, "k", "two"), 422, "used for another request");
    assert_problem(http_send(&it, "PATCH", "/pay", FIELDS("idempotency-key", "k"), "one"), 422, "");
    assert_problem(http_send(&it, "POST", "/other", FIELDS("idempotency-key", "k"), "one"), 422,
                   "");
    assert_problem(http_send(&it, "POST", "/pay?x=1", FIELDS("idempotency-key", "k"), "one"), 422,
                   "");
    assert_int_equal(till.runs, 1);
    http_app_close(&it);
}

static void test_while_the_first_is_being_done_the_second_is_refused(void **state)
{
    struct http_app it = open_till(NULL);
    const bk_pair fields[] = {{BK_LIT("idempotency-key"), BK_LIT("k")}, {{NULL, 0}, {NULL, 0}}};
    const bk_test_req request = {
        .method = "POST", .target = "/pay", .headers = fields, .body = BK_LIT("one")};

    (void)state;
    till.waits_ms = 5000;
    bk_test_res *first = bk_test_begin(it.test, &request);
    bk_test_settle(it.test);
    bk_test_res *second = bk_test_send(it.test, &request);
    assert_problem(second, 409, "still being done");
    assert_field(second, "Retry-After", "1");
    assert_problem(post(&it, "k", "two"), 422, "");
    bk_test_advance(it.test, 5000);
    assert_answer(first, 201, "payment 1");
    assert_replayed(bk_test_send(it.test, &request));
    assert_int_equal(till.runs, 1);
    http_app_close(&it);
}

static void test_a_client_does_not_see_the_answer_of_another(void **state)
{
    struct http_app it = open_till(NULL);
    static const char *const senders[][2] = {{"authorization", "Bearer ann"},
                                             {"authorization", "Bearer bob"},
                                             {"x-api-key", "Bearer ann"}};

    (void)state;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < 3; i++) {
            bk_test_res *res =
                http_send(&it, "POST", "/pay",
                          FIELDS("idempotency-key", "k", senders[i][0], senders[i][1]), "one");
            assert_int_equal(bk_str_present(bk_test_header(res, "Idempotent-Replayed")), round);
        }
    }
    assert_new(post(&it, "k", "one"));
    assert_int_equal(till.runs, 4);
    http_app_close(&it);
}

static bk_str tenant(bk_req *req, void *data)
{
    assert_string_equal(data, "the data");
    return bk_req_header(req, "x-tenant");
}

static void test_whose_key_it_is_may_be_said_by_a_function(void **state)
{
    static char data[] = "the data";
    struct http_app it = open_till(&(bk_mw_idempotency_opts){.scope = tenant, .data = data});

    (void)state;
    assert_new(
        http_send(&it, "POST", "/pay", FIELDS("idempotency-key", "k", "x-tenant", "a"), "x"));
    assert_new(
        http_send(&it, "POST", "/pay", FIELDS("idempotency-key", "k", "x-tenant", "b"), "x"));
    assert_replayed(
        http_send(&it, "POST", "/pay", FIELDS("idempotency-key", "k", "x-tenant", "a"), "x"));
    http_app_close(&it);
}

static void test_failures_of_the_service_are_not_kept(void **state)
{
    static const bk_err passing[] = {BK_EINTERNAL, BK_EUNAVAILABLE,  BK_ETIMEDOUT, BK_ELIMITED,
                                     BK_ECONFLICT, BK_EUNAUTHORIZED, BK_EFORBIDDEN};
    struct http_app it = open_till(NULL);

    (void)state;
    for (size_t i = 0; i < sizeof passing / sizeof passing[0]; i++) {
        till.fails = passing[i];
        assert_status(post(&it, "k", "x"), bk_err_status(passing[i]));
    }
    till.fails = BK_OK;
    till.status = 502;
    assert_status(post(&it, "k", "x"), 502);
    till.status = 0;
    bk_test_res *res = post(&it, "k", "x");
    assert_answer(res, 201, "payment 9");
    assert_new(res);
    http_app_close(&it);
}

static void test_failures_of_the_client_are_repeated(void **state)
{
    struct http_app it = open_till(NULL);

    (void)state;
    till.fails = BK_EINVAL;
    assert_problem(post(&it, "k", "x"), 400, "payment 1 failed");
    till.fails = BK_OK;
    bk_test_res *again = post(&it, "k", "x");
    assert_problem(again, 400, "payment 1 failed");
    assert_replayed(again);
    assert_int_equal(till.runs, 1);
    http_app_close(&it);
}

static void test_what_cannot_be_repeated_is_not_done_again_either(void **state)
{
    struct http_app it = open_till(&(bk_mw_idempotency_opts){.answer_bytes = 80});

    (void)state;
    assert_answer(post(&it, "large", "x"), 201, "payment 1");
    assert_problem(post(&it, "large", "x"), 409, "cannot be repeated");
    http_app_close(&it);

    it = open_till(NULL);
    till.streams = true;
    assert_answer(post(&it, "stream", "x"), 201, "streamed");
    assert_problem(post(&it, "stream", "x"), 409, "cannot be repeated");
    assert_problem(post(&it, "stream", "y"), 422, "");
    assert_int_equal(till.runs, 1);
    http_app_close(&it);
}

static void test_after_a_day_it_is_forgotten(void **state)
{
    struct http_app it = open_till(NULL);

    (void)state;
    assert_new(post(&it, "k", "x"));
    bk_test_advance(it.test, 24 * 3600 * 1000 - 1);
    assert_replayed(post(&it, "k", "x"));
    bk_test_advance(it.test, 1);
    assert_new(post(&it, "k", "x"));
    http_app_close(&it);
}

static void test_memory_is_bounded_and_the_oldest_go_first(void **state)
{
    struct http_app it =
        open_till(&(bk_mw_idempotency_opts){.answer_bytes = 1000, .memory_bytes = 10000});
    char key[16];

    (void)state;
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_new(post(&it, key, "x"));
    }
    assert_replayed(post(&it, "k99", "x"));
    assert_replayed(post(&it, "k90", "x"));
    assert_new(post(&it, "k0", "x"));
    http_app_close(&it);
}

static void test_a_client_that_leaves_frees_the_key(void **state)
{
    struct http_app it = open_till(NULL);
    const bk_pair fields[] = {{BK_LIT("idempotency-key"), BK_LIT("k")}, {{NULL, 0}, {NULL, 0}}};

    (void)state;
    till.waits_ms = 5000;
    bk_test_res *first = bk_test_begin(
        it.test,
        &(bk_test_req){.method = "POST", .target = "/pay", .headers = fields, .body = BK_LIT("x")});
    bk_test_settle(it.test);
    bk_test_reset(it.test, first);
    bk_test_settle(it.test);
    till.waits_ms = 0;
    assert_answer(post(&it, "k", "x"), 201, "payment 2");
    http_app_close(&it);
}

static void a_short_lease(void)
{
    bk_use(NULL, bk_mw_idempotency(bk_app_new(NULL), &(bk_mw_idempotency_opts){.lease_ms = 999}));
}

static void an_answer_larger_than_memory(void)
{
    bk_use(NULL, bk_mw_idempotency(bk_app_new(NULL), &(bk_mw_idempotency_opts){.answer_bytes = 2,
                                                                               .memory_bytes = 1}));
}

static void test_settings_that_are_not_possible_stop_the_program(void **state)
{
    char words[256];

    (void)state;
    assert_true(stops(a_short_lease, words, sizeof words));
    assert_non_null(strstr(words, "at least 1,000"));
    assert_true(stops(an_answer_larger_than_memory, words, sizeof words));
    assert_non_null(strstr(words, "more than memory_bytes"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_second_is_told_what_the_first_was),
        cmocka_unit_test(test_quotes_around_a_key_are_not_part_of_it),
        cmocka_unit_test(test_an_answer_without_a_body_is_repeated),
        cmocka_unit_test(test_other_methods_and_requests_without_a_key_pass),
        cmocka_unit_test(test_a_key_can_be_demanded),
        cmocka_unit_test(test_a_malformed_key_is_refused),
        cmocka_unit_test(test_a_key_has_255_characters_at_most),
        cmocka_unit_test(test_another_request_under_the_key_is_refused),
        cmocka_unit_test(test_while_the_first_is_being_done_the_second_is_refused),
        cmocka_unit_test(test_a_client_does_not_see_the_answer_of_another),
        cmocka_unit_test(test_whose_key_it_is_may_be_said_by_a_function),
        cmocka_unit_test(test_failures_of_the_service_are_not_kept),
        cmocka_unit_test(test_failures_of_the_client_are_repeated),
        cmocka_unit_test(test_what_cannot_be_repeated_is_not_done_again_either),
        cmocka_unit_test(test_after_a_day_it_is_forgotten),
        cmocka_unit_test(test_memory_is_bounded_and_the_oldest_go_first),
        cmocka_unit_test(test_a_client_that_leaves_frees_the_key),
        cmocka_unit_test(test_settings_that_are_not_possible_stop_the_program),
    };

    return cmocka_run_group_tests_name("middleware_idempotency", tests, NULL, NULL);
}
