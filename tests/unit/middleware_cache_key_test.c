/*
 * Which requests share an answer: those whose keys are equal.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "text.h"
#include "harness/http_app.h"
#include "middleware/cache_key.h"

static const char *const *query, *const *vary;

/* Answers with the key of the request in hex; 204 when it has none. */
static bk_err show_key(bk_req *req, bk_res *res)
{
    bk_buf buf = {.arena = bk_req_arena(req)};
    bk_str path, key = bk__cache_key(req, query, vary, &path);

    if (!bk_str_present(key))
        return bk_res_empty(res);
    for (size_t i = 0; i < key.len; i++)
        bk_buf_printf(&buf, "%02x", (unsigned char)key.ptr[i]);
    return bk_res_text(res, 200, bk_buf_str(&buf));
}

static void routes(bk_router *root)
{
    bk_get(root, "/{rest*}", show_key);
}

static bool share(const struct http_app *it, const char *a, const char *b)
{
    bk_test_res *first = bk_test_get(it->test, a), *second = bk_test_get(it->test, b);

    assert_status(first, 200);
    assert_status(second, 200);
    return bk_str_eq(bk_test_body(first), bk_test_body(second));
}

static struct http_app open_app(const char *const *by_query, const char *const *by_header)
{
    query = by_query;
    vary = by_header;
    return http_app_open(routes, NULL, NULL);
}

static void test_paths_that_mean_the_same_share(void **state)
{
    struct http_app it = open_app(NULL, NULL);

    (void)state;
    assert_true(share(&it, "/a/b", "/a/b/"));
    assert_true(share(&it, "/a/b", "/%61/b"));
    assert_true(share(&it, "/a%2fb", "/a%2Fb"));
    assert_false(share(&it, "/a/b", "/a%2Fb"));
    assert_false(share(&it, "/a", "/A"));
    http_app_close(&it);
}

static void test_the_order_of_parameters_does_not_count(void **state)
{
    struct http_app it = open_app(NULL, NULL);

    (void)state;
    assert_true(share(&it, "/a?x=1&y=2", "/a?y=2&x=1"));
    assert_true(share(&it, "/a?x=1", "/a?&x=1&"));
    assert_false(share(&it, "/a?x=1&x=2", "/a?x=2&x=1"));
    assert_false(share(&it, "/a?x=1", "/a?x=2"));
    assert_false(share(&it, "/a", "/a?x"));
    http_app_close(&it);
}

static void test_only_listed_parameters_count(void **state)
{
    struct http_app it = open_app((const char *const[]){"limit", "cursor", NULL}, NULL);

    (void)state;
    assert_true(share(&it, "/a?limit=1", "/a?utm=x&limit=1"));
    assert_false(share(&it, "/a?limit=1", "/a?limit=2"));
    assert_false(share(&it, "/a?limit=1", "/a?cursor=1"));
    http_app_close(&it);
}

static void test_one_part_cannot_look_like_another(void **state)
{
    struct http_app it = open_app(NULL, (const char *const[]){"Accept", NULL});
    bk_test_res *by_path = http_get(&it, "/a", "Accept", "x=1");
    bk_test_res *by_query = http_get(&it, "/a?x=1", "Accept", "");

    (void)state;
    assert_false(bk_str_eq(bk_test_body(by_path), bk_test_body(by_query)));
    http_app_close(&it);
}

static void test_named_headers_and_hosts_count(void **state)
{
    struct http_app it = open_app(NULL, (const char *const[]){"Accept-Language", NULL});
    bk_test_res *german = http_get(&it, "/a", "Accept-Language", "de");
    bk_test_res *french = http_get(&it, "/a", "Accept-Language", "fr");
    bk_test_res *other = http_get(&it, "/a", "Accept-Language", "de", "X-Other", "1");

    (void)state;
    assert_false(bk_str_eq(bk_test_body(german), bk_test_body(french)));
    assert_true(bk_str_eq(bk_test_body(german), bk_test_body(other)));
    http_app_close(&it);
}

static void test_what_is_too_long_has_no_key(void **state)
{
    struct http_app it = open_app(NULL, NULL);
    char target[BK__CACHE_KEY_MAX + 16];

    (void)state;
    memset(target, 'a', sizeof target);
    target[0] = '/';
    target[20] = '?';
    target[sizeof target - 1] = '\0';
    assert_status(bk_test_get(it.test, target), 204);
    bk_buf many = {.arena = bk_arena_new()};
    bk_buf_add(&many, BK_LIT("/a?"));
    for (int i = 0; i < 40; i++)
        bk_buf_printf(&many, "%d&", i);
    bk_buf_add_char(&many, '\0');
    assert_status(bk_test_get(it.test, bk_buf_str(&many).ptr), 204);
    bk_arena_free(many.arena);
    http_app_close(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths_that_mean_the_same_share),
        cmocka_unit_test(test_the_order_of_parameters_does_not_count),
        cmocka_unit_test(test_only_listed_parameters_count),
        cmocka_unit_test(test_one_part_cannot_look_like_another),
        cmocka_unit_test(test_named_headers_and_hosts_count),
        cmocka_unit_test(test_what_is_too_long_has_no_key),
    };
    return cmocka_run_group_tests_name("middleware_cache_key", tests, NULL, NULL);
}
