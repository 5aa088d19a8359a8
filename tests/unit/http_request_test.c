/*
 * What a handler reads of a request: headers, path, query, cookies, body, and who asks.
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

#define SECRET "0123456789abcdef0123456789abcdef"

static bk_err say(bk_req *req, bk_res *res, bk_str text)
{
    bk_res_no_etag(res);
    return bk_res_text(res, 200,
                       bk_str_present(text) ? bk_arena_dup(bk_req_arena(req), text)
                                            : BK_LIT("(absent)"));
}

static bk_err say_header(bk_req *req, bk_res *res)
{
    return say(req, res, bk_req_header(req, "X-Wanted"));
}

static bk_err say_param(bk_req *req, bk_res *res)
{
    int64_t id;

    BK_TRY(bk_req_param_i64(req, "id", &id));
    return say(req, res, bk_arena_printf(bk_req_arena(req), "%lld", (long long)id));
}

static bk_err say_query(bk_req *req, bk_res *res)
{
    return say(req, res, bk_req_query_str(req, "q"));
}

static bk_err say_page(bk_req *req, bk_res *res)
{
    int64_t page;

    BK_TRY(bk_req_query_i64(req, "page", 1, 1, 100, &page));
    return say(req, res, bk_arena_printf(bk_req_arena(req), "%lld", (long long)page));
}

static bk_err join(bk_req *req, bk_res *res, bk_pairs pairs)
{
    bk_buf buf = {.arena = bk_req_arena(req)};

    for (size_t i = 0; i < pairs.count; i++) {
        bk_buf_add(&buf, pairs.items[i].name);
        bk_buf_add_char(&buf, '=');
        bk_buf_add(&buf, pairs.items[i].value);
        bk_buf_add_char(&buf, ';');
    }
    return say(req, res, bk_buf_str(&buf));
}

static bk_err say_all(bk_req *req, bk_res *res)
{
    bk_pairs once, pairs;

    BK_TRY(bk_req_query_all(req, &once));
    BK_TRY(bk_req_query_all(req, &pairs));
    assert_ptr_equal(once.items, pairs.items);
    return join(req, res, pairs);
}

static bk_err say_cookie(bk_req *req, bk_res *res)
{
    return say(req, res, bk_req_cookie(req, "c"));
}

static bk_err say_signed(bk_req *req, bk_res *res)
{
    return say(req, res, bk_req_cookie_signed(req, "c"));
}

static bk_err give_signed(bk_req *req, bk_res *res)
{
    (void)req;
    BK_TRY(bk_res_cookie(res, "c", BK_LIT("user-7"), &(bk_cookie_opts){.sign = true}));
    return bk_res_empty(res);
}

static bk_err say_type(bk_req *req, bk_res *res)
{
    return say(req, res, bk_req_content_type(req));
}

struct order {
    bk_str name;
    int64_t qty;
};

BK_DESCRIBE(order_desc, struct order, BK_STR(name, BK_REQUIRED, BK_LEN(1, 10)),
            BK_I64(qty, BK_MIN(1), BK_DEFAULT("1")))

static bk_err say_order(bk_req *req, bk_res *res, const struct order *in)
{
    return say(req, res,
               bk_arena_printf(bk_req_arena(req), "%lld of %.*s", (long long)in->qty,
                               (int)in->name.len, in->name.ptr));
}

static bk_err bind_body(bk_req *req, bk_res *res)
{
    struct order in;

    BK_TRY(bk_req_bind(req, order_desc, &in));
    return say_order(req, res, &in);
}

static bk_err bind_strictly(bk_req *req, bk_res *res)
{
    struct order in;

    BK_TRY(bk_req_bind_opts(req, order_desc, &(bk_bind_opts){.unknown = BK_UNKNOWN_REFUSED}, &in));
    return say_order(req, res, &in);
}

static bk_err bind_query(bk_req *req, bk_res *res)
{
    struct order in;

    BK_TRY(bk_req_bind_query(req, order_desc, &in));
    return say_order(req, res, &in);
}

static bk_err say_json(bk_req *req, bk_res *res)
{
    bk_json *value;

    BK_TRY(bk_req_json(req, &value));
    return say(req, res, bk_json_str(bk_json_at(value, BK_LIT("/a/1"))));
}

static bk_err say_form(bk_req *req, bk_res *res)
{
    bk_pairs pairs;

    BK_TRY(bk_req_form(req, &pairs));
    return join(req, res, pairs);
}

static bk_err say_parts(bk_req *req, bk_res *res)
{
    bk_parts parts;
    bk_buf buf = {.arena = bk_req_arena(req)};

    BK_TRY(bk_req_multipart(req, &(bk_multipart_opts){.max_parts = 2}, &parts));
    for (size_t i = 0; i < parts.count; i++)
        bk_buf_printf(&buf, "%.*s:%.*s:%.*s;", (int)parts.items[i].name.len,
                      parts.items[i].name.ptr, (int)parts.items[i].filename.len,
                      bk_str_present(parts.items[i].filename) ? parts.items[i].filename.ptr : "",
                      (int)parts.items[i].data.len, parts.items[i].data.ptr);
    return say(req, res, bk_buf_str(&buf));
}

static bk_err say_who(bk_req *req, bk_res *res)
{
    bk_str client = bk_req_client(req), scheme = bk_req_scheme(req), host = bk_req_host(req);

    return say(req, res,
               bk_arena_printf(bk_req_arena(req), "%.*s %.*s %.*s", (int)client.len, client.ptr,
                               (int)scheme.len, scheme.ptr, (int)host.len, host.ptr));
}

static bk_err say_id(bk_req *req, bk_res *res)
{
    bk_str id = bk_req_id(req);

    assert_ptr_equal(bk_req_id(req).ptr, id.ptr);
    return say(req, res, id);
}

static bk_err look_around(bk_req *req, bk_res *res)
{
    static const char one, two;
    int a = 1, b = 2;

    assert_int_equal(bk_req_method(req), BK_METHOD_GET);
    assert_int_equal(bk_req_version(req), 11);
    assert_text(bk_req_path(req), "/look/x");
    assert_text(bk_req_query(req), "a=1");
    assert_text(bk_req_route(req), "/look/{at}");
    assert_text(bk_req_param(req, "at"), "x");
    assert_string_equal(bk_req_route_data(req), "data");
    assert_non_null(bk_req_app(req));
    assert_null(bk_req_state(req));
    assert_false(bk_req_gone(req));
    assert_text(bk_req_body(req), "");
    assert_ptr_equal(bk_req_arena(req), bk_fiber_arena());
    assert_null(bk_req_get(req, &one));
    bk_req_set(req, &one, &a);
    bk_req_set(req, &two, &a);
    bk_req_set(req, &two, &b);
    assert_ptr_equal(bk_req_get(req, &one), &a);
    assert_ptr_equal(bk_req_get(req, &two), &b);
    return bk_res_empty(res);
}

static bk_err ask_for_no_param(bk_req *req, bk_res *res)
{
    return bk_res_text(res, 200, bk_req_param(req, "nobody"));
}

static void routes(bk_router *root)
{
    bk_get(root, "/header", say_header);
    bk_get(root, "/param/{id}", say_param);
    bk_get(root, "/query", say_query);
    bk_get(root, "/page", say_page);
    bk_get(root, "/all", say_all);
    bk_get(root, "/cookie", say_cookie);
    bk_get(root, "/signed", say_signed);
    bk_post(root, "/signed", give_signed);
    bk_get(root, "/type", say_type);
    bk_post(root, "/bind", bind_body, &(bk_route_opts){.body = order_desc});
    bk_post(root, "/bind-strictly", bind_strictly);
    bk_get(root, "/bind", bind_query, &(bk_route_opts){.query = order_desc});
    bk_post(root, "/json", say_json);
    bk_post(root, "/form", say_form);
    bk_post(root, "/parts", say_parts);
    bk_get(root, "/who", say_who);
    bk_get(root, "/id", say_id);
    bk_get(root, "/look/{at}", look_around, &(bk_route_opts){.data = (void *)"data"});
    bk_get(root, "/no-param", ask_for_no_param);
}

static int open_app(void **state)
{
    static struct http_app it;

    it = http_app_open(routes, &(bk_app_opts){.secret = BK_LIT(SECRET)}, NULL);
    *state = &it;
    return 0;
}

static int close_app(void **state)
{
    http_app_close(*state);
    return 0;
}

static void test_a_header_is_found_in_any_case(void **state)
{
    struct http_app *it = *state;

    assert_answer(http_get(it, "/header", "x-WANTED", "yes"), 200, "yes");
    assert_answer(http_get(it, "/header", "x-wanted", ""), 200, "");
    assert_answer(http_get(it, "/header", "x-wante", "no"), 200, "(absent)");
}

static void test_headers_that_come_twice_are_joined(void **state)
{
    struct http_app *it = *state;

    assert_answer(http_get(it, "/header", "x-wanted", "a", "other", "b", "X-Wanted", "c"), 200,
                  "a, c");
    assert_answer(http_get(it, "/cookie", "cookie", "a=1", "cookie", "c=2"), 200, "2");
}

static void test_an_integer_parameter_is_checked(void **state)
{
    struct http_app *it = *state;

    assert_answer(bk_test_get(it->test, "/param/-9223372036854775808"), 200,
                  "-9223372036854775808");
    assert_problem(bk_test_get(it->test, "/param/7x"), 400,
                   "\"errors\":[{\"pointer\":\"id\",\"code\":\"type\"");
    assert_problem(bk_test_get(it->test, "/param/9223372036854775808"), 400, "\"id\"");
}

static void test_a_query_parameter_is_decoded(void **state)
{
    struct http_app *it = *state;

    assert_answer(bk_test_get(it->test, "/query?p=1&q=a+b%2B%C3%A4&q=second"), 200, "a b+\xc3\xa4");
    assert_answer(bk_test_get(it->test, "/query?q"), 200, "");
    assert_answer(bk_test_get(it->test, "/query?qq=1"), 200, "(absent)");
    assert_answer(bk_test_get(it->test, "/query"), 200, "(absent)");
}

static void test_an_integer_of_the_query_is_checked(void **state)
{
    struct http_app *it = *state;

    assert_answer(bk_test_get(it->test, "/page"), 200, "1");
    assert_answer(bk_test_get(it->test, "/page?page=100"), 200, "100");
    assert_problem(
        bk_test_get(it->test, "/page?page=0"), 400,
        "{\"pointer\":\"page\",\"code\":\"minimum\",\"detail\":\"must be from 1 to 100\"}");
    assert_problem(bk_test_get(it->test, "/page?page=101"), 400, "\"code\":\"maximum\"");
    assert_problem(bk_test_get(it->test, "/page?page=one"), 400, "\"code\":\"type\"");
    assert_problem(bk_test_get(it->test, "/page?page="), 400, "\"code\":\"type\"");
    assert_problem(bk_test_get(it->test, "/page?page=%ff"), 400, "page");
}

static void test_all_of_the_query_comes_in_order(void **state)
{
    struct http_app *it = *state;

    assert_answer(bk_test_get(it->test, "/all?b=2&a=1&b=3&&c"), 200, "b=2;a=1;b=3;c=;");
    assert_answer(bk_test_get(it->test, "/all"), 200, "");
    assert_problem(bk_test_get(it->test, "/all?a=%ff"), 400, "Bad Request");
}

static void test_more_than_1000_query_parameters_are_refused(void **state)
{
    struct http_app *it = *state;
    char target[3000] = "/all?";

    for (int i = 0; i < 1001; i++)
        strcat(target, "a&");
    assert_problem(bk_test_get(it->test, target), 400, "Bad Request");
}

static void test_cookies_are_read(void **state)
{
    struct http_app *it = *state;

    assert_answer(http_get(it, "/cookie", "cookie", "a=1; c=\"two\"; c=3"), 200, "two");
    assert_answer(http_get(it, "/cookie", "cookie", "a=1"), 200, "(absent)");
    assert_answer(bk_test_get(it->test, "/cookie"), 200, "(absent)");
}

static void test_a_signed_cookie_is_believed_with_its_signature_only(void **state)
{
    struct http_app *it = *state;
    bk_str set = bk_test_header(http_send(it, "POST", "/signed", NULL, NULL), "Set-Cookie");
    bk_str pair;
    char cookie[256];

    assert_true(bk_str_split(&set, ';', &pair));
    snprintf(cookie, sizeof cookie, "%.*s", BK_PRI(pair));
    assert_int_equal(strncmp(cookie, "c=user-7.", 9), 0);
    assert_answer(http_get(it, "/signed", "cookie", cookie), 200, "user-7");
    cookie[7] = '8';
    assert_answer(http_get(it, "/signed", "cookie", cookie), 200, "(absent)");
    assert_answer(http_get(it, "/signed", "cookie", "c=user-7"), 200, "(absent)");
    assert_answer(http_get(it, "/signed", "cookie", "c=user-7."), 200, "(absent)");
    assert_answer(bk_test_get(it->test, "/signed"), 200, "(absent)");
}

static void test_without_a_secret_nothing_is_signed_or_believed(void **state)
{
    struct http_app it = http_app_open(routes, NULL, NULL);

    (void)state;
    assert_problem(http_send(&it, "POST", "/signed", NULL, NULL), 500, "Internal");
    assert_holds(bk_test_logs(it.test), "bk_app_opts.secret");
    assert_answer(http_get(&it, "/signed", "cookie", "c=user-7.x"), 200, "(absent)");
    http_app_close(&it);
}

static void test_the_content_type_comes_bare_and_in_lower_case(void **state)
{
    struct http_app *it = *state;

    assert_answer(http_get(it, "/type", "content-type", "Text/HTML ; charset=x"), 200, "text/html");
    assert_answer(bk_test_get(it->test, "/type"), 200, "(absent)");
}

static bk_test_res *post(const struct http_app *it, const char *target, const char *type,
                         const char *body)
{
    return http_send(it, "POST", target, FIELDS("content-type", type), body);
}

static void test_a_body_is_bound(void **state)
{
    struct http_app *it = *state;

    assert_answer(bk_test_post_json(it->test, "/bind", "{\"name\":\"lamp\",\"qty\":3}"), 200,
                  "3 of lamp");
    assert_answer(
        post(it, "/bind", "application/vnd.shop+json; charset=UTF-8", "{\"name\":\"lamp\"}"), 200,
        "1 of lamp");
    assert_answer(post(it, "/bind", "application/x-www-form-urlencoded", "name=lamp&qty=3"), 200,
                  "3 of lamp");
}

static void test_every_error_of_a_body_is_told(void **state)
{
    struct http_app *it = *state;
    bk_test_res *res = bk_test_post_json(it->test, "/bind", "{\"name\":\"\",\"qty\":0}");

    assert_problem(res, 400, "\"pointer\":\"/name\"");
    assert_problem(res, 400, "\"pointer\":\"/qty\",\"code\":\"minimum\"");
    assert_problem(bk_test_post_json(it->test, "/bind", "{\"name\":"), 400, "Bad Request");
    assert_problem(bk_test_post_json(it->test, "/bind", ""), 400, "Bad Request");
    assert_problem(bk_test_post_json(it->test, "/bind", "{\"name\":\"a\",\"name\":\"b\"}"), 400,
                   "name");
    assert_answer(bk_test_post_json(it->test, "/bind", "{\"name\":\"a\",\"x\":1}"), 200, "1 of a");
    assert_problem(bk_test_post_json(it->test, "/bind-strictly", "{\"name\":\"a\",\"x\":1}"), 400,
                   "/x");
}

static void test_bodies_of_other_types_are_415(void **state)
{
    struct http_app *it = *state;

    assert_problem(post(it, "/bind", "text/plain", "{}"), 415,
                   "the body is text/plain, send application/json");
    assert_problem(http_send(it, "POST", "/bind", NULL, "{}"), 415, "the body is of no type");
    assert_problem(post(it, "/bind", "application/json; charset=latin1", "{}"), 415, "latin1");
    assert_problem(http_send(it, "POST", "/bind",
                             FIELDS("content-type", "application/json", "content-encoding", "gzip"),
                             "x"),
                   415, "gzip");
    assert_problem(post(it, "/json", "text/plain", "{}"), 415, "application/json");
    assert_problem(post(it, "/form", "application/json", "{}"), 415, "urlencoded");
    assert_problem(post(it, "/parts", "application/json", "{}"), 415, "Unsupported");
    assert_problem(http_send(it, "POST", "/parts", NULL, "x"), 415, "multipart/form-data");
}

static void test_a_query_is_bound(void **state)
{
    struct http_app *it = *state;

    assert_answer(bk_test_get(it->test, "/bind?name=a+b&qty=2"), 200, "2 of a b");
    assert_problem(bk_test_get(it->test, "/bind?qty=0"), 400, "name");
    assert_problem(bk_test_get(it->test, "/bind"), 400, "name");
}

static void test_json_is_read_by_path(void **state)
{
    struct http_app *it = *state;

    assert_answer(bk_test_post_json(it->test, "/json", "{\"a\":[1,\"two\"]}"), 200, "two");
    assert_problem(bk_test_post_json(it->test, "/json", "{\"a\":[1,\"two\"}"), 400, "\"detail\":");
}

static void test_a_form_comes_in_pairs(void **state)
{
    struct http_app *it = *state;

    assert_answer(post(it, "/form", "application/x-www-form-urlencoded", "a=1&a=2&b=%26"), 200,
                  "a=1;a=2;b=&;");
}

static void test_a_multipart_body_comes_in_parts(void **state)
{
    struct http_app *it = *state;
    const char *type = "multipart/form-data; boundary=xyz";
    const char *part = "--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n";
    char body[1024];

    snprintf(body, sizeof body,
             "%s--xyz\r\nContent-Disposition: form-data; name=\"f\"; filename=\"../x.txt\"\r\n\r\n"
             "two\r\n--xyz--\r\n",
             part);
    assert_answer(post(it, "/parts", type, body), 200, "a::1;f:x.txt:two;");
    snprintf(body, sizeof body, "%s%s%s--xyz--\r\n", part, part, part);
    assert_problem(post(it, "/parts", type, body), 413, "Too Large");
    assert_problem(post(it, "/parts", type, part), 400, "Bad Request");
}

static void test_a_request_tells_what_it_is(void **state)
{
    struct http_app *it = *state;

    assert_answer(bk_test_get(it->test, "/look/x?a=1"), 204, "");
}

static void ask_for_a_parameter_that_is_not_there(void)
{
    struct http_app it = http_app_open(routes, NULL, NULL);

    (void)!bk_test_get(it.test, "/no-param");
}

static void test_a_parameter_that_the_route_lacks_stops_the_program(void **state)
{
    (void)state;
    assert_true(aborts(ask_for_a_parameter_that_is_not_there));
}

/* --- proxies ---------------------------------------------------------------------------------- */

static const char *const proxies[] = {"10.0.0.0/8", "::1", "unix", NULL};

static bk_test_res *ask_from(const struct http_app *it, const char *client, const char *target,
                             const char *name, const char *value)
{
    const bk_pair headers[] = {{bk_str_of(name), bk_str_of(value)},
                               {BK_LIT("x-forwarded-proto"), BK_LIT("https")},
                               {BK_LIT("x-forwarded-host"), BK_LIT("shop.example")},
                               {{NULL, 0}, {NULL, 0}}};

    return bk_test_send(it->test,
                        &(bk_test_req){.target = target, .headers = headers, .client = client});
}

static void test_nobody_is_trusted_by_default(void **state)
{
    struct http_app *it = *state;

    assert_answer(ask_from(it, "10.0.0.1", "/who", "x-forwarded-for", "1.2.3.4"), 200,
                  "10.0.0.1 http test");
}

static void test_trusted_proxies_are_believed(void **state)
{
    struct http_app it = http_app_open(routes, &(bk_app_opts){.trusted_proxies = proxies}, NULL);

    (void)state;
    assert_answer(
        ask_from(&it, "10.0.0.1", "/who", "x-forwarded-for", "6.6.6.6, 1.2.3.4, 10.9.9.9"), 200,
        "1.2.3.4 https shop.example");
    assert_answer(ask_from(&it, "unix", "/who", "x-forwarded-for", "1.2.3.4"), 200,
                  "1.2.3.4 https shop.example");
    assert_answer(ask_from(&it, "11.0.0.1", "/who", "x-forwarded-for", "1.2.3.4"), 200,
                  "11.0.0.1 http test");
    http_app_close(&it);
}

/* A proxy passes on what it does not set itself. */
static void test_of_two_kinds_of_forwarding_one_is_believed(void **state)
{
    struct http_app it =
        http_app_open(routes, &(bk_app_opts){.trusted_proxies = proxies, .forwarded = true}, NULL);
    const char *made_up = "for=6.6.6.6;proto=https;host=evil.example";

    (void)state;
    assert_answer(ask_from(&it, "::1", "/who", "forwarded", "for=1.2.3.4;host=a.example"), 200,
                  "1.2.3.4 http a.example");
    assert_answer(ask_from(&it, "::1", "/who", "x-forwarded-for", "6.6.6.6"), 200, "::1 http test");
    http_app_close(&it);
    it = http_app_open(routes, &(bk_app_opts){.trusted_proxies = proxies}, NULL);
    assert_answer(ask_from(&it, "::1", "/who", "forwarded", made_up), 200,
                  "::1 https shop.example");
    http_app_close(&it);
}

static void test_a_request_id_is_taken_from_trusted_peers_only(void **state)
{
    struct http_app it = http_app_open(routes, &(bk_app_opts){.trusted_proxies = proxies}, NULL);

    (void)state;
    assert_answer(ask_from(&it, "10.0.0.1", "/id", "x-request-id", "abc-1.2_3"), 200, "abc-1.2_3");
    bk_test_res *res = ask_from(&it, "11.0.0.1", "/id", "x-request-id", "abc");
    assert_int_equal(bk_test_body(res).len, 36);
    res = ask_from(&it, "10.0.0.1", "/id", "x-request-id", "a b");
    assert_int_equal(bk_test_body(res).len, 36);
    res = ask_from(&it, "10.0.0.1", "/nowhere", "x-request-id", "abc-1.2_3");
    assert_problem(res, 404, "\"instance\":\"abc-1.2_3\"");
    http_app_close(&it);
}

#define with_app(test) cmocka_unit_test_setup_teardown(test, open_app, close_app)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_app(test_a_header_is_found_in_any_case),
        with_app(test_headers_that_come_twice_are_joined),
        with_app(test_an_integer_parameter_is_checked),
        with_app(test_a_query_parameter_is_decoded),
        with_app(test_an_integer_of_the_query_is_checked),
        with_app(test_all_of_the_query_comes_in_order),
        with_app(test_more_than_1000_query_parameters_are_refused),
        with_app(test_cookies_are_read),
        with_app(test_a_signed_cookie_is_believed_with_its_signature_only),
        cmocka_unit_test(test_without_a_secret_nothing_is_signed_or_believed),
        with_app(test_the_content_type_comes_bare_and_in_lower_case),
        with_app(test_a_body_is_bound),
        with_app(test_every_error_of_a_body_is_told),
        with_app(test_bodies_of_other_types_are_415),
        with_app(test_a_query_is_bound),
        with_app(test_json_is_read_by_path),
        with_app(test_a_form_comes_in_pairs),
        with_app(test_a_multipart_body_comes_in_parts),
        with_app(test_a_request_tells_what_it_is),
        cmocka_unit_test(test_a_parameter_that_the_route_lacks_stops_the_program),
        with_app(test_nobody_is_trusted_by_default),
        cmocka_unit_test(test_trusted_proxies_are_believed),
        cmocka_unit_test(test_of_two_kinds_of_forwarding_one_is_believed),
        cmocka_unit_test(test_a_request_id_is_taken_from_trusted_peers_only),
    };
    return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
