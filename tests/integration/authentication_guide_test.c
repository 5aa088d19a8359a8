/*
 * What docs/guide/authentication.md shows does what it says.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "../../examples/guide/authentication.h"
#include "../unit/text.h"
#include "harness/http_app.h"

#define ANN  "{\"name\":\"ann\",\"password\":\"correct horse battery\"}"
#define ROOT "{\"name\":\"root\",\"password\":\"staple of this place\"}"
#define BAD  "{\"name\":\"ann\",\"password\":\"incorrect horse\"}"
#define NONE "{\"name\":\"bob\",\"password\":\"correct horse battery\"}"

static const char *const secrets[] = {"a secret of at least thirty-two bytes", NULL};

static struct http_app open_office(struct office *office)
{
    struct http_app it = {.app = bk_app_new(&(bk_app_opts){.data = office})};

    authentication_declare(it.app, office, secrets);
    it.test = bk_test_new(it.app, NULL);
    assert_status(bk_test_post_json(it.test, "/accounts", ANN), 204);
    assert_status(bk_test_post_json(it.test, "/accounts", ROOT), 204);
    return it;
}

static void log_in(struct http_app *it, const char *who, char cookie[256])
{
    bk_test_res *res = bk_test_post_json(it->test, "/login", who);
    bk_str line = bk_test_header(res, "Set-Cookie"), pair;

    assert_status(res, 204);
    assert_true(bk_str_split(&line, ';', &pair));
    snprintf(cookie, 256, "%.*s", BK_PRI(pair));
}

static void test_who_is_logged_in_sees_what_his_roles_let_him(void **state)
{
    (void)state;
    struct office office = {0};
    struct http_app it = open_office(&office);
    char ann[256], root[256];

    assert_problem(bk_test_post_json(it.test, "/accounts", ANN), 409, "this name is taken");
    assert_problem(bk_test_get(it.test, "/me"), 401, "this needs a login");
    log_in(&it, ANN, ann);
    log_in(&it, ROOT, root);
    assert_answer(http_get(&it, "/me", "cookie", ann), 200, "ann");
    assert_problem(http_get(&it, "/admin/count", "cookie", ann), 403,
                   "this needs a role that you do not have");
    assert_answer(http_get(&it, "/admin/count", "cookie", root), 200, "2");
    office.count = 1; /* root is deleted, and its session with it */
    assert_problem(http_get(&it, "/me", "cookie", root), 401, "this needs a login");
    http_app_close(&it);
}

static void test_guessing_ends_after_five_attempts(void **state)
{
    (void)state;
    struct office office = {0};
    struct http_app it = open_office(&office);
    char cookie[256];

    for (int i = 0; i < 4; i++)
        assert_problem(bk_test_post_json(it.test, "/login", BAD), 401, "wrong name or password");
    log_in(&it, ANN, cookie); /* forgets them */
    for (int i = 0; i < 5; i++)
        assert_problem(bk_test_post_json(it.test, "/login", BAD), 401, "wrong name or password");
    assert_status(bk_test_post_json(it.test, "/login", ANN), 429);
    assert_problem(bk_test_post_json(it.test, "/login", NONE), 401, "wrong name or password");
    http_app_close(&it);
}

static void test_an_api_key_opens_the_api(void **state)
{
    (void)state;
    struct office office = {0};
    struct http_app it = open_office(&office);
    char cookie[256], key[128];

    log_in(&it, ANN, cookie);
    bk_test_res *res = http_send(&it, "POST", "/me/key", FIELDS("cookie", cookie), NULL);
    assert_status(res, 201);
    snprintf(key, sizeof key, "%.*s", BK_PRI(bk_test_body(res)));
    assert_answer(http_get(&it, "/api/me", "x-api-key", key), 200, "ann");
    assert_problem(http_get(&it, "/api/me", "cookie", cookie), 401, "this needs an API key");
    http_app_close(&it);
}

static void test_a_token_opens_the_mobile_api(void **state)
{
    (void)state;
    struct office office = {0};
    struct http_app it = open_office(&office);
    char cookie[256], bearer[512];

    log_in(&it, ROOT, cookie);
    bk_test_res *res = http_send(&it, "POST", "/me/token", FIELDS("cookie", cookie), NULL);
    assert_status(res, 201);
    snprintf(bearer, sizeof bearer, "Bearer %.*s", BK_PRI(bk_test_body(res)));
    assert_answer(http_get(&it, "/mobile/me", "authorization", bearer), 200, "root");
    assert_answer(http_get(&it, "/mobile/badge", "authorization", bearer), 200,
                  "{\"role\":\"admin\"}");
    assert_problem(http_get(&it, "/mobile/me", "cookie", cookie), 401, "this needs a token");
    assert_problem(bk_test_get(it.test, "/me"), 401, "this needs a login");
    http_app_close(&it);
}

static void test_keys_that_cannot_be_read_leave_those_from_before(void **state)
{
    (void)state;
    struct office office = {0};
    struct http_app it = open_office(&office);

    assert_int_equal(authentication_renew(office.tokens, BK_LIT("{\"keys\":[]}")), BK_EINVAL);
    assert_int_equal(bk_jwt_keys_count(office.tokens), 1);
    bk_str jwks = BK_LIT("{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"new\","
                         "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}");
    assert_int_equal(authentication_renew(office.tokens, jwks), BK_OK);
    assert_int_equal(bk_jwt_keys_count(office.tokens), 1);
    http_app_close(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_is_logged_in_sees_what_his_roles_let_him),
        cmocka_unit_test(test_guessing_ends_after_five_attempts),
        cmocka_unit_test(test_an_api_key_opens_the_api),
        cmocka_unit_test(test_a_token_opens_the_mobile_api),
        cmocka_unit_test(test_keys_that_cannot_be_read_leave_those_from_before),
    };
    return cmocka_run_group_tests_name("authentication_guide", tests, NULL, NULL);
}
