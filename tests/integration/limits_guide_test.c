/*
 * What docs/guide/limits.md shows does what it says.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "../../examples/guide/limits.h"
#include "../unit/text.h"
#include "harness/http_app.h"
#include "harness/redis.h"

static void test_the_guide_does_what_it_says(void **state)
{
    struct redis server = redis_start("--loglevel", "warning");
    static const char *const secrets[] = {"0123456789abcdef0123456789abcdef", NULL};
    struct http_app it = {.app = bk_app_new(NULL)};

    (void)state;
    limits_declare(it.app, bk_redis_new(it.app, &(bk_redis_opts){.url = bk_str_of(server.url)}),
                   secrets);
    it.test = bk_test_new(it.app, NULL);
    bk_test_res *found = bk_test_get(it.test, "/search");
    assert_answer(found, 200, "found\n");
    assert_field(found, "RateLimit-Policy", "\"default\";q=100;w=60");
    for (int i = 0; i < 5; i++)
        assert_status(http_send(&it, "POST", "/login", NULL, "guess"), 401);
    assert_status(http_send(&it, "POST", "/login", NULL, "open sesame"), 429);
    assert_status(http_send(&it, "POST", "/payments", NULL, "5"), 400);
    bk_test_res *first = http_send(&it, "POST", "/payments", FIELDS("idempotency-key", "k"), "5");
    bk_test_res *again = http_send(&it, "POST", "/payments", FIELDS("idempotency-key", "k"), "5");
    assert_status(first, 201);
    assert_true(bk_str_eq(bk_test_body(first), bk_test_body(again)));
    assert_field(again, "Idempotent-Replayed", "true");
    assert_field(bk_test_get(it.test, "/api/search"), "RateLimit-Policy",
                 "\"default\";q=100;w=60, \"user\";q=600;w=60");
    http_app_close(&it);
    redis_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_guide_does_what_it_says),
    };
    return cmocka_run_group_tests_name("limits_guide", tests, NULL, NULL);
}
