/* testing.c: see docs/guide/testing.md. It also makes sure that the other pages' code does what
 * they say. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */
#include <backend/testing.h>

#include "guide.h"

static bk_app *guide_app;

static bool has(bk_str text, const char *part)
{
    size_t len = strlen(part);

    for (size_t i = 0; i + len <= text.len; i++)
        if (memcmp(text.ptr + i, part, len) == 0)
            return true;
    return false;
}

static bool is(bk_str text, const char *whole)
{
    return bk_str_eq(text, bk_str_of(whole));
}

/* snippet: first */
static void test_greeting_repeats_itself(void **state)
{
    bk_app *app = bk_app_new(NULL);
    handlers_routes(bk_app_router(app));
    bk_test *test = bk_test_new(app, NULL);
    (void)state;

    bk_test_res *res = bk_test_get(test, "/greet/ann?times=2");
    assert_int_equal(bk_test_status(res), 200);
    assert_true(bk_str_eq(bk_test_body(res), BK_LIT("Hello, ann!\nHello, ann!\n")));

    res = bk_test_get(test, "/greet/ann?times=many");
    assert_int_equal(bk_test_status(res), 400);

    bk_test_free(test);
    bk_app_free(app);
}
/* end of snippet */

/* snippet: send */
static void test_a_theme_is_remembered(void **state)
{
    bk_test *test = *state;

    const bk_pair headers[] = {{BK_LIT("Accept-Language"), BK_LIT("de")}, {{NULL, 0}, {NULL, 0}}};
    bk_test_res *res = bk_test_send(test, &(bk_test_req){
                                              .method = "POST",
                                              .target = "/theme?name=dark",
                                              .headers = headers,
                                              .client = "192.0.2.1",
                                          });
    assert_int_equal(bk_test_status(res), 303);
    assert_true(bk_str_starts(bk_test_header(res, "Set-Cookie"), BK_LIT("theme=dark;")));
}
/* end of snippet */

/* snippet: clock */
static void test_a_guess_is_made_after_20_ms(void **state)
{
    bk_test *test = *state;

    bk_test_res *res = bk_test_begin(test, &(bk_test_req){.target = "/guess"});
    bk_test_advance(test, 19);
    assert_false(bk_test_done(res));
    bk_test_advance(test, 1);
    assert_true(bk_test_done(res));
    assert_true(bk_str_eq(bk_test_body(res), BK_LIT("about 7\n")));
}
/* end of snippet */

/* snippet: reset */
static void test_a_client_that_leaves_ends_its_request(void **state)
{
    bk_test *test = *state;

    bk_test_res *res = bk_test_begin(test, &(bk_test_req){.target = "/slow"});
    bk_test_settle(test); /* its handler waits now */
    bk_test_reset(test, res);
    bk_test_settle(test); /* and now it has unwound */
    assert_int_equal(bk_test_status(res), 0);
}
/* end of snippet */

/* snippet: logs */
static void test_a_webhook_is_logged(void **state)
{
    bk_test *test = *state;

    bk_test_res *res = bk_test_post_json(
        test, "/webhook", "{\"kind\":\"paid\",\"order\":{\"address\":{\"city\":\"Bonn\"}}}");
    assert_int_equal(bk_test_status(res), 204);
    assert_true(has(bk_test_logs(test), "\"city\":\"Bonn\""));
}
/* end of snippet */

static void test_handlers_answer_as_the_page_says(void **state)
{
    bk_test *test = *state;

    assert_int_equal(bk_test_status(bk_test_get(test, "/now")), 200);
    bk_test_res *res = bk_test_post_json(test, "/webhook", "{}");
    assert_int_equal(bk_test_status(res), 400);
    assert_true(has(bk_test_body(res), "\"detail\":\"\\\"kind\\\" is missing\""));
    res = bk_test_send(
        test, &(bk_test_req){.method = "POST", .target = "/shop/products/7/orders?count=9"});
    assert_int_equal(bk_test_status(res), 409);
    assert_true(has(bk_test_body(res), "\"detail\":\"only 3 left\""));
    res = bk_test_send(test, &(bk_test_req){.method = "POST", .target = "/shop/products/8/orders"});
    assert_int_equal(bk_test_status(res), 404);
    res = bk_test_send(test, &(bk_test_req){.method = "POST", .target = "/shop/products/7/orders"});
    assert_int_equal(bk_test_status(res), 201);
    assert_true(is(bk_test_header(res, "location"), "/orders/1"));
    res = bk_test_send(
        test, &(bk_test_req){.method = "POST", .target = "/shop/users?email=ann%40example.com"});
    assert_int_equal(bk_test_status(res), 409);
    assert_true(has(bk_test_body(res), "\"pointer\":\"/email\",\"code\":\"unique\""));
    res = bk_test_get(test, "/count");
    assert_true(has(bk_test_body(res), "\n999\n1000\n"));
    assert_int_equal(bk_test_status(bk_test_get(test, "/pages/about.html")), 200);
    assert_int_equal(bk_test_status(bk_test_get(test, "/pages/none.html")), 404);
    assert_int_equal(bk_test_status(bk_test_get(test, "/pages/%2e%2e/guide.h")), 404);
}

static void test_an_upload_is_read_part_by_part(void **state)
{
    bk_test *test = *state;
    const bk_pair headers[] = {{BK_LIT("content-type"), BK_LIT("multipart/form-data; boundary=x")},
                               {{NULL, 0}, {NULL, 0}}};
    bk_str body =
        BK_LIT("--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a/b.txt\"\r\n"
               "\r\nabc\r\n--x--\r\n");

    bk_test_res *res = bk_test_send(
        test,
        &(bk_test_req){.method = "POST", .target = "/upload", .headers = headers, .body = body});
    assert_int_equal(bk_test_status(res), 204);
    assert_true(has(bk_test_logs(test), "\"file\":\"b.txt\",\"bytes\":3"));
}

static void test_binding_answers_as_the_page_says(void **state)
{
    bk_test *test = *state;

    bk_test_res *res = bk_test_post_json(test, "/products", "{\"name\":\"lamp\",\"price\":12.5}");
    assert_int_equal(bk_test_status(res), 201);
    assert_true(
        is(bk_test_body(res), "{\"id\":42,\"name\":\"lamp\",\"price\":12.5,\"soldOut\":false}"));
    res = bk_test_post_json(test, "/products", "{\"name\":\"\",\"price\":\"much\"}");
    assert_int_equal(bk_test_status(res), 400);
    assert_true(has(bk_test_body(res), "\"pointer\":\"/name\",\"code\":\"minLength\""));
    assert_true(has(bk_test_body(res), "\"pointer\":\"/price\",\"code\":\"type\""));
    res = bk_test_get(test, "/products?limit=2&tag=new&tag=red");
    assert_true(is(bk_test_body(res), "{\"limit\":2,\"after\":0,\"tag\":[\"new\",\"red\"]}"));
    assert_int_equal(bk_test_status(bk_test_get(test, "/products?limit=200")), 400);
    res = bk_test_post_json(test, "/orders",
                            "{\"shipTo\":{\"street\":\"Hill 1\",\"city\":\"Bonn\"},"
                            "\"lines\":[{\"product\":7}],\"extra\":{\"gift\":true}}");
    assert_int_equal(bk_test_status(res), 201);
    assert_true(
        has(bk_test_body(res), "\"lines\":[{\"product\":7,\"count\":1}],\"state\":\"open\""));
    res = bk_test_post_json(test, "/orders", "{\"shipTo\":{\"city\":\"bonn\"},\"lines\":[{}]}");
    assert_true(has(bk_test_body(res), "\"/shipTo/street\""));
    assert_true(has(bk_test_body(res), "\"/lines/0/product\""));
    res = bk_test_send(
        test, &(bk_test_req){.method = "PATCH", .target = "/products/7", .json = "{\"price\":3}"});
    assert_int_equal(bk_test_status(res), 204);
    assert_int_equal(bk_test_status(bk_test_get(test, "/schemas/order")), 200);
}

static void test_middleware_does_what_the_page_says(void **state)
{
    bk_test *test = *state;
    const bk_pair ann[] = {{BK_LIT("authorization"), BK_LIT("Bearer 1234")},
                           {{NULL, 0}, {NULL, 0}}};

    assert_int_equal(bk_test_status(bk_test_get(test, "/own/me")), 401);
    bk_test_res *res = bk_test_send(test, &(bk_test_req){.target = "/own/me", .headers = ann});
    assert_true(is(bk_test_body(res), "ann"));
    res = bk_test_send(test, &(bk_test_req){.target = "/own/users", .headers = ann});
    assert_int_equal(bk_test_status(res), 403);
    res = bk_test_send(test, &(bk_test_req){.target = "/own/list", .headers = ann});
    assert_true(is(bk_test_body(res), "nothing yet\n"));
    assert_true(has(bk_test_logs(test), "\"msg\":\"request.done\""));
}

static void test_fibers_do_what_the_page_says(void **state)
{
    bk_test *test = *state;

    bk_test_res *both = bk_test_begin(test, &(bk_test_req){.target = "/both"});
    bk_test_advance(test, 30);
    assert_true(is(bk_test_body(both), "50\n"));
    assert_int_equal(bk_test_status(bk_test_get(test, "/lines")), 200);
    bk_test_advance(test, 3000);
    assert_true(is(bk_test_body(bk_test_get(test, "/ticks")), "3"));
    bk_test_res *a = bk_test_begin(test, &(bk_test_req){.target = "/narrow"});
    bk_test_res *b = bk_test_begin(test, &(bk_test_req){.target = "/narrow"});
    bk_test_res *c = bk_test_begin(test, &(bk_test_req){.target = "/narrow"});
    bk_test_advance(test, 10);
    assert_true(bk_test_done(a) && bk_test_done(b) && !bk_test_done(c));
    bk_test_advance(test, 10);
    assert_int_equal(bk_test_status(c), 204);
}

static void test_browsers_get_what_the_page_says(void **state)
{
    static const bk_pair from_page[] = {{{"origin", 6}, {"https://shop.example", 20}},
                                        {{"access-control-request-method", 29}, {"POST", 4}},
                                        {{NULL, 0}, {NULL, 0}}};
    static const bk_pair from_evil[] = {{{"origin", 6}, {"https://evil.example", 20}},
                                        {{NULL, 0}, {NULL, 0}}};
    bk_app *app =
        bk_app_new(&(bk_app_opts){.secret = bk_str_of("a secret of at least thirty-two bytes")});
    bk_router *api = bk_router_group(bk_app_router(app), "/api");
    (void)state;

    content_declare(app, api);
    content_declare_assets(app);
    bk_get(bk_app_router(app), "/profile", content_form);
    bk_post(api, "/profile", content_form);
    bk_test *test = bk_test_new(app, NULL);

    bk_test_res *res = bk_test_get(test, "/about.html");
    assert_int_equal(bk_test_status(res), 200);
    assert_true(is(bk_test_header(res, "X-Content-Type-Options"), "nosniff"));
    assert_true(has(bk_test_body(bk_test_get(test, "/profile")), "name=_csrf"));
    res = bk_test_send(
        test, &(bk_test_req){.method = "OPTIONS", .target = "/api/profile", .headers = from_page});
    assert_int_equal(bk_test_status(res), 204);
    assert_true(is(bk_test_header(res, "Access-Control-Allow-Origin"), "https://shop.example"));
    res = bk_test_send(
        test, &(bk_test_req){.method = "POST", .target = "/api/profile", .headers = from_evil});
    assert_int_equal(bk_test_status(res), 403);

    bk_test_free(test);
    bk_app_free(app);
}

static void test_requests_are_what_the_routes_say(void **state)
{
    bk_app *app = bk_app_new(NULL);
    bk_arena *arena = bk_arena_new();
    bk_router *api = bk_router_group(bk_app_router(app), "/api");
    (void)state;

    validation_declare(app, api);
    assert_int_equal(validation_declare_events(api, arena), BK_OK);
    bk_test *test = bk_test_new(app, NULL);

    assert_true(has(bk_test_body(bk_test_get(test, "/api/items/7")), "\"id\":7"));
    assert_int_equal(bk_test_status(bk_test_get(test, "/api/items/0")), 400);
    bk_test_res *res = bk_test_post_json(test, "/api/items", "{\"name\":\"chair\",\"price\":1}");
    assert_int_equal(bk_test_status(res), 201);
    res = bk_test_post_json(test, "/api/items", "{\"name\":\"\"}");
    assert_true(has(bk_test_body(res), "minLength") && has(bk_test_body(res), "/price"));
    res = bk_test_post_json(test, "/api/events", "[{\"at\":\"2026-11-24T12:00:00Z\"}]");
    assert_int_equal(bk_test_status(res), 204);
    res = bk_test_post_json(test, "/api/events", "[{\"at\":\"noon\"}]");
    assert_true(has(bk_test_body(res), "/0/at"));
    assert_true(has(bk_test_body(bk_test_get(test, "/openapi.json")), "showItem"));

    bk_test_free(test);
    bk_app_free(app);
    bk_arena_free(arena);
}

/* snippet: setup */
static int set_up(void **state)
{
    bk_app *app = bk_app_new(&(bk_app_opts){
        .on_worker_start = fibers_start,
        .on_worker_stop = fibers_stop,
    });
    handlers_routes(bk_app_router(app));
    fibers_routes(bk_app_router(app));
    binding_routes(bk_app_router(app));
    middleware_routes(bk_app_router(app));

    guide_app = app;
    *state = bk_test_new(app, &(bk_test_opts){.virtual_clock = true});
    return 0;
}

static int tear_down(void **state)
{
    bk_test_free(*state);
    bk_app_free(guide_app);
    return 0;
}
/* end of snippet */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greeting_repeats_itself),
        cmocka_unit_test_setup_teardown(test_a_theme_is_remembered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_guess_is_made_after_20_ms, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_client_that_leaves_ends_its_request, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_webhook_is_logged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_handlers_answer_as_the_page_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_upload_is_read_part_by_part, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_binding_answers_as_the_page_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_middleware_does_what_the_page_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fibers_do_what_the_page_says, set_up, tear_down),
        cmocka_unit_test(test_browsers_get_what_the_page_says),
        cmocka_unit_test(test_requests_are_what_the_routes_say),
    };
    return cmocka_run_group_tests_name("guide", tests, NULL, NULL);
}
