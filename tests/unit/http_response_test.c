/*
 * What a handler can answer, and what a client gets of it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "harness/aborts.h"
#include "text.h"
#include "harness/http_app.h"

struct point {
    int64_t x;
    int64_t y;
};

BK_DESCRIBE(point_desc, struct point, BK_I64(x), BK_I64(y))

static bk_err text(bk_req *req, bk_res *res)
{
    (void)req;
    return bk_res_text(res, 201, BK_LIT("text"));
}

static bk_err html(bk_req *req, bk_res *res)
{
    (void)req;
    return bk_res_html(res, 200, BK_LIT("<p>html</p>"));
}

static bk_err bytes(bk_req *req, bk_res *res)
{
    char type[] = "image/x-own";

    (void)req;
    BK_TRY(bk_res_bytes(res, 200, type, BK_LIT("\0\1\2")));
    memset(type, 'x', sizeof type - 1); /* it was copied */
    return BK_OK;
}

static bk_err object(bk_req *req, bk_res *res)
{
    (void)req;
    return bk_res_object(res, 200, point_desc, &(struct point){1, 2});
}

static bk_err array(bk_req *req, bk_res *res)
{
    const struct point points[] = {{1, 2}, {3, 4}};
    int64_t count;

    BK_TRY(bk_req_query_i64(req, "count", 2, 0, 2, &count));
    return bk_res_array(res, 200, point_desc, points, (size_t)count);
}

static bk_err json(bk_req *req, bk_res *res)
{
    bk_json *value = bk_json_new_object(bk_req_arena(req));

    bk_json_set(value, BK_LIT("big"), bk_json_new_i64(bk_req_arena(req), INT64_MAX));
    return bk_res_json(res, 200, value);
}

static bk_err writer(bk_req *req, bk_res *res)
{
    (void)req;
    bk_json_writer *w = bk_res_json_writer(res, 200);
    bk_json_begin_array(w);
    bk_json_write_i64(w, 1);
    bk_json_write_str(w, BK_LIT("two"));
    bk_json_end_array(w);
    return BK_OK;
}

static bk_err empty(bk_req *req, bk_res *res)
{
    (void)req;
    BK_TRY(bk_res_text(res, 200, BK_LIT("replaced")));
    return bk_res_empty(res);
}

static bk_err nothing(bk_req *req, bk_res *res)
{
    (void)req, (void)res;
    return BK_OK;
}

static bk_err status(bk_req *req, bk_res *res)
{
    (void)req;
    assert_int_equal(bk_res_get_status(res), 200);
    bk_res_status(res, 418);
    assert_int_equal(bk_res_get_status(res), 418);
    assert_false(bk_res_started(res));
    return BK_OK;
}

static bk_err created(bk_req *req, bk_res *res)
{
    (void)req;
    BK_TRY(bk_res_created(res, BK_LIT("/things/7")));
    return bk_res_object(res, 201, point_desc, &(struct point){1, 2});
}

static bk_err moved(bk_req *req, bk_res *res)
{
    return bk_res_redirect(res, 308, bk_req_query_str(req, "to"));
}

/* Each header that is set stands in the query. */
static bk_err headers(bk_req *req, bk_res *res)
{
    bk_pairs pairs;

    BK_TRY(bk_req_query_all(req, &pairs));
    for (size_t i = 0; i < pairs.count; i++) {
        const char *name = bk_arena_cstr(bk_req_arena(req), pairs.items[i].name);
        if (name[0] == '+')
            BK_TRY(bk_res_add_header(res, name + 1, pairs.items[i].value));
        else
            BK_TRY(bk_res_header(res, name, pairs.items[i].value));
    }
    BK_TRY(bk_res_text(res, 200, BK_LIT("")));
    return bk_res_header(res, "X-Seen", bk_res_get_header(res, "x-a"));
}

static bk_err many_headers(bk_req *req, bk_res *res)
{
    for (int i = 0; i < 100; i++) {
        bk_str name = bk_arena_printf(bk_req_arena(req), "X-%d", i);
        BK_TRY(bk_res_header(res, name.ptr, name));
    }
    return bk_res_empty(res);
}

/* Tries what a header may not hold; says how many of them were refused. */
static bk_err inject(bk_req *req, bk_res *res)
{
    static const bk_str values[] = {
        {"a\r\nX-Evil: 1", 12}, {"a\nb", 3}, {"a\rb", 3}, {"a\0b", 3}, {"\x7f", 1}, {"a\x01", 2}};
    static const char *const names[] = {"", "X Y", "X:", "X\r\n", "\xc3\xa4", "(x)"};
    static const char *const reserved[] = {"Content-Length", "connection", "Transfer-Encoding",
                                           "Date",           "keep-alive", "Upgrade"};
    int refused = 0;

    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        refused += bk_res_header(res, "X-A", values[i]) == BK_EINVAL;
        refused += bk_res_add_header(res, "X-A", values[i]) == BK_EINVAL;
        refused += bk_res_redirect(res, 302, values[i]) == BK_EINVAL;
        refused += bk_res_created(res, values[i]) == BK_EINVAL;
        refused += bk_res_cookie(res, "c", values[i], NULL) == BK_EINVAL;
        refused += bk_res_etag(res, values[i]) == BK_EINVAL;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        refused += bk_res_header(res, names[i], BK_LIT("x")) == BK_EINVAL;
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        refused += bk_res_add_header(res, reserved[i], BK_LIT("x")) == BK_EINVAL;
    refused += bk_res_bytes(res, 200, "text/plain\r\nX-Evil: 1", BK_LIT("x")) == BK_EINVAL;
    bk_error_clear();
    return bk_res_text(res, 200, bk_arena_printf(bk_req_arena(req), "%d", refused));
}

static bk_err cookies(bk_req *req, bk_res *res)
{
    (void)req;
    BK_TRY(bk_res_cookie(res, "plain", BK_LIT("1"), NULL));
    BK_TRY(bk_res_cookie(res, "own", BK_LIT("2"),
                         &(bk_cookie_opts){.path = "/a",
                                           .domain = "example.com",
                                           .max_age_s = 60,
                                           .same_site = BK_SAME_SITE_STRICT,
                                           .insecure = true,
                                           .script_access = true}));
    BK_TRY(bk_res_cookie(res, "gone", BK_LIT(""), &(bk_cookie_opts){.max_age_s = -1}));
    return bk_res_empty(res);
}

static bk_err own_etag(bk_req *req, bk_res *res)
{
    (void)req;
    BK_TRY(bk_res_etag(res, BK_LIT("\"v1\"")));
    return bk_res_text(res, 200, BK_LIT("text"));
}

static bk_err no_etag(bk_req *req, bk_res *res)
{
    (void)req;
    bk_res_no_etag(res);
    return bk_res_text(res, 200, BK_LIT("text"));
}

static bk_err bad_status(bk_req *req, bk_res *res)
{
    (void)req;
    return bk_res_text(res, 199, BK_LIT(""));
}

static void routes(bk_router *root)
{
    bk_get(root, "/text", text);
    bk_get(root, "/html", html);
    bk_get(root, "/bytes", bytes);
    bk_get(root, "/object", object);
    bk_post(root, "/object", object);
    bk_get(root, "/array", array);
    bk_get(root, "/json", json);
    bk_get(root, "/writer", writer);
    bk_get(root, "/empty", empty);
    bk_get(root, "/nothing", nothing);
    bk_get(root, "/status", status);
    bk_get(root, "/created", created);
    bk_get(root, "/moved", moved);
    bk_get(root, "/headers", headers);
    bk_get(root, "/many-headers", many_headers);
    bk_get(root, "/inject", inject);
    bk_get(root, "/cookies", cookies);
    bk_get(root, "/own-etag", own_etag);
    bk_get(root, "/no-etag", no_etag);
    bk_get(root, "/bad-status", bad_status);
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

static void test_each_kind_of_body_has_its_type(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = bk_test_get(it->test, "/text");

    assert_answer(res, 201, "text");
    assert_field(res, "Content-Type", "text/plain; charset=utf-8");
    assert_field(res, "Content-Length", "4");
    res = bk_test_get(it->test, "/html");
    assert_answer(res, 200, "<p>html</p>");
    assert_field(res, "Content-Type", "text/html; charset=utf-8");
    res = bk_test_get(it->test, "/bytes");
    assert_status(res, 200);
    assert_true(bk_str_eq(bk_test_body(res), BK_LIT("\0\1\2")));
    assert_field(res, "Content-Type", "image/x-own");
}

static void test_json_comes_from_structs_values_and_writers(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = bk_test_get(it->test, "/object");

    assert_answer(res, 200, "{\"x\":1,\"y\":2}");
    assert_field(res, "Content-Type", "application/json");
    assert_answer(bk_test_get(it->test, "/array"), 200, "[{\"x\":1,\"y\":2},{\"x\":3,\"y\":4}]");
    assert_answer(bk_test_get(it->test, "/array?count=1"), 200, "[{\"x\":1,\"y\":2}]");
    assert_answer(bk_test_get(it->test, "/array?count=0"), 200, "[]");
    assert_answer(bk_test_get(it->test, "/json"), 200, "{\"big\":9223372036854775807}");
    assert_answer(bk_test_get(it->test, "/writer"), 200, "[1,\"two\"]");
}

static void test_no_content_has_neither_type_nor_length(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = bk_test_get(it->test, "/empty");

    assert_answer(res, 204, "");
    assert_field(res, "Content-Type", NULL);
    assert_field(res, "Content-Length", NULL);
    assert_field(res, "ETag", NULL);
}

static void test_a_handler_that_says_nothing_answers_200(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = bk_test_get(it->test, "/nothing");

    assert_answer(res, 200, "");
    assert_field(res, "Content-Length", "0");
    assert_field(res, "Content-Type", NULL);
}

static void test_a_status_of_its_own_has_an_empty_body(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = bk_test_get(it->test, "/status");

    assert_answer(res, 418, "");
    assert_field(res, "Content-Length", "0");
}

static void test_created_and_moved_say_where(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = bk_test_get(it->test, "/created");

    assert_answer(res, 201, "{\"x\":1,\"y\":2}");
    assert_field(res, "Location", "/things/7");
    res = bk_test_get(it->test, "/moved?to=/there%3Fa=b");
    assert_answer(res, 308, "");
    assert_field(res, "Location", "/there?a=b");
}

static void test_headers_are_set_added_and_replaced(void **state)
{
    struct http_app *it = *state;

    bk_test_res *res = bk_test_get(it->test, "/headers?x-a=1&x-b=2&x-A=3");
    assert_field(res, "X-A", "3");
    assert_field(res, "X-B", "2");
    assert_field(res, "X-Seen", "3");
    res = bk_test_get(it->test, "/headers?%2bx-a=1&%2bx-b=2&%2bX-A=3");
    assert_field(res, "x-a", "1, 3");
    assert_field(res, "X-Seen", "1");
    res = bk_test_get(it->test, "/headers?%2bx-a=1&%2bx-a=2&%2bx-a=3&x-a=4&%2bx-a=5");
    assert_field(res, "x-a", "4, 5");
    res = bk_test_get(it->test, "/headers?content-type=text/x");
    assert_field(res, "Content-Type", "text/plain; charset=utf-8"); /* the later one counts */
}

static void test_there_is_room_for_many_headers(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = bk_test_get(it->test, "/many-headers");

    assert_field(res, "X-0", "X-0");
    assert_field(res, "X-99", "X-99");
}

static void test_what_no_header_may_hold_never_leaves(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = bk_test_get(it->test, "/inject");

    assert_answer(res, 200, "49"); /* 6 values, 6 ways; 6 names; 6 of the library's; 1 type */
    assert_field(res, "X-Evil", NULL);
    assert_field(res, "X-A", NULL);
    assert_field(res, "Location", NULL);
    assert_field(res, "Set-Cookie", NULL);
}

static void test_cookies_are_safe_unless_told_otherwise(void **state)
{
    struct http_app *it = *state;
    bk_str set = bk_test_header(bk_test_get(it->test, "/cookies"), "Set-Cookie");

    assert_holds(set, "plain=1; Path=/; ");
    assert_holds(set, "Secure");
    assert_holds(set, "HttpOnly");
    assert_holds(set, "SameSite=Lax");
    assert_holds(set, "own=2; ");
    assert_holds(set, "Path=/a");
    assert_holds(set, "Domain=example.com");
    assert_holds(set, "Max-Age=60");
    assert_holds(set, "SameSite=Strict");
    assert_holds(set, "gone=; ");
    assert_holds(set, "Max-Age=0");
}

/* --- ETags ------------------------------------------------------------------------------------ */

static void test_a_known_body_is_not_sent_again(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = bk_test_get(it->test, "/object");
    bk_str etag = bk_test_header(res, "ETag");
    char tag[64];

    snprintf(tag, sizeof tag, "%.*s", (int)etag.len, etag.ptr);
    assert_int_equal(strncmp(tag, "W/\"", 3), 0);
    res = http_get(it, "/object", "if-none-match", tag);
    assert_answer(res, 304, "");
    assert_field(res, "ETag", tag);
    assert_field(res, "Content-Type", NULL);
    assert_field(res, "Content-Length", NULL);
    assert_answer(http_get(it, "/object", "if-none-match", "\"x\", *"), 200, "{\"x\":1,\"y\":2}");
    assert_answer(http_get(it, "/object", "if-none-match", "*"), 304, "");
    assert_answer(http_send(it, "HEAD", "/object", FIELDS("if-none-match", tag), NULL), 304, "");
    res = http_send(it, "POST", "/object", FIELDS("if-none-match", tag), NULL);
    assert_answer(res, 200, "{\"x\":1,\"y\":2}");
    assert_field(res, "ETag", NULL);
}

static void test_only_a_200_gets_an_etag(void **state)
{
    struct http_app *it = *state;

    assert_field(bk_test_get(it->test, "/text"), "ETag", NULL);
    assert_answer(http_get(it, "/text", "if-none-match", "*"), 201, "text");
}

static void test_an_etag_is_the_handlers_to_choose(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = bk_test_get(it->test, "/own-etag");

    assert_field(res, "ETag", "\"v1\"");
    assert_answer(http_get(it, "/own-etag", "if-none-match", "W/\"v1\""), 304, "");
    assert_field(bk_test_get(it->test, "/no-etag"), "ETag", NULL);
    assert_answer(http_get(it, "/no-etag", "if-none-match", "*"), 200, "text");
}

static void test_an_app_can_do_without_etags(void **state)
{
    struct http_app it = http_app_open(routes, &(bk_app_opts){.no_etag = true}, NULL);

    (void)state;
    assert_field(bk_test_get(it.test, "/object"), "ETag", NULL);
    assert_field(bk_test_get(it.test, "/own-etag"), "ETag", "\"v1\"");
    http_app_close(&it);
}

static void test_head_tells_the_length_that_get_has(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = http_send(it, "HEAD", "/object", NULL, NULL);

    assert_answer(res, 200, "");
    assert_field(res, "Content-Length", "13");
    assert_true(bk_str_eq(bk_test_header(res, "ETag"),
                          bk_test_header(bk_test_get(it->test, "/object"), "ETag")));
}

static void answer_with_a_status_that_is_none(void)
{
    struct http_app it = http_app_open(routes, NULL, NULL);

    (void)!bk_test_get(it.test, "/bad-status");
}

static void test_a_status_that_is_none_stops_the_program(void **state)
{
    (void)state;
    assert_true(aborts(answer_with_a_status_that_is_none));
}

#define with_app(test) cmocka_unit_test_setup_teardown(test, open_app, close_app)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_app(test_each_kind_of_body_has_its_type),
        with_app(test_json_comes_from_structs_values_and_writers),
        with_app(test_no_content_has_neither_type_nor_length),
        with_app(test_a_handler_that_says_nothing_answers_200),
        with_app(test_a_status_of_its_own_has_an_empty_body),
        with_app(test_created_and_moved_say_where),
        with_app(test_headers_are_set_added_and_replaced),
        with_app(test_there_is_room_for_many_headers),
        with_app(test_what_no_header_may_hold_never_leaves),
        with_app(test_cookies_are_safe_unless_told_otherwise),
        with_app(test_a_known_body_is_not_sent_again),
        with_app(test_only_a_200_gets_an_etag),
        with_app(test_an_etag_is_the_handlers_to_choose),
        cmocka_unit_test(test_an_app_can_do_without_etags),
        with_app(test_head_tells_the_length_that_get_has),
        cmocka_unit_test(test_a_status_that_is_none_stops_the_program),
    };
    return cmocka_run_group_tests_name("response", tests, NULL, NULL);
}
