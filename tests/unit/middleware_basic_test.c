/*
 * Basic authentication (RFC 7617): what is taken for a user and a password.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <backend/middleware/basic.h>

#include "text.h"
#include "harness/aborts.h"
#include "harness/http_app.h"

/* The user and password of RFC 7617's examples, and one whose password has colons. */
static const bk_basic_user users[] = {
    {"Aladdin", "open sesame"}, {"test", "123\xc2\xa3"}, {"colons", "a:b:c"}, {0}};

static bk_err show(bk_req *req, bk_res *res)
{
    return bk_res_text(res, 200, bk_req_principal(req)->id);
}

static struct http_app open_with(const bk_mw_basic_opts *opts)
{
    struct http_app it = {.app = bk_app_new(NULL)};

    bk_use(bk_app_router(it.app), bk_mw_basic(it.app, opts));
    bk_get(bk_app_router(it.app), "/", show);
    it.test = bk_test_new(it.app, NULL);
    return it;
}

#define ask(it, value) http_get(it, "/", "authorization", value)

static void test_users_of_the_list_get_in(void **state)
{
    (void)state;
    struct http_app it = open_with(&(bk_mw_basic_opts){.users = users});

    assert_answer(ask(&it, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), 200, "Aladdin");
    assert_answer(ask(&it, "basic QWxhZGRpbjpvcGVuIHNlc2FtZQ"), 200, "Aladdin");
    assert_answer(ask(&it, "Basic dGVzdDoxMjPCow=="), 200, "test");
    assert_answer(ask(&it, "Basic Y29sb25zOmE6Yjpj"), 200, "colons");
    http_app_close(&it);
}

static void test_others_are_asked_for_user_and_password(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "Basic dGVzdDpvcGVuIHNlc2FtZQ==", /* test:open sesame, another's password */
        "Basic QWxhZGRpbjo=",             /* Aladdin: */
        "Basic Om9wZW4gc2VzYW1l",         /* :open sesame */
    };
    static const char *const bad[] = {
        "Basic",    "Basic =",     "Basic ====",  "Basic QWxhZGRpbg==", /* without a colon */
        "Basic ?!", "Bearer abcd", "BasicQWxhZA", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZR==",
    };
    struct http_app it = open_with(&(bk_mw_basic_opts){.users = users, .realm = "metrics"});

    bk_test_res *res = bk_test_get(it.test, "/");
    assert_problem(res, 401, "this needs a user and a password");
    assert_text(bk_test_header(res, "WWW-Authenticate"),
                "Basic realm=\"metrics\", charset=\"UTF-8\"");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_problem(ask(&it, wrong[i]), 401, "wrong user or password");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_problem(ask(&it, bad[i]), 401, "this needs a user and a password");
    http_app_close(&it);
}

static bk_err check(bk_req *req, bk_str user, bk_str password, bk_principal *out, void *data)
{
    (void)req;
    if (bk_str_eq(user, BK_LIT("test")))
        return bk_fail(BK_EUNAVAILABLE, "no table");
    if (!bk_str_eq(password, bk_str_of(data)))
        return bk_fail(BK_EUNAUTHORIZED, "no");
    out->id = BK_LIT("as the table says");
    return BK_OK;
}

static void test_a_function_can_check_instead(void **state)
{
    (void)state;
    char password[] = "a:b:c";
    struct http_app it = open_with(&(bk_mw_basic_opts){.check = check, .data = password});

    assert_answer(ask(&it, "Basic Y29sb25zOmE6Yjpj"), 200, "as the table says");
    bk_test_res *res = ask(&it, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    assert_problem(res, 401, "wrong user or password");
    assert_text(bk_test_header(res, "WWW-Authenticate"),
                "Basic realm=\"internal\", charset=\"UTF-8\"");
    assert_status(ask(&it, "Basic dGVzdDoxMjPCow=="), 503);
    http_app_close(&it);
}

static void colon_in_a_name(void)
{
    static const bk_basic_user bad[] = {{"a:b", "c"}, {0}};
    bk_middleware never = bk_mw_basic(bk_app_new(NULL), &(bk_mw_basic_opts){.users = bad});
    (void)never;
}

static void empty_password(void)
{
    static const bk_basic_user bad[] = {{"a", ""}, {0}};
    bk_middleware never = bk_mw_basic(bk_app_new(NULL), &(bk_mw_basic_opts){.users = bad});
    (void)never;
}

static void nobody_at_all(void)
{
    bk_middleware never = bk_mw_basic(bk_app_new(NULL), &(bk_mw_basic_opts){.realm = "x"});
    (void)never;
}

static void test_users_that_could_not_get_in_stop_the_program(void **state)
{
    (void)state;
    assert_true(aborts(colon_in_a_name));
    assert_true(aborts(empty_password));
    assert_true(aborts(nobody_at_all));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_users_of_the_list_get_in),
        cmocka_unit_test(test_others_are_asked_for_user_and_password),
        cmocka_unit_test(test_a_function_can_check_instead),
        cmocka_unit_test(test_users_that_could_not_get_in_stop_the_program),
    };
    return cmocka_run_group_tests_name("middleware_basic", tests, NULL, NULL);
}
