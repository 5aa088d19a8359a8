/* Tests of libbackend/http/sse.c: what events look like, heartbeats, ends. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "text.h"
#include "harness/http_app.h"

static const bk_test_opts virtual_clock = {.virtual_clock = true};

static bk_err sends(bk_req *req, bk_res *res)
{
    bk_sse *sse;

    BK_TRY(bk_sse_open(req, res, &(bk_sse_opts){.retry_ms = 1500}, &sse));
    BK_TRY(bk_sse_send(sse, &(bk_sse_event){.id = BK_LIT("7"),
                                            .event = BK_LIT("price"),
                                            .data = BK_LIT("a\nb\r\nc\rd\n")}));
    BK_TRY(bk_sse_send(sse, &(bk_sse_event){.data = bk_sse_last_event_id(req)}));
    assert_int_equal(bk_sse_send(sse, &(bk_sse_event){.id = BK_LIT("a\nb")}), BK_EINVAL);
    assert_int_equal(bk_sse_send(sse, &(bk_sse_event){.id = BK_LIT("a\rb")}), BK_EINVAL);
    assert_int_equal(bk_sse_send(sse, &(bk_sse_event){.id = BK_LIT("a\0b")}), BK_EINVAL);
    assert_int_equal(bk_sse_send(sse, &(bk_sse_event){.event = BK_LIT("a\nb")}), BK_EINVAL);
    return bk_sse_send(sse, &(bk_sse_event){.data = BK_LIT("")});
}

/* Longer than any handler may run. */
static bk_err waits(bk_req *req, bk_res *res)
{
    bk_sse *sse;

    BK_TRY(bk_sse_open(req, res, &(bk_sse_opts){.heartbeat_ms = 1000}, &sse));
    BK_TRY(bk_sleep_ms(100500));
    BK_TRY(bk_sse_send(sse, &(bk_sse_event){.data = BK_LIT("late")}));
    return bk_fail(BK_ECLOSED, "an ordinary end");
}

static void routes(bk_router *root)
{
    bk_get(root, "/sends", sends);
    bk_get(root, "/waits", waits);
}

static bool has(bk_str text, const char *part)
{
    return memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

static void test_events_have_the_form_of_the_standard(void **state)
{
    struct http_app it = http_app_open(routes, NULL, &virtual_clock);
    const char *const fields[] = {"last-event-id", "41", NULL};

    (void)state;
    bk_test_res *res = http_send(&it, "GET", "/sends", fields, NULL);
    assert_int_equal(bk_test_status(res), 200);
    assert_true(bk_str_eq(bk_test_header(res, "content-type"), BK_LIT("text/event-stream")));
    assert_true(bk_str_eq(bk_test_header(res, "cache-control"), BK_LIT("no-cache")));
    assert_true(bk_str_eq(bk_test_header(res, "x-accel-buffering"), BK_LIT("no")));
    assert_true(bk_str_eq(bk_test_body(res),
                          BK_LIT("retry: 1500\n\n"
                                 "id: 7\nevent: price\ndata: a\ndata: b\ndata: c\ndata: d\n"
                                 "data: \n\n"
                                 "data: 41\n\n"
                                 "data: \n\n")));
    http_app_close(&it);
}

static void test_heartbeats_are_sent_while_the_handler_waits_beyond_its_deadline(void **state)
{
    struct http_app it = http_app_open(routes, NULL, &virtual_clock);

    (void)state;
    bk_test_res *res = bk_test_begin(it.test, &(bk_test_req){.target = "/waits"});
    for (int i = 0; i < 100; i++)
        bk_test_advance(it.test, 1000);
    assert_false(bk_test_done(res));
    assert_int_equal(bk_test_body(res).len, 3 * 101);
    bk_test_advance(it.test, 1000);
    assert_true(bk_test_done(res));
    assert_int_equal(bk_test_status(res), 200);
    assert_true(has(bk_test_body(res), ":\n\ndata: late\n\n"));
    assert_false(has(bk_test_logs(it.test), "request.failed"));
    http_app_close(&it);
}

static void test_a_client_that_is_gone_ends_the_handler(void **state)
{
    struct http_app it = http_app_open(routes, NULL, &virtual_clock);

    (void)state;
    bk_test_res *res = bk_test_begin(it.test, &(bk_test_req){.target = "/waits"});
    bk_test_advance(it.test, 10);
    bk_test_reset(it.test, res);
    assert_at_rest(&it);
    http_app_close(&it);
}

static void test_events_are_not_packed(void **state)
{
    struct http_app it = {.app = bk_app_new(NULL)};
    const char *const fields[] = {"accept-encoding", "br, gzip", NULL};

    (void)state;
    bk_use(bk_app_router(it.app), bk_mw_compress(it.app, NULL));
    routes(bk_app_router(it.app));
    it.test = bk_test_new(it.app, &virtual_clock);
    bk_test_res *res = http_send(&it, "GET", "/sends", fields, NULL);
    assert_int_equal(bk_test_status(res), 200);
    assert_absent(bk_test_header(res, "content-encoding"));
    assert_true(has(bk_test_body(res), "data: d\ndata: \n\n"));
    http_app_close(&it);
}

static void test_a_head_request_has_the_head_only(void **state)
{
    struct http_app it = http_app_open(routes, NULL, &virtual_clock);

    (void)state;
    bk_test_res *res = http_send(&it, "HEAD", "/waits", NULL, NULL);
    assert_int_equal(bk_test_status(res), 200);
    assert_int_equal(bk_test_body(res).len, 0);
    http_app_close(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_have_the_form_of_the_standard),
        cmocka_unit_test(test_heartbeats_are_sent_while_the_handler_waits_beyond_its_deadline),
        cmocka_unit_test(test_a_client_that_is_gone_ends_the_handler),
        cmocka_unit_test(test_events_are_not_packed),
        cmocka_unit_test(test_a_head_request_has_the_head_only),
    };

    return cmocka_run_group_tests_name("http/sse", tests, NULL, NULL);
}
