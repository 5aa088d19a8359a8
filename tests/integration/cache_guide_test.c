/*
 * What docs/guide/caching.md shows does what it says.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "../../examples/guide/cache.h"
#include "../unit/text.h"
#include "harness/http_app.h"
#include "harness/redis.h"

static void test_the_guide_does_what_it_says(void **state)
{
    struct redis *server = *state;
    struct store store = {0};
    struct http_app it = {.app = bk_app_new(&(bk_app_opts){.data = &store})};

    cache_declare(it.app, &store, server->url);
    cache_routes(it.app, &store);
    it.test = bk_test_new(it.app, NULL);
    assert_answer(bk_test_post_json(it.test, "/visits", "{}"), 200, "1\n");
    assert_answer(bk_test_post_json(it.test, "/visits", "{}"), 200, "2\n");
    assert_int_equal(atoi(redis_cli(server, "PTTL", "last-visitor")) > 50000, 1);
    assert_answer(bk_test_get(it.test, "/price"), 200, "1");
    assert_answer(bk_test_get(it.test, "/price"), 200, "1");
    assert_answer(bk_test_get(it.test, "/products/7"), 200, "made 1 times\n");
    bk_test_res *hit = bk_test_get(it.test, "/products/7");
    assert_answer(hit, 200, "made 1 times\n");
    assert_field(hit, "X-Cache", "HIT");
    assert_status(http_send(&it, "PUT", "/products/7", NULL, NULL), 204);
    assert_answer(bk_test_get(it.test, "/products/7"), 200, "made 2 times\n");
    http_app_close(&it);
}

static int start_server(void **state)
{
    struct redis *server = malloc(sizeof *server);

    *server = redis_start("--loglevel", "warning");
    *state = server;
    return 0;
}

static int stop_server(void **state)
{
    redis_stop(*state);
    free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_guide_does_what_it_says),
    };
    return cmocka_run_group_tests_name("cache_guide", tests, start_server, stop_server);
}
