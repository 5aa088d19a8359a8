/*
 * What of a route's answers is kept, for whom, for how long, and what is said about it. In memory:
 * with Redis it is an integration test.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "text.h"
#include "harness/http_app.h"

/* What the handlers have to say, and how often they were asked. */
static struct {
    bk_cache *cache;
    int runs;
    bool fails;
    const char *field, *value; /* a header of the answer */
    int status;
    uint32_t waits_ms;
} shop;

static bk_err show(bk_req *req, bk_res *res)
{
    shop.runs++;
    BK_TRY(bk_response_cache_tag(req, BK_LIT("shop")));
    if (shop.waits_ms != 0)
        BK_TRY(bk_sleep_ms(shop.waits_ms));
    if (shop.fails)
        return bk_fail(BK_EUNAVAILABLE, "the database is gone");
    if (shop.field != NULL)
        BK_TRY(bk_res_add_header(res, shop.field, bk_str_of(shop.value)));
    bk_str text =
        bk_arena_printf(bk_req_arena(req), "run %d of %.*s", shop.runs, BK_PRI(bk_req_path(req)));
    return bk_res_text(res, shop.status != 0 ? shop.status : 200, text);
}

static bk_err show_own(bk_req *req, bk_res *res)
{
    shop.runs++;
    bk_str name = bk_req_cookie(req, "name");
    return bk_res_text(res, 200, bk_str_present(name) ? name : BK_LIT("nobody"));
}

static bk_err show_skipped(bk_req *req, bk_res *res)
{
    bk_response_cache_skip(req);
    return show(req, res);
}

static bk_err stream(bk_req *req, bk_res *res)
{
    (void)req;
    shop.runs++;
    BK_TRY(bk_res_stream(res, 200, "text/plain", BK_LENGTH_UNKNOWN));
    return bk_res_write(res, BK_LIT("piece"));
}

static bk_err missing(bk_req *req, bk_res *res)
{
    (void)req, (void)res;
    shop.runs++;
    return bk_fail(BK_ENOTFOUND, "no such product");
}

static bk_err change(bk_req *req, bk_res *res)
{
    BK_TRY(bk_response_cache_drop(shop.cache, bk_req_path(req)));
    return bk_res_empty(res);
}

/* As many headers as a usual stack of middleware sets. */
static bk_err stamp(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    (void)data;
    for (int i = 0; i < 20; i++)
        BK_TRY(bk_res_add_header(res, "X-Outermost", BK_LIT("here")));
    BK_TRY(bk_res_header(res, "X-Outer", BK_LIT("here")));
    return bk_next_run(next, req, res);
}

static struct http_app open_shop(const bk_cache_policy *policy, const char *const *vary)
{
    bk_test_opts virtual_clock = {.virtual_clock = true};
    struct http_app it = {.app = bk_app_new(NULL)};

    memset(&shop, 0, sizeof shop);
    shop.cache = bk_cache_new(it.app, NULL);
    bk_router *root = bk_app_router(it.app);
    bk_use(root, bk_mw(stamp, NULL));
    bk_router *cached = bk_router_group(root, "/p");
    bk_use(cached, bk_mw_response_cache(
                       it.app, &(bk_mw_response_cache_opts){
                                   .cache = shop.cache,
                                   .policy = policy != NULL ? *policy : (bk_cache_policy){0},
                                   .vary = vary}));
    bk_get(cached, "/{id}", show);
    bk_put(cached, "/{id}", change);
    bk_get(cached, "/own", show_own);
    bk_get(cached, "/skipped", show_skipped);
    bk_get(cached, "/stream", stream);
    bk_get(cached, "/missing", missing);
    it.test = bk_test_new(it.app, &virtual_clock);
    return it;
}

/* Asks once, whatever the answer. */
static void warm(const struct http_app *it, const char *target)
{
    assert_true(bk_test_done(bk_test_get(it->test, target)));
}

#define assert_cache(res, want) assert_field(res, "X-Cache", want)

static void test_a_second_request_is_answered_without_the_handler(void **state)
{
    struct http_app it = open_shop(NULL, NULL);
    bk_test_res *first = bk_test_get(it.test, "/p/1");

    (void)state;
    assert_answer(first, 200, "run 1 of /p/1");
    assert_cache(first, "MISS");
    assert_field(first, "Cache-Status", "libbackend; fwd=uri-miss; stored");
    bk_test_advance(it.test, 2500);
    bk_test_res *second = bk_test_get(it.test, "/p/1");
    assert_answer(second, 200, "run 1 of /p/1");
    assert_cache(second, "HIT");
    assert_field(second, "Age", "2");
    assert_holds(bk_test_header(second, "Cache-Status"), "libbackend; hit; ttl=5");
    assert_field(second, "Content-Type", "text/plain; charset=utf-8");
    assert_field(second, "X-Outer", "here");
    assert_true(bk_str_eq(bk_test_header(first, "ETag"), bk_test_header(second, "ETag")));
    http_app_close(&it);
}

static void test_head_and_conditional_requests_are_answered_too(void **state)
{
    struct http_app it = open_shop(NULL, NULL);
    bk_str tag = bk_test_header(bk_test_get(it.test, "/p/1"), "ETag");
    char text[64];

    (void)state;
    snprintf(text, sizeof text, "%.*s", BK_PRI(tag));
    bk_test_res *same = http_get(&it, "/p/1", "If-None-Match", text);
    assert_status(same, 304);
    assert_cache(same, "HIT");
    assert_field(same, "ETag", text);
    bk_test_res *head = http_send(&it, "HEAD", "/p/1", NULL, NULL);
    assert_answer(head, 200, "");
    assert_field(head, "Content-Length", "13");
    assert_int_equal(shop.runs, 1);
    http_app_close(&it);
}

static void test_an_answer_made_for_head_is_whole(void **state)
{
    struct http_app it = open_shop(NULL, NULL);

    (void)state;
    assert_cache(http_send(&it, "HEAD", "/p/1", NULL, NULL), "MISS");
    bk_test_res *res = bk_test_get(it.test, "/p/1");
    assert_answer(res, 200, "run 1 of /p/1");
    assert_cache(res, "HIT");
    http_app_close(&it);
}

static void test_it_ends_with_its_time(void **state)
{
    struct http_app it = open_shop(&(bk_cache_policy){.ttl_ms = 1000}, NULL);

    (void)state;
    warm(&it, "/p/1");
    bk_test_advance(it.test, 1001);
    assert_cache(bk_test_get(it.test, "/p/1"), "MISS");
    assert_int_equal(shop.runs, 2);
    http_app_close(&it);
}

static void test_the_handlers_own_times_go_first(void **state)
{
    struct http_app it = open_shop(NULL, NULL);

    (void)state;
    shop.field = "Cache-Control";
    shop.value = "public, max-age=1000, s-maxage=2";
    warm(&it, "/p/1");
    bk_test_advance(it.test, 1700);
    assert_cache(bk_test_get(it.test, "/p/1"), "HIT");
    bk_test_advance(it.test, 400);
    assert_cache(bk_test_get(it.test, "/p/1"), "MISS");
    shop.value = "max-age=0";
    assert_cache(bk_test_get(it.test, "/p/2"), "MISS");
    assert_cache(bk_test_get(it.test, "/p/2"), "MISS");
    http_app_close(&it);
}

static void test_a_stale_answer_is_sent_while_one_request_makes_a_new_one(void **state)
{
    struct http_app it = open_shop(&(bk_cache_policy){.ttl_ms = 1000, .stale_ms = 5000}, NULL);

    (void)state;
    warm(&it, "/p/1");
    bk_test_advance(it.test, 1500);
    shop.waits_ms = 100;
    bk_test_res *stale = bk_test_get(it.test, "/p/1");
    assert_answer(stale, 200, "run 1 of /p/1");
    assert_cache(stale, "STALE");
    assert_cache(bk_test_get(it.test, "/p/1"), "STALE");
    assert_int_equal(shop.runs, 2);
    bk_test_advance(it.test, 100);
    bk_test_settle(it.test);
    bk_test_res *fresh = bk_test_get(it.test, "/p/1");
    assert_answer(fresh, 200, "run 2 of /p/1");
    assert_cache(fresh, "HIT");
    http_app_close(&it);
}

static void test_an_old_answer_stands_in_for_a_failure(void **state)
{
    struct http_app it =
        open_shop(&(bk_cache_policy){.ttl_ms = 1000, .stale_if_error_ms = 60000}, NULL);

    (void)state;
    warm(&it, "/p/1");
    bk_test_advance(it.test, 1500);
    shop.fails = true;
    bk_test_res *res = bk_test_get(it.test, "/p/1");
    assert_answer(res, 200, "run 1 of /p/1");
    assert_cache(res, "STALE");
    bk_test_advance(it.test, 70000);
    assert_status(bk_test_get(it.test, "/p/1"), 503);
    shop.fails = false;
    assert_cache(bk_test_get(it.test, "/p/1"), "MISS");
    http_app_close(&it);
}

static void assert_not_kept(const char *field, const char *value, int status)
{
    struct http_app it = open_shop(NULL, NULL);

    shop.field = field;
    shop.value = value;
    shop.status = status;
    warm(&it, "/p/1");
    bk_test_res *res = bk_test_get(it.test, "/p/1");
    assert_cache(res, "MISS");
    assert_field(res, "Cache-Status", "libbackend; fwd=uri-miss");
    assert_int_equal(shop.runs, 2);
    http_app_close(&it);
}

static void test_private_answers_are_never_kept(void **state)
{
    (void)state;
    assert_not_kept("Set-Cookie", "a=b", 200);
    assert_not_kept("Cache-Control", "private", 200);
    assert_not_kept("Cache-Control", "max-age=60, Private", 200);
    assert_not_kept("Cache-Control", "private=\"x-user\"", 200);
    assert_not_kept("Cache-Control", "no-store", 200);
    assert_not_kept("Cache-Control", "no-cache", 200);
    assert_not_kept("Vary", "*", 200);
    assert_not_kept("Vary", "Accept-Language", 200);
    assert_not_kept("X-Outer", "changed by the handler", 202);
    assert_not_kept(NULL, NULL, 201);
    assert_not_kept(NULL, NULL, 404);
}

static void test_what_a_cookie_was_read_for_is_not_kept(void **state)
{
    struct http_app it = open_shop(NULL, NULL);

    (void)state;
    assert_answer(bk_test_get(it.test, "/p/own"), 200, "nobody");
    assert_answer(http_get(&it, "/p/own", "Cookie", "name=Ann"), 200, "Ann");
    assert_answer(http_get(&it, "/p/own", "Cookie", "name=Bob"), 200, "Bob");
    assert_answer(bk_test_get(it.test, "/p/own"), 200, "nobody");
    assert_int_equal(shop.runs, 4);
    http_app_close(&it);
}

static void test_cookies_that_nobody_reads_do_not_hinder(void **state)
{
    struct http_app it = open_shop(NULL, NULL);

    (void)state;
    warm(&it, "/p/1");
    assert_cache(http_get(&it, "/p/1", "Cookie", "analytics=1"), "HIT");
    http_app_close(&it);
}

static void test_streams_and_skipped_answers_are_not_kept(void **state)
{
    struct http_app it = open_shop(NULL, NULL);

    (void)state;
    assert_answer(bk_test_get(it.test, "/p/stream"), 200, "piece");
    assert_answer(bk_test_get(it.test, "/p/stream"), 200, "piece");
    assert_int_equal(shop.runs, 2);
    warm(&it, "/p/skipped");
    assert_cache(bk_test_get(it.test, "/p/skipped"), "MISS");
    assert_int_equal(shop.runs, 4);
    http_app_close(&it);
}

static void assert_passes_by(const char *const *fields)
{
    struct http_app it = open_shop(NULL, NULL);

    warm(&it, "/p/1");
    assert_cache(http_send(&it, "GET", "/p/1", fields, NULL), "BYPASS");
    assert_int_equal(shop.runs, 2);
    assert_answer(bk_test_get(it.test, "/p/1"), 200, "run 1 of /p/1");
    http_app_close(&it);
}

static void test_some_requests_pass_by(void **state)
{
    (void)state;
    assert_passes_by(FIELDS("Authorization", "Bearer x"));
    assert_passes_by(FIELDS("Range", "bytes=0-1"));
    assert_passes_by(FIELDS("Cache-Control", "no-cache"));
    assert_passes_by(FIELDS("Cache-Control", "max-age=0, no-store"));
}

static void test_named_headers_make_variants(void **state)
{
    struct http_app it = open_shop(NULL, (const char *const[]){"Accept-Language", NULL});

    (void)state;
    shop.field = "Vary";
    shop.value = "accept-language";
    assert_answer(http_get(&it, "/p/1", "Accept-Language", "de"), 200, "run 1 of /p/1");
    assert_answer(http_get(&it, "/p/1", "Accept-Language", "fr"), 200, "run 2 of /p/1");
    bk_test_res *again = http_get(&it, "/p/1", "Accept-Language", "de");
    assert_answer(again, 200, "run 1 of /p/1");
    assert_field(again, "Vary", "accept-language");
    http_app_close(&it);
}

static void test_a_path_is_dropped_with_its_variants(void **state)
{
    struct http_app it = open_shop(NULL, NULL);

    (void)state;
    warm(&it, "/p/1");
    warm(&it, "/p/1?x=1");
    warm(&it, "/p/2");
    assert_status(http_send(&it, "PUT", "/p/%31/", NULL, NULL), 204);
    assert_cache(bk_test_get(it.test, "/p/1"), "MISS");
    assert_cache(bk_test_get(it.test, "/p/1?x=1"), "MISS");
    assert_cache(bk_test_get(it.test, "/p/2"), "HIT");
    http_app_close(&it);
}

static bk_err drop_shop(void *data)
{
    (void)data;
    return bk_cache_del_tag(shop.cache, BK_LIT("shop"));
}

static void test_a_tag_of_the_handler_drops_all_that_have_it(void **state)
{
    struct http_app it = open_shop(NULL, NULL);

    (void)state;
    warm(&it, "/p/1");
    warm(&it, "/p/2");
    assert_int_equal(bk_test_run(it.test, drop_shop, NULL), BK_OK);
    assert_cache(bk_test_get(it.test, "/p/1"), "MISS");
    assert_cache(bk_test_get(it.test, "/p/2"), "MISS");
    http_app_close(&it);
}

static void test_an_answer_begun_before_a_drop_is_not_kept(void **state)
{
    struct http_app it = open_shop(NULL, NULL);

    (void)state;
    shop.waits_ms = 100;
    bk_test_res *slow = bk_test_begin(it.test, &(bk_test_req){.target = "/p/1"});
    bk_test_settle(it.test);
    assert_status(http_send(&it, "PUT", "/p/1", NULL, NULL), 204);
    bk_test_advance(it.test, 100);
    bk_test_finish(it.test, slow);
    assert_status(slow, 200);
    shop.waits_ms = 0;
    assert_cache(bk_test_get(it.test, "/p/1"), "MISS");
    assert_int_equal(shop.runs, 2);
    http_app_close(&it);
}

static void test_requests_that_miss_together_run_one_handler(void **state)
{
    enum {
        MANY = 20
    };
    struct http_app it = open_shop(NULL, NULL);
    bk_test_res *all[MANY];

    (void)state;
    shop.waits_ms = 50;
    for (int i = 0; i < MANY; i++)
        all[i] = bk_test_begin(it.test, &(bk_test_req){.target = "/p/1"});
    bk_test_advance(it.test, 50);
    for (int i = 0; i < MANY; i++) {
        bk_test_finish(it.test, all[i]);
        assert_answer(all[i], 200, "run 1 of /p/1");
    }
    assert_int_equal(shop.runs, 1);
    http_app_close(&it);
}

static void test_those_who_wait_for_a_private_answer_get_their_own(void **state)
{
    struct http_app it = open_shop(NULL, NULL);
    bk_test_res *all[3];

    (void)state;
    shop.waits_ms = 50;
    shop.field = "Set-Cookie";
    shop.value = "a=b";
    for (int i = 0; i < 3; i++)
        all[i] = bk_test_begin(it.test, &(bk_test_req){.target = "/p/1"});
    bk_test_advance(it.test, 50);
    bk_test_settle(it.test);
    bk_test_advance(it.test, 50);
    for (int i = 0; i < 3; i++) {
        bk_test_finish(it.test, all[i]);
        assert_status(all[i], 200);
    }
    assert_int_equal(shop.runs, 3);
    http_app_close(&it);
}

static void test_a_client_that_leaves_does_not_take_the_answer_with_it(void **state)
{
    struct http_app it = open_shop(NULL, NULL);

    (void)state;
    shop.waits_ms = 50;
    bk_test_res *first = bk_test_begin(it.test, &(bk_test_req){.target = "/p/1"});
    bk_test_res *second = bk_test_begin(it.test, &(bk_test_req){.target = "/p/1"});
    bk_test_settle(it.test);
    bk_test_reset(it.test, first);
    bk_test_settle(it.test);
    bk_test_advance(it.test, 50);
    bk_test_finish(it.test, second);
    assert_answer(second, 200, "run 2 of /p/1");
    http_app_close(&it);
}

static void test_what_is_not_there_is_remembered_where_asked(void **state)
{
    struct http_app it = open_shop(&(bk_cache_policy){.absent_ms = 1000}, NULL);

    (void)state;
    assert_status(bk_test_get(it.test, "/p/missing"), 404);
    bk_test_res *again = bk_test_get(it.test, "/p/missing");
    assert_status(again, 404);
    assert_cache(again, "HIT");
    assert_int_equal(shop.runs, 1);
    bk_test_advance(it.test, 1001);
    assert_status(bk_test_get(it.test, "/p/missing"), 404);
    assert_int_equal(shop.runs, 2);
    http_app_close(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_second_request_is_answered_without_the_handler),
        cmocka_unit_test(test_head_and_conditional_requests_are_answered_too),
        cmocka_unit_test(test_an_answer_made_for_head_is_whole),
        cmocka_unit_test(test_it_ends_with_its_time),
        cmocka_unit_test(test_the_handlers_own_times_go_first),
        cmocka_unit_test(test_a_stale_answer_is_sent_while_one_request_makes_a_new_one),
        cmocka_unit_test(test_an_old_answer_stands_in_for_a_failure),
        cmocka_unit_test(test_private_answers_are_never_kept),
        cmocka_unit_test(test_what_a_cookie_was_read_for_is_not_kept),
        cmocka_unit_test(test_cookies_that_nobody_reads_do_not_hinder),
        cmocka_unit_test(test_streams_and_skipped_answers_are_not_kept),
        cmocka_unit_test(test_some_requests_pass_by),
        cmocka_unit_test(test_named_headers_make_variants),
        cmocka_unit_test(test_a_path_is_dropped_with_its_variants),
        cmocka_unit_test(test_a_tag_of_the_handler_drops_all_that_have_it),
        cmocka_unit_test(test_an_answer_begun_before_a_drop_is_not_kept),
        cmocka_unit_test(test_requests_that_miss_together_run_one_handler),
        cmocka_unit_test(test_those_who_wait_for_a_private_answer_get_their_own),
        cmocka_unit_test(test_a_client_that_leaves_does_not_take_the_answer_with_it),
        cmocka_unit_test(test_what_is_not_there_is_remembered_where_asked),
    };
    return cmocka_run_group_tests_name("middleware_response_cache", tests, NULL, NULL);
}
