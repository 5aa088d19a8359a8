/*
 * What docs/guide/sessions.md shows does what it says.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "../../examples/guide/sessions.h"
#include "../unit/text.h"
#include "harness/http_app.h"

static const char right[] = "{\"name\":\"ann\",\"password\":\"open sesame\"}";
static const char wrong[] = "{\"name\":\"ann\",\"password\":\"open barley\"}";

static void take_cookie(const bk_test_res *res, char out[256])
{
    bk_str line = bk_test_header(res, "Set-Cookie"), pair;

    assert_true(bk_str_split(&line, ';', &pair));
    snprintf(out, 256, "%.*s", BK_PRI(pair));
}

static void test_the_guide_does_what_it_says(void **state)
{
    (void)state;
    static const char *const secrets[] = {"a secret of at least thirty-two bytes", NULL};
    struct club club;
    struct http_app it = {.app = bk_app_new(&(bk_app_opts){.data = &club})};
    char one[256], other[256];

    sessions_declare(it.app, &club, NULL, secrets);
    it.test = bk_test_new(it.app, NULL);
    assert_problem(bk_test_get(it.test, "/me"), 401, "log in first");
    assert_problem(bk_test_post_json(it.test, "/login", wrong), 401, "wrong name or password");
    take_cookie(bk_test_post_json(it.test, "/login", right), one);
    take_cookie(bk_test_post_json(it.test, "/login", right), other);
    assert_answer(http_get(&it, "/me", "cookie", one), 200, "ann, for the 1. time\n");
    assert_answer(http_get(&it, "/me", "cookie", one), 200, "ann, for the 2. time\n");
    assert_holds(bk_test_body(http_get(&it, "/devices", "cookie", one)), "},{\"name\":\"");
    assert_status(http_send(&it, "POST", "/logout-elsewhere", FIELDS("cookie", one), NULL), 204);
    assert_problem(http_get(&it, "/me", "cookie", other), 401, "log in first");
    assert_status(http_send(&it, "POST", "/logout", FIELDS("cookie", one), NULL), 204);
    assert_problem(http_get(&it, "/me", "cookie", one), 401, "log in first");
    http_app_close(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_guide_does_what_it_says),
    };
    return cmocka_run_group_tests_name("session_guide", tests, NULL, NULL);
}
