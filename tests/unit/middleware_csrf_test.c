/*
 * Which unsafe requests pass: by where the browser says they come from, and by their token.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include <backend/middleware/csrf.h>

#include "text.h"
#include "harness/http_app.h"

#define SECRET "0123456789abcdef0123456789abcdef"

static const char *const trusted[] = {"https://admin.example", NULL};

static bk_err show(bk_req *req, bk_res *res)
{
    bk_str token, again;
    BK_TRY(bk_csrf_token(req, res, &token));
    BK_TRY(bk_csrf_token(req, res, &again));
    assert_true(bk_str_eq(token, again));
    return bk_res_text(res, 200, token);
}

static bk_err change(bk_req *req, bk_res *res)
{
    (void)req;
    return bk_res_empty(res);
}

static struct http_app open_with(const bk_mw_csrf_opts *opts)
{
    struct http_app it = {.app = bk_app_new(&(bk_app_opts){.secret = BK_LIT(SECRET)})};
    bk_router *root = bk_app_router(it.app);

    bk_use(root, bk_mw_csrf(it.app, opts));
    bk_get(root, "/", show);
    bk_post(root, "/", change);
    bk_delete(root, "/", change);
    it.test = bk_test_new(it.app, NULL);
    return it;
}

#define post(it, ...) bk_test_status(http_send(it, "POST", "/", FIELDS(__VA_ARGS__), NULL))

static void test_requests_of_our_own_pages_pass(void **state)
{
    (void)state;
    struct http_app it = open_with(NULL);
    assert_int_equal(post(&it, "sec-fetch-site", "same-origin"), 204);
    assert_int_equal(post(&it, "sec-fetch-site", "none"), 204);
    assert_int_equal(post(&it, "host", "shop.example", "origin", "https://shop.example"), 204);
    assert_int_equal(post(&it, "host", "shop.example:81", "origin", "http://shop.example:81"), 204);
    http_app_close(&it);
}

static void test_requests_of_other_sites_are_refused(void **state)
{
    static const char *const origins[] = {
        "https://evil.example",   "null", "", "shop.example", "https://shop.example.evil",
        "https://shop.example:81"};
    (void)state;
    struct http_app it = open_with(NULL);
    assert_int_equal(post(&it, "sec-fetch-site", "cross-site"), 403);
    assert_int_equal(post(&it, "sec-fetch-site", "same-site"), 403);
    assert_int_equal(post(&it, "sec-fetch-site", "what"), 403);
    assert_int_equal(post(&it, "sec-fetch-site", "cross-site", "host", "shop.example", "origin",
                          "https://shop.example"),
                     403);
    for (size_t i = 0; i < sizeof origins / sizeof origins[0]; i++)
        assert_int_equal(post(&it, "host", "shop.example", "origin", origins[i]), 403);
    assert_problem(http_send(&it, "DELETE", "/", FIELDS("sec-fetch-site", "cross-site"), NULL), 403,
                   "another site");
    http_app_close(&it);
}

static void test_trusted_origins_pass(void **state)
{
    (void)state;
    struct http_app it = open_with(&(bk_mw_csrf_opts){.trusted = trusted});
    assert_int_equal(post(&it, "sec-fetch-site", "cross-site", "origin", trusted[0]), 204);
    assert_int_equal(post(&it, "origin", trusted[0]), 204);
    assert_int_equal(post(&it, "origin", "http://admin.example"), 403);
    http_app_close(&it);
}

static void test_safe_methods_pass(void **state)
{
    (void)state;
    struct http_app it = open_with(&(bk_mw_csrf_opts){.strict = true, .token = true});
    assert_status(http_get(&it, "/", "sec-fetch-site", "cross-site"), 200);
    assert_status(http_send(&it, "HEAD", "/", FIELDS("sec-fetch-site", "cross-site"), NULL), 200);
    assert_status(http_send(&it, "OPTIONS", "/", FIELDS("sec-fetch-site", "cross-site"), NULL),
                  204);
    http_app_close(&it);
}

static void test_what_is_no_browser_passes_unless_strict(void **state)
{
    (void)state;
    struct http_app it = open_with(NULL);
    assert_int_equal(post(&it, "x-none", "1"), 204);
    http_app_close(&it);
    it = open_with(&(bk_mw_csrf_opts){.strict = true});
    assert_int_equal(post(&it, "x-none", "1"), 403);
    http_app_close(&it);
}

static void test_the_token_must_come_back_beside_its_cookie(void **state)
{
    char token[64], cookie[256];
    (void)state;
    struct http_app it = open_with(&(bk_mw_csrf_opts){.token = true});
    bk_test_res *res = bk_test_get(it.test, "/");
    bk_str body = bk_test_body(res), set = bk_test_header(res, "Set-Cookie");
    snprintf(token, sizeof token, "%.*s", BK_PRI(body));
    assert_int_equal(body.len, 32);
    assert_holds(set, "__Host-csrf=");
    assert_holds(set, "Secure");
    assert_holds(set, "HttpOnly");
    assert_holds(set, "SameSite=Strict");
    snprintf(cookie, sizeof cookie, "%.*s",
             (int)((const char *)memchr(set.ptr, ';', set.len) - set.ptr), set.ptr);

    assert_int_equal(post(&it, "cookie", cookie, "x-csrf-token", token), 204);
    assert_int_equal(post(&it, "cookie", cookie), 403);
    assert_int_equal(post(&it, "x-csrf-token", token), 403);
    assert_int_equal(post(&it, "cookie", cookie, "x-csrf-token", ""), 403);
    char form[128];
    snprintf(form, sizeof form, "name=x&_csrf=%s", token);
    const char *const *fields =
        FIELDS("cookie", cookie, "content-type", "application/x-www-form-urlencoded");
    assert_status(http_send(&it, "POST", "/", fields, form), 204);
    assert_status(http_send(&it, "POST", "/", fields, "_csrf=%FF"), 403);

    res = http_get(&it, "/", "cookie", cookie);
    assert_answer(res, 200, token);
    assert_false(bk_str_present(bk_test_header(res, "Set-Cookie")));
    token[0] = token[0] == 'a' ? 'b' : 'a';
    assert_int_equal(post(&it, "cookie", cookie, "x-csrf-token", token), 403);
    cookie[strlen("__Host-csrf=")] = token[0]; /* both forged: the signature tells */
    assert_int_equal(post(&it, "cookie", cookie, "x-csrf-token", token), 403);
    http_app_close(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_of_our_own_pages_pass),
        cmocka_unit_test(test_requests_of_other_sites_are_refused),
        cmocka_unit_test(test_trusted_origins_pass),
        cmocka_unit_test(test_safe_methods_pass),
        cmocka_unit_test(test_what_is_no_browser_passes_unless_strict),
        cmocka_unit_test(test_the_token_must_come_back_beside_its_cookie),
    };
    return cmocka_run_group_tests_name("middleware_csrf", tests, NULL, NULL);
}
